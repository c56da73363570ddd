"""PNG chunks: what the walk refuses before a decoder runs, what it lets through, and what the writer writes."""

import struct
import zlib

import numpy as np
import pytest

from service.codecs.files.header import ImageLimits
from service.codecs.files.png import MAX_CHUNKS, read, write
from service.errors import ImageTooLarge, InvalidImage
from tests.support.image_files import (
    GREY,
    LIMITS,
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
    chunk,
    exif,
    header,
    png,
    scanlines,
)

SAMPLES = np.arange(784, dtype=np.uint8).reshape(28, 28)
PIXELS = chunk(b"IDAT", zlib.compress(scanlines(SAMPLES, 8, False)))
END = chunk(b"IEND")
PLTE = chunk(b"PLTE", bytes(range(12)))


def kept(data: bytes) -> list[str]:
    """Names of the chunks that a decoder is given."""
    stream, names, offset = read(data, LIMITS).stream, [], 8
    while offset < len(stream):
        length, name = struct.unpack_from(">I4s", stream, offset)
        names.append(name.decode())
        offset += length + 12
    return names


@pytest.mark.parametrize(
    ("width", "height"), [(20_000, 20_000), (13_000, 13_000), (1, 2**31 - 1), (2**32 - 1, 1), (16_385, 1), (4097, 4096)]
)
def test_too_large_a_size_is_refused_at_the_header(width: int, height: int) -> None:
    with pytest.raises(ImageTooLarge, match=f"{width}x{height}"):
        read(SIGNATURE + header(width, height), LIMITS)


@pytest.mark.parametrize("size", [(0, 0), (0, 28), (28, 0)])
def test_a_size_of_zero_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImage):
        read(SIGNATURE + header(*size) + PIXELS + END, LIMITS)


def damage(piece: bytes) -> bytes:
    return piece[:-1] + bytes((piece[-1] ^ 1,))


def kind(*fields: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, *fields))


HEAD = header(28, 28)
REFUSED = {
    "no header": PIXELS + END,
    "header second": chunk(b"gAMA", bytes(4)) + HEAD + PIXELS + END,
    "header too short": chunk(b"IHDR", bytes(12)) + PIXELS + END,
    "header too long": chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0) + b"\0") + PIXELS + END,
    "header repeated": HEAD + HEAD + PIXELS + END,
    "3-bit grey": kind(3, GREY, 0, 0, 0) + PIXELS + END,
    "4-bit colour": kind(4, RGB, 0, 0, 0) + PIXELS + END,
    "16-bit palette": kind(16, PALETTE, 0, 0, 0) + PLTE + PIXELS + END,
    "colour type 1": kind(8, 1, 0, 0, 0) + PIXELS + END,
    "compression 1": kind(8, GREY, 1, 0, 0) + PIXELS + END,
    "filter 1": kind(8, GREY, 0, 1, 0) + PIXELS + END,
    "interlace 2": kind(8, GREY, 0, 0, 2) + PIXELS + END,
    "checksum of the header": damage(HEAD) + PIXELS + END,
    "checksum of the pixels": HEAD + damage(PIXELS) + END,
    "checksum of the end": HEAD + PIXELS + damage(END),
    "checksum of the palette": HEAD + damage(PLTE) + PIXELS + END,
    "checksum of the transparency": HEAD + damage(chunk(b"tRNS", bytes(2))) + PIXELS + END,
    "end with another name": HEAD + PIXELS + chunk(b"IENX"),
    "end with a body": HEAD + PIXELS + chunk(b"IEND", b"\0"),
    "no end": HEAD + PIXELS,
    "no pixels": HEAD + END,
    "empty pixels": HEAD + chunk(b"IDAT") + END,
    "pixels interrupted": HEAD + PIXELS + chunk(b"tEXt", b"a\0b") + PIXELS + END,
    "pixels end early": HEAD + chunk(b"IDAT", zlib.compress(scanlines(SAMPLES[:27], 8, False))) + END,
    "pixels lack a byte": HEAD + chunk(b"IDAT", zlib.compress(scanlines(SAMPLES, 8, False)[:-1])) + END,
    "pixels not deflated": HEAD + chunk(b"IDAT", bytes(range(200))) + END,
    "pixels deflated raw": HEAD + chunk(b"IDAT", zlib.compress(scanlines(SAMPLES, 8, False))[2:]) + END,
    "palette missing": kind(8, PALETTE, 0, 0, 0) + PIXELS + END,
    "palette empty": kind(8, PALETTE, 0, 0, 0) + chunk(b"PLTE") + PIXELS + END,
    "palette late": kind(8, PALETTE, 0, 0, 0) + PIXELS + PLTE + END,
    "palette repeated": kind(8, PALETTE, 0, 0, 0) + PLTE + PLTE + PIXELS + END,
    "palette of a third": kind(8, PALETTE, 0, 0, 0) + chunk(b"PLTE", bytes(4)) + PIXELS + END,
    "palette of 257": kind(8, PALETTE, 0, 0, 0) + chunk(b"PLTE", bytes(771)) + PIXELS + END,
    "palette of a grey image": HEAD + PLTE + PIXELS + END,
    "transparency repeated": HEAD + chunk(b"tRNS", bytes(2)) * 2 + PIXELS + END,
    "transparency late": HEAD + PIXELS + chunk(b"tRNS", bytes(2)) + END,
    "transparency of 3 bytes": HEAD + chunk(b"tRNS", bytes(3)) + PIXELS + END,
    "transparency of an alpha image": png(np.zeros((28, 28, 4)), 8, RGBA, before=chunk(b"tRNS", bytes(6)))[8:],
    "more transparency than palette": kind(8, PALETTE, 0, 0, 0) + PLTE + chunk(b"tRNS", bytes(5)) + PIXELS + END,
    "unknown critical chunk": HEAD + chunk(b"EVIL") + PIXELS + END,
    "chunk name of digits": HEAD + chunk(b"12#4") + PIXELS + END,
    "length beyond the file": HEAD + struct.pack(">I4s", 2**31, b"IDAT") + PIXELS + END,
    "a side chunk too many": HEAD + chunk(b"tEXt") * MAX_CHUNKS + PIXELS + END,
    "an empty pixel chunk too many": HEAD + chunk(b"IDAT") * MAX_CHUNKS + PIXELS + END,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_malformed_file_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidImage) as refusal:
        read(SIGNATURE + body, LIMITS)
    assert refusal.value.code == "bad_image"


