"""What the targets are asked: the requests of each job. Their digits are those of the bundle's golden vectors."""

import io
import json
from collections.abc import Iterable, Mapping
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
    "reconstruct_scores": 1,
    "reconstruct_bulk": 1024,
    "sample_png": 1,
    "sample_grid": 64,
    "sample_npy": 1000,
    "mix": 1,
}
MIX: Final = ("encode_png", "decode", "reconstruct", "sample_png")  # one request of each, then the next digit's

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Request:
    """body: none for GET."""

    path: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    accept: str = JSON

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept": self.accept} | ({"Content-Type": self.content_type} if self.content_type else {})

    def message(self, host: str) -> bytes:
        """All of it, as HTTP/1.1 sends it."""
        headers = {"Host": host, **self.headers} | ({"Content-Length": str(len(self.body))} if self.body else {})
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


Job = tuple[Request, ...]  # sent in turn, most often each with another digit


class Examples:
    """Digits of one bundle, as requests to the service and to the naive one."""

    def __init__(self, bundle: Path) -> None:
        self.golden: Mapping[str, AnyArray] = load(bundle).golden
        self.samples = np.round(self.golden["image"] * 255).astype(np.uint8)  # (8, 1, 28, 28)
        self.pngs = tuple(_png(image[0]) for image in self.samples)

    def digits(self, job: str) -> npt.NDArray[np.intp]:
        """Which of them are the rows of a request that holds many."""
        return np.arange(ROWS[job]) % len(self.samples)

    def jobs(self) -> dict[str, Job]:
        """Of the service, by name."""
        pixels = [{"images": [image.ravel().tolist()]} for image in self.golden["image"]]
        latents = [{"latents": [row.tolist()]} for row in self.golden["mean"]]
        return with_mix(
            {
                "encode_png": _posts("/encode", self.pngs, PNG),
                "encode_json": _posts("/encode", _documents(pixels), JSON),
                "encode_bulk": _posts("/encode", [self.samples[self.digits("encode_bulk")].tobytes()], RAW, RAW),
                "decode": _posts("/decode", _documents(latents), JSON, PNG),
                "reconstruct": _posts("/reconstruct", self.pngs, PNG, PNG),
                "reconstruct_scores": _posts("/reconstruct", self.pngs, PNG),
                "reconstruct_bulk": _posts(
                    "/reconstruct", [self.samples[self.digits("reconstruct_bulk")].tobytes()], RAW
                ),
                "sample_png": (Request("/sample", accept=PNG),),
                "sample_grid": (Request("/sample?count=64", accept=PNG),),
                "sample_npy": (Request("/sample?count=1000", accept=NPY),),
            }
        )

    def naive_jobs(self) -> dict[str, Job]:
        """Of the service as most would write it: forms and JSON, where this one takes raw bytes; it has no scores."""
        forms = [_form(png) for png in self.pngs]
        bulk = {"images": self.golden["image"][self.digits("encode_bulk")].reshape(-1, 784).tolist()}
        jobs = self.jobs()
        jobs |= {
            "encode_png": _posts("/encode", forms, _FORM),
            "encode_json": tuple(replace(request, path="/encode/pixels") for request in jobs["encode_json"]),
            "encode_bulk": _posts("/encode/pixels", _documents([bulk]), JSON),
            "reconstruct": _posts("/reconstruct", forms, _FORM, PNG),
            "sample_npy": (Request("/sample.npy?count=1000", accept=NPY),),
        }
        return with_mix({job: jobs[job] for job in jobs if job not in ("reconstruct_scores", "reconstruct_bulk")})


def with_mix(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """And the mix of them."""
    turns = range(max(len(jobs[job]) for job in MIX))
    return {**jobs, "mix": tuple(jobs[job][turn % len(jobs[job])] for turn in turns for job in MIX)}


def _posts(path: str, bodies: Iterable[bytes], content_type: str, accept: str = JSON) -> Job:
    return tuple(Request(path, body, content_type, accept) for body in bodies)


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
