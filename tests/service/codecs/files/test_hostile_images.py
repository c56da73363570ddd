"""What is no picture of a digit is refused by name, cheaply, and nothing but a ServiceError leaves."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from service.codecs.files.images import ImageLimits, decode
from service.errors import ImageTooLarge, InvalidImage, ServiceError, UnsupportedImageFormat
from tests.support.image_files import (
    BLOCKS,
    DIGIT,
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
    STARTS,
    adobe,
    bmp,
    chunk,
    exif,
    header,
    jpeg,
    pixels,
    png,
    random_samples,
    saved,
    scanlines,
    trns,
)


def test_an_empty_body_has_its_own_code() -> None:
    with pytest.raises(InvalidImage) as refusal:
        pixels(b"")
    assert refusal.value.code == "empty_body"


FOREIGN = {
    "WAV": b"RIFF\x24\0\0\0WAVEfmt ",
    "GIF without a version": b"GIF",
    "BMP of no known head": b"BM",
    "TIFF": b"II*\0",
    "ICO": b"\0\0\1\0",
    "PSD": b"8BPS",
    "FITS": b"SIMPLE  =",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0",
    "PDF": b"%PDF-1.7",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "JPEG XL": b"\xff\x0a",
    "AVIF": b"\0\0\0\x20ftypavif",
    "MNG": b"\x8aMNG\r\n\x1a\n",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "HTML": b"<!doctype html>",
    "npy": b"\x93NUMPY",
    "zeros": b"",
    "PNG with its line ends mangled": b"\x89PNG\n\x1a\n",
}


@pytest.mark.parametrize("magic", FOREIGN.values(), ids=FOREIGN)
def test_other_formats_are_refused_by_their_first_bytes(magic: bytes) -> None:
    with pytest.raises(UnsupportedImageFormat):
        pixels(magic + bytes(200))


LOOKS = {
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "HEIC ": b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix",
    "AVIF": b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B",
    "AVIF ": b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
    "a video": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "TIFF": b"MM\0*\0\0\0\x08",
    "PDF": b"%PDF-1.7\n",
    "SVG": b"<?xml version='1.0'?>\n<!-- drawn by hand -->\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "HTML": b"<!DOCTYPE html>\n<html lang='en'>",
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n",
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_refusal_says_what_the_file_looks_like_and_what_is_accepted(look: str) -> None:
    with pytest.raises(UnsupportedImageFormat, match=f"looks like {look.strip()};.*PNG, JPEG, WebP, BMP and GIF"):
        pixels(LOOKS[look] + bytes(200))


@pytest.mark.parametrize("kind", ["TIFF", "ICO", "PPM", "TGA", "PCX", "JPEG2000"])
def test_good_pictures_in_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedImageFormat):
        pixels(saved(Image.fromarray(DIGIT), kind))


def test_bytes_pixels_and_sides_are_limited() -> None:
    for limits in (
        ImageLimits(max_bytes=50),
        ImageLimits(max_bytes=9999, max_side=27),
        ImageLimits(max_bytes=9999, max_pixels=783),
    ):
        with pytest.raises(ImageTooLarge):
            decode(png(DIGIT), fit="exact", invert="auto", limits=limits)


def test_a_png_cut_at_any_byte_is_refused() -> None:
    whole = png(DIGIT)
    for length in range(len(whole)):
        with pytest.raises(InvalidImage):
            pixels(whole[:length])


OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "BMP": ("BMP", {}),
    "GIF": ("GIF", {}),
}


@pytest.mark.parametrize(("kind", "options"), OTHERS.values(), ids=OTHERS)
def test_another_file_cut_at_any_byte_is_refused(kind: str, options: dict[str, Any]) -> None:
    whole = saved(Image.fromarray(DIGIT), kind, **options)
    for length in range(len(whole) - (kind == "GIF")):  # whose last byte says nothing but that it is the last
        with pytest.raises((InvalidImage, UnsupportedImageFormat)):
            pixels(whole[:length])


def test_no_text_of_a_library_is_shown() -> None:
    damaged = bytearray(jpeg(BLOCKS[..., :1]))
    at = damaged.index(b"\xff\xc4")
    damaged[at + 5 : at + 21] = b"\xff" * 16  # a code table that cannot be
    with pytest.raises(InvalidImage) as refusal:
        pixels(bytes(damaged))
    assert refusal.value.detail == "The image cannot be decoded."


# Any bytes at all

ANY = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])


def is_answered(data: bytes) -> None:
    """Pixels in range, or one of our own errors."""
    try:
        found = pixels(data, "auto", "mnist")
    except ServiceError:
        return
    assert found.shape == (28, 28)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1


@ANY
@given(st.binary(max_size=65_536), st.sampled_from(STARTS))
def test_random_bytes_never_raise_anything_else(data: bytes, start: bytes) -> None:
    is_answered(start + data)


KINDS = {
    GREY: (1, b""),
    RGB: (3, trns(1, 2, 3)),
    PALETTE: (1, chunk(b"PLTE", bytes(range(48))) + chunk(b"tRNS", bytes(16))),
    GREY_ALPHA: (2, b""),
    RGBA: (4, chunk(b"eXIf", exif(5))),
}


@st.composite
def mutated_png(draw: st.DrawFn) -> bytes:
    """A PNG whose chunks were changed, dropped, doubled and swapped, with checksums that fit."""
    colour = draw(st.sampled_from(sorted(KINDS)))
    channels, sides = KINDS[colour]
    depth = draw(st.sampled_from([8, 16])) if colour != PALETTE else 4
    whole = png(
        random_samples(channels, 15), depth, colour, interlaced=draw(st.booleans()), before=sides, after=sides[:0]
    )
    chunks, offset = [], 8
    while offset < len(whole):
        length = int.from_bytes(whole[offset : offset + 4])
        chunks.append((whole[offset + 4 : offset + 8], whole[offset + 8 : offset + 8 + length]))
        offset += length + 12
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(chunks) - 1))
        name, body = chunks[at]
        change = draw(st.sampled_from(["flip", "cut", "grow", "drop", "double", "swap", "rename"]))
        if change == "flip" and body:
            byte = draw(st.integers(0, min(len(body), 40) - 1))
            body = body[:byte] + bytes((draw(st.integers(0, 255)),)) + body[byte + 1 :]
        elif change == "cut":
            body = body[: draw(st.integers(0, len(body)))]
        elif change == "grow":
            body += draw(st.binary(max_size=20))
        elif change == "rename":
            name = draw(st.sampled_from([b"IDAT", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fdAT", b"iCCP", b"IHDR"]))
        chunks[at] = (name, body)
        if change == "drop" and len(chunks) > 1:
            del chunks[at]
        elif change == "double":
            chunks.insert(at, chunks[at])
        elif change == "swap":
            other = draw(st.integers(0, len(chunks) - 1))
            chunks[at], chunks[other] = chunks[other], chunks[at]
    return SIGNATURE + b"".join(chunk(name, body) for name, body in chunks)


@ANY
@given(mutated_png())
def test_mutated_png_never_raises_anything_else(data: bytes) -> None:
    is_answered(data)


@ANY
@given(
    st.sampled_from(
        [
            jpeg(BLOCKS[..., :1]),
            jpeg(BLOCKS, before=adobe(2)),
            jpeg(BLOCKS)[:-2],
            saved(Image.fromarray(DIGIT), "JPEG", progressive=True),
            *(saved(Image.fromarray(DIGIT), kind, **options) for kind, options in OTHERS.values()),
            saved(Image.fromarray(random_samples(4).astype(np.uint8)), "WEBP"),
            saved(Image.fromarray(random_samples(4).astype(np.uint8)), "BMP"),
            bmp(DIGIT // 16, 4, runs=True),
            saved(Image.fromarray(DIGIT).convert("P"), "GIF", transparency=0, interlace=1),
        ]
    ),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_other_mutated_files_never_raise_anything_else(
    data: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    damaged = bytearray(data)
    for where, value in changes:
        damaged[int(where * len(damaged))] = value
    is_answered(bytes(damaged))
    is_answered(data[: int(kept * len(data))])


# Bombs

BOMB_SCRIPT = """
import sys
from pathlib import Path
from service.errors import ServiceError
from service.codecs.files.images import ImageLimits, decode

