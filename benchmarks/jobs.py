"""What contestants are asked to do: the requests of each job, and the check of an answer.

The digits are those of the bundle's golden vectors, and so are the answers to compare with.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.bundle import load

JSON: Final = "application/json"
PNG: Final = "image/png"
NPY: Final = "application/x-npy"
RAW: Final = "application/octet-stream"

ROWS: Final = {  # images or latents in one request of each job
    "encode_png": 1,
    "encode_json": 1,
    "encode_bulk": 256,
    "decode": 1,
    "reconstruct": 1,
    "sample_png": 1,
    "sample_grid": 64,
    "sample_npy": 1000,
}

_OUTPUTS = ("mean", "log_var")  # an autoencoder's golden vectors have no log_var
AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Request:
    """bodies: sent in turn, each another digit; none for GET."""

    path: str
    bodies: tuple[bytes, ...] = field(default=(), repr=False)
    content_type: str = ""
    accept: str = JSON

    @property
    def method(self) -> str:
        return "POST" if self.bodies else "GET"


class WrongAnswer(Exception):
    """A contestant answered something else than the bundle's own graphs."""


class Examples:
    """Digits of one bundle, as requests to the service and as the answers they must get."""

    def __init__(self, bundle: Path) -> None:
        self.golden = load(bundle).golden
        self.samples = np.round(self.golden["image"] * 255).astype(np.uint8)  # (8, 1, 28, 28)
        self.pngs = tuple(_png(image[0]) for image in self.samples)

    def requests(self) -> dict[str, Request]:
        """Of the service, by job."""
        pixels = [{"images": [image.ravel().tolist()]} for image in self.golden["image"]]
        latents = [{"latents": [row.tolist()]} for row in self.golden["mean"]]
        bulk = np.tile(self.samples, (ROWS["encode_bulk"] // len(self.samples), 1, 1, 1))
        return {
            "encode_png": Request("/encode", self.pngs, PNG),
            "encode_json": Request("/encode", _documents(pixels), JSON),
            "encode_bulk": Request("/encode", (bulk.tobytes(),), RAW, RAW),
            "decode": Request("/decode", _documents(latents), JSON, PNG),
            "reconstruct": Request("/reconstruct", self.pngs, PNG, PNG),
            "sample_png": Request("/sample", accept=PNG),
            "sample_grid": Request("/sample?count=64", accept=PNG),
            "sample_npy": Request("/sample?count=1000", accept=NPY),
        }

    def naive_requests(self) -> dict[str, Request]:
        """Of the service as most would write it: forms and JSON, where this one takes raw bytes."""
        forms = tuple(_form(png) for png in self.pngs)
        bulk = np.tile(self.golden["image"], (ROWS["encode_bulk"] // len(self.samples), 1, 1, 1))
        return self.requests() | {
            "encode_png": Request("/encode", forms, _FORM),
            "encode_json": replace(self.requests()["encode_json"], path="/encode/pixels"),
            "encode_bulk": Request("/encode/pixels", _documents([{"images": bulk.reshape(-1, 784).tolist()}]), JSON),
            "reconstruct": Request("/reconstruct", forms, _FORM, PNG),
            "sample_npy": Request("/sample.npy?count=1000", accept=NPY),
        }

    def check(self, job: str, number: int, content_type: str, content: bytes, unwrap: "Unwrap") -> None:
        """number: of the body that was sent. unwrap: parsed JSON → the rows of each output. Raises WrongAnswer."""
        rows = np.arange(ROWS[job]) % len(self.samples) if job == "encode_bulk" else [number]
        try:
            found = _arrays(content_type, content, unwrap)
            if job.startswith("encode"):
                names = ["mean"] if content_type == RAW else [name for name in _OUTPUTS if name in self.golden]
                _compare(found, {name: self.golden[name][rows] for name in names}, 1e-3)
            elif job in ("decode", "reconstruct"):
                _compare(found, {"image": self.golden["reconstruction"][number]}, 1.01 / 255)  # of a rounded level
            else:
                _check_samples(job, found["image"])
        except (KeyError, TypeError, ValueError) as error:
            raise WrongAnswer(f"{job}: {error!r} of {content[:100]!r}") from error


Unwrap = Callable[[Any], Mapping[str, Any]]


def own(document: Any) -> Mapping[str, Any]:
    """Of the service's JSON: mean and, for a VAE, log_var."""
    return {name: document[name] for name in _OUTPUTS if document.get(name)}


def _arrays(content_type: str, content: bytes, unwrap: Unwrap) -> dict[str, AnyArray]:
    media_type = content_type.partition(";")[0]
    if media_type == JSON:
        return {name: np.array(rows, np.float32) for name, rows in unwrap(json.loads(content)).items()}
    if media_type == PNG:
        return {"image": np.asarray(Image.open(io.BytesIO(content)), np.float32)[np.newaxis] / 255}
    if media_type == NPY:
        return {"image": np.load(io.BytesIO(content))}
    return {"mean": np.frombuffer(content, "<f4").reshape(ROWS["encode_bulk"], -1)}


def _compare(found: Mapping[str, AnyArray], wanted: Mapping[str, AnyArray], tolerance: float) -> None:
    for name, values in wanted.items():
        if found[name].shape != values.shape or not np.allclose(found[name], values, atol=tolerance, rtol=tolerance):
            raise ValueError(f"{name} differs")


def _check_samples(job: str, images: AnyArray) -> None:
    side = round(ROWS[job] ** 0.5)
    shape = (ROWS[job], 1, 28, 28) if job == "sample_npy" else (1, 28 * side, 28 * side)
    if images.shape != shape or not ((images >= 0) & (images <= 1)).all() or not 0.02 < images.mean() < 0.5:
        raise ValueError(f"no digits of shape {shape}")


def _png(samples: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "PNG")
    return file.getvalue()


def _documents(values: list[Any]) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)


_FORM = "multipart/form-data; boundary=digit"


def _form(png: bytes) -> bytes:
    head = b'--digit\r\nContent-Disposition: form-data; name="file"; filename="digit.png"\r\nContent-Type: image/png'
    return head + b"\r\n\r\n" + png + b"\r\n--digit--\r\n"
