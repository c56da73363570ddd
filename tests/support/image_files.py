"""Digits as files: PNG, JPEG and BMP written by hand, so that Pillow is not checked against itself; and read."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.codecs.files.images import Fit, FloatArray, ImageLimits, Invert, decode
from tests.support import digits

Samples = npt.NDArray[Any]  # whole numbers (h, w) or (h, w, channels)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LIMITS = ImageLimits(max_bytes=1 << 20)
DIGIT = digits.images()[0]
BLOCKS = np.random.default_rng(1).integers(0, 256, (4, 4, 4))
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def trns(*values: int) -> bytes:
    return chunk(b"tRNS", np.array(values, ">u2").tobytes())


def header(width: int, height: int, depth: int = 8, colour: int = GREY, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


# What files of each format begin with.
STARTS = [
    b"",
    SIGNATURE,
    SIGNATURE + header(28, 28),
    b"\xff\xd8\xff",
    b"GIF89a\x1c\0\x1c\0\x80\0\0",
    b"RIFF\0\0\1\0WEBPVP8L",
    b"RIFF\0\0\1\0WEBPVP8X\x0a\0\0\0\2\0\0\0\x1b\0\0\x1b\0\0",
    struct.pack("<2sIHHIIii", b"BM", 0, 0, 0, 54, 40, 28, 28),
]


def png(
    samples: npt.ArrayLike,
    depth: int = 8,
    colour: int = GREY,
    *,
    interlaced: bool = False,
    before: bytes = b"",
    between: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG of samples (h, w) or (h, w, channels), with chunks before and between the pixel data and after it."""
    samples = np.asarray(samples)
    height, width = samples.shape[:2]
    body = zlib.compress(scanlines(samples, depth, interlaced))
    pixels = chunk(b"IDAT", body[: len(body) // 2]) + between + chunk(b"IDAT", body[len(body) // 2 :])
    head = header(width, height, depth, colour, interlaced)
    return SIGNATURE + head + before + pixels + after + chunk(b"IEND")


def scanlines(samples: Samples, depth: int, interlaced: bool) -> bytes:
    if interlaced:
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        return b"".join(scanlines(part, depth, False) for part in passes if part.size)
    rows = samples.reshape(len(samples), -1).astype(">u2")  # (h, w * channels)
    bits = np.unpackbits(rows.view(np.uint8).reshape(*rows.shape, 2), axis=2)[:, :, 16 - depth :]
    packed = np.packbits(bits.reshape(len(rows), -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)


def filtered(samples: Samples, filters: Sequence[int]) -> bytes:
    """Lines of 8-bit grey samples (h, w), each line by its own of the five filters (PNG specification, section 9)."""
    x = samples.astype(int)
    left = np.pad(x, ((0, 0), (1, 0)))[:, :-1]
    above = np.pad(x, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(x, ((1, 0), (1, 0)))[:-1, :-1]
    guess = left + above - corner
    near_left, near_above, near_corner = abs(guess - left), abs(guess - above), abs(guess - corner)
    paeth = np.where(near_above <= near_corner, above, corner)
    paeth = np.where((near_left <= near_above) & (near_left <= near_corner), left, paeth)
    predictions = np.stack((np.zeros_like(x), left, above, (left + above) // 2, paeth))
    lines = (x - predictions[np.array(filters) % 5, np.arange(len(x))]) % 256
    return b"".join(bytes((kind, *line)) for kind, line in zip(filters, lines.tolist(), strict=True))


def exif(orientation: int, order: str = ">") -> bytes:
    """A TIFF block whose one directory holds a maker's name and the orientation."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    entries = struct.pack(f"{order}HHI4s", 0x010F, 2, 4, b"abc\0")
    entries += struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(f"{order}IH", 8, 2) + entries + struct.pack(f"{order}I", 0)


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def jpeg(blocks: npt.ArrayLike, size: tuple[int, int] = (28, 28), *, before: bytes = b"") -> bytes:
    """A baseline JPEG whose 8×8 blocks are flat. blocks: uint8 (rows, columns, components), as stored.

    A flat block of value v has one coefficient, 8·(v − 128); the table divides it by 8. Its differences are coded as
    their length, here in 4 bits, and that many bits; "no other coefficient" is the single bit 0.
    """
    blocks = np.asarray(blocks)
    rows, columns, components = blocks.shape
    width, height = size
    bits, last = [], np.zeros(components, int)
    for block in blocks.reshape(rows * columns, components).astype(int) - 128:
        for difference in block - last:
            length = int(abs(difference)).bit_length()
            value = difference if difference > 0 else difference + (1 << length) - 1
            bits.append(f"{length:04b}" + (f"{value:0{length}b}" if length else "") + "0")
        last = block
    coded = "".join(bits)
    coded += "1" * (-len(coded) % 8)
    scan = int(coded, 2).to_bytes(len(coded) // 8).replace(b"\xff", b"\xff\0")
    ids = range(1, components + 1)
    frame = struct.pack(">BHHB", 8, height, width, components) + b"".join(bytes((i, 0x11, 0)) for i in ids)
    dc = b"\x00" + bytes((0, 0, 0, 12, *[0] * 12)) + bytes(range(12))
    ac = b"\x10" + bytes((1, *[0] * 15)) + b"\0"
    selection = bytes((components,)) + b"".join(bytes((i, 0)) for i in ids) + bytes((0, 63, 0))
    return b"".join(
        (
            b"\xff\xd8",
            before,
            segment(0xDB, b"\0" + bytes([8] * 64)),
            segment(0xC0, frame),
            segment(0xC4, dc + ac),
            segment(0xDA, selection),
            scan,
            b"\xff\xd9",
        )
    )


def bmp(
    samples: npt.ArrayLike,
    depth: int,
    *,
    palette: npt.ArrayLike | None = None,
    downwards: bool = False,
    runs: bool = False,
    masks: Sequence[int] = (),
) -> bytes:
    """A BMP of samples (h, w) of `depth` bits, its rows upwards unless asked otherwise.

    palette: (n, 3) red, green, blue; greys unless given. runs: run-length encoded, of 8 or 4 bits.
    masks: of red, green, blue and alpha, in a header of 108 bytes.
    """
    rows = np.asarray(samples).astype("<u4")
    height, width = rows.shape
    if not downwards:
        rows = rows[::-1]
    if runs:
        shift = 17 if depth == 4 else 1
        body = (
            b"".join(b"".join(bytes((1, v * shift & 0xFF)) for v in row.tolist()) + b"\0\0" for row in rows) + b"\0\1"
        )
    elif depth >= 8:
        lines = rows.view(np.uint8).reshape(height, width, 4)[:, :, : depth // 8].reshape(height, -1)
        body = np.pad(lines, ((0, 0), (0, -lines.shape[1] % 4))).tobytes()
    else:
        bits = np.unpackbits(rows.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - depth :]
        lines = np.packbits(bits.reshape(height, -1), axis=1)
        body = np.pad(lines, ((0, 0), (0, -lines.shape[1] % 4))).tobytes()
    table = b""
    if depth <= 8:
        greys = np.repeat(np.linspace(0, 255, 2**depth)[:, None], 3, axis=1)
        colours = np.asarray(greys if palette is None else palette).astype(np.uint8)
        table = np.pad(colours[:, ::-1], ((0, 0), (0, 1))).tobytes()
    compression = 3 if masks else {8: 1, 4: 2}[depth] if runs else 0
    head_bytes = 108 if masks else 40
    head = struct.pack(
        "<IiiHHIIiiII", head_bytes, width, -height if downwards else height, 1, depth, compression, len(body), 0, 0,
        len(table) // 4, 0,
    )  # fmt: skip
    head = (head + struct.pack(f"<{len(masks)}I", *masks)).ljust(head_bytes, b"\0")
    offset = 14 + head_bytes + len(table)
    return struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset) + head + table + body


def pixels(data: bytes, invert: Invert = "false", fit: Fit = "exact") -> FloatArray:
    return decode(data, fit=fit, invert=invert, limits=LIMITS)


def unit(samples: npt.ArrayLike, top: int = 255) -> FloatArray:
    return np.asarray(samples).astype(np.float32) / np.float32(top)


def random_samples(channels: int, top: int = 255) -> Samples:
    shape = (28, 28, channels) if channels > 1 else (28, 28)
    return np.random.default_rng(channels).integers(0, top + 1, shape)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
