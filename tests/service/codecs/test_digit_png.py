"""The short way that a digit's own PNG takes gives the same pixels and errors as the long one."""

import zlib
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from PIL import Image

from service.codecs.images import ImageLimits, decode
from service.codecs.png import read_digit, write
from service.errors import ImageTooLarge, ServiceError
from tests.service.codecs.image_files import (
    DIGIT,
    GREY,
    LIMITS,
    SIGNATURE,
    chunk,
    exif,
    filtered,
    header,
    pixels,
    random_samples,
    saved,
    unit,
)
from tests.support import digits


def digit_file(lines, *, compressed=None, before=b"", interlaced=False):
    body = zlib.compress(lines) if compressed is None else compressed
    return SIGNATURE + header(28, 28, 8, GREY, interlaced) + before + chunk(b"IDAT", body) + chunk(b"IEND")


def outcome(data, invert="auto", fit="resize", limits=LIMITS):
    """Pixels, bit for bit, or all that a client is told of an error."""
    try:
        return decode(data, fit=fit, invert=invert, limits=limits).tobytes()
    except ServiceError as error:
        return type(error), error.code, error.detail


def outcome_of_the_long_way(data, **options):
    with mock.patch("service.codecs.png.read_digit", return_value=None):
        return outcome(data, **options)


@pytest.mark.parametrize("kind", range(5), ids=["none", "sub", "up", "average", "paeth"])
def test_every_row_filter_is_undone_in_the_short_way(kind):
    for samples in (DIGIT, random_samples(1), np.full((28, 28), 255)):
        data = digit_file(filtered(samples, [kind] * 28))
        assert read_digit(data, LIMITS) is not None
        assert np.array_equal(pixels(data), unit(samples))
        assert outcome(data) == outcome_of_the_long_way(data)


def test_digits_take_the_short_way_as_pillow_and_the_service_write_them():
    for digit in digits.images():
        for data in (saved(Image.fromarray(digit), "PNG"), write(digit)):
            assert read_digit(data, LIMITS) is not None
            assert np.array_equal(pixels(data), unit(digit))


LINES = filtered(DIGIT, [kind % 5 for kind in range(28)])
COMPRESSED = zlib.compress(LINES)
LONG_WAY = {
    "unknown filter": digit_file(b"\5" + LINES[1:]),
    "a line too few": digit_file(LINES[:-29]),
    "a byte too few": digit_file(LINES[:-1]),
    "a byte too many": digit_file(LINES + b"\0"),
    "20 MB too many": digit_file(LINES + bytes(20_000_000)),
    "bytes after the stream": digit_file(LINES, compressed=COMPRESSED + b"surplus"),
    "wrong sum of the stream": digit_file(LINES, compressed=COMPRESSED[:-1] + bytes((COMPRESSED[-1] ^ 1,))),
    "stream without its sum": digit_file(LINES, compressed=COMPRESSED[:-4]),
    "stream not deflated": digit_file(LINES, compressed=bytes(range(200))),
    "raw stream": digit_file(LINES, compressed=COMPRESSED[2:-4]),
    "no stream": digit_file(LINES, compressed=b""),
    "gamma": digit_file(LINES, before=chunk(b"gAMA", bytes(4))),
    "transparency": digit_file(LINES, before=chunk(b"tRNS", b"\0\0")),
    "orientation": digit_file(LINES, before=chunk(b"eXIf", exif(6))),
    "animation": digit_file(LINES, before=chunk(b"acTL", bytes(8))),
    "interlaced": digit_file(LINES, interlaced=True),
    "two chunks of pixels": digit_file(LINES, before=chunk(b"IDAT")),
    "pixels by another name": digit_file(LINES).replace(b"IDAT", b"IDAU"),
    "wrong checksum": digit_file(LINES)[:-13] + b"\0" + digit_file(LINES)[-12:],
    "two files": digit_file(LINES) * 2,
    "nothing between the ends": SIGNATURE + header(28, 28) + chunk(b"IEND"),
}


@pytest.mark.parametrize("data", LONG_WAY.values(), ids=LONG_WAY)
def test_both_ways_agree_on_what_is_not_quite_a_digit(data):
    assert outcome(data) == outcome_of_the_long_way(data)


@pytest.mark.parametrize("limits", [ImageLimits(50), ImageLimits(1 << 20, 783), ImageLimits(1 << 20, 784, 27)], ids=str)
def test_limits_hold_in_the_short_way(limits):
    with pytest.raises(ImageTooLarge):
        decode(digit_file(LINES), fit="exact", invert="auto", limits=limits)
    assert outcome(digit_file(LINES), limits=limits) == outcome_of_the_long_way(digit_file(LINES), limits=limits)


@settings(max_examples=300, deadline=None)
@given(
    samples=arrays(np.uint8, (28, 28), elements=st.sampled_from((0, 1, 127, 128, 200, 255)), fill=st.integers(0, 255)),
    filters=st.lists(st.integers(0, 4), min_size=28, max_size=28),
    level=st.integers(0, 9),
    invert=st.sampled_from(("auto", "true", "false")),
    fit=st.sampled_from(("resize", "mnist", "exact")),
    bend=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3),
    mend=st.booleans(),
    cut=st.just(0) | st.integers(0, 60),
)
def test_both_ways_give_the_same_pixels_and_errors(samples, filters, level, invert, fit, bend, mend, cut):
    """bend: bytes of the stream, or of the file, that are set to another value. mend: with a fitting checksum."""
    stream = bytearray(zlib.compress(filtered(samples, filters), level))
    data = bytearray(digit_file(b"", compressed=bytes(stream)))
    changed = stream if mend else data
    for place, value in bend:
        changed[place % len(changed)] = value
    if mend:
        data = bytearray(digit_file(b"", compressed=bytes(stream)))
    data = bytes(data[: len(data) - cut])
    options = {"invert": invert, "fit": fit}
    assert outcome(data, **options) == outcome_of_the_long_way(data, **options)


@pytest.mark.parametrize("low", range(128))
def test_a_border_exactly_half_light_is_not_light(low):
    """Of two middle pixels whose mean is half, float32 would have it a little above."""
    ring = np.flatnonzero(np.pad(np.zeros((26, 26)), 1, constant_values=1))
    samples = np.zeros((28, 28), np.uint8)
    samples.flat[ring[::2]], samples.flat[ring[1::2]] = low, 255 - low
    assert np.array_equal(pixels(write(samples), "auto"), unit(samples))
    samples.flat[ring[1::2]] = 256 - low if low else 255
    assert np.array_equal(pixels(write(samples), "auto"), unit(255 - samples if low else samples))
