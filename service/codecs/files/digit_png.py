"""PNGs of one digit as nearly every client sends them: 28×28, 8-bit grey, straight, no chunk but the three.

Many are read in less time than one by one. Every other file is `images`' matter.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.codecs.files import png
from service.codecs.files.header import ImageLimits
from service.codecs.framing import SIDE
from service.codecs.ink import masks_in_full_scale

MAX_BYTES = 1024  # not compressed at all such a file has 900; so few inflate to a megabyte at most
HEAD = png.grey_head(SIDE, SIDE)

_INFLATED_BYTES = SIDE * (1 + SIDE)
_LAST_FILTER = 4
_BLANK_ROW = bytes(1 + SIDE)
_AT_ONCE = 64


def read(files: Sequence[bytes], limits: ImageLimits) -> tuple[list[int], npt.NDArray[np.uint8]]:
    """Indices of those files that are such PNGs, and their samples (n, 28, 28). Raises nothing.

    A damaged file, and one beyond the limits, is none.
    """
    if limits.max_side < SIDE or limits.max_pixels < SIDE * SIDE:
        return [], np.empty((0, SIDE, SIDE), np.uint8)
    max_bytes = min(MAX_BYTES, limits.max_bytes)
    found = {i: rows for i, file in enumerate(files) if len(file) <= max_bytes and (rows := _inflated(file))}
    return list(found), masks_in_full_scale(_without_filters(list(found.values())))


def _inflated(file: bytes) -> bytes | None:
    """28 times a filter, 0 to 4, and 28 filtered samples."""
    if not (file.startswith(HEAD) and file.endswith(png.END)):  # both with their checksums
        return None
    chunk = file[len(HEAD) : -len(png.END)]
    deflated = chunk[8:-4]
    if chunk[:8] != len(deflated).to_bytes(4) + b"IDAT" or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
        return None
    try:
        rows = zlib.decompress(deflated, bufsize=_INFLATED_BYTES + 1)
    except zlib.error:
        return None
    return rows if len(rows) == _INFLATED_BYTES and max(rows[:: 1 + SIDE]) <= _LAST_FILTER else None


def _without_filters(rows: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Samples (n, 28, 28) of the inflated rows of each file: all are read as one tall picture's, in one go.

    A row refers to the one above, so a blank row parts each digit from the next, as a picture's edge would.
    """
    if len(rows) == 1:
        return _decoded(rows[0], SIDE).reshape(1, SIDE, SIDE)
    samples = np.zeros((len(rows), SIDE + 1, SIDE), np.uint8)  # the blank row after the last is not read
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        decoded = _decoded(_BLANK_ROW.join(some), len(some) * (SIDE + 1) - 1)
        samples[start:].reshape(-1)[: decoded.size] = decoded
    return samples[:, :SIDE]


def _decoded(inflated: bytes, height: int) -> npt.NDArray[np.uint8]:
    """Samples of 28 columns, flat, by Pillow's decoder, which takes a zlib stream: one block, stored.

    RFC 1950, RFC 1951 section 3.2.4.
    """
    length = len(inflated)
    block = b"\x78\x01\x01" + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little")
    stream = b"".join((block, inflated, zlib.adler32(inflated).to_bytes(4)))
    return np.frombuffer(Image.frombytes("L", (SIDE, height), stream, "zip", "L").tobytes(), np.uint8)
