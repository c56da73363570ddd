"""Randomness of a request: noise off the event loop where it is much, and the endless series that a wish describes.

Sample i depends on the wish, its seed and i alone, so any page of a series can be made at any time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.api.schemas import SampleBody
from service.engine import noise
from service.engine.model import FloatArray, IndexArray, LabelArray, Model, Rejection, Samples
from service.engine.noise import Draw, Page
from service.errors import InvalidParameter
from service.together import Together

_LITTLE_ROWS = 64  # so few cost more alone than together with other requests'
_MUCH_ROWS = 256  # 0.3 ms; more are drawn off the event loop, at the price of a thread's 0.1 ms


class NoiseSource:
    """Draws little for all requests that arrive at the same time at once, and much in a thread."""

    def __init__(self, is_alone: Callable[[], bool]) -> None:
        self._little = Together(noise.draw, is_alone)

    async def draw(self, page: Page) -> Draw:
        """As `noise.draw` for this one page."""
        if page.count <= _LITTLE_ROWS:
            return await self._little.ask(page)
        if page.count <= _MUCH_ROWS:
            return noise.draw([page])[0]
        return (await asyncio.to_thread(noise.draw, [page]))[0]


@dataclass(frozen=True)
class Series:
    """The samples of one wish. deadline: of what begins now."""

    source: NoiseSource
    model: Model
    wish: SampleBody
    seed: int
    deterministic: bool
    deadline: Callable[[], float]

    async def page(self, first: int, count: int) -> Samples:
        """Samples first … first + count − 1 of what was wished for; the deadline is told anew for each page.

        Raises InvalidParameter for a class that is not there, QueueFull, DeadlineExceeded, InferenceFailed.
        """
        first += self.wish.offset

        async def draw(attempt: int, rows: IndexArray | None = None) -> Draw:
            stream = noise.SAMPLE_STREAM + attempt * noise.STREAMS
            page = Page(self.seed, stream, first, count, self.model.manifest.latent_dim, rows)
            uniforms, normals = await self.source.draw(page)
            return Draw(uniforms, normals * np.float32(self.wish.temperature))

        async def redraw(attempt: int, rows: IndexArray) -> FloatArray:
            return (await draw(attempt, rows)).normals

        uniforms, epsilon = await draw(0)
        rejection = Rejection(self.wish.min_confidence, redraw) if self.wish.min_confidence > 0 else None
        labels = self._labels(first, uniforms)
        return await self.model.sample(epsilon, labels, self.deadline(), rejection, deterministic=self.deterministic)

    def _labels(self, first: int, uniforms: noise.Float64Array) -> LabelArray:
        """(count,)"""
        label = self.wish.label
        if label == "any":
            return self.model.draw_labels(uniforms)
        classes = len(self.model.manifest.classes)
        asked = np.arange(classes) if label == "balanced" else np.atleast_1d(np.array(label, np.int64))
        if asked.max() >= classes:
            raise InvalidParameter(f"label: a class is a number from 0 to {classes - 1}.", "unknown_label")
        labels: LabelArray = asked[(first + np.arange(len(uniforms))) % len(asked)]
        return labels
