"""npy and raw bytes: what NumPy reads and writes, with no copy that could be spared."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.codecs.npy import is_described, read_npy, read_raw, with_headroom, write_npy, write_raw
from service.errors import InvalidInput, MalformedBody

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


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_files_of_equal_headers_keep_their_own_data(version: tuple[int, int]) -> None:
    for array in (IMAGES, IMAGES + 1, IMAGES[:2], np.asfortranarray(IMAGES[:, 0])):
        assert np.array_equal(read_npy(saved(array, version)), array)


@pytest.mark.parametrize("dtype", ["?", "i1", ">i2", "i4", ">i8", "u1", "u2", ">u4", "u8", "f2", ">f4", "f8", ">f8"])
def test_numbers_of_every_type_and_byte_order_are_read(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for laid in (array, np.asfortranarray(array)):
        assert np.array_equal(read_npy(saved(laid)), array)


@pytest.mark.parametrize("dtype", ["c8", "g", "S4", "U4", "M8[s]", "m8[s]", "V4", [("a", "f4")]], ids=str)
def test_what_is_no_number_of_64_bits_is_refused(dtype: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_npy(saved(np.zeros(2, dtype)))
    assert refusal.value.code == "wrong_type"


# Raw tensors, as headers describe them


@pytest.mark.parametrize("dtype", ["float32", "Float64", " uint8 ", "int64", "bool", "float16"])
@pytest.mark.parametrize("shape", ["2,3", "(2, 3)", "[2,3]", " 2 , 3 ", "(2,3,)"])
def test_a_tensor_is_what_its_headers_say(dtype: str, shape: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype.strip().lower())
    headers = {b"x-tensor-dtype": dtype.encode(), b"x-tensor-shape": shape.encode()}
    found = read_raw(array.tobytes(), headers, "uint16")
    assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


def test_what_the_headers_leave_out_is_the_usual_type_and_flat() -> None:
    array = np.arange(6, dtype=np.float32)
    assert read_raw(array.tobytes(), {}, "float32").tolist() == array.tolist()
    assert read_raw(array.tobytes(), {b"x-tensor-shape": b"3,2"}, "float32").tolist() == array.reshape(3, 2).tolist()
    assert not is_described({b"content-type": b"x"})
    assert is_described({b"x-tensor-shape": b""})
    assert is_described({b"x-tensor-dtype": b""})


@pytest.mark.parametrize(
    ("dtype", "shape", "code"),
    [
        ("", "2,3", "wrong_type"),
        ("float128", "2,3", "wrong_type"),
        ("object", "2,3", "wrong_type"),
        (">f4", "2,3", "wrong_type"),
        ("f\xe9", "2,3", "wrong_type"),
        ("float32", "2,4", "wrong_size"),
        ("float64", "2,3", "wrong_size"),
        ("float32", "", "wrong_shape"),
        ("float32", "-2,-3", "wrong_shape"),
        ("float32", "2,x", "wrong_shape"),
        ("float32", "6,,1", "wrong_shape"),
        ("float32", "2 3", "wrong_shape"),
        ("float32", "0,9", "wrong_size"),
        ("float32", ",".join(["1"] * 9), "wrong_shape"),
        ("float32", "9" * 5000, "wrong_shape"),
        ("float32", ",".join(["999999999"] * 8), "wrong_size"),
    ],
)
def test_headers_that_do_not_fit_the_body_are_refused(dtype: str, shape: str, code: str) -> None:
    headers = {b"x-tensor-dtype": dtype.encode("latin-1"), b"x-tensor-shape": shape.encode()}
    with pytest.raises(InvalidInput) as refusal:
        read_raw(bytes(24), headers, "float32")
    assert refusal.value.code == code


def test_a_body_that_ends_within_an_element_is_refused() -> None:
    with pytest.raises(InvalidInput, match="7 bytes"):
        read_raw(bytes(7), {}, "float32")


def test_an_array_is_read_where_it_lies() -> None:
    file = saved(IMAGES)
    assert np.shares_memory(read_npy(file), np.frombuffer(file, np.uint8))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_file_cut_at_any_byte_of_its_header_is_refused(version: tuple[int, int]) -> None:
    whole = saved(IMAGES[:1, 0], version)
    for length in range(len(whole) - IMAGES[:1].nbytes):
        with pytest.raises(MalformedBody) as refusal:
            read_npy(whole[:length])
        assert refusal.value.code == "bad_npy"


@pytest.mark.parametrize(
    "prefix",
    [b"\x93NUMPY\1\0\xff\xff", b"\x93NUMPY\2\0\xff\xff\xff\x7f", b"\x93NUMPY\4\0v\0\0\0", b"\x93NUMPY\3\1v\0\0\0"],
)
def test_a_header_of_unlikely_length_or_version_is_refused(prefix: bytes) -> None:
    with pytest.raises(MalformedBody):
        read_npy(prefix + bytes(200_000))
