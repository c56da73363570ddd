"""What the OpenAPI document says of the verbs: bodies, answers and errors by media type, with examples."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from service.api.schemas import (
    DecodeAnswer,
    EncodeAnswer,
    Problem,
    ReadAnswer,
    ReconstructAnswer,
    SampleAnswer,
    SampleBody,
)
from service.codecs import content_type, outputs

# A real MNIST test digit, 28×28, as base64 PNG: a body that works when tried.
SEVEN = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAApklEQVR4nGNgGG4gZOf86TYqOCTv/QOCj8egYJUJiqRzkUfR4sf/"
    "HgKV/Hr6718PpnZBJz5nZ2dr0Tf/snDaH/z3ohAuObGX/4Nxamz8904Hl5z1z392ODW2/tvNikuO8+wPK5wa6/5twynn/fuDJS45"
    "4bv/luGSYz7977YyLkm1f/98ccnJP/hXzIhLsvXfPxNccraf8EhW/vt3WwO35HmcUYUFAADoRUgXjdCLBAAAAABJRU5ErkJggg=="
)

Document = Callable[
    [int], dict[str, Any]
]  # the default model's latent_dim, for an example that works → FastAPI's words
_BINARY = {"type": "string", "format": "binary"}
_ERRORS: Mapping[int, str] = {
    400: "The body is not what its content type says.",
    404: "No such model.",
    406: "No media type of Accept can be given.",
    413: "The body, an image or the number of rows is too large.",
    415: "The content type is not accepted.",
    422: "Well-formed, but of a wrong shape or range.",
    503: "The queue is full: try again after Retry-After seconds.",
    504: "The request waited longer than its time allows.",
}


_UNTYPED = "What has no type, or one that says no more than this, is known by its first bytes: pictures, npy and JSON."


def _image_bodies() -> dict[str, Any]:
    listed = {
        "type": "array",
        "items": {},
        "description": "Base64 of an image file, bare or as a data URL, or 28×28 or 784 numbers in [0, 1].",
    }
    form = {
        "type": "object",
        "properties": {"file": {"type": "array", "items": _BINARY}},
        "description": "Files under any name; every other field is a parameter, as in the query.",
    }
    array = "Floats in [0, 1], bool, whole numbers in 0…255, or uint16; (n,28,28), (n,1,28,28), (n,28,28,1) or (n,784)."
    raw = f"n × 784 uint8, or what X-Tensor-Dtype and X-Tensor-Shape say, little-endian. {_UNTYPED}"
    return {
        **{image: {"schema": _BINARY} for image in content_type.IMAGES},
        content_type.FORM: {"schema": form},
        content_type.JSON: {
            "schema": {"type": "object", "required": ["images"], "properties": {"images": listed}},
            "example": {"images": [SEVEN]},
        },
        content_type.ARRAY: {"schema": {**_BINARY, "description": array}},
        content_type.RAW: {"schema": {**_BINARY, "description": raw}},
    }


def _latent_bodies(latent_dim: int) -> dict[str, Any]:
    listed = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    raw = f"n × latent_dim float32, or what X-Tensor-Dtype and X-Tensor-Shape say, little-endian. {_UNTYPED}"
    return {
        content_type.JSON: {
            "schema": {"type": "object", "required": ["latents"], "properties": {"latents": listed}},
            "example": {"latents": [[0.0] * latent_dim]},
        },
        content_type.ARRAY: {"schema": {**_BINARY, "description": "Floats or whole numbers, (n, latent_dim)."}},
        content_type.RAW: {"schema": {**_BINARY, "description": raw}},
    }


def encode(latent_dim: int) -> dict[str, Any]:
    return _document(
        "Images → latent distribution",
        "The approximate posterior of each image: mean and, for a VAE, log-variance of a diagonal Gaussian.",
        EncodeAnswer,
        outputs.LATENT_OFFERS,
        _image_bodies(),
    )


def decode(latent_dim: int) -> dict[str, Any]:
    return _document(
        "Latents → images",
        "The mean image of each latent.",
        DecodeAnswer,
        outputs.IMAGE_OFFERS,
        _latent_bodies(latent_dim),
    )


def reconstruct(latent_dim: int) -> dict[str, Any]:
    return _document(
        "Images → images, by way of the latent",
        "Each image after encoding and decoding, with its error and, for a VAE, its ELBO in two terms. Percentiles say "
        "where those scores lie among the scores of MNIST's test digits.",
        ReconstructAnswer,
        outputs.IMAGE_OFFERS,
        _image_bodies(),
    )


def read(latent_dim: int) -> dict[str, Any]:
    return _document(
        "Images → the pixels that a model sees",
        "The 28×28 pixels that each image becomes, and what was found on it: where the digit lies, whether its ink is "
        "dark, whether the image is blank, how many digits it holds.",
        ReadAnswer,
        outputs.IMAGE_OFFERS,
        _image_bodies(),
    )


def sample(latent_dim: int) -> dict[str, Any]:
    return _document(
        "New digits",
        "New digits from the prior. Sample i depends on seed, i, label, temperature and min_confidence alone.",
        SampleAnswer,
        outputs.IMAGE_OFFERS,
    )


def sample_post(latent_dim: int) -> dict[str, Any]:
    schema = SampleBody.model_json_schema()
    example = {"count": 8, "label": [0, 7], "seed": 1, "temperature": 0.8}
    return _document(
        "New digits, by a JSON body",
        "The same, with the parameters in a JSON body.",
        SampleAnswer,
        outputs.IMAGE_OFFERS,
        {content_type.JSON: {"schema": schema, "example": example}},
    )


def _document(
    summary: str,
    description: str,
    answer: type[BaseModel],
    offers: tuple[str, ...],
    bodies: dict[str, Any] | None = None,
) -> dict[str, Any]:
    content = {offer: {"schema": _BINARY} for offer in offers if offer != outputs.JSON}
    errors = {status: {"model": Problem, "description": meaning} for status, meaning in _ERRORS.items()}
    document: dict[str, Any] = {
        "summary": summary,
        "description": description,
        "responses": {200: {"model": answer, "description": "By Accept.", "content": content}, **errors},
    }
    if bodies:
        document["openapi_extra"] = {"requestBody": {"required": True, "content": bodies}}
    return document
