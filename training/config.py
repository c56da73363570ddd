"""One training run as data: a TOML file, checked before anything else happens. Only keys that change a result exist."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from models.manifest import BundleName
from training.errors import ConfigError

Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
# pydantic puts the chosen variant's tag between a section's name and the key's; no key is called so.
TAGS = frozenset({"ae", "vae", "flow", "standard_normal", "mlp", "conv"})


class Section(BaseModel):
    """A frozen table that refuses keys it does not know and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Bundle(Section):
    """What the result will be called."""

    name: BundleName
    version: Count
    description: str


class Data(Section):
    """validation_rows: held out of the 60,000 training digits, for the validation curve and for choosing values."""

    validation_rows: Count


LatentDim = Annotated[int, Field(gt=1, le=4096)]


class MlpNetwork(Section):
    """hidden: widths of the encoder's hidden layers from the image on; the decoder mirrors them."""

    kind: Literal["mlp"]
    hidden: tuple[Count, ...]
    latent_dim: LatentDim


class ConvTower(Section):
    """Residual convolutions. fine, coarse: channels at 14×14 and 7×7; then the number of blocks at each.

    width: of the linear layer between the 7×7 map and the latents.
    """

    fine: Count
    coarse: Count
    fine_blocks: Annotated[int, Field(ge=0)]
    coarse_blocks: Annotated[int, Field(ge=0)]
    width: Count


class ConvNetwork(Section):
    """Encoder and decoder are sized apart: only the decoder's cost is paid by every sample.

    precision: of the arithmetic in training, where "bfloat16" pays on processors that have it; weights are float32.
    """

    kind: Literal["conv"]
    latent_dim: LatentDim
    precision: Literal["float32", "bfloat16"]
    encoder: ConvTower
    decoder: ConvTower


class Schedule(Section):
    """How one stage is optimised: AdamW, linear warm-up, cosine decay, counted in steps so that a run repeats.

    ema: weight of the past in the running average of the weights, which is what is kept in the end.
    clip_norm: largest norm of the gradient.
    """

    epochs: Count
    batch_rows: Count
    learning_rate: Annotated[float, Field(gt=0)]
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    ema: Annotated[float, Field(ge=0, lt=1)]
    clip_norm: Annotated[float, Field(gt=0)]


class AeObjective(Section):
    """Squared error. code_noise: blur of the codes that the prior is fitted to, in their standard deviations."""

    kind: Literal["ae"]
    code_noise: Annotated[float, Field(gt=0, lt=1)]


class Tightening(Section):
    """A last stage for networks and prior, on the importance-weighted bound of `draws` latents an image."""

    draws: Annotated[int, Field(gt=1)]
    training: Schedule


class VaeObjective(Section):
    """ELBO. binarised_share: of the encoder's inputs; the rest are grey. kl_warmup_share: of the steps.

    kl_weight: of the KL after the warm-up, the β of Higgins et al. 2017. Below 1 latents carry more of the image, and
    the loss no longer bounds its likelihood. tightening: needs a prior that is learned jointly.
    """

    kind: Literal["vae"]
    binarised_share: Share
    kl_warmup_share: Share
    kl_weight: Annotated[float, Field(gt=0, le=1)] = 1.0
    tightening: Tightening | None = None


class StandardNormalPrior(Section):
    """N(0, I), with nothing to fit."""

    kind: Literal["standard_normal"]


class FlowPrior(Section):
    """A label-conditional flow, fitted "after" the networks, by its own schedule, or "jointly" with them.

    A schedule beside "jointly" refits the flow once the networks stand still. label_couplings: those nearest the noise
    that see the label, all by default; the density of all labels costs in proportion.
    """

    kind: Literal["flow"]
    fitted: Literal["after", "jointly"]
    couplings: Count
    width: Count
    label_couplings: Count | None = None
    training: Schedule | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.fitted == "after" and self.training is None:
            raise ValueError('fitted = "after" needs a [prior.training]')
        if self.label_couplings is not None and self.label_couplings > self.couplings:
            raise ValueError(f"label_couplings = {self.label_couplings} are more than the {self.couplings} couplings")
        return self


class Run(Section):
    """Where and how the run happens. checkpoint_s: at most this much work, in seconds, is lost when it is killed."""

    seed: Annotated[int, Field(ge=0)]
    device: Literal["auto", "cpu", "cuda"]
    checkpoint_s: Annotated[float, Field(ge=0)]
    tensorboard: bool


class Config(Section):
    """Everything that a run depends on, besides the data."""

    bundle: Bundle
    data: Data
    network: Annotated[MlpNetwork | ConvNetwork, Field(discriminator="kind")]
    objective: Annotated[AeObjective | VaeObjective, Field(discriminator="kind")]
    training: Schedule
    prior: Annotated[FlowPrior | StandardNormalPrior, Field(discriminator="kind")]
    run: Run

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.objective.kind == "ae" and (self.prior.kind != "flow" or self.prior.fitted != "after"):
            raise ValueError('an autoencoder needs a flow as prior, fitted "after": nothing else shapes its codes')
        joint = self.prior.kind == "flow" and self.prior.fitted == "jointly"
        if self.objective.kind == "vae" and self.objective.tightening is not None and not joint:
            raise ValueError('[objective.tightening] needs a flow as prior, fitted "jointly"')
        return self

    def canonical(self) -> bytes:
        """The configuration as canonical JSON: sorted keys, no spaces, no values that are the default, UTF-8.

        Without defaults, a key that is new here changes no digest of a configuration that does not use it.
        """
        return json.dumps(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":")
        ).encode()

    def sha256(self) -> str:
        """Digest of `canonical`, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()


def read(path: Path) -> Config:
    """The configuration in a TOML file. Raises ConfigError, naming the file and each bad key by its dotted name."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return parse(json.dumps(tables, default=str), str(path))


def parse(text: str | bytes, source: str) -> Config:
    """The configuration in a JSON text that came from `source`. Raises ConfigError."""
    try:
        return Config.model_validate_json(text)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise ConfigError(f"{source}: {'; '.join(map(_sentence, problems))}") from error


def _sentence(problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in problem["loc"] if part not in TAGS)
    if problem["type"] == "union_tag_invalid":
        key = f"{key}.kind"
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such key"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
