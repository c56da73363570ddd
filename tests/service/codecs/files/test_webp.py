"""WebP files become the right pixels; animations, and what no decoder should see, are refused by their chunks."""

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.codecs.files.header import ImageLimits
from service.codecs.files.picture import read_picture
from service.codecs.files.webp import MAX_CHUNKS, read
from service.errors import ImageTooLarge, InvalidImage
from tests.support.image_files import DIGIT, LIMITS, exif, pixels, random_samples, saved, unit

COLOURS = random_samples(3).astype(np.uint8)
WITH_ALPHA = random_samples(4).astype(np.uint8)


def webp(samples: np.ndarray, **options: Any) -> bytes:
    return saved(Image.fromarray(samples), "WEBP", **options)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(struct.pack("<4sI", name, len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WEBP") + body


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, offset = [], 12
    while offset < len(data):
        name, length = struct.unpack_from("<4sI", data, offset)
        found.append((name, data[offset + 8 : offset + 8 + length]))
        offset += 8 + length + length % 2
    return found


def canvas(flags: int, width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8X", struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def test_lossless_is_read_to_the_bit() -> None:
    found = read_picture(webp(COLOURS, lossless=True), LIMITS)
    assert np.array_equal(found.samples, COLOURS)
    assert found.alpha is None


@pytest.mark.parametrize("lossless", [False, True])
def test_alpha_is_read_to_the_bit(lossless: bool) -> None:
    found = read_picture(webp(WITH_ALPHA, lossless=lossless, exact=True), LIMITS)
    assert found.alpha is not None
    assert np.array_equal(found.alpha, unit(WITH_ALPHA[..., 3]))


def test_lossy_and_png_agree() -> None:
    assert np.abs(pixels(webp(np.dstack([DIGIT] * 3), quality=95)) - unit(DIGIT)).mean() < 0.02


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_orientation_is_applied(orientation: int, prefix: bytes) -> None:
    data = webp(COLOURS, lossless=True, exif=prefix + exif(orientation))
    turned = np.rot90(COLOURS, {1: 0, 3: 2, 6: -1, 8: 1}[orientation])
    assert np.array_equal(read_picture(data, LIMITS).samples, turned)


def test_side_chunks_never_reach_a_decoder() -> None:
    ((name, body),) = chunks(webp(COLOURS, lossless=True))
    sides = [(b"ICCP", bytes(70_001)), (b"abcd", b"x"), (name, body), (b"EXIF", b"junk"), (b"XMP ", bytes(9))]
    assert chunks(read(riff(canvas(0x2C, 28, 28), *sides), LIMITS).stream) == [(name, body)]


def test_what_follows_the_file_is_ignored() -> None:
    whole = webp(COLOURS)
    assert read(whole + bytes(500), LIMITS).stream == whole


def test_an_animation_is_refused_by_its_own_code_unless_it_has_one_frame() -> None:
    still = chunks(webp(COLOURS, lossless=True))[0]
    frame = (
        bytes(6) + (27).to_bytes(3, "little") * 2 + bytes(4) + struct.pack("<4sI", still[0], len(still[1])) + still[1]
    )
    frame += bytes(len(frame) % 2)
    head = (canvas(0x02, 28, 28), (b"ANIM", bytes(6)))
    assert np.array_equal(read_picture(riff(*head, (b"ANMF", frame)), LIMITS).samples, COLOURS)
    for count in (0, 2):
        with pytest.raises(InvalidImage) as refusal:
            pixels(riff(*head, *[(b"ANMF", frame)] * count))
        assert refusal.value.code == "animated_image"


@pytest.mark.parametrize("lossless", [False, True])
def test_too_large_a_size_is_refused_at_the_header(lossless: bool) -> None:
    picture = chunks(webp(COLOURS, lossless=lossless))[0]
    small = ImageLimits(max_bytes=1 << 20, max_pixels=2 * 784 - 2)
    with pytest.raises(ImageTooLarge, match="28x28"):
        read(riff(picture), small)
    with pytest.raises(ImageTooLarge, match="28x28"):
        read(riff(canvas(0, 20, 20), picture), small)
    alpha = (b"ALPH", b"\0" + bytes(784))
    with pytest.raises(ImageTooLarge):
        read(riff(canvas(0x10, 2**24, 2**24), alpha, chunks(webp(COLOURS))[0]), LIMITS)


LOSSLESS = chunks(webp(COLOURS, lossless=True))[0][1]
REFUSED = {
    "no chunk": riff(),
    "no picture": riff(canvas(0, 28, 28)),
    "picture of 4 bytes": riff((b"VP8L", LOSSLESS[:4])),
    "another mark": riff((b"VP8L", b"\x2e" + LOSSLESS[1:])),
    "frame of another size": riff(canvas(0x10, 30, 30), (b"ALPH", bytes(785)), chunks(webp(COLOURS))[0]),
    "codes cut": riff((b"VP8L", LOSSLESS[: len(LOSSLESS) // 2])),
    "chunk beyond the file": riff((b"VP8L", LOSSLESS))[:16] + b"\xff\xff\0\0" + LOSSLESS,
    "many chunks": riff(*[(b"abcd", b"")] * MAX_CHUNKS, (b"VP8L", LOSSLESS)),
    "frame of one byte": riff(canvas(2, 28, 28), (b"ANMF", b"a")),
    "canvas of one byte": riff((b"VP8X", b"\x02"), (b"ANMF", bytes(40))),
    "frame without a picture": riff(canvas(2, 28, 28), (b"ANIM", bytes(6)), (b"ANMF", bytes(16))),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_malformed_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage) as refusal:
        pixels(data)
    assert refusal.value.code == "bad_image"
