"""The endless series of samples that a wish describes, by pages: sample i depends on the wish, its seed and i alone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from service import noise
from service.engine import FloatArray, IndexArray, LabelArray, Model, Rejection, Samples
from service.errors import InvalidParameter
from service.schemas import SampleParameters

_THREAD_ROWS = 16  # drawing noise for more takes about a millisecond: off the event loop, at a thread's 0.1 ms


@dataclass(frozen=True)
class Series:
    """label: "any" by the class weights, "balanced" for all in turn, or the classes to take in turn."""

    model: Model
    wish: SampleParameters
    label: Any
    seed: int
    deterministic: bool
    deadline: Callable[[], float]

    async def page(self, first: int, count: int) -> Samples:
        """Samples first … first + count − 1 of what was wished for; the deadline is told anew for each page.

        Raises InvalidParameter for a class that is not there, QueueFull, DeadlineExceeded, InferenceFailed.
        """
        first += self.wish.offset

        async def draw(attempt: int, rows: Any = slice(None)) -> tuple[noise.Float64Array, FloatArray]:
            stream = noise.SAMPLE_STREAM + attempt * noise.STREAMS
            page = (self.seed, stream, first, count, self.model.manifest.latent_dim, rows)
            drawn = noise.draw(*page) if count <= _THREAD_ROWS else await asyncio.to_thread(noise.draw, *page)
            return drawn[0], drawn[1] * np.float32(self.wish.temperature)

        async def redraw(attempt: int, rows: IndexArray) -> FloatArray:
            return (await draw(attempt, rows))[1]

        uniforms, epsilon = await draw(0)
        rejection = Rejection(self.wish.min_confidence, redraw) if self.wish.min_confidence > 0 else None
        labels = self._labels(first, uniforms)
        return await self.model.sample(epsilon, labels, self.deadline(), rejection, deterministic=self.deterministic)

    def _labels(self, first: int, uniforms: noise.Float64Array) -> LabelArray:
        """(count,)"""
        if self.label == "any":
            return self.model.draw_labels(uniforms)
        classes = len(self.model.manifest.classes)
        asked = np.arange(classes) if self.label == "balanced" else np.atleast_1d(np.array(self.label, np.int64))
        if asked.max() >= classes:
            raise InvalidParameter(f"label: a class is a number from 0 to {classes - 1}.", "unknown_label")
        labels: LabelArray = asked[(first + np.arange(len(uniforms))) % len(asked)]
        return labels
