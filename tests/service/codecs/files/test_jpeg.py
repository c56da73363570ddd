"""The walk over JPEG segments: what it refuses before a decoder runs, and what it lets through."""

import io
import struct

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from service.codecs.files.jpeg import MAGIC, MAX_SCANS, MAX_SEGMENTS, read, size
from service.errors import ImageTooLarge, InvalidImage
from tests.support.image_files import LIMITS, adobe, exif, jpeg, segment

BLOCKS = np.arange(0, 256, 16).reshape(4, 4, 1)
GOOD = jpeg(BLOCKS)
JFIF = segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0")
FRAME = GOOD.index(b"\xff\xc0")
SCAN = GOOD.index(b"\xff\xda")


def progressive() -> bytes:
    file = io.BytesIO()
    ramp = np.arange(784, dtype=np.uint8).reshape(28, 28)
    Image.fromarray(ramp).save(file, "JPEG", progressive=True)
    return file.getvalue()


def with_scans(count: int) -> bytes:
    """A progressive file whose last scan is repeated until there are `count`."""
    whole = progressive()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * (count - whole.count(b"\xff\xda")) + whole[-2:]


def test_a_good_file_passes_whole() -> None:
    assert read(GOOD, LIMITS).stream == GOOD


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (65_535, 1), (1, 16_385), (8193, 8193)])
def test_too_large_a_size_is_refused_at_the_frame(width: int, height: int) -> None:
    with pytest.raises(ImageTooLarge, match=f"{width}x{height}"):
        read(b"\xff\xd8" + segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + bytes(3)), LIMITS)


def test_a_file_cut_before_its_pixels_is_refused() -> None:
    whole = jpeg(BLOCKS, before=JFIF + segment(0xE1, b"Exif\0\0" + exif(1)))
    for length in range(whole.index(b"\xff\xda") + 10):
        with pytest.raises(InvalidImage):
            read(whole[:length], LIMITS)


@pytest.mark.parametrize("missing", [1, 2])
def test_a_file_without_its_end_is_given_one(missing: int) -> None:
    found = read(GOOD[:-missing], LIMITS)
    assert found.stream == GOOD
    assert not found.ended
    assert read(GOOD, LIMITS).ended


def test_a_progressive_file_that_ends_before_its_last_scan_is_refused() -> None:
    whole = progressive()
    scans = [at for at in range(len(whole)) if whole.startswith(b"\xff\xda", at)]
    assert not read(whole[:-2], LIMITS).ended
    for at in scans:
        with pytest.raises(InvalidImage):
            read(whole[:at], LIMITS)


@pytest.mark.parametrize("header", [b"", b"\1\1\0\0\x3f", b"\x01\1\0\0\x3f\0\0", bytes(200)], ids=repr)
def test_a_malformed_header_of_a_scan_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidImage):
        read(GOOD[:SCAN] + segment(0xDA, header) + GOOD[SCAN + 10 :], LIMITS)


def in_scans(size: int, code: int, scans: int, factors: tuple[int, int, int] = (0x11, 0x11, 0x11)) -> bytes:
    """A colour picture in so many scans, without its codes."""
    frame = struct.pack(">BHHB", 8, size, size, 3) + b"".join(bytes((i, factors[i], 0)) for i in range(3))
    scan = segment(0xDA, bytes((3, 0, 0, 1, 0, 2, 0, 0, 63, 0))) + b"\0"
    return b"\xff\xd8" + segment(code, frame) + scan * scans + b"\xff\xd9"


def test_the_memory_and_the_time_of_several_scans_are_limited() -> None:
    read(in_scans(4096, 0xC2, 5), LIMITS)
    read(in_scans(8192, 0xC0, 1), LIMITS)
    read(in_scans(5700, 0xC2, 1, (0x22, 0x11, 0x11)), LIMITS)
    read(in_scans(1024, 0xC2, MAX_SCANS), LIMITS)
    for data in (
        in_scans(4096, 0xC2, 6),
        in_scans(4097, 0xC2, 1),
        in_scans(4097, 0xC0, 2),
        in_scans(5800, 0xC2, 1, (0x22, 0x11, 0x11)),
    ):
        with pytest.raises(ImageTooLarge):
            read(data, LIMITS)


def with_frame(
    code: int = 0xC0, precision: int = 8, height: int = 28, width: int = 28, components: int = 1, surplus: bytes = b""
) -> bytes:
    body = struct.pack(">BHHB", precision, height, width, components) + bytes(3 * components) + surplus
    return GOOD[:FRAME] + segment(code, body) + GOOD[FRAME + 13 :]