def peak_kib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

limits = ImageLimits(max_bytes=1 << 20)
for path in sorted(Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    before = peak_kib()
    try:
        decode(data, fit="resize", invert="auto", limits=limits)
        answer = "pixels"
    except ServiceError as error:
        answer = error.code
    print(path.stem, answer, peak_kib() - before)
"""


def bmp_head(width: int, height: int, depth: int, compression: int) -> bytes:
    head = struct.pack("<2sIHHIIiiHHI", b"BM", 0, 0, 0, 54, 40, width, height, 1, depth, compression)
    return head + bytes(30)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_bombs_leave_memory_flat(tmp_path: Path) -> None:
    """Each in turn in one fresh process: none raises the peak by 4 MiB, where honest decoding would take 20 to 3000.

    The largest pictures that are accepted take what docs/images.md says.
    """
    twenty_mb = zlib.compress(bytes(20_000_000))
    pixel_bomb = chunk(b"IDAT", zlib.compress(scanlines(DIGIT, 8, False) + bytes(20_000_000)))
    black = chunk(b"IDAT", zlib.compress(bytes(4096 * 4098)))
    end = chunk(b"IEND")
    progressive = saved(Image.new("RGB", (2048, 2048)), "JPEG", progressive=True, subsampling=0)
    at = progressive.rindex(b"\xff\xda")
    progressive = progressive[:at] + progressive[at:-2] * 22 + progressive[-2:]
    large = progressive.replace(b"\xff\xc2\0\x11\x08\x08\0\x08\0", b"\xff\xc2\0\x11\x08\x10\0\x10\0")
    assert large != progressive  # twice as wide and high as its codes are
    # Honest decoding takes more; what is named 1- has as many pixels as are accepted, in a copy or an eighth.
    most_mib = {"0-": 64, "1-": 40, "2-": 160}
    bombs = {
        "0-good": (png(DIGIT), "pixels"),
        "0-good-jpeg": (jpeg(BLOCKS[..., :1]), "pixels"),
        "pixels": (SIGNATURE + header(28, 28) + pixel_bomb + end, "pixels"),
        "text": (png(DIGIT, before=chunk(b"zTXt", b"a\0\0" + twenty_mb)), "pixels"),
        "international": (png(DIGIT, before=chunk(b"iTXt", b"a\0\1\0\0\0" + twenty_mb)), "pixels"),
        "profile": (png(DIGIT, before=chunk(b"iCCP", b"a\0\0" + twenty_mb)), "pixels"),
        "large": (SIGNATURE + header(4097, 4096) + black + end, "image_too_large"),
        "huge": (SIGNATURE + header(20_000, 20_000) + pixel_bomb + end, "image_too_large"),
        "huge-jpeg": (jpeg(np.zeros((1, 1, 1)), size=(65_535, 65_535)), "image_too_large"),
        "huge-webp": (saved(Image.new("RGB", (16_383, 600)), "WEBP", lossless=True), "image_too_large"),
        "huge-gif": (b"GIF89a" + b"\xff" * 4 + saved(Image.new("L", (1, 1)), "GIF")[10:], "image_too_large"),
        "huge-bmp": (bmp_head(30_000, -30_000, 32, 0), "image_too_large"),
        "rows-of-bmp": (bmp_head(4000, 4000, 32, 0), "bad_image"),
        "runs-of-bmp": (bmp_head(600, 600, 8, 1), "image_too_large"),
        "scans": (large, "image_too_large"),
        "1-large": (SIGNATURE + header(4096, 4096) + black + end, "pixels"),
        "1-large-jpeg": (saved(Image.new("L", (8192, 8192)), "JPEG"), "pixels"),
        "1-large-gif": (saved(Image.new("L", (4096, 4096)), "GIF"), "pixels"),
        "2-large-webp": (saved(Image.new("RGB", (3840, 2160)), "WEBP", lossless=True), "pixels"),
    }
    for name, (data, _) in bombs.items():
        (tmp_path / name).write_bytes(data)
    root = Path(__file__).parents[4]
    run = subprocess.run(
        [sys.executable, "-c", BOMB_SCRIPT, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    for line in run.stdout.splitlines():
        name, answer, growth_kib = line.split()
        assert answer == bombs[name][1], name
        assert int(growth_kib) < most_mib.get(name[:2], 4) << 10, line
    assert len(run.stdout.splitlines()) == len(bombs)
