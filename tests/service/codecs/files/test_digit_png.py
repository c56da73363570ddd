"""The short way of a digit's PNG: the same pixels and errors as the long way, for one file and for many at once."""

import zlib
from typing import Any
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from PIL import Image

from service.codecs.files import digit_png
from service.codecs.files.images import Fit, ImageLimits, Invert, decode
from service.codecs.files.png import write
from service.errors import ImageTooLarge, ServiceError
from tests.support import digits
from tests.support.image_files import (
    DIGIT,
    GREY,
    LIMITS,
    SIGNATURE,
    Samples,
    chunk,
    exif,
    filtered,
    header,
    pixels,
    random_samples,
    saved,
    unit,
)


def digit_file(
    lines: bytes, *, compressed: bytes | None = None, before: bytes = b"", interlaced: bool = False
) -> bytes:
    body = zlib.compress(lines) if compressed is None else compressed
    return SIGNATURE + header(28, 28, 8, GREY, interlaced) + before + chunk(b"IDAT", body) + chunk(b"IEND")


Outcome = bytes | tuple[type[ServiceError], str, str]


def outcome(data: bytes, invert: Invert = "auto", fit: Fit = "resize", limits: ImageLimits = LIMITS) -> Outcome:
    """Pixels, bit for bit, or all that a client learns of an error."""
    try:
        return decode(data, fit=fit, invert=invert, limits=limits).tobytes()
    except ServiceError as error:
        return type(error), error.code, error.detail


def outcome_of_the_long_way(data: bytes, **options: Any) -> Outcome:
    with mock.patch("service.codecs.files.digit_png.read", return_value=([], np.empty((0, 28, 28), np.uint8))):
        return outcome(data, **options)


def takes_the_short_way(data: bytes, limits: ImageLimits = LIMITS) -> bool:
    indices, samples = digit_png.read([data], limits)
    assert samples.shape == (len(indices), 28, 28)
    assert samples.dtype == np.uint8
    return indices == [0]


@pytest.mark.parametrize("kind", range(5), ids=["none", "sub", "up", "average", "paeth"])
def test_every_row_filter_is_undone_in_the_short_way(kind: int) -> None:
    for samples in (DIGIT, random_samples(1), np.full((28, 28), 255)):
        data = digit_file(filtered(samples, [kind] * 28))
        assert takes_the_short_way(data)
        assert np.array_equal(pixels(data), unit(samples))
        assert outcome(data) == outcome_of_the_long_way(data)


def test_digits_take_the_short_way_as_pillow_and_the_service_write_them() -> None:
    for digit in digits.images():
        for data in (saved(Image.fromarray(digit), "PNG"), write(digit)):
            assert takes_the_short_way(data)
            assert np.array_equal(pixels(data), unit(digit))


