"""JPEG files as segments: a walk that refuses what no decoder should see. No pixels decoded.

ITU-T T.81 annex B; Adobe's APP14, Technical Note 5116. Of several pictures (CIPA DC-007), the first.
"""

import re

from service.codecs.files.header import Header, ImageLimits, read_orientation
from service.errors import ImageTooLarge, InvalidImage

MAGIC = b"\xff\xd8\xff"
_END = b"\xff\xd9"
MAX_SEGMENTS = 256
SCALES = (1, 2, 4, 8)  # a decoder can give a half, a quarter or an eighth of each side, for less than the whole
SHARE = 4.0  # of the pixels: as an eighth they take less memory than another format's
MAX_SCANS = 32  # libjpeg writes 10 for a progressive colour image and 18 for CMYK; each costs a pass over all pixels

_MARKER = re.compile(rb"\xff+([^\xff])", re.DOTALL)  # any number of fill bytes
# Neither a stuffed 0xff nor a restart marker. Fill bytes stay with the scan: a pattern for them takes 20 times as long.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_EOI, _SOS, _APP1, _COM = 0xD9, 0xDA, 0xE1, 0xFE
_TABLES = {0xC4, 0xDB, 0xDD}  # DHT, DQT, DRI
_COLOUR = {0xE0, 0xEE}  # APP0 (JFIF) and APP14 (Adobe) say how the components make a colour
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive, all with Huffman codes
_PROGRESSIVE = 0xC2
# Where a picture comes in several scans, a decoder holds all coefficients, 2 bytes each, and passes over a component's
# with each of its scans. So many are allowed for each of the most pixels, held and passed over.
_HELD, _PASSED = 3, 16
# Codes that a decoder reads if it still lacks some, also in the intervals to come. They begin with ones, as it takes
# zeros for what is missing.
_CODES = bytes((0xF7, 0x3A, 0xD1, 0x6E, 0x95, 0x4B, 0xC8, 0x27)) * 16
_INTERVALS = 16
_EVERY_COEFFICIENT = 2**64 - 1
_OTHER_FRAMES = set(range(0xC3, 0xD0)) - _TABLES


def starts(data: bytes) -> bool:
    """Whether these are the first bytes of a JPEG, if only some of its mark: such a file is cut short."""
    return bool(data) and data[:3] == MAGIC[: len(data)]


def read(data: bytes, limits: ImageLimits) -> Header:
    """Walk the segments up to the end of the first picture and keep those that make the pixels.

    Bytes after the end are left alone: cameras put second pictures there. A file that ends within its last scan or
    behind it passes as not ended. Raises InvalidImage, ImageTooLarge.
    """
    kept = [b"\xff\xd8"]
    offset, scans, orientation = 2, 0, 1
    frame = b""
    sizes: dict[int, int] = {}  # of each component, its samples
    sent: dict[int, int] = {}  # of each component, the coefficients that are, a bit each
    passed = 0
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.match(data, offset)
        if marker is None:
            if not data[offset:].strip(b"\xff") and _are_complete(frame, sent):
                return _header(kept, orientation, ended=False)
            raise InvalidImage("The JPEG is cut short or damaged.")
        code, start = marker[1][0], marker.end()
        if code == _EOI:
            if not scans:
                raise InvalidImage("The JPEG holds no picture.")
            return _header(kept, orientation, ended=True)
        length = int.from_bytes(data[start : start + 2])
        offset = start + length
        if length < 2 or offset > len(data):
            raise InvalidImage("The JPEG is cut short or damaged.")
        body = data[start + 2 : offset]
        if code in _FRAMES:
            if frame:
                raise InvalidImage("The JPEG holds more than one frame.")
            sizes = _checked_frame(body, limits)
            frame = bytes((code,)) + body
        elif code in _OTHER_FRAMES:
            raise InvalidImage(
                "The JPEG is lossless, hierarchical or arithmetic; baseline and progressive are accepted."
            )
        elif code == _SOS:
            scans += 1
            if not frame or scans > MAX_SCANS:
                raise InvalidImage(f"The JPEG has a scan before its frame, or more than {MAX_SCANS} scans.")
            components = _note_sent(body, sent)
            if frame[0] == _PROGRESSIVE or scans > 1 or len(components) < len(sizes):
                passed += sum(sizes.get(component, 0) for component in components)
                if sum(sizes.values()) > _HELD * limits.max_pixels or passed > _PASSED * limits.max_pixels:
                    raise ImageTooLarge(
                        "The JPEG comes in several scans and has too many pixels for that;"
                        f" {limits.max_pixels} are accepted so."
                    )
            end = _AFTER_SCAN.search(data, offset)
            offset = end.start() if end else len(data.rstrip(b"\xff"))
        elif code == _APP1 and body.startswith(b"Exif\0\0") and orientation == 1:
            orientation = read_orientation(body)
        elif code not in _TABLES and not 0xE0 <= code <= 0xEF and code != _COM:
            raise InvalidImage("The JPEG holds a marker out of its place.")
        if code in _TABLES or code in _COLOUR or code in _FRAMES or code == _SOS:
            kept += (bytes((0xFF, code)), data[start:offset])
    raise InvalidImage(f"The JPEG has more than {MAX_SEGMENTS} segments.")


