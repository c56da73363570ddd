"""The limits of an image and the orientation in its EXIF."""

import struct

import hypothesis.strategies as st
import pytest
from hypothesis import given

from service.codecs.files.header import ImageLimits, read_orientation
from service.errors import ImageTooLarge, InvalidImage
from tests.support.image_files import exif

LIMITS = ImageLimits(max_bytes=1000, max_pixels=10_000, max_side=200)


@pytest.mark.parametrize("size", [(1, 1), (200, 50), (50, 200), (100, 100)])
def test_sizes_up_to_the_limits_pass(size: tuple[int, int]) -> None:
    LIMITS.check_size(*size)


@pytest.mark.parametrize("size", [(201, 1), (1, 201), (101, 100), (2**31, 1)])
def test_sizes_beyond_the_limits_are_refused_with_what_was_got_and_what_is_accepted(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLarge, match=rf"{size[0]}x{size[1]}.*200.*10000"):
        LIMITS.check_size(*size)


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (0, 0)])
def test_an_image_without_pixels_is_invalid(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImage):
        LIMITS.check_size(*size)


def test_bytes_beyond_the_limit_are_refused() -> None:
    LIMITS.check_bytes(1000)
    with pytest.raises(ImageTooLarge, match=r"1001.*1000"):
        LIMITS.check_bytes(1001)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_orientation_is_read_in_both_byte_orders(order: str, orientation: int, prefix: bytes) -> None:
    assert read_orientation(prefix + exif(orientation, order)) == orientation


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_out_of_range_is_ignored(orientation: int) -> None:
    assert read_orientation(exif(orientation)) == 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "field"), [(1, "B3x"), (3, "H2x"), (4, "I"), (6, "b3x"), (8, "h2x"), (9, "i")])
def test_orientation_may_be_any_whole_number(order: str, kind: int, field: str) -> None:
    mark = b"MM\0*" if order == ">" else b"II*\0"
    assert read_orientation(mark + struct.pack(f"{order}IHHHI{field}", 8, 1, 0x0112, kind, 1, 6)) == 6


def test_exif_cut_at_any_byte_is_ignored() -> None:
    whole = exif(6)
    assert {read_orientation(whole[:length]) for length in range(len(whole) - 8)} == {1}


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0" + struct.pack("<I", 2**32 - 1),
        b"II*\0" + struct.pack("<IH", 8, 65535),
        b"MM\0*" + struct.pack(">IHHHI4s", 8, 1, 0x0112, 2, 1, b"6"),  # text
        b"MM\0*" + struct.pack(">IHHHIi", 8, 1, 0x0112, 9, 1, -6),
        b"MM\0*" + struct.pack(">IHHHIHH", 8, 1, 0x0112, 3, 2, 6, 6),  # two of them
        exif(6).replace(b"MM\0*", b"MM\0+"),
    ],
)
def test_corrupt_exif_is_ignored(block: bytes) -> None:
    assert read_orientation(block) == 1


def test_a_directory_of_thousands_of_tags_is_not_walked_to_its_end() -> None:
    filler = struct.pack(">HHIHH", 0x9999, 3, 1, 0, 0) * 5000
    late = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    assert read_orientation(b"MM\0*" + struct.pack(">IH", 8, 5001) + filler + late) == 1


@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0", b"MM\0*", b"Exif\0\0MM\0*"]))
def test_any_bytes_give_an_orientation(block: bytes, prefix: bytes) -> None:
    assert 1 <= read_orientation(prefix + block) <= 8
