"""Which way is ink: bright or dark, as asked or by the border, and never what is transparent."""

import numpy as np
import pytest

from tests.service.codecs.image_files import (
    DIGIT,
    GREY_ALPHA,
    pixels,
    png,
    unit,
)


def strokes(shade):
    """A digit's strokes in one shade on full transparency, over hidden white."""
    return np.dstack([np.where(DIGIT, shade, 255), DIGIT])


@pytest.mark.parametrize("shade", [0, 60, 200, 255])
def test_strokes_on_transparency_come_out_as_ink(shade):
    strength = max(shade, 255 - shade)
    expected = unit(strength) * unit(DIGIT)
    np.testing.assert_allclose(pixels(png(strokes(shade), 8, GREY_ALPHA), "auto"), expected, atol=1e-6)


@pytest.mark.parametrize("invert", ["auto", "true", "false"])
@pytest.mark.parametrize("hidden", [0, 255])
def test_a_fully_transparent_image_is_blank_paper(invert, hidden):
    samples = np.dstack([np.full((28, 28), hidden), np.zeros((28, 28))])
    assert not pixels(png(samples, 8, GREY_ALPHA), invert).any()


@pytest.mark.parametrize("invert", ["auto", "true"])
def test_transparent_corners_of_a_light_page_are_paper(invert):
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
def test_ink_is_what_invert_says(samples, invert, expected):
    assert np.array_equal(pixels(png(samples), invert), unit(expected))


@pytest.mark.parametrize(("border", "is_light"), [(127, False), (128, True)])
def test_auto_goes_by_the_median_of_the_border_alone(border, is_light):
    samples = np.full((28, 28), border)
    samples[1:-1, 1:-1] = 255 - border
    samples[0, :27] = 255 - samples[0, :27]  # 27 of the 108 on the border disagree
    assert np.array_equal(pixels(png(samples), "auto"), unit(255 - samples if is_light else samples))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_border_of_the_smallest_images_is_all_of_them(shape):
    assert not pixels(png(np.full(shape, 255)), "auto", "resize").any()


def test_auto_decides_before_paper_is_padded():
    wide = np.full((10, 40), 255)
    wide[4:6, 10:30] = 0
    framed = pixels(png(wide), "auto", "resize")
    assert framed[0, 0] == 0
    assert framed[13, 14] == 1
