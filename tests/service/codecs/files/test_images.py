"""Files become the right pixels, bit for bit where the format allows it."""

import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.errors import InvalidImage
from tests.support.image_files import (
    BLOCKS,
    DIGIT,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
    Samples,
    adobe,
    chunk,
    exif,
    header,
    jpeg,
    pixels,
    png,
    random_samples,
    saved,
    segment,
    trns,
    unit,
)

RAMP = np.arange(784).reshape(28, 28)


def luma(samples: Samples) -> Samples:
    """Rec. 601 in 16-bit fixed point, rounded to 8 bits."""
    return (samples[..., :3] @ np.array([19595, 38470, 7471]) + 32768) >> 16


# PNG: every kind of pixel, straight and interlaced


@pytest.mark.parametrize("interlaced", [False, True], ids=["straight", "interlaced"])
class TestEveryKindOfPng:
    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    def test_grey(self, depth: int, interlaced: bool) -> None:
        top = 2**depth - 1
        samples = RAMP * 83 % (top + 1) if depth == 16 else RAMP % (top + 1)
        assert np.array_equal(pixels(png(samples, depth, interlaced=interlaced)), unit(samples, top))

    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    def test_grey_with_a_transparent_value(self, depth: int, interlaced: bool) -> None:
        top = 2**depth - 1
        samples = RAMP % (top + 1)
        data = png(samples, depth, interlaced=interlaced, before=trns(top if depth < 16 else 700))
        expected = unit(np.where(samples == (top if depth < 16 else 700), 0, samples), top)
        assert np.array_equal(pixels(data), expected)

    @pytest.mark.parametrize("depth", [1, 2, 4, 8])
    def test_palette(self, depth: int, interlaced: bool) -> None:
        colours = np.random.default_rng(depth).integers(0, 256, (2**depth, 3))
        samples = RAMP % 2**depth
        data = png(
            samples,
            depth,
            PALETTE,
            interlaced=interlaced,
            before=chunk(b"PLTE", colours.astype(np.uint8).tobytes()),
        )
        assert np.array_equal(pixels(data), unit(luma(colours[samples])))

    @pytest.mark.parametrize("opacity", [(0,), (255, 0), (128, 7), (0, 10, 200, 255)], ids=str)
    def test_palette_with_transparency(self, opacity: tuple[int, ...], interlaced: bool) -> None:
        colours = np.array([[200] * 3, [100] * 3, [50] * 3, [255] * 3])
        sides = chunk(b"PLTE", colours.astype(np.uint8).tobytes()) + chunk(b"tRNS", bytes(opacity))
        data = png(RAMP % 4, 2, PALETTE, interlaced=interlaced, before=sides)
        alpha = np.array([*opacity, *[255] * (4 - len(opacity))])
        expected = unit(colours[:, 0]) * unit(alpha)
        assert np.array_equal(pixels(data), expected[RAMP % 4])

    def test_colour(self, interlaced: bool) -> None:
        samples = random_samples(3)
        assert np.array_equal(pixels(png(samples, 8, RGB, interlaced=interlaced)), unit(luma(samples)))

    def test_colour_with_a_transparent_value(self, interlaced: bool) -> None:
        samples = random_samples(3, top=1) * 200
        data = png(samples, 8, RGB, interlaced=interlaced, before=trns(200, 200, 0))
        hidden = (samples == (200, 200, 0)).all(axis=2)
        assert hidden.any()
        assert np.array_equal(pixels(data), unit(np.where(hidden, 0, luma(samples))))

    def test_16_bit_colour_counts_to_8_bits(self, interlaced: bool) -> None:
        samples = random_samples(3, top=65535)
        assert np.array_equal(pixels(png(samples, 16, RGB, interlaced=interlaced)), unit(luma(samples >> 8)))

    def test_16_bit_colour_with_a_transparent_value(self, interlaced: bool) -> None:
        samples = random_samples(3, top=1) * 51400
        data = png(samples, 16, RGB, interlaced=interlaced, before=trns(51400, 0, 51400))
        hidden = (samples == (51400, 0, 51400)).all(axis=2)
        assert np.array_equal(pixels(data), unit(np.where(hidden, 0, luma(samples >> 8))))

    @pytest.mark.parametrize("depth", [8, 16])
    def test_grey_with_alpha(self, depth: int, interlaced: bool) -> None:
        samples = random_samples(2, top=2**depth - 1)
        grey, alpha = np.moveaxis(samples >> (depth - 8), 2, 0)
        data = png(samples, depth, GREY_ALPHA, interlaced=interlaced)
        assert np.array_equal(pixels(data), unit(grey) * unit(alpha))

    @pytest.mark.parametrize("depth", [8, 16])
    def test_colour_with_alpha(self, depth: int, interlaced: bool) -> None:
        samples = random_samples(4, top=2**depth - 1)
        eight = samples >> (depth - 8)
        data = png(samples, depth, RGBA, interlaced=interlaced)
        assert np.array_equal(pixels(data), unit(luma(eight)) * unit(eight[..., 3]))


def test_16_bit_ramp_equals_the_8_bit_ramp() -> None:
    assert np.array_equal(pixels(png(RAMP % 256 * 257, 16)), pixels(png(RAMP % 256, 8)))


def test_grey_in_colour_equals_grey() -> None:
    assert np.array_equal(pixels(png(np.dstack([DIGIT] * 3), 8, RGB)), unit(DIGIT))


def test_gamma_and_text_change_nothing() -> None:
    sides = chunk(b"gAMA", (45_455).to_bytes(4)) + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))
    assert np.array_equal(pixels(png(DIGIT, before=sides)), unit(DIGIT))


