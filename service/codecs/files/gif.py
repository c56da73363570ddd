"""GIF files as blocks: a walk that refuses what no decoder should see. No pixels decoded.

CompuServe's specification of GIF89a, 1990. Only a single picture passes.
"""

from service.codecs.files.header import Header, ImageLimits
from service.errors import InvalidImage

MAGICS = (b"GIF87a", b"GIF89a")
MAX_BLOCKS = 65_536  # of up to 255 bytes: 16 MB

_HEAD_BYTES, _PICTURE_HEAD_BYTES = 13, 10
_EXTENSION, _PICTURE, _END = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9


def starts(data: bytes) -> bool:
    return data[:6] in MAGICS


def size(data: bytes) -> tuple[int, int]:
    """Width and height that the header announces; 0 where it does not."""
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def read(data: bytes, limits: ImageLimits) -> Header:
    """Walk the blocks up to the end and keep those that make the picture. Raises InvalidImage, ImageTooLarge."""
    if len(data) < _HEAD_BYTES:
        raise InvalidImage("The GIF is cut short.")
    limits.check_size(*size(data))
    walk = _Walk(data)
    palette = walk.palette(data[10])
    head = data[: walk.offset]
    control = picture = b""
    transparent: int | None = None
    box: tuple[int, int, int, int] | None = None
    colours = palette
    while walk.offset < len(data) and data[walk.offset] != _END:
        start, kind = walk.offset, data[walk.offset]
        if kind == _EXTENSION:
            walk.offset += 2
            walk.blocks()
            if data[start + 1] == _GRAPHIC_CONTROL and not picture and data[start + 2] == 4:
                control = data[start : walk.offset]
                transparent = control[6] if control[3] & 1 else None
        elif kind == _PICTURE:
            if picture:
                raise InvalidImage("The GIF is animated; a single picture is accepted.", "animated_image")
            walk.offset += _PICTURE_HEAD_BYTES
            walk.require()
            left, top, width, height = (int.from_bytes(data[start + i : start + i + 2], "little") for i in (1, 3, 5, 7))
            if width == 0 or height == 0 or left + width > size(data)[0] or top + height > size(data)[1]:
                raise InvalidImage("The GIF's picture does not lie within its screen.")
            box = None if (width, height) == size(data) else (left, top, left + width, top + height)
            colours = walk.palette(data[start + 9]) or palette
            walk.offset += 1  # bits of the first code
            walk.blocks()
            picture = data[start : walk.offset]
        else:
            raise InvalidImage("The GIF is damaged: a block is of no known kind.")
    if not picture:
        raise InvalidImage("The GIF holds no picture.")
    # Its palette says which pixels are transparent, as a PNG's does; without one, its samples are grey.
    opacity = b"\xff" * transparent + b"\0" if transparent is not None else b""
    stream = head + control + picture + bytes((_END,))
    return Header(stream, colours=colours or 256, transparency=opacity, box=box)


class _Walk:
    """A place in a file's bytes that moves on and never beyond their end."""

    def __init__(self, data: bytes) -> None:
        self.offset = _HEAD_BYTES
        self._data = data
        self._left = MAX_BLOCKS

    def require(self) -> None:
        """Raises InvalidImage if the file ends before this place."""
        if self.offset > len(self._data):
            raise InvalidImage("The GIF is cut short.")

    def palette(self, flags: int) -> int:
        """Pass the palette that the flags announce. Returns its entries, 0 without one."""
        entries = 2 << (flags & 7) if flags & 0x80 else 0
        self.offset += 3 * entries
        self.require()
        return entries

    def blocks(self) -> None:
        """Pass blocks of data up to the empty one that ends them."""
        data = self._data
        while True:
            self._left -= 1
            if self.offset >= len(data):
                raise InvalidImage("The GIF is cut short.")
            if not self._left:
                raise InvalidImage(f"The GIF has more than {MAX_BLOCKS} blocks.")
            length = data[self.offset]
            self.offset += 1 + length
            if not length:
                return
