"""What a model can do: encode, decode, reconstruct, sample. Arrays in, arrays out; no HTTP, no bytes.

Each verb is composed from the bundle's four graphs, each behind its own micro-batcher.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models import golden
from models.bundle import Bundle
from models.manifest import GraphName, Manifest
from service import arrays
from service.batcher import MicroBatcher
from service.errors import BundleError, UnknownModel
from service.runtime import VERSION, Device, Session
from service.scores import Scores, log_sum_exp, percentiles, scores, squared_error

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
LabelArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.intp]

_INLINE_S = 1.5e-3  # a batch this short runs on the event loop: a thread would cost it 0.1 ms and gain others little
MAX_TRIES = 16  # draws of one latent until it is confident enough


@dataclass(frozen=True)
class Posterior:
    """q(z given x), a diagonal Gaussian: mean and log_var, each float32 (n, latent_dim); log_var a VAE's only."""

    mean: FloatArray
    log_var: FloatArray | None


@dataclass(frozen=True)
class Reconstruction:
    """images: float32 (n, 1, 28, 28). Where scores were asked for, mse: mean squared ink per pixel, float64 (n,).

    scores: a VAE's only. percentiles: of each score by its name, among those of test digits, 0 to 100, float64 (n,);
    empty for a draw, and for a bundle without calibration.
    """

    images: FloatArray
    latents: FloatArray
    mse: Float64Array | None = None
    scores: Scores | None = None
    percentiles: Mapping[str, Float64Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """images: float32 (n, 1, 28, 28), labels: int64 (n,), latents: float32 (n, latent_dim).

    confidence: p(label given z), float64 (n,); tries: draws it took, 1 to MAX_TRIES, int64 (n,); both None where no
    confidence was asked for.
    """

    images: FloatArray
    labels: LabelArray
    latents: FloatArray
    confidence: Float64Array | None = None
    tries: LabelArray | None = None


@dataclass(frozen=True)
class Rejection:
    """A latent whose p(label given z) is below min_confidence is drawn again.

    draw: number of the try, from 1, and indices of the rows → noise of those rows.
    """

    min_confidence: float
    draw: Callable[[int, IndexArray], Awaitable[FloatArray]]


@dataclass(frozen=True)
class EngineLimits:
    """max_batch_rows: rows through a graph at once, fewer where more are no faster.

    max_queue_rows: rows that may wait before each graph.
    """

    max_batch_rows: int
    max_queue_rows: int


class Model:
    """One bundle, ready to answer: sessions made, golden vectors reproduced, warmed up.

    A deterministic answer is the same bits whatever else there is to do; its batches are small and without company.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        device: Device,
        threads: int,
        limits: EngineLimits,
        observe: Callable[[GraphName, int], None] = lambda graph, rows: None,
        is_alone: Callable[[], bool] = lambda: False,
    ) -> None:
        """observe: told graph and rows of every batch. is_alone: whether there is but one request in the process.

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
        self.batchers: dict[GraphName, MicroBatcher] = {}
        for graph, session in sessions.items():
            cost = session.warm_up(limits.max_batch_rows)
            self.batchers[graph] = MicroBatcher(
                session.run,
                max_batch_rows=cost.saturating_rows,
                max_queue_rows=limits.max_queue_rows,
                max_inline_rows=cost.rows_within(_INLINE_S),
                observe=functools.partial(observe, graph),
                is_alone=is_alone,
                allocate=arrays.with_headroom,
            )
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

    async def encode(self, images: FloatArray, deadline: float, *, deterministic: bool = False) -> Posterior:
        """Approximate posterior of each image.

        images: float32 (n, 1, 28, 28), 0 is paper and 1 is ink.
        Raises QueueFull, DeadlineExceeded, InferenceFailed.
        Kingma & Welling 2013, eq. 9.
        """
        wanted = ("mean", "log_var") if self.is_probabilistic else ("mean",)
        outputs = await self.batchers["encoder"].submit({"image": images}, wanted, deadline, deterministic)
        return Posterior(outputs["mean"], outputs.get("log_var"))

    async def decode(self, latents: FloatArray, deadline: float, *, deterministic: bool = False) -> FloatArray:
        """Mean image of each latent, float32 (n, 1, 28, 28) in [0, 1].

        latents: float32 (n, latent_dim), finite. Raises QueueFull, DeadlineExceeded, InferenceFailed.
        """
        outputs = await self.batchers["decoder"].submit({"latent": latents}, ("image",), deadline, deterministic)
        images: FloatArray = outputs["image"]
        return images

    async def reconstruct(
        self,
        images: FloatArray,
        deadline: float,
        noise: FloatArray | None = None,
        *,
        scored: bool = True,
        deterministic: bool = False,
    ) -> Reconstruction:
        """Encodes and decodes each image, at the posterior's mean or, given noise (n, latent_dim), at a draw.

        scored: to tell how well, which a VAE's density makes the dearest part of it.
        Raises QueueFull, DeadlineExceeded, InferenceFailed.
        """
        posterior = await self.encode(images, deadline, deterministic=deterministic)
        latents = posterior.mean
        if noise is not None and posterior.log_var is not None:
            std = np.exp(posterior.log_var / np.float32(2))
            latents = (latents + std * noise).astype(np.float32)  # (n, d)
        wanted = ("image", "logit") if scored and self.is_probabilistic else ("image",)
        outputs = await self.batchers["decoder"].submit({"latent": latents}, wanted, deadline, deterministic)
        if not scored:
            return Reconstruction(outputs["image"], latents)
        found = {"mse": squared_error(images, outputs["image"])}
        evidence = None
        if posterior.log_var is not None:
            log_pz = log_sum_exp(await self._log_joint(latents, deadline, deterministic))
            evidence = scores(images, outputs["logit"], latents, posterior.mean, posterior.log_var, log_pz)
            found |= vars(evidence)
        # The calibration is of scores at the posterior's mean.
        places = percentiles(found, self._calibration) if self._calibration and noise is None else {}
        return Reconstruction(outputs["image"], latents, found["mse"], evidence, places)

    async def sample(
        self,
        noise: FloatArray,
        labels: LabelArray,
        deadline: float,
        rejection: Rejection | None = None,
        *,
        deterministic: bool = False,
    ) -> Samples:
        """New digits: noise, standard normal (n, latent_dim), and labels (n,) through prior and decoder.

        rejection: a latent is drawn up to MAX_TRIES times in all; the first that is confident enough is taken, else
        the most confident one. Raises QueueFull, DeadlineExceeded, InferenceFailed.
        """
        latents = await self._prior(noise, labels, deadline, deterministic)
        if rejection is None:
            return Samples(await self.decode(latents, deadline, deterministic=deterministic), labels, latents)
        confidence = await self._confidence(latents, labels, deadline, deterministic)
        tries = np.ones(len(labels), np.int64)
        for attempt in range(1, MAX_TRIES):
            unsure = np.flatnonzero(confidence < rejection.min_confidence)
            if not unsure.size:
                break
            noise = await rejection.draw(attempt, unsure)
            candidates = await self._prior(noise, labels[unsure], deadline, deterministic)
            found = await self._confidence(candidates, labels[unsure], deadline, deterministic)
            better = found > confidence[unsure]
            latents[unsure[better]] = candidates[better]
            confidence[unsure[better]] = found[better]
            tries[unsure] += 1
        images = await self.decode(latents, deadline, deterministic=deterministic)
        return Samples(images, labels, latents, confidence, tries)

    def draw_labels(self, uniforms: Float64Array) -> LabelArray:
        """Labels by the manifest's class weights, from uniforms in (0, 1): (n,) int64."""
        edges = np.cumsum(self.manifest.class_weights)[:-1]
        return np.searchsorted(edges, uniforms, side="right").astype(np.int64)

    def close(self) -> None:
        for batcher in self.batchers.values():
            batcher.close()

    async def _prior(self, noise: FloatArray, labels: LabelArray, deadline: float, deterministic: bool) -> FloatArray:
        inputs: dict[str, npt.NDArray[Any]] = {"noise": noise, "label": labels}
        outputs = await self.batchers["prior"].submit(inputs, ("latent",), deadline, deterministic)
        latents: FloatArray = outputs["latent"]
        return latents

    async def _log_joint(self, latents: FloatArray, deadline: float, deterministic: bool) -> Float64Array:
        """log p(y) p(z given y), nats (n, classes)."""
        outputs = await self.batchers["density"].submit({"latent": latents}, ("log_pz_y",), deadline, deterministic)
        joint: Float64Array = outputs["log_pz_y"].astype(np.float64) + self._log_class_weights
        return joint

    async def _confidence(
        self, latents: FloatArray, labels: LabelArray, deadline: float, deterministic: bool
    ) -> Float64Array:
        """p(label given z) of each latent's own label: (n,)."""
        joint = await self._log_joint(latents, deadline, deterministic)
        share: Float64Array = np.exp(joint[np.arange(len(labels)), labels] - log_sum_exp(joint))
        return share


class Engine:
    """The models by name; of several versions of a name the highest is current."""

    def __init__(self, models: Sequence[Model], default: str) -> None:
        """default: "name" or "name/version". Raises BundleError if it is not among models."""
        self.models = tuple(sorted(models, key=lambda model: (model.manifest.name, -model.manifest.version)))
        self._by_name: dict[str, Model] = {}
        for model in self.models:
            self._by_name.setdefault(model.manifest.name, model)
            self._by_name[model.name] = model
        if default not in self._by_name:
            raise BundleError(f"The default model {default} is not among {', '.join(m.name for m in self.models)}.")
        self.default = self._by_name[default]
        self.is_closed = False

    def model(self, name: str | None) -> Model:
        """The model of "name" or "name/version", the default one for None. Raises UnknownModel."""
        if name is None:
            return self.default
        if name not in self._by_name:
            raise UnknownModel(f"There is no such model; there are {', '.join(m.name for m in self.models)}.")
        return self._by_name[name]

    def close(self) -> None:
        self.is_closed = True
        for model in self.models:
            model.close()
