"""The first bytes of a file say its format, and its header how many pixels it has."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from PIL import Image

from service.codecs.files import formats
from service.codecs.files.header import ImageLimits
from service.codecs.files.picture import read_picture
from service.errors import ImageTooLarge
from tests.support.image_files import LIMITS, SIGNATURE, STARTS, saved

FILES: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {},
    "WEBP": {},
    "lossless WEBP": {"lossless": True},
    "WEBP with metadata": {"exif": b"abc"},
    "BMP": {},
    "GIF": {},
}


def pixels(data: bytes, limits: ImageLimits) -> int:
    """By what decoding them costs."""
    kind = formats.find(data)
    return round(formats.decoding_s(data, limits) / kind.pixel_s) if kind else 0


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (300, 7)], ids=str)
@pytest.mark.parametrize("kind", FILES)
def test_pixels_are_counted_by_the_header_alone(size: tuple[int, int], kind: str) -> None:
    whole = saved(Image.new("RGB", size), next(name for name in kind.split() if name.isupper()), **FILES[kind])
    assert pixels(whole, LIMITS) == size[0] * size[1]
    assert pixels(whole[: max(34, len(whole) * 3 // 4)], LIMITS) == size[0] * size[1]


@pytest.mark.parametrize(("kind", "most"), [("PNG", 800), ("GIF", 800), ("BMP", 800), ("JPEG", 3200), ("WEBP", 400)])
def test_pixels_that_will_be_refused_are_not_counted(kind: str, most: int) -> None:
    limits = ImageLimits(max_bytes=1 << 20, max_pixels=800)
    assert pixels(saved(Image.new("RGB", (most // 20, 20)), kind), limits) == most
    larger = saved(Image.new("RGB", (most // 20, 21)), kind)
    assert pixels(larger, limits) == 0
    with pytest.raises(ImageTooLarge):
        read_picture(larger, limits)


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(100), SIGNATURE, b"\xff\xd8\xff", b"\x93NUMPY"], ids=repr)
def test_a_file_that_announces_no_pixels_counts_as_none(data: bytes) -> None:
    assert pixels(data, LIMITS) == 0


@given(st.binary(max_size=500), st.sampled_from(STARTS))
def test_pixels_of_any_bytes_are_counted_without_an_error(data: bytes, start: bytes) -> None:
    assert 0 <= pixels(start + data, LIMITS) <= 4 * LIMITS.max_pixels
