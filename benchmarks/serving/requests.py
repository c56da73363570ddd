"""What the targets are asked: the requests of each job. The digits are those of the bundle's golden vectors."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

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


class Examples:
    """Digits of one bundle, as requests to the service and to the naive one."""

    def __init__(self, bundle: Path) -> None:
        self.golden: Mapping[str, AnyArray] = dict(np.load(bundle / "golden.npz"))
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
