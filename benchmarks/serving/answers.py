"""What a target must answer: what the bundle's golden vectors say, or, for samples, something like digits."""

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from PIL import Image

from benchmarks.serving.requests import JSON, MIX, NPY, PNG, RAW, ROWS, AnyArray, Examples

Unwrap = Callable[[Any], Mapping[str, Any]]  # parsed JSON → the rows of each output
_OUTPUTS = ("mean", "log_var")  # an autoencoder's golden vectors have no log_var
_TOLERANCES: Final = {"mean": 1e-3, "log_var": 1e-3, "mse": 1e-4, "image": 1.01 / 255}  # a level, which is rounded


class WrongAnswer(Exception):
    """A target answered something other than the bundle's own graphs."""


def check(examples: Examples, job: str, number: int, content_type: str, content: bytes, unwrap: Unwrap) -> None:
    """number: of the job's request that was sent. Raises WrongAnswer."""
    if job == "mix":
        job, number = MIX[number % len(MIX)], number // len(MIX)
    rows = list(examples.digits(job)) if ROWS[job] > 1 else [number]
    try:
        found = _arrays(content_type, content, unwrap)
        if job.startswith("sample"):
            _check_samples(job, found["image"])
        else:
            _compare(found, _wanted(examples.golden, job, rows, content_type))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise WrongAnswer(f"{job}: {error!r} of {content[:100]!r}") from error


def own(document: Any) -> Mapping[str, Any]:
    """Of the service's JSON: mean and, for a VAE, log_var; or reconstructions and their mean squared errors."""
    found = {name: document[name] for name in (*_OUTPUTS, "mse") if document.get(name)}
    if "images" in document:
        found["image"] = np.concatenate([_pixels(base64.b64decode(image)) for image in document["images"]])
    return found


def _wanted(golden: Mapping[str, AnyArray], job: str, rows: Sequence[int], content_type: str) -> dict[str, AnyArray]:
    if job.startswith("encode"):
        names = ["mean"] if content_type == RAW else [name for name in _OUTPUTS if name in golden]
        return {name: golden[name][rows] for name in names}
    wanted = {"image": golden["reconstruction"][rows]}
    if content_type == JSON:
        wanted["mse"] = np.mean((golden["image"][rows] - wanted["image"]) ** 2, axis=(1, 2, 3))
    return wanted


def _arrays(content_type: str, content: bytes, unwrap: Unwrap) -> dict[str, AnyArray]:
    media_type = content_type.partition(";")[0]
    if media_type == JSON:
        return {name: np.array(rows, np.float32) for name, rows in unwrap(json.loads(content)).items()}
    if media_type == PNG:
        return {"image": _pixels(content)}
    if media_type == NPY:
        return {"image": np.load(io.BytesIO(content))}
    return {"mean": np.frombuffer(content, "<f4").reshape(ROWS["encode_bulk"], -1)}


def _pixels(png: bytes) -> AnyArray:
    """float32 (1, 1, height, width), [0, 1]."""
    return np.asarray(Image.open(io.BytesIO(png)), np.float32)[np.newaxis, np.newaxis] / 255


def _compare(found: Mapping[str, AnyArray], wanted: Mapping[str, AnyArray]) -> None:
    for name, values in wanted.items():
        tolerance = _TOLERANCES[name]
        if found[name].shape != values.shape or not np.allclose(found[name], values, atol=tolerance, rtol=tolerance):
            raise ValueError(f"{name} differs")


def _check_samples(job: str, images: AnyArray) -> None:
    side = round(ROWS[job] ** 0.5)
    shape = (ROWS[job], 1, 28, 28) if job == "sample_npy" else (1, 1, 28 * side, 28 * side)
    if images.shape != shape or not ((images >= 0) & (images <= 1)).all() or not 0.02 < images.mean() < 0.5:
        raise ValueError(f"no digits of shape {shape}")
