"""Arrays of pixels become the tensor that the same digits as pictures do, by rules held to NumPy's median."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from service.codecs.inputs import ImageOptions, read_images

from service.codecs import png
from service.codecs.npy import write_npy
from service.errors import InvalidInput
from tests.service.codecs.image_files import LIMITS
from tests.support import digits

NPY, RAW, PNG = "application/x-npy", "application/octet-stream", "image/png"
BORDER = np.pad(np.zeros((26, 26), bool), 1, constant_values=True)
EDGES = np.float32([0, 0.25, 0.49999997, 0.5, 0.50000006, 0.75, 1])


def read(body, content_type, invert="auto", fit="resize"):
    return read_images(bytes(body), content_type, ImageOptions(fit, invert, LIMITS, max_rows=512))


def by_median(pixels):
    """What `auto` means, for pixels (n, 28, 28) in [0, 1]."""
    dark_ink = np.median(pixels[:, BORDER], axis=1) > 0.5
    return np.where(dark_ink[:, None, None], 1 - pixels, pixels)[:, None]


@settings(max_examples=200, deadline=None)
@given(pixels=arrays(np.float32, (2, 28, 28), elements=st.sampled_from(EDGES.tolist()), fill=st.floats(0, 1, width=32)))
def test_paper_is_told_by_the_median_of_the_border(pixels):
    assert read(write_npy(pixels), NPY).tobytes() == by_median(pixels).tobytes()


@pytest.mark.parametrize("lighter", [0, 1, 53, 54, 55, 107, 108])
@pytest.mark.parametrize("top", EDGES[4:])
@pytest.mark.parametrize("bottom", EDGES[:4])
def test_paper_is_told_where_the_border_is_about_half_light(lighter, top, bottom):
    pixels = np.zeros((1, 28, 28), np.float32)
    pixels[:, BORDER] = np.where(np.arange(108) < lighter, top, bottom)
    assert read(write_npy(pixels), NPY).tobytes() == by_median(pixels).tobytes()


@pytest.mark.parametrize("invert", ["auto", "true", "false"])
def test_bytes_are_255ths_whatever_brings_them(invert):
    samples = np.concatenate((digits.images()[:40], 255 - digits.images()[:40]))
    samples[:2, BORDER] = np.where(np.arange(108) < 54, [[128], [127]], [[127], [129]])  # twice the median: 255, 256
    pixels = samples.astype(np.float32) / np.float32(255)
    expected = {"auto": by_median(pixels), "true": 1 - pixels[:, None], "false": pixels[:, None]}[invert]
    dark_ink = (expected != pixels[:, None]).any(axis=(1, 2, 3), keepdims=True)
    of_bytes = np.where(dark_ink, 255 - samples[:, None], samples[:, None]).astype(np.float32) / np.float32(255)
    assert read(samples.tobytes(), RAW, invert).tobytes() == of_bytes.tobytes()
    assert read(write_npy(samples), NPY, invert).tobytes() == of_bytes.tobytes()
    assert read(write_npy(pixels), NPY, invert).tobytes() == expected.tobytes()
    assert all(
        read(png.write(row), PNG, invert).tobytes() == want.tobytes()
        for row, want in zip(samples, of_bytes, strict=True)
    )


@pytest.mark.parametrize("order", ["<f4", ">f4"])
@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0xFFC00000, 0x7F800000, 0xFF800000, 0x3F800001, 0x80000001])
@pytest.mark.parametrize("place", [0, 400, 783])
def test_what_is_no_number_from_0_to_1_is_refused(order, bits, place):
    """Also a signalling NaN, which must raise no warning, and the least float beyond each end."""
    words = np.zeros((28, 28), order.replace("f", "u"))
    words.flat[place] = bits
    with pytest.raises(InvalidInput) as refusal:
        read(write_npy(words.view(order)), NPY)
    assert refusal.value.code == "out_of_range"


def test_an_array_that_lies_askew_in_its_body_is_laid_straight():
    header = b"\x93NUMPY\1\0" + bytes(
        (len(text := b"{'descr': '<f4', 'fortran_order': False, 'shape': (28, 28)}  \n"), 0)
    )
    tensor = read(header + text + np.full((28, 28), 0.25, "<f4").tobytes(), NPY)
    assert tensor.flags.aligned
    assert np.array_equal(tensor, np.full((1, 1, 28, 28), np.float32(0.25)))
