"""Which way is ink, in pictures and in arrays: bright or dark, as asked or by the border, never what is transparent."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from service.codecs.files.images import Invert
from service.codecs.files.png import write
from service.codecs.framing import FloatArray, frame
from service.codecs.ink import as_ink
from tests.support import digits, image_files
from tests.support.image_files import DIGIT, GREY_ALPHA, Samples, pixels, png, unit

BORDER = np.pad(np.zeros((26, 26), bool), 1, constant_values=True)


def strokes(shade: int) -> Samples:
    """A digit's strokes in one shade on full transparency, over hidden white."""
    return np.dstack([np.where(DIGIT, shade, 255), DIGIT])


@pytest.mark.parametrize("shade", [0, 60, 200, 255])
def test_strokes_on_transparency_come_out_as_ink(shade: int) -> None:
    strength = max(shade, 255 - shade)
    expected = unit(strength) * unit(DIGIT)
    np.testing.assert_allclose(pixels(png(strokes(shade), 8, GREY_ALPHA), "auto"), expected, atol=1e-6)


@pytest.mark.parametrize("invert", ["auto", "true", "false"])
@pytest.mark.parametrize("hidden", [0, 255])
def test_a_fully_transparent_image_is_blank_paper(invert: Invert, hidden: int) -> None:
    samples = np.dstack([np.full((28, 28), hidden), np.zeros((28, 28))])
    assert not pixels(png(samples, 8, GREY_ALPHA), invert).any()


@pytest.mark.parametrize("invert", ["auto", "true"])
def test_transparent_corners_of_a_light_page_are_paper(invert: Invert) -> None:
    alpha = np.full((28, 28), 255)
    alpha[:4, :4] = alpha[-4:, -4:] = 0
    assert np.array_equal(pixels(png(np.dstack([255 - DIGIT, alpha]), 8, GREY_ALPHA), invert), unit(DIGIT))


@pytest.mark.parametrize(
    ("samples", "invert", "expected"),
    [
        (DIGIT, "auto", DIGIT),
        (255 - DIGIT, "auto", DIGIT),
        (DIGIT, "false", DIGIT),
        (DIGIT, "true", 255 - DIGIT),
        (255 - DIGIT, "true", DIGIT),
        (255 - DIGIT, "false", 255 - DIGIT),
    ],
    ids=["bright auto", "dark auto", "bright false", "bright true", "dark true", "dark false"],
)
def test_ink_is_what_invert_says(samples: Samples, invert: Invert, expected: Samples) -> None:
    assert np.array_equal(pixels(png(samples), invert), unit(expected))


@pytest.mark.parametrize(("border", "is_light"), [(127, False), (128, True)])
def test_auto_goes_by_the_median_of_the_border_alone(border: int, is_light: bool) -> None:
    samples = np.full((28, 28), border)
    samples[1:-1, 1:-1] = 255 - border
    samples[0, :27] = 255 - samples[0, :27]  # 27 of the 108 on the border disagree
    assert np.array_equal(pixels(png(samples), "auto"), unit(255 - samples if is_light else samples))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_border_of_the_smallest_images_is_all_of_them(shape: tuple[int, int]) -> None:
    assert not pixels(png(np.full(shape, 255)), "auto", "resize").any()


def test_auto_decides_before_paper_is_padded() -> None:
    wide = np.full((10, 40), 255)
    wide[4:6, 10:30] = 0
    framed = pixels(png(wide), "auto", "resize")
    assert framed[0, 0] == 0
    assert framed[13, 14] == 1


@pytest.mark.parametrize("low", range(128))
def test_a_border_exactly_half_light_is_not_light(low: int) -> None:
    """Of two middle pixels whose mean is half, float32 would have it a little above."""
    ring = np.flatnonzero(BORDER)
    samples = np.zeros((28, 28), np.uint8)
    samples.flat[ring[::2]], samples.flat[ring[1::2]] = low, 255 - low
    assert np.array_equal(pixels(write(samples), "auto"), unit(samples))
    samples.flat[ring[1::2]] = 256 - low if low else 255
    assert np.array_equal(pixels(write(samples), "auto"), unit(255 - samples if low else samples))


# Arrays, by NumPy's own median

EDGES = np.array([0, 0.25, 0.49999997, 0.5, 0.50000006, 0.75, 1], np.float32)


def by_median(pixels: FloatArray) -> FloatArray:
    """What `auto` means, for pixels (n, 28, 28) in [0, 1]."""
    dark_ink = np.median(pixels[:, BORDER], axis=1) > 0.5
    inked: FloatArray = np.where(dark_ink[:, None, None], 1 - pixels, pixels)[:, None]
    return inked


@settings(max_examples=200, deadline=None)
@given(pixels=arrays(np.float32, (2, 28, 28), elements=st.sampled_from(EDGES.tolist()), fill=st.floats(0, 1, width=32)))
def test_paper_is_known_by_the_median_of_the_border(pixels: FloatArray) -> None:
    assert as_ink(pixels, "resize", "auto").tobytes() == by_median(pixels).tobytes()


@pytest.mark.parametrize("lighter", [0, 1, 53, 54, 55, 107, 108])
@pytest.mark.parametrize("top", EDGES[4:])
@pytest.mark.parametrize("bottom", EDGES[:4])
def test_paper_is_known_where_the_border_is_about_half_light(lighter: int, top: float, bottom: float) -> None:
    pixels = np.zeros((1, 28, 28), np.float32)
    pixels[:, BORDER] = np.where(np.arange(108) < lighter, top, bottom)
    assert as_ink(pixels, "resize", "auto").tobytes() == by_median(pixels).tobytes()


@pytest.mark.parametrize("invert", ["auto", "true", "false"])
def test_bytes_are_255ths_in_an_array_and_in_a_picture(invert: Invert) -> None:
    samples = np.concatenate((digits.images()[:40], 255 - digits.images()[:40]))
    samples[:2, BORDER] = np.where(np.arange(108) < 54, [[128], [127]], [[127], [129]])  # twice the median: 255, 256
    pixels = samples.astype(np.float32) / np.float32(255)
    expected = {"auto": by_median(pixels), "true": 1 - pixels[:, None], "false": pixels[:, None]}[invert]
    dark_ink = (expected != pixels[:, None]).any(axis=(1, 2, 3), keepdims=True)
    of_bytes = np.where(dark_ink, 255 - samples[:, None], samples[:, None]).astype(np.float32) / np.float32(255)
    assert as_ink(samples, "resize", invert).tobytes() == of_bytes.tobytes()
    assert as_ink(pixels, "exact", invert).tobytes() == expected.tobytes()
    drawn = np.stack([image_files.pixels(write(row), invert) for row in samples])
    assert drawn[:, None].tobytes() == of_bytes.tobytes()


def test_mnist_frames_each_digit_of_an_array_on_its_own() -> None:
    samples = np.roll(digits.images()[:3], 5, axis=2)
    alone = [frame(unit(digit), "mnist") for digit in samples]
    assert np.array_equal(as_ink(samples, "mnist", "false")[:, 0], np.stack(alone))


def test_an_array_of_no_rows_stays_one() -> None:
    assert as_ink(np.zeros((0, 28, 28), np.uint8), "resize", "auto").shape == (0, 1, 28, 28)
