"""The manifest of a bundle: which graphs it holds, their tensors, its files, what it was measured to do.

`models/README.md` says the same in prose, for readers in other languages.
"""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION: Final = 1
MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.npz"
CALIBRATION_FILE = "calibration.json"
IMAGE_SHAPE = (1, 28, 28)

Kind = Literal["ae", "vae"]
GraphName = Literal["encoder", "decoder", "prior", "density"]
ScoreName = Literal["elbo", "log_likelihood", "kl", "mse"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A path below the bundle's directory, '/' between its parts, none of them hidden or '..'.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$")]
BundleName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]


class Record(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(Record):
    """Name, element type and shape of one input or output of a graph; "n" marks the batch axis."""

    name: str
    dtype: Literal["float32", "int64"]
    shape: tuple[Literal["n"] | Annotated[int, Field(gt=0)], ...]

    def of(self, rows: int) -> tuple[int, ...]:
        """The shape at a batch of so many rows."""
        return tuple(rows if size == "n" else size for size in self.shape)


class GraphSpec(Record):
    """The tensors of one graph, in the graph's own order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class FileRecord(Record):
    """Size and digest of one file, taken over its bytes."""

    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Metric(Record):
    """One measured figure. `unit` is "nats per image", "squared ink per pixel", "share", …"""

    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: str
    meaning: str


def _ascend(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(values):
        raise ValueError("percentiles do not ascend")
    return values


# The 0th, 1st, … 100th percentile of a score.
Percentiles = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], ...],
    Field(min_length=101, max_length=101),
    AfterValidator(_ascend),
]


class Calibration(Record):
    """How the scores of test digits are spread, to tell how unusual another image's score is.

    images: how many test digits were scored; elbo, log_likelihood and kl in nats, a VAE's only; mse per pixel.
    """

    images: Annotated[int, Field(gt=0)]
    scores: dict[ScoreName, Percentiles]


class Manifest(Record):
    """All that a reader may rely on before it opens a graph.

    `data_sha256` is taken over the four uncompressed IDX files, train images and labels, then test images and labels;
    `config_sha256` over the run's effective configuration as canonical JSON.
    """

    schema_version: Literal[1]
    name: BundleName
    version: Annotated[int, Field(gt=0)]
    description: str
    kind: Kind
    likelihood: Literal["bernoulli"] | None
    latent_dim: Annotated[int, Field(gt=0, le=4096)]
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    class_weights: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    graphs: dict[GraphName, GraphSpec]
    opset: Annotated[int, Field(gt=0)]
    producers: dict[str, str]
    seed: int
    config_sha256: Sha256
    data_sha256: Sha256
    metrics: dict[str, Metric]
    licence: str
    files: dict[FileName, FileRecord]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.likelihood is None) != (self.kind == "ae"):
            raise ValueError("a VAE has a likelihood and an autoencoder has none")
        if len(self.class_weights) != len(self.classes):
            raise ValueError("class_weights and classes differ in length")
        if not math.isclose(sum(self.class_weights), 1.0, abs_tol=1e-6):
            raise ValueError("class_weights do not sum to 1")
        if self.graphs != graph_specs(self.kind, self.latent_dim, len(self.classes)):
            raise ValueError("graphs differ from what the kind, latent_dim and classes ask for")
        missing = {graph_file(graph) for graph in self.graphs} | {GOLDEN_FILE}
        missing -= self.files.keys()
        if missing:
            raise ValueError(f"files lacks {', '.join(sorted(missing))}")
        return self


def graph_file(graph: GraphName) -> str:
    """File name of a graph inside its bundle."""
    return f"{graph}.onnx"


def graph_specs(kind: Kind, latent_dim: int, classes: int) -> dict[GraphName, GraphSpec]:
    """The four graphs over one latent space, every value of them a function of the inputs alone.

    encoder   image in [0, 1], 1 is ink → mean, and for a VAE log_var, of the diagonal Gaussian posterior
    decoder   latent → image in [0, 1], the likelihood's mean; for a VAE also its logit
    prior     standard normal noise, label → latent
    density   latent → log_pz_y, log p(z given label) in nats, for every label
    """
    image = TensorSpec(name="image", dtype="float32", shape=("n", *IMAGE_SHAPE))
    logit = image.model_copy(update={"name": "logit"})
    latent = TensorSpec(name="latent", dtype="float32", shape=("n", latent_dim))
    mean, log_var, noise = (latent.model_copy(update={"name": name}) for name in ("mean", "log_var", "noise"))
    label = TensorSpec(name="label", dtype="int64", shape=("n",))
    log_pz_y = TensorSpec(name="log_pz_y", dtype="float32", shape=("n", classes))
    probabilistic = kind == "vae"
    return {
        "encoder": GraphSpec(inputs=(image,), outputs=(mean, log_var) if probabilistic else (mean,)),
        "decoder": GraphSpec(inputs=(latent,), outputs=(image, logit) if probabilistic else (image,)),
        "prior": GraphSpec(inputs=(noise, label), outputs=(latent,)),
        "density": GraphSpec(inputs=(latent,), outputs=(log_pz_y,)),
    }
