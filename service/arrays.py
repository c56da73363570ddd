"""npy and raw tensor bytes ⇄ arrays. No pickled objects, no copy of what is already in place."""

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import InvalidInput, MalformedBody

NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 4096

AnyArray = npt.NDArray[Any]


def read_npy(body: bytes) -> AnyArray:
    """The array of an npy file, read-only where it lies.

    Raises MalformedBody if it is not an npy file or its length is not what its header says, InvalidInput for an
    element type other than uint8 and float32.
    """
    file = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, fortran, dtype = read_header[version](file, max_header_size=_MAX_HEADER_BYTES)
    except Exception as error:  # NumPy's reader lets half a dozen kinds through
        raise MalformedBody("The npy header can not be read; versions 1.0 and 2.0 are.", "bad_npy") from error
    if dtype not in (np.dtype("uint8"), np.dtype("<f4"), np.dtype(">f4")):
        raise InvalidInput("The npy elements must be uint8 or float32.", "wrong_type")
    offset = file.tell()
    wanted_bytes = math.prod(shape) * dtype.itemsize
    if any(size < 0 for size in shape) or len(body) - offset != wanted_bytes:
        raise MalformedBody(
            f"The npy header announces {wanted_bytes} bytes of data, the body holds {len(body) - offset}.",
            "bad_npy",
        )
    array = np.frombuffer(body, dtype, offset=offset)
    return array.reshape(shape, order="F" if fortran else "C")


def write_npy(array: AnyArray) -> bytes:
    """An npy file, version 1.0, C order."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return b"".join((header.getbuffer(), np.ascontiguousarray(array).data))


def write_npz(arrays: Mapping[str, AnyArray]) -> bytes:
    """An npz file: the arrays by name, uncompressed, equal bytes for equal arrays."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **dict(arrays))
    return file.getvalue()
