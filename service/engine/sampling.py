"""New digits: the endless series that a spec describes, page by page.

Sample i depends on the spec, its seed and i alone, so any page of a series can be made at any time, with any company.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from service.engine import noise
from service.engine.model import Float64Array, FloatArray, LabelArray, Model
from service.errors import InvalidParameter

MAX_TRIES = 16  # draws of one latent until it is confident enough

IndexArray = npt.NDArray[np.intp]
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True)
class SampleSpec:
    """A series. label: a class, several taken in turn by index, all in turn, or any by the class weights.

    temperature: scale of the noise. min_confidence: least p(label given z); 0 takes what is drawn first.
    """

    seed: int
    label: int | Sequence[int] | Literal["any", "balanced"] = "any"
    temperature: float = 1.0
    min_confidence: float = 0.0


@dataclass(frozen=True)
class SamplePage:
    """Samples first … first + count − 1 of a series."""

    spec: SampleSpec
    first: int
    count: int

    def noise(self, attempt: int, width: int, rows: IndexArray | None = None) -> noise.Page:
        """rows: some of the page's, by index. attempt: 0 for the first draw."""
        stream = noise.SAMPLE_STREAM + attempt * noise.STREAMS
        return noise.Page(self.spec.seed, stream, self.first, self.count, width, rows)


@dataclass(frozen=True)
class Samples:
    """images: float32 (n, 1, 28, 28), labels: int64 (n,), latents: float32 (n, latent_dim).

    confidence: p(label given z), float64 (n,); tries: draws it took, 1 to MAX_TRIES, int64 (n,); both None where no
    page has a min_confidence.
    """

    images: FloatArray
    labels: LabelArray
    latents: FloatArray
    confidence: Float64Array | None = None
    tries: LabelArray | None = None


def check_label(spec: SampleSpec, classes: int) -> None:
    """Raises InvalidParameter for a class that does not exist."""
    if not isinstance(spec.label, str) and np.max(spec.label) >= classes:
        raise InvalidParameter(f"label: a class is a number from 0 to {classes - 1}.", "unknown_label")


def sample(model: Model, pages: Sequence[SamplePage], *, deterministic: bool = False) -> Samples:
    """The samples of all pages, one page after the other. Raises InferenceFailed.

    A latent whose p(label given z) is below its min_confidence is drawn up to MAX_TRIES times in all; the first that is
    confident enough is taken, else the most confident one.
    """
    width = model.manifest.latent_dim
    draws = noise.draw([page.noise(0, width) for page in pages])
    labels = _joined([_labels(model, page, draw.uniforms) for page, draw in zip(pages, draws, strict=True)])
    latents = model.latents(_scaled(pages, draws), labels, deterministic=deterministic)
    if not any(page.spec.min_confidence for page in pages):
        return Samples(model.decode(latents, deterministic=deterministic), labels, latents)
    thresholds = np.repeat([page.spec.min_confidence for page in pages], [page.count for page in pages])  # (n,)
    confidence = model.confidence(latents, labels, deterministic=deterministic)
    tries = np.ones(len(labels), np.int64)
    for attempt in range(1, MAX_TRIES):
        unsure = np.flatnonzero(confidence < thresholds)
        if not unsure.size:
            break
        epsilon = _redrawn(pages, attempt, width, unsure)
        candidates = model.latents(epsilon, labels[unsure], deterministic=deterministic)
        found = model.confidence(candidates, labels[unsure], deterministic=deterministic)
        better = found > confidence[unsure]
        latents[unsure[better]] = candidates[better]
        confidence[unsure[better]] = found[better]
        tries[unsure] += 1
    return Samples(model.decode(latents, deterministic=deterministic), labels, latents, confidence, tries)


def _redrawn(pages: Sequence[SamplePage], attempt: int, width: int, unsure: IndexArray) -> FloatArray:
    """Noise of a further attempt for these rows of all pages: (rows, width)."""
    redrawn, again = [], []
    for page, end in zip(pages, itertools.accumulate(page.count for page in pages), strict=True):
        rows = unsure[(unsure >= end - page.count) & (unsure < end)] - (end - page.count)
        if rows.size:
            redrawn.append(page)
            again.append(page.noise(attempt, width, rows))
    return _scaled(redrawn, noise.draw(again))


def _scaled(pages: Sequence[SamplePage], draws: Sequence[noise.Draw]) -> FloatArray:
    return _joined([draw.normals * np.float32(page.spec.temperature) for page, draw in zip(pages, draws, strict=True)])


def _labels(model: Model, page: SamplePage, uniforms: Float64Array) -> LabelArray:
    """(count,)"""
    label = page.spec.label
    if label == "any":
        return model.draw_labels(uniforms)
    classes = np.arange(len(model.manifest.classes))
    turns = classes if label == "balanced" else np.atleast_1d(np.array(label, np.int64))
    labels: LabelArray = turns[(page.first + np.arange(page.count)) % len(turns)]
    return labels


def _joined(parts: Sequence[npt.NDArray[_Scalar]]) -> npt.NDArray[_Scalar]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