REFUSED = {
    "nothing but a beginning and an end": b"\xff\xd8\xff\xd9",
    "no scan": GOOD[:SCAN] + b"\xff\xd9",
    "no frame": GOOD[:FRAME] + GOOD[FRAME + 13 :],
    "two frames": GOOD[:SCAN] + GOOD[FRAME:],
    "height in a later segment": with_frame(height=0),
    "width 0": with_frame(width=0),
    "12 bits": with_frame(code=0xC1, precision=12),
    "2 components": with_frame(components=2),
    "5 components": with_frame(components=5),
    "0 components": with_frame(components=0),
    "sampling factor 0": GOOD[: FRAME + 11] + b"\x01" + GOOD[FRAME + 12 :],
    "sampling factor 5": GOOD[: FRAME + 11] + b"\x51" + GOOD[FRAME + 12 :],
    "frame too long": with_frame(surplus=b"\0"),
    "frame too short": GOOD[:FRAME] + segment(0xC0, b"\x08\0\x1c") + GOOD[FRAME + 13 :],
    "segment of length 1": b"\xff\xd8\xff\xdb\0\1" + GOOD[2:],
    "segment beyond the file": GOOD[:FRAME] + b"\xff\xdb\xff\xff",
    "junk between segments": GOOD[:FRAME] + b"junk" + GOOD[FRAME:],
    "restart marker outside a scan": GOOD[:FRAME] + b"\xff\xd0" + GOOD[FRAME:],
    "second beginning": b"\xff\xd8" + GOOD,
    "reserved marker": GOOD[:FRAME] + segment(0xF0, b"") + GOOD[FRAME:],
    "JPEG-LS": b"\xff\xd8" + segment(0xF7, bytes(9)) + GOOD[2:],
    "one scan too many": with_scans(MAX_SCANS + 1),
    "2,000 scans": with_scans(2000),
    "300 comments": b"\xff\xd8" + segment(0xFE, b"a") * 300 + GOOD[2:],
    "only fill bytes": b"\xff\xd8" + b"\xff" * 100_000,
}
REFUSED |= {
    f"frame of kind {code:x}": with_frame(code=code) for code in range(0xC3, 0xD0) if code not in (0xC4, 0xC8, 0xCC)
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_malformed_or_unsupported_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage) as refusal:
        read(data, LIMITS)
    assert refusal.value.code == "bad_image"


def test_as_many_scans_as_allowed_pass() -> None:
    assert read(with_scans(MAX_SCANS), LIMITS).stream.count(b"\xff\xda") == MAX_SCANS


SIDE_SEGMENTS = {
    "comment": segment(0xFE, b"hello"),
    "XMP": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
    "profile": segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(100)),
    "index of several pictures": segment(0xE2, b"MPF\0" + bytes(80)),
    "EXIF with a picture inside": segment(0xE1, b"Exif\0\0" + exif(1) + GOOD),
    "64 KB of EXIF": segment(0xE1, b"Exif\0\0" + bytes(65_527)),
    "photoshop": segment(0xED, b"Photoshop 3.0\0" + bytes(40)),
    "fill bytes": b"\xff\xff\xff",
}


@pytest.mark.parametrize("side", SIDE_SEGMENTS.values(), ids=SIDE_SEGMENTS)
def test_side_segments_never_reach_a_decoder(side: bytes) -> None:
    assert read(jpeg(BLOCKS, before=side), LIMITS).stream == GOOD


@pytest.mark.parametrize("side", [JFIF, adobe(2)], ids=["JFIF", "Adobe"])
def test_segments_that_name_the_colours_are_kept(side: bytes) -> None:
    assert read(jpeg(BLOCKS, before=side), LIMITS).stream == jpeg(BLOCKS, before=side)


@pytest.mark.parametrize("second", [b"\0", GOOD, bytes(1000)], ids=["a byte", "a picture", "zeros"])
def test_what_follows_the_first_picture_is_ignored(second: bytes) -> None:
    assert read(GOOD + second, LIMITS).stream == GOOD


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_taken_from_the_first_exif_block(orientation: int) -> None:
    block = segment(0xE1, b"Exif\0\0" + exif(orientation, "<"))
    assert read(jpeg(BLOCKS, before=JFIF + block), LIMITS).orientation == orientation


def test_the_size_is_that_of_the_frame_behind_other_segments() -> None:
    assert size(GOOD) == (28, 28)
    assert size(jpeg(BLOCKS, size=(27, 30), before=JFIF + segment(0xE1, b"Exif\0\0" + exif(1)))) == (27, 30)
    assert size(progressive()) == (28, 28)
    assert size(GOOD[:FRAME]) == (0, 0)


def test_a_thumbnail_in_a_side_segment_is_not_counted() -> None:
    assert size(jpeg(BLOCKS, before=segment(0xE1, b"Exif\0\0" + jpeg(BLOCKS[:1, :1], size=(8, 8))))) == (28, 28)


pieces = st.binary(max_size=20) | st.sampled_from(
    [b"\xff", b"\xff\xc0", b"\xff\xc2\0\x0b", b"\xff\xe0\0\0", JFIF, GOOD]
)


@given(st.lists(pieces, max_size=12).map(b"".join))
def test_the_size_of_any_bytes_is_looked_for_without_an_error(data: bytes) -> None:
    assert all(0 <= side <= 65_535 for side in size(MAGIC + data))


def test_no_more_segments_are_counted_than_are_read() -> None:
    side = segment(0xFE, b"a")
    assert size(b"\xff\xd8" + side * (MAX_SEGMENTS - 1) + GOOD[FRAME:]) == (28, 28)
    assert size(b"\xff\xd8" + side * MAX_SEGMENTS + GOOD[FRAME:]) == (0, 0)
