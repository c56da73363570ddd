"""PictureReader: whoever else's picture is read at the time, each caller gets its own pixels or its own error."""

import asyncio
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from service import inputs
from service.errors import InvalidImage, ServiceError
from service.inputs import ImageOptions, read_images, read_pictures
from service.png import write
from service.reader import PictureReader
from tests import digits
from tests.service.image_files import DIGIT, LIMITS, RGB, png, random_samples, saved

pytestmark = pytest.mark.anyio
FILES = [
    *(write(digit) for digit in digits.images()[:6]),
    *(saved(Image.fromarray(255 - digit), "PNG") for digit in digits.images()[6:9]),
    saved(Image.fromarray(DIGIT), "JPEG"),
    png(random_samples(3), colour=RGB),
    write(DIGIT)[:-20],
    write(DIGIT).replace(b"IDAT", b"IDAX"),
    b"GIF89a",
    b"",
]
OPTIONS = [ImageOptions(fit, invert, LIMITS, 8) for fit in ("resize", "mnist", "exact") for invert in ("auto", "true")]


def alone(file: bytes, options: ImageOptions) -> bytes | tuple[type[ServiceError], str, str]:
    try:
        return read_images(file, "image/png", options).tobytes()
    except ServiceError as error:
        return type(error), error.code, error.detail


def as_told(outcome: object) -> object:
    if isinstance(outcome, ServiceError):
        return type(outcome), outcome.code, outcome.detail
    assert isinstance(outcome, np.ndarray)
    assert outcome.shape == (1, 1, 28, 28)
    assert outcome.dtype == np.float32
    return outcome.tobytes()


@settings(max_examples=60, deadline=None)
@given(files=st.lists(st.sampled_from(FILES), min_size=1, max_size=12), options=st.sampled_from(OPTIONS))
def test_pictures_read_together_are_those_read_alone(files: list[bytes], options: ImageOptions) -> None:
    assert [as_told(one) for one in read_pictures(files, options)] == [alone(file, options) for file in files]


async def test_each_caller_gets_its_own() -> None:
    reader = PictureReader()
    asked = [(file, options) for options in OPTIONS for file in FILES]
    outcomes = await asyncio.gather(*(reader.read(*one) for one in asked), return_exceptions=True)
    assert [as_told(outcome) for outcome in outcomes] == [alone(*one) for one in asked]


async def test_a_caller_that_left_is_not_read_for() -> None:
    reader = PictureReader()
    with mock.patch.object(inputs, "read_pictures", wraps=inputs.read_pictures) as read:
        gone, there = (asyncio.ensure_future(reader.read(FILES[i], OPTIONS[0])) for i in (0, 1))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await there).tobytes() == alone(FILES[1], OPTIONS[0])
    read.assert_called_once_with([FILES[1]], OPTIONS[0])


async def test_a_bug_reaches_its_callers_and_spares_the_next() -> None:
    reader = PictureReader()
    with mock.patch.object(inputs, "read_pictures", side_effect=ZeroDivisionError):
        outcomes = await asyncio.gather(*(reader.read(FILES[0], OPTIONS[0]) for _ in range(2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError] * 2
    with pytest.raises(InvalidImage):
        await reader.read(b"", OPTIONS[0])
