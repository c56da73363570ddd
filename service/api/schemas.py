"""What goes over the wire as JSON and in query strings: checked on the way in, documented on the way out."""

import functools
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from service.engine.noise import MAX_SEED

Seed = Annotated[
    int,
    Field(ge=0, le=MAX_SEED, description="Makes the answer repeatable; drawn at random, and returned, if left out."),
]
Label = Annotated[int, Field(ge=0)]
_LABEL = "A class; several, taken in turn by index; balanced, all in turn; or any, by the class weights."


class Query(BaseModel):
    """Query parameters: text, so read leniently, but none that is unknown.

    LISTS: names that may be given several times; their values are joined by commas.
    """

    LISTS: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelQuery(Query):
    model: str | None = Field(
        None,
        max_length=80,
        description="`name` or `name/version`; the default model if left out.",
        examples=["digits-ae"],
    )
    deterministic: bool = Field(
        False,
        description="Rows go through the model in batches of their own and of one size, so that an answer's bits do "
        "not depend on what else is being answered; the answer names the bundle's digest and the runtime.",
    )


class ShownQuery(Query):
    pixels: bool = Field(False, description="JSON only: images as 28×28 numbers in [0, 1] instead of base64 PNG.")
    columns: int | None = Field(None, ge=1, le=100, description="PNG only: columns of the grid; square if left out.")


class ImageOutputQuery(ShownQuery, ModelQuery):
    pass


class ReadingQuery(Query):
    fit: Literal["auto", "resize", "mnist", "exact"] = Field(
        "auto",
        description="How a picture of another size becomes 28×28: auto finds the digit on it; resize scales and pads "
        "it; mnist cuts and centres its ink; exact refuses it.",
    )
    invert: Literal["auto", "true", "false"] = Field(
        "auto", description="Whether ink is darker than its paper; auto finds out."
    )
    split: bool = Field(False, description="A row for each digit of a picture, in reading order; with fit=auto.")

    @field_validator("split")
    @classmethod
    def _splits_what_is_found(cls, split: bool, info: ValidationInfo) -> bool:
        if split and info.data.get("fit") != "auto":
            raise PydanticCustomError("needs_auto", "needs fit=auto")
        return split


class ImageInputQuery(ReadingQuery, ModelQuery):
    found: bool = Field(False, description="What was found on each image is in the answer: as of /read.")


class ReadQuery(ReadingQuery, ShownQuery):
    pass


class ReconstructQuery(ImageInputQuery, ImageOutputQuery):
    draw: bool = Field(False, description="Decode a draw from the posterior instead of its mean.")
    seed: Seed | None = None


class SampleParameters(BaseModel):
    """What to sample: as query parameters of GET, as the JSON body of POST."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(1, ge=1, description="How many digits.")
    seed: Seed | None = None
    offset: int = Field(0, ge=0, le=2**53, description="Index of the first sample; for pages of one long series.")
    temperature: float = Field(
        1.0,
        ge=0,
        le=2,
        allow_inf_nan=False,
        description="Scale of the noise; below 1 more typical, less varied digits.",
    )
    min_confidence: float = Field(
        0.0,
        ge=0,
        lt=1,
        allow_inf_nan=False,
        description="Draws a latent again, up to 16 times in all, until p(label given z) reaches this.",
    )


class SampleBody(SampleParameters):
    """Strict: a number is a number, not a text that looks like one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    label: Label | Annotated[list[Label], Field(min_length=1, max_length=1024)] | Literal["any", "balanced"] = Field(
        "any", description=_LABEL
    )


class SampleQuery(SampleParameters, ImageOutputQuery):
    LISTS: ClassVar[frozenset[str]] = frozenset({"label"})

    label: str = Field(
        "any",
        pattern=r"^(any|balanced|\d{1,4}(,\d{1,4})*)$",
        max_length=2000,
        description=_LABEL.replace("several", "several, joined by commas or each as a `label` of its own"),
        examples=["7"],
    )

    @functools.cached_property
    def body(self) -> SampleBody:
        """The parameters as the body of a POST."""
        labels: Any = self.label
        if self.label[0].isdigit():
            labels = [int(part) for part in self.label.split(",")]
        return SampleBody(label=labels, **self.model_dump(include=set(SampleParameters.model_fields)))


Base64Png = Annotated[str, Field(description="28×28 greyscale PNG, ink is white.", examples=["iVBORw0KGgo…"])]
Images = Annotated[
    list[Base64Png] | list[list[list[float]]], Field(description="Base64 PNGs, or with pixels=true numbers.")
]


