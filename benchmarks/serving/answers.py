"""What a target must answer: what the bundle's golden vectors say, or, for samples, something like digits."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.serving.requests import JSON, NPY, PNG, RAW, ROWS, AnyArray, Examples

Unwrap = Callable[[Any], Mapping[str, Any]]  # parsed JSON → the rows of each output
_OUTPUTS = ("mean", "log_var")  # an autoencoder's golden vectors have no log_var


class WrongAnswer(Exception):
    """A target answered something other than the bundle's own graphs."""


def check(examples: Examples, job: str, number: int, content_type: str, content: bytes, unwrap: Unwrap) -> None:
    """number: of the body that was sent. Raises WrongAnswer."""
    rows = np.arange(ROWS[job]) % len(examples.samples) if job == "encode_bulk" else [number]
    try:
        found = _arrays(content_type, content, unwrap)
        if job.startswith("encode"):
            names = ["mean"] if content_type == RAW else [name for name in _OUTPUTS if name in examples.golden]
            _compare(found, {name: examples.golden[name][rows] for name in names}, 1e-3)
        elif job in ("decode", "reconstruct"):
            _compare(found, {"image": examples.golden["reconstruction"][number]}, 1.01 / 255)  # of a rounded level
        else:
            _check_samples(job, found["image"])
    except (KeyError, TypeError, ValueError) as error:
        raise WrongAnswer(f"{job}: {error!r} of {content[:100]!r}") from error


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
