"""BMP files: a look at the header that refuses what no decoder should see. No pixels decoded.

Microsoft, "Bitmap Header Types"; OS/2's of 12 and 64 bytes.
"""

import struct

from service.codecs.files.header import Header, ImageLimits
from service.errors import ImageTooLarge, InvalidImage

MAX_RUN_PIXELS = 1 << 18  # of a run-length encoded file, which is decoded run by run in Python: 0.2 s of a core

_FILE_HEAD_BYTES = 14
_OLD_HEAD_BYTES = 12
_HEAD_BYTES = (_OLD_HEAD_BYTES, 40, 52, 56, 64, 108, 124)
_PLAIN, _RUNS, _MASKS = 0, (1, 2), 3  # compression
_BGRA = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
_DEPTHS = (1, 4, 8, 16, 24, 32)


def starts(data: bytes) -> bool:
    return data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _HEAD_BYTES


def size(data: bytes) -> tuple[int, int]:
    """Width and height that the header announces; 0 where it does not."""
    if len(data) < _FILE_HEAD_BYTES + _OLD_HEAD_BYTES:
        return 0, 0
    if data[14] == _OLD_HEAD_BYTES:
        return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
    width, height = struct.unpack_from("<Ii", data, 18)
    return int(width), abs(height)  # a negative height says that the first row is the top one


def read(data: bytes, limits: ImageLimits) -> Header:
    """Check the header against the limits, and that all rows are there. Raises InvalidImage, ImageTooLarge."""
    head_bytes = int.from_bytes(data[14:18], "little")
    if len(data) < _FILE_HEAD_BYTES + head_bytes:
        raise InvalidImage("The BMP is cut short.")
    width, height = size(data)
    limits.check_size(width, height)
    if head_bytes == _OLD_HEAD_BYTES:
        depth, compression = int.from_bytes(data[24:26], "little"), _PLAIN
    else:
        depth, compression = struct.unpack_from("<HI", data, 28)
    if depth not in _DEPTHS or compression not in (_PLAIN, *_RUNS, _MASKS):
        raise InvalidImage("The BMP must have 1, 4, 8, 16, 24 or 32 bits a pixel, plain, run-length encoded or masked.")
    if compression in _RUNS:
        if width * height > MAX_RUN_PIXELS or len(data) > 4 * MAX_RUN_PIXELS:
            raise ImageTooLarge(
                f"The BMP is {width}x{height} pixels, run-length encoded; {MAX_RUN_PIXELS} in all are accepted."
            )
    else:
        offset = int.from_bytes(data[10:14], "little")
        row_bytes = (width * depth + 7) // 8
        padded_bytes = -(-row_bytes // 4) * 4
        if len(data) < offset + padded_bytes * (height - 1) + row_bytes:
            raise InvalidImage("The BMP is cut short.")
        # Pillow reads the last row with its padding, which some programs leave out.
        data += bytes(padded_bytes - row_bytes)
        # Programs that know no alpha leave it 0 where the masks name one; viewers take such a picture for opaque.
        if depth == 32 and head_bytes >= 56 and data[54:70] == _BGRA and not data[offset + 3 :: 4].strip(b"\0"):
            data = data[:30] + bytes(4) + data[34:]  # no masks
    return Header(data)