class ModelAnswer(BaseModel):
    model: str = Field(examples=["digits-vae/2"])
    model_digest: str | None = Field(
        None, description="SHA-256 of the bundle's manifest; with deterministic=true only."
    )
    runtime: str | None = Field(None, description="Runtime and provider; with deterministic=true only.")


Counts = list[int]
Truths = list[bool]


class FoundOnImages(BaseModel):
    """What was found, a value a row."""

    image: Counts = Field(description="Index of the image, from 0, that the row is of.")
    left: Counts = Field(description="Of the digit's box, pixels of the image, upright.")
    top: Counts
    width: Counts
    height: Counts
    dark_ink: Truths = Field(description="Ink is darker than its paper.")
    blank: Truths = Field(description="There is no ink.")
    digits: Counts = Field(description="How many digits the image holds; without split the largest is taken.")


class ReadAnswer(BaseModel):
    images: Images
    found: FoundOnImages


class EncodeAnswer(ModelAnswer):
    mean: list[list[float]] = Field(description="Mean of each image's posterior, (n, latent_dim).")
    log_var: list[list[float]] = Field([], description="Log-variance, (n, latent_dim); a VAE's only.")
    found: FoundOnImages | None = Field(None, description="With found=true only.")


class DecodeAnswer(ModelAnswer):
    images: Images


Shares = Annotated[list[Annotated[float, Field(ge=0, le=100)]], Field(examples=[[62.4]])]


class Percentiles(BaseModel):
    """Each score's place among the test digits'; of an autoencoder the mse alone."""

    mse: Shares
    elbo: Shares = []
    log_likelihood: Shares = []
    kl: Shares = []


class ReconstructAnswer(ModelAnswer):
    seed: int | None = Field(None, description="Of the draw; with draw=true only.")
    images: Images
    mse: list[float] = Field(description="Mean squared difference of ink per pixel.")
    elbo: list[float] = Field([], description="log_likelihood − kl at the decoded latent, nats; a VAE's only.")
    log_likelihood: list[float] = Field([], description="log p(x given z), nats; a VAE's only.")
    kl: list[float] = Field([], description="log q(z given x) − log p(z), nats; a VAE's only.")
    percentiles: Percentiles | None = Field(
        None,
        description=(
            "How many per cent of MNIST's test digits have a lower score than this image, by name of the score, linear "
            "between the bundle's 101 values: 0 below all of them, 100 above. An elbo at 0.5 is lower than that of "
            "99.5 % of test digits: suspicious, as is an mse at 99.5. It compares with MNIST and is no proof that an "
            "image is a digit: one with little ink scores high whatever it shows. Scores at the posterior's mean are "
            "compared, so absent with draw=true; also for a model without calibration."
        ),
    )
    found: FoundOnImages | None = Field(None, description="With found=true only.")


class SampleAnswer(ModelAnswer):
    seed: int
    offset: int
    temperature: float
    images: Images
    labels: list[int]
    latents: list[list[float]] = Field(description="(n, latent_dim)")
    min_confidence: float | None = Field(None, description="As requested.")
    confidence: list[float] = Field([], description="p(label given z); with min_confidence only.")
    tries: list[int] = Field(
        [], description="Draws that were made for each sample, at most 16; with min_confidence only."
    )


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field("about:blank")
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["bad_image"], description="Stable name of what went wrong, for programs.")
    detail: str = Field(description="What was got and what is accepted, for people.")
    request_id: str


class Limits(BaseModel):
    max_body_bytes: int
    max_request_rows: int
    max_sample_count: int
    max_stream_count: int


class ModelSummary(BaseModel):
    name: str = Field(examples=["digits-vae"])
    version: int
    kind: Literal["ae", "vae"]
    description: str
    latent_dim: int
    is_default: bool


class ModelList(BaseModel):
    models: list[ModelSummary]


class ModelDetail(BaseModel):
    manifest: dict[str, Any] = Field(description="As models/README.md describes it, without the list of files.")
    digest: str = Field(description="SHA-256 of the bundle's manifest.json, which vouches for every file.")
    provider: str = Field(examples=["CPUExecutionProvider"])
    is_default: bool
    limits: Limits


class Readiness(BaseModel):
    ready: bool
    models: dict[str, str] = Field(description="State of each model.")