def test_pixels_outside_the_palette_are_refused() -> None:
    sides = chunk(b"PLTE", bytes(9))
    pixels(png(RAMP % 3, 2, PALETTE, before=sides))
    with pytest.raises(InvalidImage):
        pixels(png(RAMP % 4, 2, PALETTE, before=sides))


def test_an_unknown_row_filter_is_refused() -> None:
    lines = b"".join(b"\5" + row.tobytes() for row in DIGIT)
    data = SIGNATURE + header(28, 28) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND")
    with pytest.raises(InvalidImage):
        pixels(data)


# JPEG


def flat(blocks: Samples) -> Samples:
    return np.kron(blocks, np.ones((8, 8)))[:28, :28]


def rgb_of_ycc(blocks: Samples) -> Samples:
    """JFIF's conversion, from bytes of Y, Cb, Cr to red, green and blue, 0 to 255."""
    y, cb, cr = np.moveaxis(blocks[..., :3].astype(float), 2, 0)
    red, blue = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    green = y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)
    return np.clip(np.stack([red, green, blue], axis=2), 0, 255)


def test_grey_jpeg() -> None:
    assert np.array_equal(pixels(jpeg(BLOCKS[..., :1])), unit(flat(BLOCKS[..., 0])))


def test_colour_jpeg() -> None:
    expected = flat(rgb_of_ycc(BLOCKS) @ (0.299, 0.587, 0.114))
    np.testing.assert_allclose(pixels(jpeg(BLOCKS[..., :3])), expected / 255, atol=1.5 / 255)


def test_adobe_rgb_jpeg() -> None:
    expected = flat(BLOCKS[..., :3] @ (0.299, 0.587, 0.114))
    np.testing.assert_allclose(pixels(jpeg(BLOCKS[..., :3], before=adobe(0))), expected / 255, atol=1.5 / 255)


@pytest.mark.parametrize("before", [adobe(0), b""], ids=["Adobe", "no marker"])
def test_cmyk_jpeg_stores_the_light_that_each_ink_lets_through(before: bytes) -> None:
    """Adobe's habit, kept by all that write such files: 255 is no ink, so a colour is its byte times black's."""
    light = BLOCKS[..., :3] * BLOCKS[..., 3:] / 255
    data = jpeg(BLOCKS, before=before)
    np.testing.assert_allclose(pixels(data), flat(light @ (0.299, 0.587, 0.114)) / 255, atol=2 / 255)


def test_ycck_jpeg() -> None:
    """Cyan, magenta and yellow as stored are the complement of what Y, Cb, Cr decode to."""
    light = (255 - rgb_of_ycc(BLOCKS)) * BLOCKS[..., 3:] / 255
    data = jpeg(BLOCKS, before=adobe(2))
    np.testing.assert_allclose(pixels(data), flat(light @ (0.299, 0.587, 0.114)) / 255, atol=2 / 255)


def test_dark_ink_stays_ink_in_cmyk() -> None:
    """A black stroke on white paper, as a drawing program saves it."""
    picture = Image.fromarray(255 - DIGIT).convert("RGB").convert("CMYK")
    assert np.abs(pixels(saved(picture, "JPEG", quality=95), "auto") - unit(DIGIT)).mean() < 0.02


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"quality": 100}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_same_digit_as_jpeg_and_as_png_agree(options: dict[str, Any], mode: str) -> None:
    data = saved(Image.fromarray(DIGIT).convert(mode), "JPEG", **options)
    assert np.abs(pixels(data) - unit(DIGIT)).mean() < 0.02


def test_the_first_of_several_pictures_is_read() -> None:
    first, second = (Image.fromarray(picture) for picture in (DIGIT, 255 - DIGIT))
    data = saved(first, "MPO", save_all=True, append_images=[second])
    assert data.count(b"\xff\xd8\xff") == 2
    assert np.abs(pixels(data) - unit(DIGIT)).mean() < 0.02


# Orientation

# Where the stored first row and first column belong, by the EXIF specification's table of orientations.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
SIDE = {
    "top": np.s_[0, :],
    "bottom": np.s_[-1, :],
    "left": np.s_[:, 0],
    "right": np.s_[:, -1],
}


@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_orientation_is_applied_once(orientation: int, kind: str) -> None:
    row_side, column_side = SIDES[orientation]
    stored = np.zeros((32, 32), int)
    stored[:8], stored[8:, :8] = 200, 100  # first rows brighter than first columns
    if kind == "png":
        data = png(stored, before=chunk(b"eXIf", exif(orientation)))
    else:
        block = segment(0xE1, b"Exif\0\0" + exif(orientation))
        data = jpeg(stored[::8, ::8, None], size=(32, 32), before=block)
    upright = pixels(data, fit="resize")
    assert np.all(upright[SIDE[row_side]] == unit(200))
    assert np.median(upright[SIDE[column_side]]) == unit(100)


def test_orientation_turns_a_wide_image_before_it_is_framed() -> None:
    stored = np.full((7, 28), 255)
    upright = pixels(png(stored, before=chunk(b"eXIf", exif(6))), fit="resize")
    assert np.array_equal(upright.nonzero()[1].reshape(28, 7), np.tile(np.arange(10, 17), (28, 1)))


def test_corrupt_exif_changes_nothing() -> None:
    data = png(DIGIT, before=chunk(b"eXIf", exif(6)[:-9]))
    assert np.array_equal(pixels(data), unit(DIGIT))
