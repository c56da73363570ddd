"""PNG files as chunks: a walk that refuses what no decoder should see, and a writer of grey images.

PNG specification, third edition (W3C 2025): https://www.w3.org/TR/png-3/. The only home of ISA-L.
"""

import functools
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from service.codecs.files.header import Header, ImageLimits, read_orientation
from service.errors import ImageTooLarge, InvalidImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 65_536  # walked in 64 ms; 4 MiB in the 8 KiB chunks that are usual are 512

_HEAD = struct.Struct(">I4s")
_IHDR = struct.Struct(">IIBBBBB")
_OVERHEAD_BYTES = 12  # length, name, CRC
_PIECE_BYTES = 65_536
_DAMAGES: tuple[Any, ...] = (zlib.error, isal_zlib.error)  # ISA-L's own annotation takes its class for an instance
_MAX_PIXEL_BYTES = 4  # on average, of the most pixels; so a picture of 16 bits with alpha may have half as many
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_GREY, _RGB, _PALETTE = 0, 2, 3
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def starts(data: bytes) -> bool:
    """Whether these are the first bytes of a PNG, if only some of its signature: such a file is cut short."""
    return bool(data) and data[:8] == SIGNATURE[: len(data)]


def size(data: bytes) -> tuple[int, int]:
    """Width and height that the header announces; 0 where it does not."""
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def read(data: bytes, limits: ImageLimits) -> Header:
    """Walk the chunks and keep those that make the pixels.

    Ancillary chunks are dropped unread, save tRNS and eXIf, which end up in the Header, so that a decoder
    never meets compressed text or a profile. Raises InvalidImage, ImageTooLarge.
    """
    chunks = _chunks(data)
    name, first = next(chunks)
    if name != b"IHDR" or len(first) != _OVERHEAD_BYTES + _IHDR.size:
        raise InvalidImage("The PNG does not begin with its header chunk.")
    width, height, depth, colour, compression, row_filter, interlace = _IHDR.unpack_from(first, 8)
    limits.check_size(width, height)
    if depth not in _DEPTHS.get(colour, ()) or compression or row_filter or interlace > 1:
        raise InvalidImage("The PNG header names a kind of image that the specification does not have.")

    palette, transparency, exif, after_pixels = b"", b"", b"", False
    pixels: list[bytes] = []
    for name, chunk in chunks:
        if name == b"IDAT":
            if after_pixels:
                raise InvalidImage("The PNG's pixel data is interrupted by another chunk.")
            pixels.append(chunk)
            continue
        after_pixels = bool(pixels)
        if name == b"PLTE":
            if palette or after_pixels or colour in (0, 4) or (len(chunk) - _OVERHEAD_BYTES) % 3:
                raise InvalidImage("The PNG's palette is repeated, misplaced or malformed.")
            palette = chunk
        elif name == b"tRNS":
            if transparency or after_pixels or not is_intact(chunk):
                raise InvalidImage("The PNG's transparency chunk is repeated, misplaced or damaged.")
            transparency = chunk[8:-4]
        elif name == b"eXIf":
            exif = chunk[8:-4] if is_intact(chunk) else b""
        elif name == b"acTL":
            if chunk[8:12] != b"\0\0\0\1":
                raise InvalidImage("The PNG is animated; a single picture is accepted.", "animated_image")
        elif _is_critical(name) and name != b"IEND":
            raise InvalidImage("The PNG holds a critical chunk that is repeated or unknown.")

    colours = (len(palette) - _OVERHEAD_BYTES) // 3 if colour == _PALETTE else 0
    if not pixels or (colour == _PALETTE and not 1 <= colours <= 256):
        raise InvalidImage("The PNG lacks its pixel data or its palette.")
    size = len(transparency)
    if size and not {_GREY: size == 2, _RGB: size == 6, _PALETTE: size <= colours}.get(colour, False):
        raise InvalidImage("The PNG's transparency chunk does not fit its kind of image.")
    inflated_bytes = _inflated_bytes(width, height, depth * _SAMPLES[colour], interlace == 1)
    if inflated_bytes > _MAX_PIXEL_BYTES * limits.max_pixels + 7 * limits.max_side:  # and the filters of each row
        raise ImageTooLarge(
            f"The image is {width}x{height} pixels of {depth * _SAMPLES[colour]} bits;"
            f" up to {_MAX_PIXEL_BYTES * limits.max_pixels} bytes in all are accepted."
        )
    _check_pixel_data(pixels, inflated_bytes)

    kept = (SIGNATURE, first, palette if colours else b"", *pixels, END)
    return Header(b"".join(kept), depth, read_orientation(exif), colours, transparency)