def with_surplus(header: Header) -> bytes:
    """The stream with more codes before its end. They change the pixels only if some were missing."""
    stream = header.stream
    restarts = _RESTART.findall(stream, stream.rindex(bytes((0xFF, _SOS))))
    following = restarts[-1][1] + 1 if restarts else 0xD0
    surplus = b"".join(_CODES + bytes((0xFF, 0xD0 | following + i & 7)) for i in range(_INTERVALS))
    return stream.removesuffix(_END) + surplus + _END


def size(data: bytes) -> tuple[int, int]:
    """Width and height of the first frame; 0 where none is found. Raises nothing."""
    offset = 2
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.match(data, offset)
        if marker is None:
            break
        start = marker.end()
        if marker[1][0] in _FRAMES:
            return int.from_bytes(data[start + 5 : start + 7]), int.from_bytes(data[start + 3 : start + 5])
        offset = start + max(2, int.from_bytes(data[start : start + 2]))
    return 0, 0


def _header(kept: list[bytes], orientation: int, ended: bool) -> Header:
    return Header(b"".join((*kept, _END)), orientation=orientation, exact=False, ended=ended)


def _note_sent(scan: bytes, sent: dict[int, int]) -> bytes:
    """Note the coefficients that a scan brings to their last bit: all, unless it is progressive (T.81 G.1.1.1).

    Returns its components.
    """
    components = 1 + 2 * scan[0] if scan else 0
    if len(scan) != components + 3:
        raise InvalidImage("The JPEG's scan header is malformed.")
    first, last, bits = scan[components:]
    if not bits & 15:
        for component in scan[1:components:2]:
            sent[component] = sent.get(component, 0) | _EVERY_COEFFICIENT >> (63 - min(last, 63)) & -1 << min(first, 63)
    return scan[1:components:2]


def _are_complete(frame: bytes, sent: dict[int, int]) -> bool:
    """Whether no scan is to come."""
    return bool(frame) and all(sent.get(component) == _EVERY_COEFFICIENT for component in frame[7::3])


def _checked_frame(body: bytes, limits: ImageLimits) -> dict[int, int]:
    """Samples of each component: its sides are the picture's by its share of the largest factors (T.81 A.1.1)."""
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise InvalidImage("The JPEG's frame header is malformed.")
    height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
    limits.check_size(width, height, SHARE)
    if body[0] != 8 or body[5] not in (1, 3, 4):
        raise InvalidImage("The JPEG must have 8 bits a sample and 1, 3 or 4 components.")
    factors = [(both >> 4, both & 15) for both in body[7::3]]
    if not all(1 <= factor <= 4 for both in factors for factor in both):
        raise InvalidImage("The JPEG's frame header is malformed.")
    widest, tallest = (max(sides) for sides in zip(*factors, strict=True))
    return {
        component: -(-width * x // widest) * -(-height * y // tallest)
        for component, (x, y) in zip(body[6::3], factors, strict=True)
    }
