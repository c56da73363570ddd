"""Pictures read together: each is what it would be alone, or fails as it would."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from PIL import Image
from service.codecs.inputs import ImageOptions, Picture, read_images, read_pictures

from service.codecs.png import write
from service.errors import ServiceError
from tests.service.codecs.image_files import DIGIT, LIMITS, RGB, png, random_samples, saved
from tests.support import digits

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
@given(asked=st.lists(st.tuples(st.sampled_from(FILES), st.sampled_from(OPTIONS)), min_size=1, max_size=30))
def test_pictures_read_together_are_those_read_alone(asked: list[tuple[bytes, ImageOptions]]) -> None:
    found = read_pictures([Picture(file, options) for file, options in asked])
    assert [as_told(one) for one in found] == [alone(file, options) for file, options in asked]
