"""JPEG files as segments: a walk that refuses what no decoder should see. No pixels decoded.

ITU-T T.81 annex B; Adobe's APP14, Technical Note 5116. Of several pictures (CIPA DC-007), the first.
"""

import re

from service.codecs.files.header import Header, ImageLimits, read_orientation
from service.errors import InvalidImage

MAGIC = b"\xff\xd8\xff"
MAX_SEGMENTS = 256
MAX_SCANS = 32  # libjpeg writes 10 for a progressive colour image and 18 for CMYK; each costs a pass over all pixels

_MARKER = re.compile(rb"\xff+([^\xff])", re.DOTALL)  # any number of fill bytes
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # neither a stuffed 0xff nor a restart marker
_EOI, _SOS, _APP1, _COM = 0xD9, 0xDA, 0xE1, 0xFE
_TABLES = {0xC4, 0xDB, 0xDD}  # DHT, DQT, DRI
_COLOUR = {0xE0, 0xEE}  # APP0 (JFIF) and APP14 (Adobe) say how the components make a colour
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive, all with Huffman codes
_OTHER_FRAMES = set(range(0xC3, 0xD0)) - _TABLES


def read(data: bytes, limits: ImageLimits) -> Header:
    """Walk the segments up to the end of the first picture and keep those that make the pixels.

    Bytes after the end are left alone: cameras put second pictures there. Raises InvalidImage, ImageTooLarge.
    """
    kept = [b"\xff\xd8"]
    offset, scans, orientation, framed = 2, 0, 1, False
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.match(data, offset)
        if marker is None:
            raise InvalidImage("The JPEG is cut short or damaged.")
        code, start = marker[1][0], marker.end()
        if code == _EOI:
            if not scans:
                raise InvalidImage("The JPEG holds no picture.")
            kept.append(b"\xff\xd9")
            return Header(b"".join(kept), orientation=orientation)
        length = int.from_bytes(data[start : start + 2])
        offset = start + length
        if length < 2 or offset > len(data):
            raise InvalidImage("The JPEG is cut short or damaged.")
        body = data[start + 2 : offset]
        if code in _FRAMES:
            if framed:
                raise InvalidImage("The JPEG holds more than one frame.")
            _check_frame(body, limits)
            framed = True
        elif code in _OTHER_FRAMES:
            raise InvalidImage(
                "The JPEG is lossless, hierarchical or arithmetic; baseline and progressive are accepted."
            )
        elif code == _SOS:
            scans += 1
            if not framed or scans > MAX_SCANS:
                raise InvalidImage(f"The JPEG has a scan before its frame, or more than {MAX_SCANS} scans.")
            end = _AFTER_SCAN.search(data, offset)
            if end is None:
                raise InvalidImage("The JPEG is cut short.")
            offset = end.start()
        elif code == _APP1 and body.startswith(b"Exif\0\0") and orientation == 1:
            orientation = read_orientation(body)
        elif code not in _TABLES and not 0xE0 <= code <= 0xEF and code != _COM:
            raise InvalidImage("The JPEG holds a marker out of its place.")
        if code in _TABLES or code in _COLOUR or code in _FRAMES or code == _SOS:
            kept += (bytes((0xFF, code)), data[start:offset])
    raise InvalidImage(f"The JPEG has more than {MAX_SEGMENTS} segments.")


def pixels(data: bytes) -> int:
    """Pixels of the first frame; 0 where none is found. Raises nothing."""
    offset = 2
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.match(data, offset)
        if marker is None:
            break
        start = marker.end()
        if marker[1][0] in _FRAMES:
            return int.from_bytes(data[start + 3 : start + 5]) * int.from_bytes(data[start + 5 : start + 7])
        offset = start + max(2, int.from_bytes(data[start : start + 2]))
    return 0


def _check_frame(body: bytes, limits: ImageLimits) -> None:
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise InvalidImage("The JPEG's frame header is malformed.")
    limits.check_size(width=int.from_bytes(body[3:5]), height=int.from_bytes(body[1:3]))
    if body[0] != 8 or body[5] not in (1, 3, 4):
        raise InvalidImage("The JPEG must have 8 bits a sample and 1, 3 or 4 components.")
