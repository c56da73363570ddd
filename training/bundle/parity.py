"""Proof that two models compute the same: a torch model and its ONNX graphs, at several batch lengths, on real digits.

The bounds hold for float32 on one machine; a bundle's own golden vectors leave more room, for other machines.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import GraphName
from training.errors import ParityError
from training.model.functions import FloatArray, IntArray, Model

BATCHES = (1, 2, 7, 64, 257)
# Largest difference per output, absolute and relative to the value. Log densities run to thousands of nats where a
# label does not fit, and float32 carries seven digits of them.
BOUNDS = {
    "image": (1e-5, 0.0),
    "mean": (1e-4, 0.0),
    "log_var": (1e-4, 0.0),
    "logit": (1e-4, 1e-5),
    "latent": (1e-4, 1e-5),
    "log_pz_y": (1e-3, 1e-5),
}
# A row alone against the same row in a batch: 1e-6 of the output's largest value, or 1e-6 where that is below 1.
ROW_BOUND = 1e-6


def check_parity(
    wanted: Model, got: Model, images: FloatArray, noise: FloatArray, labels: IntArray
) -> dict[str, float]:
    """Largest absolute difference by output, between `wanted` over all rows at once and `got` at every batch length.

    images (n, 1, 28, 28), noise (n, d), labels (n,): the decoder and the density are asked at the images' means.
    Raises ParityError for the first output beyond its bound, or where a row depends on the batch it is in.
    """
    means, _ = wanted.encode(images)
    largest: dict[str, float] = {}
    questions: tuple[tuple[GraphName, tuple[str, ...], tuple[NDArray[Any], ...]], ...] = (
        ("encoder", ("mean", "log_var"), (images,)),
        ("decoder", ("image", "logit"), (means,)),
        ("prior", ("latent",), (noise, labels)),
        ("density", ("log_pz_y",), (means,)),
    )
    for graph, names, arrays in questions:
        answers = wanted.functions[graph](*arrays)
        alone = None
        for batch in BATCHES:
            chunks = [got.functions[graph](*chunk) for chunk in _batches(arrays, batch)]
            outputs = [np.concatenate(parts) for parts in zip(*chunks, strict=True)]
            alone = outputs if alone is None else alone
            for name, answer, output, single in zip(names, answers, outputs, alone, strict=False):
                difference = _within_bound(name, answer, output, batch)
                largest[name] = max(largest.get(name, 0.0), difference)
                _independent_of_batch(name, single, output, batch)
    return largest


def _batches(arrays: tuple[NDArray[Any], ...], batch: int) -> Iterator[tuple[NDArray[Any], ...]]:
    for start in range(0, len(arrays[0]), batch):
        yield tuple(array[start : start + batch] for array in arrays)


def _within_bound(name: str, wanted: FloatArray, got: FloatArray, batch: int) -> float:
    if wanted.shape != got.shape:
        raise ParityError(f"{name} is {got.shape} in batches of {batch}, and {wanted.shape} in torch")
    difference = np.abs(wanted.astype(np.float64) - got)
    absolute, relative = BOUNDS[name]
    beyond = difference - relative * np.abs(wanted)
    # `not <=` so that a NaN, on either side, is a failure too
    if not beyond.max() <= absolute:
        allowed = f"{absolute:g} plus {relative:g} of the value" if relative else f"{absolute:g}"
        raise ParityError(
            f"{name} in batches of {batch} differs from torch by {difference.max():.3g}, allowed is {allowed}"
        )
    return float(difference.max())


def _independent_of_batch(name: str, alone: FloatArray, together: FloatArray, batch: int) -> None:
    difference = np.abs(alone.astype(np.float64) - together).max()
    allowed = ROW_BOUND * max(1.0, float(np.abs(alone).max()))
    if not difference <= allowed:
        raise ParityError(
            f"{name} of a row alone and in a batch of {batch} differ by {difference:.3g}, allowed is {allowed:.3g}"
        )
