"""Still GIFs become the right pixels; animations, and what no decoder should see, are refused by their blocks."""

import struct

import numpy as np
import pytest
from PIL import Image

from service.codecs.files.gif import MAX_BLOCKS, read
from service.codecs.files.picture import read_picture
from service.errors import ImageTooLarge, InvalidImage
from tests.support.image_files import DIGIT, LIMITS, pixels, saved, unit

GOOD = saved(Image.fromarray(DIGIT), "GIF")
COMMENT = b"!\xfe\x03abc\0"
LOOP = b"!\xff\x0bNETSCAPE2.0\x03\1\0\0\0"


def gif(
    samples: np.ndarray, palette: bytes = bytes(range(12)), *, screen: tuple[int, int] | None = None,
    place: tuple[int, int] = (0, 0), before: bytes = b"", local: bool = False, after: bytes = b";",
) -> bytes:  # fmt: skip
    """A GIF of samples (h, w) from 0 to 3, each code for itself: a clear code before each two keeps codes at 3 bits."""
    height, width = samples.shape
    values = samples.ravel().tolist()
    codes = [code for i in range(0, len(values), 2) for code in (4, *values[i : i + 2])]
    packed = sum(code << 3 * i for i, code in enumerate([*codes, 5])).to_bytes((3 * len(codes) + 10) // 8, "little")
    blocks = b"".join(bytes((len(packed[i : i + 255]),)) + packed[i : i + 255] for i in range(0, len(packed), 255))
    flags, table = (0x81, palette) if palette and not local else (0, b"")
    head = b"GIF89a" + struct.pack("<HHBBB", *(screen or (width, height)), flags, 0, 0) + table
    picture = b"," + struct.pack("<HHHHB", *place, width, height, 0x81 if local else 0) + (palette if local else b"")
    return head + before + picture + b"\2" + blocks + b"\0" + after


SAMPLES = np.arange(30).reshape(5, 6) * 7 % 4
COLOURS = np.arange(12).reshape(4, 3)
TRANSPARENT_2 = b"!\xf9\4\1\0\0\2\0"


@pytest.mark.parametrize("local", [False, True], ids=["palette of all", "palette of its own"])
def test_colours_are_those_of_the_palette(local: bool) -> None:
    found = read_picture(gif(SAMPLES, local=local), LIMITS)
    assert np.array_equal(found.samples, COLOURS[SAMPLES])
    assert found.alpha is None


def test_the_transparent_colour_is_transparent() -> None:
    found = read_picture(gif(SAMPLES, before=TRANSPARENT_2), LIMITS)
    assert found.alpha is not None
    assert np.array_equal(found.alpha, SAMPLES != 2)


@pytest.mark.parametrize("before", [b"", TRANSPARENT_2], ids=["opaque", "transparent"])
def test_what_a_smaller_picture_leaves_of_the_screen_is_transparent(before: bytes) -> None:
    found = read_picture(gif(SAMPLES, screen=(10, 9), place=(3, 2), before=before), LIMITS)
    expected = np.zeros((9, 10))
    expected[2:7, 3:9] = SAMPLES != 2 if before else 1
    assert found.alpha is not None
    assert np.array_equal(found.alpha, expected)
    assert np.array_equal(found.samples[2:7, 3:9], COLOURS[SAMPLES])


def test_samples_without_a_palette_are_grey() -> None:
    assert np.array_equal(read_picture(GREY, LIMITS).samples, SAMPLES)


@pytest.mark.parametrize("options", [{}, {"interlace": 1}, {"interlace": 0}], ids=str)
def test_grey_is_read_to_the_bit(options: dict[str, int]) -> None:
    assert np.array_equal(pixels(saved(Image.fromarray(DIGIT), "GIF", **options)), unit(DIGIT))


def test_comments_and_what_follows_the_end_are_ignored() -> None:
    plain = read(gif(SAMPLES), LIMITS).stream
    assert read(gif(SAMPLES, before=COMMENT + LOOP, after=COMMENT + b";" + bytes(50)), LIMITS).stream == plain


def test_the_end_may_be_missing() -> None:
    assert read(GOOD[:-1], LIMITS).stream == read(GOOD, LIMITS).stream


def test_an_animation_is_refused_by_its_own_code() -> None:
    frames = [Image.fromarray(DIGIT), Image.fromarray(255 - DIGIT)]
    with pytest.raises(InvalidImage) as refusal:
        pixels(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert refusal.value.code == "animated_image"
    pixels(saved(frames[0], "GIF", save_all=True, loop=0))


@pytest.mark.parametrize("size", [(16_385, 1), (1, 65_535), (4097, 4096)], ids=str)
def test_too_large_a_screen_is_refused_at_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge):
        read(gif(SAMPLES, screen=size), LIMITS)


GREY = gif(SAMPLES, palette=b"")
REFUSED = {
    "screen of 0": gif(SAMPLES, screen=(0, 5)),
    "no picture": gif(SAMPLES)[:25] + b";",
    "picture beyond its screen": gif(SAMPLES, place=(1, 0)),
    "picture of no width": gif(SAMPLES[:, :0]),
    "pixel outside the palette": GREY[:10] + b"\x80" + GREY[11:13] + bytes(6) + GREY[13:],
    "unknown block": gif(SAMPLES, before=b"?"),
    "pixels end early": gif(SAMPLES)[:40] + b"\0;",
    "many blocks": gif(SAMPLES, before=b"!\xfe" + b"\1a" * MAX_BLOCKS + b"\0"),
    "many extensions": gif(SAMPLES, before=b"!\xfe\0" * MAX_BLOCKS),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_malformed_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage) as refusal:
        pixels(data)
    assert refusal.value.code == "bad_image"
