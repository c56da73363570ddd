"""What a model can do: encode, decode, reconstruct, sample. Plain functions from arrays to arrays.

Each is composed from the bundle's four graphs.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models import golden
from models.bundle import Bundle
from models.manifest import GraphName, Manifest
from service.engine.graph import Allocate, Graph
from service.engine.scores import Scores, log_sum_exp, percentiles, scores, squared_error
from service.runtime.session import VERSION, Device, Session

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
LabelArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Posterior:
    """q(z given x), a diagonal Gaussian: mean and log_var, each float32 (n, latent_dim); only a VAE has log_var."""

    mean: FloatArray
    log_var: FloatArray | None


@dataclass(frozen=True)
class Reconstruction:
    """images: float32 (n, 1, 28, 28). Where it is scored, mse: mean squared ink per pixel, float64 (n,).

    scores: of a VAE. percentiles: of each score by its name, among those of test digits, 0 to 100, float64 (n,);
    empty for a draw, and for a bundle without calibration.
    """

    images: FloatArray
    latents: FloatArray
    mse: Float64Array | None = None
    scores: Scores | None = None
    percentiles: Mapping[str, Float64Array] = field(default_factory=dict)


class Model:
    """One bundle, ready to answer: sessions made, golden vectors reproduced, warmed up. Stateless, so thread-safe.

    A deterministic answer has the same bits whatever else there is to do.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        device: Device,
        threads: int,
        max_batch_rows: int,
        observe: Callable[[GraphName, int], None] = lambda graph, rows: None,
        allocate: Allocate = np.empty,
    ) -> None:
        """max_batch_rows: through a graph at once, fewer where more are no faster.

        observe: called with graph and rows of every batch. allocate: shape and type → an array for a large answer.
        Raises BundleError, the boundary's where golden vectors are not reproduced, and DeviceError.
        """
        self.manifest: Manifest = bundle.manifest
        self.digest = bundle.digest
        sessions = {
            graph: Session(model, bundle.manifest.graphs[graph], device=device, threads=threads)
            for graph, model in bundle.graphs.items()
        }
        self.provider = sessions["encoder"].provider
        golden.check(bundle, lambda graph, inputs, outputs: sessions[graph].run(inputs, outputs))
        self._graphs: dict[GraphName, Graph] = {
            graph: Graph(
                session.run,
                session.warm_up(max_batch_rows),
                observe=functools.partial(observe, graph),
                allocate=allocate,
            )
            for graph, session in sessions.items()
        }
        self._log_class_weights = np.log(np.maximum(np.array(self.manifest.class_weights), 1e-300))  # (classes,)
        table = bundle.calibration.scores if bundle.calibration else {}
        self._calibration: dict[str, Float64Array] = {name: np.array(values) for name, values in table.items()}

    @property
    def name(self) -> str:
        return f"{self.manifest.name}/{self.manifest.version}"

    @property
    def runtime(self) -> str:
        """What computes: its name, version and execution provider."""
        return f"onnxruntime {VERSION} {self.provider}"

    @property
    def is_probabilistic(self) -> bool:
        return self.manifest.kind == "vae"

    def row_s(self, *graphs: GraphName) -> float:
        """What a row costs on its way through these graphs, in seconds."""
        return sum(self._graphs[graph].row_s for graph in graphs)

    def encode(self, images: FloatArray, *, deterministic: bool = False) -> Posterior:
        """Approximate posterior of each image.

        images: float32 (n, 1, 28, 28), 0 is paper and 1 is ink.
        Raises InferenceFailed.
        Kingma & Welling 2013, eq. 9.
        """
        wanted = ("mean", "log_var") if self.is_probabilistic else ("mean",)
        outputs = self._graphs["encoder"].run({"image": images}, wanted, deterministic=deterministic)
        return Posterior(outputs["mean"], outputs.get("log_var"))

    def decode(self, latents: FloatArray, *, deterministic: bool = False) -> FloatArray:
        """Mean image of each latent, float32 (n, 1, 28, 28) in [0, 1].

        latents: float32 (n, latent_dim), finite. Raises InferenceFailed.
        """
        images: FloatArray = self._graphs["decoder"].run({"latent": latents}, ("image",), deterministic=deterministic)[
            "image"
        ]
        return images

    def reconstruct(
        self,
        images: FloatArray,
        noise: FloatArray | None = None,
        *,
        scored: bool = True,
        deterministic: bool = False,
    ) -> Reconstruction:
        """Encodes and decodes each image, at the posterior's mean or, given noise (n, latent_dim), at a draw.

        scored: says how well, which for a VAE costs the density too. Raises InferenceFailed.
        """
        posterior = self.encode(images, deterministic=deterministic)
        latents = posterior.mean
        if noise is not None and posterior.log_var is not None:
            std = np.exp(posterior.log_var / np.float32(2))
            latents = (latents + std * noise).astype(np.float32)  # (n, d)
        wanted = ("image", "logit") if scored and self.is_probabilistic else ("image",)
        outputs = self._graphs["decoder"].run({"latent": latents}, wanted, deterministic=deterministic)
        if not scored:
            return Reconstruction(outputs["image"], latents)
        found = {"mse": squared_error(images, outputs["image"])}
        evidence = None
        if posterior.log_var is not None:
            log_pz = log_sum_exp(self._log_joint(latents, deterministic))
            evidence = scores(images, outputs["logit"], latents, posterior.mean, posterior.log_var, log_pz)
            found |= vars(evidence)
        # The calibration is of scores at the posterior's mean.
        places = percentiles(found, self._calibration) if self._calibration and noise is None else {}
        return Reconstruction(outputs["image"], latents, found["mse"], evidence, places)

    def latents(self, noise: FloatArray, labels: LabelArray, *, deterministic: bool = False) -> FloatArray:
        """The prior's latent, float32 (n, latent_dim), for standard normal noise of that shape and labels (n,).

        Raises InferenceFailed.
        """
        outputs = self._graphs["prior"].run({"noise": noise, "label": labels}, ("latent",), deterministic=deterministic)
        latents: FloatArray = outputs["latent"]
        return latents

    def confidence(self, latents: FloatArray, labels: LabelArray, *, deterministic: bool = False) -> Float64Array:
        """p(label given z) of each latent's own label: (n,). Raises InferenceFailed."""
        joint = self._log_joint(latents, deterministic)
        share: Float64Array = np.exp(joint[np.arange(len(labels)), labels] - log_sum_exp(joint))
        return share

    def draw_labels(self, uniforms: Float64Array) -> LabelArray:
        """Labels by the manifest's class weights, from uniforms in (0, 1): (n,) int64."""
        edges = np.cumsum(self.manifest.class_weights)[:-1]
        return np.searchsorted(edges, uniforms, side="right").astype(np.int64)

    def _log_joint(self, latents: FloatArray, deterministic: bool) -> Float64Array:
        """log p(y) p(z given y), nats (n, classes)."""
        outputs = self._graphs["density"].run({"latent": latents}, ("log_pz_y",), deterministic=deterministic)
        joint: Float64Array = outputs["log_pz_y"].astype(np.float64) + self._log_class_weights
        return joint