@pytest.mark.parametrize("control", [chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"acTL")])
def test_animation_is_refused_by_its_own_code(control: bytes) -> None:
    with pytest.raises(InvalidImage) as refusal:
        read(png(SAMPLES, before=control), LIMITS)
    assert refusal.value.code == "animated_image"


def test_an_animation_of_one_frame_is_a_picture() -> None:
    assert kept(png(SAMPLES, before=chunk(b"acTL", struct.pack(">II", 1, 0)))) == ["IHDR", "IDAT", "IDAT", "IEND"]


@pytest.mark.parametrize("after", [b"\n", bytes(100_000), SIGNATURE + HEAD], ids=["line", "100 KB", "file"])
def test_what_follows_the_end_is_ignored(after: bytes) -> None:
    assert kept(png(SAMPLES) + after) == ["IHDR", "IDAT", "IDAT", "IEND"]


@pytest.mark.parametrize(("size", "count"), [(1, 500), (8192, 300), (0, 60_000)])
def test_pixels_may_come_in_many_chunks(size: int, count: int) -> None:
    lines = np.random.default_rng(0).integers(0, 256, (1500, 1601), dtype=np.uint8)
    lines[:, 0] = 0
    body = zlib.compress(lines.tobytes() if size > 1 else scanlines(SAMPLES, 8, False), 0 if size > 1 else 9)
    pieces = [body[i : i + size] for i in range(0, len(body), size)] if size else [b""] * count + [body]
    assert len(pieces) > min(count, 250)
    head = header(1600, 1500) if size > 1 else HEAD
    data = SIGNATURE + head + b"".join(chunk(b"IDAT", piece) for piece in pieces) + END
    assert read(data, LIMITS).stream == data


def test_inflated_bytes_are_limited_as_pixels_are() -> None:
    limits = ImageLimits(max_bytes=1 << 20, max_pixels=10_000, max_side=200)
    for depth, sides in ((8, 100), (16, 70)):
        read(png(np.zeros((sides, sides, 4), int), depth, RGBA), limits)
    with pytest.raises(ImageTooLarge):
        read(png(np.zeros((100, 100, 4), int), 16, RGBA), limits)


