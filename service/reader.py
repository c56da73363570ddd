"""PictureReader: small picture files, read together with those that arrive at the same time."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from service import inputs
from service.gathering import Gathering
from service.inputs import FloatArray, ImageOptions


class _Waiting(NamedTuple):
    file: bytes
    options: ImageOptions
    pixels: "asyncio.Future[FloatArray]"


class PictureReader:
    """Many files one right after the other find the decoder in the caches, and their arithmetic is one array's.

    All methods are for the event loop's thread.
    """

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._gathering = Gathering(self._read, lambda: len(self._waiting))

    def read(self, file: bytes, options: ImageOptions) -> "asyncio.Future[FloatArray]":
        """float32 (1, 1, 28, 28), as `inputs.read_images` gives it for the one file, or what that raises."""
        if not self._waiting:
            self._gathering.begin()
        pixels = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(file, options, pixels))
        return pixels

    def _read(self) -> None:
        here, self._waiting = [one for one in self._waiting if not one.pixels.done()], []  # the others have left
        for options in {id(one.options): one.options for one in here}.values():
            alike = [one for one in here if one.options is options]
            found: Sequence[FloatArray | Exception]
            try:
                found = inputs.read_pictures([one.file for one in alike], options)
            except Exception as error:  # a bug's: nobody must wait for ever
                found = [error] * len(alike)
            for one, pixels in zip(alike, found, strict=True):
                if isinstance(pixels, Exception):
                    one.pixels.set_exception(pixels)
                else:
                    one.pixels.set_result(pixels)
