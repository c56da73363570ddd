"""An array of images, of any element type and shape that clients use → pixels (n, 28, 28).

float   [0, 1], 1 is the end of the scale
bool    the same: 0 and 1
whole   0…255, in whatever type; uint16 that goes beyond is of 65535; in an image of 0 and 1 alone, a mask, 1 is ink
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.codecs import npy, rows
from service.codecs.framing import SIDE
from service.codecs.ink import masks_in_full_scale, unit
from service.errors import InvalidInput

PIXELS: Final = SIDE * SIDE

AnyArray = npt.NDArray[Any]

# Of a float type: the words that hold its bits, whose order is that of the floats; and the bits of the faintest ink, of
# a quarter and of one. The faintest is 2⁻⁶⁴, below what decoders give, or 2⁻⁹ in half precision, below 1/255.
_FLOATS: Final = {
    "float16": ("<u2", 0x1800, 0x3400, 0x3C00),
    "float32": ("<u4", 0x1F80_0000, 0x3E80_0000, 0x3F80_0000),
    "float64": ("<u8", 0x3BF0_0000_0000_0000, 0x3FD0_0000_0000_0000, 0x3FF0_0000_0000_0000),
}
_WHOLE_VALUES: Final = 3  # different ones above 0 in a grey picture


def of_npy(body: bytes, max_rows: int) -> AnyArray:
    """(n, 28, 28) of an npy file. Raises MalformedBody, InvalidInput, TooManyRows."""
    return _images(npy.read_npy(body), max_rows)


def of_raw(body: bytes, headers: Mapping[bytes, bytes], max_rows: int) -> AnyArray:
    """(n, 28, 28) of a raw tensor: as its headers describe it, else n × 784 uint8.

    Raises InvalidInput, TooManyRows; InvalidInput also where no header says so but the bytes are those of a wider type.
    """
    values = npy.read_raw(body, headers, "uint8")
    if values.ndim == 1 and len(values) % PIXELS:
        raise InvalidInput(
            f"Raw images are n × {PIXELS} bytes, one a pixel, unless X-Tensor-Dtype says otherwise; the body holds "
            f"{len(body)} bytes.",
            "wrong_size",
        )
    if not npy.is_described(headers) and (wider := wider_type(body)):
        raise InvalidInput(
            f"Raw images are uint8, but these bytes look like {wider}: name the one or the other in X-Tensor-Dtype.",
            "wrong_type",
        )
    return _images(values.reshape(-1, PIXELS) if values.ndim == 1 else values, max_rows)


def pixels(values: AnyArray) -> AnyArray:
    """As uint8, of 255, or as float32 in [0, 1]. Raises InvalidInput for what is out of range, such as NaN.

    values: (n, 28, 28), n ≥ 1.
    """
    if values.dtype == np.uint8:
        return masks_in_full_scale(values)
    if values.dtype == np.bool_:
        values = values.view(np.uint8)  # a byte may hold more than a bool
    elif values.dtype.kind in "iu":
        if values.min() >= 0 and values.max() <= 255:
            return masks_in_full_scale(values.astype(np.uint8))
        if values.dtype.kind == "u" and values.itemsize == 2:
            return unit(values)
        raise InvalidInput("Whole numbers must lie in 0…255, or in 0…65535 as uint16.", "out_of_range")
    if not (values.min() >= 0 and values.max() <= 1):  # false for NaN too
        raise InvalidInput("Pixels must be numbers in [0, 1]: 0 is paper and 1 is ink.", "out_of_range")
    return np.require(values, np.float32, "A")


def wider_type(body: bytes) -> str | None:
    """The type, of 16 to 64 bits, of raw images that cannot be uint8; None if they can.

    As floats they all lie in [0, 1], some above a quarter and none just above 0; or as whole numbers in 0…255, three or
    more different ones. No digit in uint8 is so: where a float has its exponent, its ink is above 63 or its edges are
    faint, and it has ink where a whole number has its zeros.
    """
    for name, (words, faintest, quarter, one) in _FLOATS.items():
        word_bytes = np.dtype(words).itemsize
        if len(body) % (PIXELS * word_bytes) or not body:
            return None
        found = np.frombuffer(body, words)
        top = found.max()
        if quarter <= top <= one and found[found > 0].min() >= faintest:
            return name
        if top <= 255 and np.count_nonzero(np.bincount(found.astype(np.uint8))[1:]) >= _WHOLE_VALUES:
            return "wider whole numbers"
    return None


def _images(values: AnyArray, max_rows: int) -> AnyArray:
    """(n, 28, 28), a view."""
    if values.ndim > 2 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.shape in ((SIDE, SIDE), (PIXELS,)):
        values = values[np.newaxis]
    if values.shape[1:] not in ((SIDE, SIDE), (1, SIDE, SIDE), (PIXELS,)):
        raise InvalidInput(
            "An array of images has shape (28,28), (n,28,28), (n,1,28,28), (n,28,28,1) or (n,784).", "wrong_shape"
        )
    rows.check(len(values), max_rows)
    return values.reshape(-1, SIDE, SIDE)
