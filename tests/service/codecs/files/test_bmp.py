"""BMP files of every depth become the right pixels; what no decoder should see is refused by the header."""

import struct

import numpy as np
import pytest

from service.codecs.files.bmp import MAX_RUN_PIXELS, read
from service.codecs.files.header import ImageLimits
from service.codecs.files.picture import read_picture
from service.errors import ImageTooLarge, InvalidImage
from tests.support.image_files import DIGIT, LIMITS, bmp, pixels, random_samples, unit

RAMP = np.arange(28 * 28).reshape(28, 28)
RGB_MASKS, ALPHA_MASK = (0xFF0000, 0xFF00, 0xFF), 0xFF000000


@pytest.mark.parametrize("downwards", [False, True], ids=["upwards", "downwards"])
@pytest.mark.parametrize("depth", [1, 4, 8])
def test_grey(depth: int, downwards: bool) -> None:
    samples = RAMP % 2**depth
    assert np.array_equal(pixels(bmp(samples, depth, downwards=downwards)), unit(samples * (255 // (2**depth - 1))))


@pytest.mark.parametrize("depth", [1, 4, 8])
def test_palette(depth: int) -> None:
    colours = np.random.default_rng(depth).integers(0, 256, (2**depth, 3))
    found = read_picture(bmp(RAMP % 2**depth, depth, palette=colours), LIMITS)
    assert np.array_equal(found.samples, colours[RAMP % 2**depth])
    assert found.alpha is None


@pytest.mark.parametrize("depth", [24, 32])
@pytest.mark.parametrize("width", [25, 26, 28])
def test_colour(depth: int, width: int) -> None:
    """Rows are padded to four bytes; the fourth of 32 bits says nothing."""
    colours = random_samples(3)[:, :width]
    packed = (
        (colours[..., 0] << 16)
        + (colours[..., 1] << 8)
        + colours[..., 2]
        + (RAMP[:, :width] % 200 << 24) * (depth == 32)
    )
    found = read_picture(bmp(packed, depth), LIMITS)
    assert np.array_equal(found.samples, colours)
    assert found.alpha is None


def test_16_bits_are_five_a_colour() -> None:
    colours = random_samples(3, top=31)
    packed = (colours[..., 0] << 10) + (colours[..., 1] << 5) + colours[..., 2]
    found = read_picture(bmp(packed, 16), LIMITS)
    assert np.abs(found.samples - colours * 255 / 31).max() <= 1


def test_a_mask_for_alpha_makes_pixels_transparent() -> None:
    colours = random_samples(4)
    packed = sum(colours[..., i] << shift for i, shift in enumerate((16, 8, 0, 24)))
    found = read_picture(bmp(packed, 32, masks=(*RGB_MASKS, ALPHA_MASK)), LIMITS)
    assert np.array_equal(found.samples, colours[..., :3])
    assert found.alpha is not None
    assert np.array_equal(found.alpha, unit(colours[..., 3]))


def test_alpha_that_is_zero_throughout_is_none() -> None:
    grey = DIGIT.astype(int) * 0x010101
    assert np.array_equal(pixels(bmp(grey, 32, masks=(*RGB_MASKS, ALPHA_MASK))), unit(DIGIT))


@pytest.mark.parametrize("depth", [4, 8])
def test_run_length_encoding(depth: int) -> None:
    samples = DIGIT // 16 if depth == 4 else DIGIT
    assert np.array_equal(pixels(bmp(samples, depth, runs=True)), unit(samples * (17 if depth == 4 else 1)))


def test_the_header_of_os2() -> None:
    whole = bmp(RAMP * 77 % 2**24, 24)
    old = struct.pack("<2sIHHIIHHHH", b"BM", 0, 0, 0, 26, 12, 28, 28, 1, 24) + whole[54:]
    assert np.array_equal(read_picture(old, LIMITS).samples, read_picture(whole, LIMITS).samples)


def test_the_padding_of_the_last_row_may_be_missing() -> None:
    samples = DIGIT[:, :25]
    whole = bmp(samples, 8, downwards=True)
    assert np.array_equal(pixels(whole[:-3], fit="resize"), pixels(whole, fit="resize"))
    with pytest.raises(InvalidImage):
        pixels(whole[:-4], fit="resize")


@pytest.mark.parametrize("size", [(16_385, 1), (1, -16_385), (4097, 4096), (1, -(2**31)), (-1, 1)], ids=str)
def test_too_large_a_size_is_refused_at_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge):
        read(struct.pack("<2sIHHIIiiHHI", b"BM", 0, 0, 0, 54, 40, *size, 1, 24, 0) + bytes(20), LIMITS)


def test_a_long_run_length_encoding_is_refused() -> None:
    side = int(MAX_RUN_PIXELS**0.5)
    with pytest.raises(ImageTooLarge, match="run-length"):
        pixels(bmp(np.zeros((side + 1, side)), 8, runs=True)[:2000])
    with pytest.raises(ImageTooLarge, match="run-length"):
        read(bmp(DIGIT, 8, runs=True) + bytes(4 * MAX_RUN_PIXELS), ImageLimits(max_bytes=8 << 20))


REFUSED = {
    "size 0": struct.pack("<2sIHHIIiiHHI", b"BM", 0, 0, 0, 54, 40, 0, 28, 1, 24, 0) + bytes(5000),
    "2 bits": bmp(RAMP % 4, 2),
    "PNG inside": bmp(DIGIT, 8)[:30] + b"\5" + bmp(DIGIT, 8)[31:],
    "header cut": bmp(DIGIT, 8)[:40],
    "rows cut": bmp(DIGIT, 8)[:-1],
    "masks of three bits": bmp(RAMP, 32, masks=(7, 56, 448, 0)),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_malformed_or_unsupported_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage) as refusal:
        pixels(data)
    assert refusal.value.code == "bad_image"