def test_a_file_cut_at_any_byte_is_refused() -> None:
    whole = png(SAMPLES, before=chunk(b"tEXt", b"a\0b"), after=chunk(b"tIME", bytes(7)))
    read(whole, LIMITS)
    for length in range(len(whole)):
        with pytest.raises(InvalidImage):
            read(whole[:length], LIMITS)


BOMB = zlib.compress(bytes(20_000_000))
SIDE_CHUNKS = {
    "compressed text": chunk(b"zTXt", b"a\0\0" + BOMB),
    "compressed international text": chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB),
    "profile": chunk(b"iCCP", b"a\0\0" + BOMB),
    "eighty compressed texts": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000))) * 80,
    "text": chunk(b"tEXt", b"a\0b"),
    "gamma": chunk(b"gAMA", struct.pack(">I", 45_455)),
    "wrong checksum": damage(chunk(b"tEXt", b"a\0b")),
    "1 MB of profile": chunk(b"iCCP", bytes(1 << 20)),
    "provenance": chunk(b"caBX", bytes(70_000)),
    "10,000 texts": chunk(b"tEXt", b"a\0b") * 10_000,
    "private": chunk(b"prVt", b"anything"),
    "frames without animation": chunk(b"fcTL", bytes(26)) + chunk(b"fdAT", bytes(9)),
}


@pytest.mark.parametrize("side", SIDE_CHUNKS.values(), ids=SIDE_CHUNKS)
def test_side_chunks_never_reach_a_decoder(side: bytes) -> None:
    assert kept(png(SAMPLES, before=side, after=side)) == ["IHDR", "IDAT", "IDAT", "IEND"]


def test_a_palette_reaches_a_decoder_only_if_pixels_use_it() -> None:
    assert kept(png(SAMPLES % 4, 8, PALETTE, before=PLTE)) == ["IHDR", "PLTE", "IDAT", "IDAT", "IEND"]
    assert kept(png(np.zeros((28, 28, 3)), 8, RGB, before=PLTE)) == ["IHDR", "IDAT", "IDAT", "IEND"]


def test_the_header_carries_what_the_pixels_need_besides() -> None:
    sides = PLTE + chunk(b"tRNS", b"\1\2") + chunk(b"eXIf", exif(6))
    found = read(png(SAMPLES % 4, 4, PALETTE, before=sides), LIMITS)
    assert (found.depth, found.orientation, found.colours, found.transparency) == (4, 6, 4, b"\1\2")


def test_exif_with_a_wrong_checksum_is_ignored() -> None:
    assert read(png(SAMPLES, before=damage(chunk(b"eXIf", exif(6)))), LIMITS).orientation == 1


def test_surplus_pixel_data_is_ignored() -> None:
    surplus = HEAD + chunk(b"IDAT", zlib.compress(scanlines(SAMPLES, 8, False) + bytes(20_000_000))) + END
    assert kept(SIGNATURE + surplus) == ["IHDR", "IDAT", "IEND"]


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (5, 5), (28, 28), (33, 17)])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("depth", "colour"), [(1, GREY), (16, GREY), (8, RGB), (16, RGBA)])
def test_the_wanted_bytes_of_pixel_data_are_exact(
    size: tuple[int, int], interlaced: bool, depth: int, colour: int
) -> None:
    shape = (*size, {GREY: 1, RGB: 3, RGBA: 4}[colour])
    lines = scanlines(np.zeros(shape, int), depth, interlaced)
    head = SIGNATURE + header(size[1], size[0], depth, colour, interlaced)
    read(head + chunk(b"IDAT", zlib.compress(lines)) + END, LIMITS)
    with pytest.raises(InvalidImage):
        read(head + chunk(b"IDAT", zlib.compress(lines[:-1])) + END, LIMITS)


def test_a_written_file_holds_the_samples_and_nothing_else() -> None:
    data = write(SAMPLES[:5, :7])
    assert data.startswith(SIGNATURE + header(7, 5))
    assert data.endswith(END)
    length = int.from_bytes(data[33:37])
    assert data[33:] == chunk(b"IDAT", data[41 : 41 + length]) + END
    assert zlib.decompress(data[41 : 41 + length]) == scanlines(SAMPLES[:5, :7], 8, False)
    assert write(SAMPLES[:5, :7]) == data