LINES = filtered(DIGIT, [kind % 5 for kind in range(28)])
COMPRESSED = zlib.compress(LINES)
LONG_WAY = {
    "another size": write(np.zeros((27, 28), np.uint8)),
    "signature cut": digit_file(LINES)[1:],
    "cut": digit_file(LINES)[:-1],
    "trailing byte": digit_file(LINES) + b"\0",
    "head alone": SIGNATURE + header(28, 28),
    "empty file": b"",
    "length of the pixels a byte too large": digit_file(LINES).replace(
        len(COMPRESSED).to_bytes(4) + b"IDAT", (len(COMPRESSED) + 1).to_bytes(4) + b"IDAT"
    ),
    "600 KB too many in a kilobyte": digit_file(LINES + bytes(600_000)),
    "more than a kilobyte": digit_file(LINES, compressed=COMPRESSED + bytes(1024)),
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
def test_both_ways_agree_on_what_is_not_quite_a_digit(data: bytes) -> None:
    assert outcome(data) == outcome_of_the_long_way(data)


@pytest.mark.parametrize("name", [name for name in LONG_WAY if name != "bytes after the stream"])
def test_what_is_not_quite_a_digit_takes_the_long_way(name: str) -> None:
    """But for bytes that every reader passes over."""
    assert not takes_the_short_way(LONG_WAY[name])


def test_a_file_of_a_kilobyte_is_still_bounded_when_it_is_inflated() -> None:
    assert len(LONG_WAY["600 KB too many in a kilobyte"]) <= digit_png.MAX_BYTES  # so it is inflated, and then refused


@pytest.mark.parametrize("level", range(10))
def test_a_digit_takes_the_short_way_however_little_it_is_compressed(level: int) -> None:
    noise = filtered(random_samples(1), [4] * 28)
    assert takes_the_short_way(digit_file(b"", compressed=zlib.compress(noise, level)))


@pytest.mark.parametrize("limits", [ImageLimits(50), ImageLimits(1 << 20, 783), ImageLimits(1 << 20, 784, 27)], ids=str)
def test_limits_hold_in_the_short_way(limits: ImageLimits) -> None:
    with pytest.raises(ImageTooLarge):
        decode(digit_file(LINES), fit="exact", invert="auto", limits=limits)
    assert outcome(digit_file(LINES), limits=limits) == outcome_of_the_long_way(digit_file(LINES), limits=limits)
    assert not takes_the_short_way(digit_file(LINES), limits)


def test_a_digit_that_just_meets_the_limits_takes_the_short_way() -> None:
    data = digit_file(LINES)
    assert takes_the_short_way(data, ImageLimits(len(data), 784, 28))
    assert not takes_the_short_way(data, ImageLimits(len(data) - 1, 784, 28))


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
def test_both_ways_give_the_same_pixels_and_errors(
    samples: Samples,
    filters: list[int],
    level: int,
    invert: Invert,
    fit: Fit,
    bend: list[tuple[int, int]],
    mend: bool,
    cut: int,
) -> None:
    """bend: bytes of the stream, or of the file, that are set to another value. mend: with a fitting checksum."""
    stream = bytearray(zlib.compress(filtered(samples, filters), level))
    data = bytearray(digit_file(b"", compressed=bytes(stream)))
    changed = stream if mend else data
    for place, value in bend:
        changed[place % len(changed)] = value
    if mend:
        data = bytearray(digit_file(b"", compressed=bytes(stream)))
    del data[len(data) - cut :]
    options: dict[str, Any] = {"invert": invert, "fit": fit}
    assert outcome(bytes(data), **options) == outcome_of_the_long_way(bytes(data), **options)


# Many files at once


def hard_file(number: int) -> tuple[bytes, Samples]:
    """Noise whose every row refers to the one above, the first one too, so that a neighbour's row would be seen."""
    samples = np.random.default_rng(number).integers(1, 256, (28, 28)).astype(np.uint8)
    return digit_file(filtered(samples, [2 + (number + row) % 3 for row in range(28)])), samples


HARD = [hard_file(number) for number in range(200)]


def test_no_files_are_no_digits() -> None:
    indices, samples = digit_png.read([], LIMITS)
    assert (indices, samples.shape) == ([], (0, 28, 28))


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 127, 128, 129, 200])
def test_digits_read_together_do_not_touch_each_other(count: int) -> None:
    indices, samples = digit_png.read([file for file, _ in HARD[:count]], LIMITS)
    assert indices == list(range(count))
    assert (samples.dtype, samples.shape) == (np.dtype(np.uint8), (count, 28, 28))
    assert np.array_equal(samples, [digit for _, digit in HARD[:count]])


@pytest.mark.parametrize("bad", LONG_WAY.values(), ids=LONG_WAY)
def test_a_file_that_is_no_digit_leaves_the_others_as_they_are(bad: bytes) -> None:
    files = [HARD[0][0], bad, HARD[1][0], HARD[2][0], bad]
    wanted = [0, 2, 3] if not takes_the_short_way(bad) else [0, 1, 2, 3, 4]
    indices, samples = digit_png.read(files, LIMITS)
    assert indices == wanted
    found = dict(zip(indices, samples, strict=True))
    for index, (_, digit) in zip((0, 2, 3), HARD, strict=False):
        assert np.array_equal(found[index], digit)


@given(st.lists(st.sampled_from([*LONG_WAY.values(), *(file for file, _ in HARD[:5])]), max_size=12))
def test_each_of_many_files_is_read_as_it_is_alone(files: list[bytes]) -> None:
    indices, samples = digit_png.read(files, LIMITS)
    assert indices == [i for i, file in enumerate(files) if takes_the_short_way(file)]
    for i, digit in zip(indices, samples, strict=True):
        assert np.array_equal(digit, digit_png.read([files[i]], LIMITS)[1][0])
