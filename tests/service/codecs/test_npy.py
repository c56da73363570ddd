"""npy and raw bytes: what NumPy reads and writes, with no copy that could be spared."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.codecs.npy import read_npy, with_headroom, write_npy, write_raw
from service.errors import MalformedBody

IMAGES = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)


def saved(array: npt.ArrayLike, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), version=version)
    return file.getvalue()


@pytest.mark.parametrize(
    "array",
    [IMAGES, IMAGES[:1], IMAGES[:0], IMAGES[:, :, 5:, ::2], np.arange(5), np.float32(3), IMAGES[..., 0].astype(">f4")],
    ids=["rows", "row", "no rows", "strided", "whole numbers", "scalar", "big-endian"],
)
def test_a_written_npy_file_is_numpys_own(array: npt.NDArray[Any]) -> None:
    array = np.asarray(array)
    assert write_npy(array) == saved(np.ascontiguousarray(array).reshape(array.shape))


def test_an_array_by_columns_is_written_by_rows() -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert np.array_equal(np.load(io.BytesIO(write_npy(array))), array)
    assert write_raw(array) == array.tobytes()


def test_an_array_with_headroom_is_written_where_it_lies() -> None:
    array = with_headroom((3, 1, 28, 28), np.float32)
    array[...] = IMAGES
    file = write_npy(array)
    assert file == saved(IMAGES)
    assert np.shares_memory(np.frombuffer(file, np.uint8), array)


@pytest.mark.parametrize("part", [np.s_[:2], np.s_[:, 0], np.s_[::-1], np.s_[..., 0]])
def test_a_part_of_such_an_array_is_copied(part: Any) -> None:
    array = with_headroom((3, 1, 28, 28), np.float32)
    array[...] = IMAGES
    file = write_npy(array[part])
    assert file == saved(np.ascontiguousarray(IMAGES[part]))
    assert not np.shares_memory(np.frombuffer(file, np.uint8), array)
    assert write_npy(array.view(np.int32)) == saved(IMAGES.view(np.int32))


def test_raw_bytes_are_the_arrays_own() -> None:
    assert np.shares_memory(np.frombuffer(write_raw(IMAGES), np.uint8), IMAGES)
    assert write_raw(IMAGES) == IMAGES.tobytes()
    assert write_raw(IMAGES[::2, :, ::-1]) == IMAGES[::2, :, ::-1].tobytes()
    assert len(write_raw(IMAGES)) == IMAGES.nbytes


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_files_of_equal_headers_keep_their_own_data(version: tuple[int, int]) -> None:
    for array in (IMAGES, IMAGES + 1, IMAGES[:2], np.asfortranarray(IMAGES[:, 0])):
        assert np.array_equal(read_npy(saved(array, version)), array)


def test_an_array_is_read_where_it_lies() -> None:
    file = saved(IMAGES)
    assert np.shares_memory(read_npy(file), np.frombuffer(file, np.uint8))


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_a_file_cut_at_any_byte_of_its_header_is_refused(version: tuple[int, int]) -> None:
    whole = saved(IMAGES[:1, 0], version)
    for length in range(len(whole) - IMAGES[:1].nbytes):
        with pytest.raises(MalformedBody) as refusal:
            read_npy(whole[:length])
        assert refusal.value.code == "bad_npy"


@pytest.mark.parametrize(
    "prefix", [b"\x93NUMPY\1\0\xff\xff", b"\x93NUMPY\2\0\xff\xff\xff\x7f", b"\x93NUMPY\3\0v\0\0\0"]
)
def test_a_header_of_unlikely_length_or_version_is_refused(prefix: bytes) -> None:
    with pytest.raises(MalformedBody):
        read_npy(prefix + bytes(200_000))
