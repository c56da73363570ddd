"""WebP files as RIFF chunks: a walk that refuses what no decoder should see. No pixels decoded.

RFC 9649. Of an animation, only one of a single frame passes.
"""

import struct

from service.codecs.files.header import Header, ImageLimits, read_orientation
from service.errors import InvalidImage

MAX_CHUNKS = 4096
SHARE = 0.5  # of the pixels: the decoder holds three copies of the canvas with alpha, and Pillow the fourth

_HEAD = struct.Struct("<4sI")
_EXTENDED, _LOSSY, _LOSSLESS, _ALPHA, _ANIMATION, _FRAME = b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"
_HAS_ALPHA, _IS_ANIMATED = 0x10, 0x02  # flags of VP8X
_FRAME_HEAD_BYTES = 16  # of ANMF: place, size, duration


def starts(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def size(data: bytes) -> tuple[int, int]:
    """Width and height that the first chunk announces; 0 where it does not."""
    return _size(data[12:16], data[20:30])


def read(data: bytes, limits: ImageLimits) -> Header:
    """Walk the chunks and keep those that make the pixels. Raises InvalidImage, ImageTooLarge."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < end:
        raise InvalidImage("The WebP is cut short.")
    kept: dict[bytes, bytes] = {}
    orientation, offset, frames = 1, 12, 0
    for _ in range(MAX_CHUNKS):
        if offset + _HEAD.size > end:
            break
        name, length = _HEAD.unpack_from(data, offset)
        start, offset = offset + _HEAD.size, offset + _HEAD.size + length
        if offset > end:
            raise InvalidImage("The WebP is cut short.")
        body = data[start:offset]
        offset += length % 2
        if name == b"EXIF":
            orientation = read_orientation(body)
        elif name in (_EXTENDED, _LOSSY, _LOSSLESS, _ALPHA, _ANIMATION, _FRAME):
            frames += name == _FRAME
            kept.setdefault(name, body)
    else:
        raise InvalidImage(f"The WebP has more than {MAX_CHUNKS} chunks.")
    return Header(_stream(kept, frames, limits), orientation=orientation, exact=_LOSSLESS in kept)


def _stream(kept: dict[bytes, bytes], frames: int, limits: ImageLimits) -> bytes:
    """The smallest file of the chunks, their sizes checked."""
    canvas = kept.get(_EXTENDED, b"")
    if canvas and canvas[0] & _IS_ANIMATED:
        if frames != 1:
            raise InvalidImage(f"The WebP holds {frames} frames; a single picture is accepted.", "animated_image")
        _check(_EXTENDED, canvas, limits)
        frame = kept[_FRAME]
        _check(frame[_FRAME_HEAD_BYTES:][:4], frame[_FRAME_HEAD_BYTES + 8 :], limits)
        names = [_EXTENDED, _ANIMATION, _FRAME]
    else:
        picture = _LOSSLESS if _LOSSLESS in kept else _LOSSY
        if picture not in kept:
            raise InvalidImage("The WebP holds no picture.")
        _check(picture, kept[picture], limits)
        names = [picture]
        if picture == _LOSSY and _ALPHA in kept and canvas:
            _check(_EXTENDED, canvas, limits)
            names = [_EXTENDED, _ALPHA, _LOSSY]
    if canvas:
        kept[_EXTENDED] = bytes((canvas[0] & (_HAS_ALPHA | _IS_ANIMATED),)) + canvas[1:]
    chunks = b"".join(
        _HEAD.pack(name, len(kept[name])) + kept[name] + bytes(len(kept[name]) % 2) for name in names if name in kept
    )
    return _HEAD.pack(b"RIFF", 4 + len(chunks)) + b"WEBP" + chunks


def _check(name: bytes, body: bytes, limits: ImageLimits) -> None:
    if name == _ALPHA:  # within a frame; the picture follows, and must have the canvas' size or less
        return
    width, height = _size(name, body)
    if not width:
        raise InvalidImage("The WebP's header is malformed.")
    limits.check_size(width, height, SHARE)


def _size(name: bytes, body: bytes) -> tuple[int, int]:
    if name == _EXTENDED and len(body) >= 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if name == _LOSSY and body[3:6] == b"\x9d\x01\x2a" and len(body) >= 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if name == _LOSSLESS and body[:1] == b"\x2f" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return 0, 0