def write(samples: npt.NDArray[np.uint8]) -> bytes:
    """A grey 8-bit PNG of samples (h, w), 0 is black.

    Equal bytes for equal samples on one build of ISA-L and one kind of processor, by which it chooses its code.
    """
    height, width = samples.shape
    rows = np.zeros((height, 1 + width), np.uint8)  # each row opens with its filter, 0: none
    rows[:, 1:] = samples
    return b"".join((grey_head(width, height), _chunk(b"IDAT", isal_zlib.compress(rows, 1)), END))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and whole bytes of each chunk, from IHDR to IEND. What follows is left alone."""
    offset = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if len(data) < offset + _OVERHEAD_BYTES:
            raise InvalidImage("The PNG is cut short.")
        length, name = _HEAD.unpack_from(data, offset)
        if not name.isalpha():
            raise InvalidImage("The PNG holds a chunk whose name is not four letters.")
        end = offset + _OVERHEAD_BYTES + length
        if len(data) < end:
            raise InvalidImage("The PNG is cut short.")
        chunk = data[offset:end]
        if _is_critical(name) and not is_intact(chunk):
            raise InvalidImage("The PNG is damaged: a checksum does not match.")
        yield name, chunk
        if name == b"IEND":
            if length:
                raise InvalidImage("The PNG's end chunk holds data.")
            return
        offset = end
    raise InvalidImage(f"The PNG has more than {MAX_CHUNKS} chunks.")


def _chunk(name: bytes, body: bytes) -> bytes:
    return b"".join((len(body).to_bytes(4), name, body, zlib.crc32(body, zlib.crc32(name)).to_bytes(4)))


@functools.lru_cache(maxsize=64)
def grey_head(width: int, height: int) -> bytes:
    """Signature and IHDR of an 8-bit grey picture, straight."""
    return SIGNATURE + _chunk(b"IHDR", _IHDR.pack(width, height, 8, _GREY, 0, 0, 0))


END = _chunk(b"IEND", b"")


def is_intact(chunk: bytes) -> bool:
    return zlib.crc32(memoryview(chunk)[4:-4]) == int.from_bytes(chunk[-4:])


def _is_critical(name: bytes) -> bool:
    return not name[0] & 0x20  # an upper-case first letter


def _inflated_bytes(width: int, height: int, pixel_bits: int, interlaced: bool) -> int:
    """Bytes of all rows with their filter bytes; Adam7 makes seven smaller images of one, some empty."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes)
    return sum(rows * (1 + (columns * pixel_bits + 7) // 8) for columns, rows in sizes if columns > 0 and rows > 0)


def _check_pixel_data(pixels: list[bytes], wanted_bytes: int) -> None:
    """Refuse pixel data that ends early: Pillow takes what a closed zlib stream lacks for black, silently.

    What would inflate beyond the wanted bytes is left alone, so a bomb costs no more than an honest image.
    """
    # ISA-L is five times as fast, but takes longer to begin.
    inflater = (isal_zlib if wanted_bytes > _PIECE_BYTES else zlib).decompressobj()
    try:
        for chunk in pixels:
            for start in range(8, len(chunk) - 4, _PIECE_BYTES):  # short pieces, for what is left of one is copied
                deflated = chunk[start : min(start + _PIECE_BYTES, len(chunk) - 4)]
                while not inflater.eof:
                    piece = inflater.decompress(deflated, _PIECE_BYTES)
                    wanted_bytes -= len(piece)
                    if wanted_bytes <= 0:
                        return
                    deflated = inflater.unconsumed_tail
                    if not deflated and len(piece) < _PIECE_BYTES:  # a full one may not be all
                        break
    except _DAMAGES as error:
        raise InvalidImage("The PNG's pixel data cannot be inflated.") from error
    raise InvalidImage("The PNG's pixel data ends before the last row.")
