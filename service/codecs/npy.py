"""npy and raw tensor bytes ⇄ arrays. No pickled objects, no copy of what is already in place."""

import functools
import io
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import InvalidInput, MalformedBody

NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 4096
_DTYPE, _SHAPE = b"x-tensor-dtype", b"x-tensor-shape"  # the headers of a raw tensor, as answers carry them
_NAMES = frozenset(np.dtype(code).name for code in "?bhiqBHIQefd")  # of the element types that are read
_SIZES = re.compile(rb"[(\[]?\s*(\d{1,9}(?:\s*,\s*\d{1,9}){0,7})\s*,?\s*[)\]]?")

AnyArray = npt.NDArray[Any]


def read_npy(body: bytes) -> AnyArray:
    """The array of an npy file, read-only where it lies.

    Its elements are bool, whole numbers or floats, of at most 64 bits, in either byte order. Raises MalformedBody if it
    is not an npy file or its length is not what its header says, InvalidInput for another element type.
    """
    length_bytes = 2 if body[6:7] == b"\1" else 4
    offset = 8 + length_bytes + int.from_bytes(body[8 : 8 + length_bytes], "little")
    try:
        shape, fortran, dtype = _read_header(body[: min(offset, 12 + _MAX_HEADER_BYTES)])
    except Exception as error:  # NumPy's reader lets half a dozen kinds through
        raise MalformedBody("The npy header cannot be read; versions 1.0 to 3.0 are accepted.", "bad_npy") from error
    if dtype.name not in _NAMES:
        raise InvalidInput("The npy elements must be bool, whole numbers or floats of at most 64 bits.", "wrong_type")
    wanted_bytes = math.prod(shape) * dtype.itemsize
    if any(size < 0 for size in shape) or len(body) - offset != wanted_bytes:
        raise MalformedBody(
            f"The npy header announces {wanted_bytes} bytes of data, the body holds {len(body) - offset}.",
            "bad_npy",
        )
    array = np.frombuffer(body, dtype, offset=offset)
    return array.reshape(shape, order="F" if fortran else "C")


def is_described(headers: Mapping[bytes, bytes]) -> bool:
    """Whether headers, by names in lower case, say what tensor a body is."""
    return _DTYPE in headers or _SHAPE in headers


def read_raw(body: bytes, headers: Mapping[bytes, bytes], dtype: str) -> AnyArray:
    """The array of a raw tensor, little-endian, in C order, where it lies; by X-Tensor-Dtype and X-Tensor-Shape.

    dtype: where the first is missing. Flat where the second is. Raises InvalidInput where they do not fit the body.
    """
    name = headers.get(_DTYPE, dtype.encode()).decode("latin-1").strip().lower()
    if name not in _NAMES:
        raise InvalidInput(f"X-Tensor-Dtype is one of {', '.join(sorted(_NAMES))}.", "wrong_type")
    elements = np.dtype(name).newbyteorder("<")
    if len(body) % elements.itemsize:
        raise InvalidInput(f"The body holds {len(body)} bytes, which are no whole number of {name}.", "wrong_size")
    array = np.frombuffer(body, elements)
    if _SHAPE not in headers:
        return array
    sizes = _SIZES.fullmatch(headers[_SHAPE].strip())
    if sizes is None:
        raise InvalidInput("X-Tensor-Shape is a list of up to 8 lengths, such as 1,1,28,28.", "wrong_shape")
    shape = tuple(map(int, sizes[1].split(b",")))
    if math.prod(shape) != len(array):
        raise InvalidInput(
            f"X-Tensor-Shape announces {math.prod(shape)} elements, the body holds {len(array)} of {name}.",
            "wrong_size",
        )
    return array.reshape(shape)


@functools.lru_cache(maxsize=64)
def npy_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """All that precedes the elements of an npy file, version 1.0, C order."""
    header = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    return header.getvalue()


def with_headroom(shape: tuple[int, ...], dtype: npt.DTypeLike) -> AnyArray:
    """An array still to be written, which lies behind its npy header, so that `write_npy` need not copy it."""
    header = npy_header(shape, np.dtype(dtype))
    file = np.empty(len(header) + math.prod(shape) * np.dtype(dtype).itemsize, np.uint8)
    file[: len(header)] = np.frombuffer(header, np.uint8)
    return file[len(header) :].view(dtype).reshape(shape)


def write_npy(array: AnyArray) -> memoryview:
    """An npy file, version 1.0, C order; its one copy of the array, or the array where it lies with headroom."""
    if not _has_headroom(array):
        array, given = with_headroom(array.shape, array.dtype), array
        array[...] = given
    file: npt.NDArray[np.uint8] = array.base  # type: ignore[assignment]
    return file.data


def write_raw(array: AnyArray) -> memoryview:
    """The elements in C order, where they lie if they lie so."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def write_npz(arrays: Mapping[str, AnyArray]) -> bytes:
    """An npz file: the arrays by name, uncompressed, equal bytes for equal arrays."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **dict(arrays))
    return file.getvalue()


def _has_headroom(array: AnyArray) -> bool:
    """Whether it is all of an npy file but the header."""
    file = array.base
    if not isinstance(file, np.ndarray) or file.dtype != np.uint8 or not array.flags.c_contiguous:
        return False
    header = npy_header(array.shape, array.dtype)
    return file.nbytes == len(header) + array.nbytes and file[: len(header)].tobytes() == header


@functools.lru_cache(maxsize=64)  # 40 µs to read, 10 µs to write; most arrays have one of a few shapes
def _read_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if header[6:7] == b"\3":  # version 2.0 with names of fields in UTF-8; arrays of numbers have none
        header = header[:6] + b"\2" + header[7:]
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    return read(file, max_header_size=_MAX_HEADER_BYTES)
