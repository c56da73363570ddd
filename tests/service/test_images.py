"""Files become the right pixels, bit for bit where the format allows it, and nothing but a ServiceError leaves."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from service.errors import ImageTooLarge, InvalidImage, ServiceError, UnsupportedImageFormat
from service.images import ImageLimits, decode
from tests.service.image_files import (
    DIGIT,
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
    adobe,
    chunk,
    exif,
    header,
    jpeg,
    pixels,
    png,
    random_samples,
    saved,
    scanlines,
    segment,
    unit,
)

RAMP = np.arange(784).reshape(28, 28)


def luma(samples):
    """Rec. 601 in 16-bit fixed point, rounded to 8 bits."""
    return (samples[..., :3] @ np.array([19595, 38470, 7471]) + 32768) >> 16


def trns(*values):
    return chunk(b"tRNS", np.array(values, ">u2").tobytes())


# PNG: every kind of pixel, straight and interlaced


@pytest.mark.parametrize("interlaced", [False, True], ids=["straight", "interlaced"])
class TestEveryKindOfPng:
    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    def test_grey(self, depth, interlaced):
        top = 2**depth - 1
        samples = RAMP * 83 % (top + 1) if depth == 16 else RAMP % (top + 1)
        assert np.array_equal(pixels(png(samples, depth, interlaced=interlaced)), unit(samples, top))

    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    def test_grey_with_a_transparent_value(self, depth, interlaced):
        top = 2**depth - 1
        samples = RAMP % (top + 1)
        data = png(samples, depth, interlaced=interlaced, before=trns(top if depth < 16 else 700))
        expected = unit(np.where(samples == (top if depth < 16 else 700), 0, samples), top)
        assert np.array_equal(pixels(data), expected)

    @pytest.mark.parametrize("depth", [1, 2, 4, 8])
    def test_palette(self, depth, interlaced):
        colours = np.random.default_rng(depth).integers(0, 256, (2**depth, 3))
        samples = RAMP % 2**depth
        data = png(
            samples,
            depth,
            PALETTE,
            interlaced=interlaced,
            before=chunk(b"PLTE", colours.astype(np.uint8).tobytes()),
        )
        assert np.array_equal(pixels(data), unit(luma(colours[samples])))

    @pytest.mark.parametrize("opacity", [(0,), (255, 0), (128, 7), (0, 10, 200, 255)], ids=str)
    def test_palette_with_transparency(self, opacity, interlaced):
        colours = np.array([[200] * 3, [100] * 3, [50] * 3, [255] * 3])
        sides = chunk(b"PLTE", colours.astype(np.uint8).tobytes()) + chunk(b"tRNS", bytes(opacity))
        data = png(RAMP % 4, 2, PALETTE, interlaced=interlaced, before=sides)
        alpha = np.array([*opacity, *[255] * (4 - len(opacity))])
        expected = unit(colours[:, 0]) * unit(alpha)
        assert np.array_equal(pixels(data), expected[RAMP % 4])

    def test_colour(self, interlaced):
        samples = random_samples(3)
        assert np.array_equal(pixels(png(samples, 8, RGB, interlaced=interlaced)), unit(luma(samples)))

    def test_colour_with_a_transparent_value(self, interlaced):
        samples = random_samples(3, top=1) * 200
        data = png(samples, 8, RGB, interlaced=interlaced, before=trns(200, 200, 0))
        hidden = (samples == (200, 200, 0)).all(axis=2)
        assert hidden.any()
        assert np.array_equal(pixels(data), unit(np.where(hidden, 0, luma(samples))))

    def test_16_bit_colour_counts_to_8_bits(self, interlaced):
        samples = random_samples(3, top=65535)
        assert np.array_equal(pixels(png(samples, 16, RGB, interlaced=interlaced)), unit(luma(samples >> 8)))

    def test_16_bit_colour_with_a_transparent_value(self, interlaced):
        samples = random_samples(3, top=1) * 51400
        data = png(samples, 16, RGB, interlaced=interlaced, before=trns(51400, 0, 51400))
        hidden = (samples == (51400, 0, 51400)).all(axis=2)
        assert np.array_equal(pixels(data), unit(np.where(hidden, 0, luma(samples >> 8))))

    @pytest.mark.parametrize("depth", [8, 16])
    def test_grey_with_alpha(self, depth, interlaced):
        samples = random_samples(2, top=2**depth - 1)
        grey, alpha = np.moveaxis(samples >> (depth - 8), 2, 0)
        data = png(samples, depth, GREY_ALPHA, interlaced=interlaced)
        assert np.array_equal(pixels(data), unit(grey) * unit(alpha))

    @pytest.mark.parametrize("depth", [8, 16])
    def test_colour_with_alpha(self, depth, interlaced):
        samples = random_samples(4, top=2**depth - 1)
        eight = samples >> (depth - 8)
        data = png(samples, depth, RGBA, interlaced=interlaced)
        assert np.array_equal(pixels(data), unit(luma(eight)) * unit(eight[..., 3]))


def test_16_bit_ramp_equals_the_8_bit_ramp():
    assert np.array_equal(pixels(png(RAMP % 256 * 257, 16)), pixels(png(RAMP % 256, 8)))


def test_grey_in_colour_equals_grey():
    assert np.array_equal(pixels(png(np.dstack([DIGIT] * 3), 8, RGB)), unit(DIGIT))


def test_gamma_and_text_change_nothing():
    sides = chunk(b"gAMA", (45_455).to_bytes(4)) + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))
    assert np.array_equal(pixels(png(DIGIT, before=sides)), unit(DIGIT))


def test_pixels_outside_the_palette_are_refused():
    sides = chunk(b"PLTE", bytes(9))
    pixels(png(RAMP % 3, 2, PALETTE, before=sides))
    with pytest.raises(InvalidImage):
        pixels(png(RAMP % 4, 2, PALETTE, before=sides))


def test_an_unknown_row_filter_is_refused():
    lines = b"".join(b"\5" + row.tobytes() for row in DIGIT)
    data = SIGNATURE + header(28, 28) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND")
    with pytest.raises(InvalidImage):
        pixels(data)


# JPEG

BLOCKS = np.random.default_rng(1).integers(0, 256, (4, 4, 4))


def flat(blocks):
    return np.kron(blocks, np.ones((8, 8)))[:28, :28]


def rgb_of_ycc(blocks):
    """JFIF's conversion, from bytes of Y, Cb, Cr to red, green and blue, 0 to 255."""
    y, cb, cr = np.moveaxis(blocks[..., :3].astype(float), 2, 0)
    red, blue = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    green = y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)
    return np.clip(np.stack([red, green, blue], axis=2), 0, 255)


def test_grey_jpeg():
    assert np.array_equal(pixels(jpeg(BLOCKS[..., :1])), unit(flat(BLOCKS[..., 0])))


def test_colour_jpeg():
    expected = flat(rgb_of_ycc(BLOCKS) @ (0.299, 0.587, 0.114))
    np.testing.assert_allclose(pixels(jpeg(BLOCKS[..., :3])), expected / 255, atol=1.5 / 255)


def test_adobe_rgb_jpeg():
    expected = flat(BLOCKS[..., :3] @ (0.299, 0.587, 0.114))
    np.testing.assert_allclose(pixels(jpeg(BLOCKS[..., :3], before=adobe(0))), expected / 255, atol=1.5 / 255)


@pytest.mark.parametrize("before", [adobe(0), b""], ids=["Adobe", "no marker"])
def test_cmyk_jpeg_stores_the_light_that_each_ink_lets_through(before):
    """Adobe's habit, kept by all that write such files: 255 is no ink, so a colour is its byte times black's."""
    light = BLOCKS[..., :3] * BLOCKS[..., 3:] / 255
    data = jpeg(BLOCKS, before=before)
    np.testing.assert_allclose(pixels(data), flat(light @ (0.299, 0.587, 0.114)) / 255, atol=2 / 255)


def test_ycck_jpeg():
    """Cyan, magenta and yellow as stored are the complement of what Y, Cb, Cr decode to."""
    light = (255 - rgb_of_ycc(BLOCKS)) * BLOCKS[..., 3:] / 255
    data = jpeg(BLOCKS, before=adobe(2))
    np.testing.assert_allclose(pixels(data), flat(light @ (0.299, 0.587, 0.114)) / 255, atol=2 / 255)


def test_dark_ink_stays_ink_in_cmyk():
    """A black stroke on white paper, as a drawing program saves it."""
    picture = Image.fromarray(255 - DIGIT).convert("RGB").convert("CMYK")
    assert np.abs(pixels(saved(picture, "JPEG", quality=95), "auto") - unit(DIGIT)).mean() < 0.02


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"quality": 100}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_same_digit_as_jpeg_and_as_png_agree(options, mode):
    data = saved(Image.fromarray(DIGIT).convert(mode), "JPEG", **options)
    assert np.abs(pixels(data) - unit(DIGIT)).mean() < 0.02


def test_the_first_of_several_pictures_is_read():
    first, second = (Image.fromarray(picture) for picture in (DIGIT, 255 - DIGIT))
    data = saved(first, "MPO", save_all=True, append_images=[second])
    assert data.count(b"\xff\xd8\xff") == 2
    assert np.abs(pixels(data) - unit(DIGIT)).mean() < 0.02


# Orientation

# Where the stored first row and first column belong, by the EXIF specification's table of orientations.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
SIDE = {
    "top": np.s_[0, :],
    "bottom": np.s_[-1, :],
    "left": np.s_[:, 0],
    "right": np.s_[:, -1],
}


@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_orientation_is_applied_once(orientation, kind):
    row_side, column_side = SIDES[orientation]
    stored = np.zeros((32, 32), int)
    stored[:8], stored[8:, :8] = 200, 100  # first rows brighter than first columns
    if kind == "png":
        data = png(stored, before=chunk(b"eXIf", exif(orientation)))
    else:
        block = segment(0xE1, b"Exif\0\0" + exif(orientation))
        data = jpeg(stored[::8, ::8, None], size=(32, 32), before=block)
    upright = pixels(data, fit="resize")
    assert np.all(upright[SIDE[row_side]] == unit(200))
    assert np.median(upright[SIDE[column_side]]) == unit(100)


def test_orientation_turns_a_wide_image_before_it_is_framed():
    stored = np.full((7, 28), 255)
    upright = pixels(png(stored, before=chunk(b"eXIf", exif(6))), fit="resize")
    assert np.array_equal(upright.nonzero()[1].reshape(28, 7), np.tile(np.arange(10, 17), (28, 1)))


def test_corrupt_exif_changes_nothing():
    data = png(DIGIT, before=chunk(b"eXIf", exif(6)[:-9]))
    assert np.array_equal(pixels(data), unit(DIGIT))


# Which way is ink


def strokes(shade):
    """A digit's strokes in one shade on full transparency, over hidden white."""
    return np.dstack([np.where(DIGIT, shade, 255), DIGIT])


@pytest.mark.parametrize("shade", [0, 60, 200, 255])
def test_strokes_on_transparency_come_out_as_ink(shade):
    strength = max(shade, 255 - shade)
    expected = unit(strength) * unit(DIGIT)
    np.testing.assert_allclose(pixels(png(strokes(shade), 8, GREY_ALPHA), "auto"), expected, atol=1e-6)


@pytest.mark.parametrize("invert", ["auto", "true", "false"])
@pytest.mark.parametrize("hidden", [0, 255])
def test_a_fully_transparent_image_is_blank_paper(invert, hidden):
    samples = np.dstack([np.full((28, 28), hidden), np.zeros((28, 28))])
    assert not pixels(png(samples, 8, GREY_ALPHA), invert).any()


@pytest.mark.parametrize("invert", ["auto", "true"])
def test_transparent_corners_of_a_light_page_are_paper(invert):
    alpha = np.full((28, 28), 255)
    alpha[:4, :4] = alpha[-4:, -4:] = 0
    assert np.array_equal(pixels(png(np.dstack([255 - DIGIT, alpha]), 8, GREY_ALPHA), invert), unit(DIGIT))


@pytest.mark.parametrize(
    ("samples", "invert", "expected"),
    [
        (DIGIT, "auto", DIGIT),
        (255 - DIGIT, "auto", DIGIT),
        (DIGIT, "false", DIGIT),
        (DIGIT, "true", 255 - DIGIT),
        (255 - DIGIT, "true", DIGIT),
        (255 - DIGIT, "false", 255 - DIGIT),
    ],
    ids=["bright auto", "dark auto", "bright false", "bright true", "dark true", "dark false"],
)
def test_ink_is_what_invert_says(samples, invert, expected):
    assert np.array_equal(pixels(png(samples), invert), unit(expected))


@pytest.mark.parametrize(("border", "is_light"), [(127, False), (128, True)])
def test_auto_goes_by_the_median_of_the_border_alone(border, is_light):
    samples = np.full((28, 28), border)
    samples[1:-1, 1:-1] = 255 - border
    samples[0, :27] = 255 - samples[0, :27]  # 27 of the 108 on the border disagree
    assert np.array_equal(pixels(png(samples), "auto"), unit(255 - samples if is_light else samples))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_border_of_the_smallest_images_is_all_of_them(shape):
    assert not pixels(png(np.full(shape, 255)), "auto", "resize").any()


def test_auto_decides_before_paper_is_padded():
    wide = np.full((10, 40), 255)
    wide[4:6, 10:30] = 0
    framed = pixels(png(wide), "auto", "resize")
    assert framed[0, 0] == 0
    assert framed[13, 14] == 1


# What is refused


def test_an_empty_body_has_its_own_code():
    with pytest.raises(InvalidImage) as refusal:
        pixels(b"")
    assert refusal.value.code == "empty_body"


FOREIGN = {
    "GIF": b"GIF89a",
    "WEBP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "BMP": b"BM",
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
def test_other_formats_are_refused_by_their_first_bytes(magic):
    with pytest.raises(UnsupportedImageFormat):
        pixels(magic + bytes(200))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP", "ICO", "PPM"])
def test_good_pictures_in_other_formats_are_refused(kind):
    with pytest.raises(UnsupportedImageFormat):
        pixels(saved(Image.fromarray(DIGIT), kind))


def test_bytes_pixels_and_sides_are_limited():
    for limits in (
        ImageLimits(max_bytes=50),
        ImageLimits(max_bytes=9999, max_side=27),
        ImageLimits(max_bytes=9999, max_pixels=783),
    ):
        with pytest.raises(ImageTooLarge):
            decode(png(DIGIT), fit="exact", invert="auto", limits=limits)


def test_a_png_cut_at_any_byte_is_refused():
    whole = png(DIGIT)
    for length in range(len(whole)):
        with pytest.raises(InvalidImage):
            pixels(whole[:length])


def test_a_jpeg_cut_at_every_16th_byte_is_refused():
    whole = saved(Image.fromarray(DIGIT).resize((200, 200)), "JPEG")
    for length in range(0, len(whole), 16):
        with pytest.raises(InvalidImage):
            pixels(whole[:length], fit="resize")


def test_no_text_of_a_library_is_shown():
    damaged = bytearray(jpeg(BLOCKS[..., :1]))
    at = damaged.index(b"\xff\xc4")
    damaged[at + 5 : at + 21] = b"\xff" * 16  # a code table that can not be
    with pytest.raises(InvalidImage) as refusal:
        pixels(bytes(damaged))
    assert refusal.value.detail == "The image can not be decoded."


# Any bytes at all

ANY = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])


def is_answered(data):
    """Pixels in range, or one of our own errors."""
    try:
        found = pixels(data, "auto", "mnist")
    except ServiceError:
        return
    assert found.shape == (28, 28)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1


@ANY
@given(st.binary(max_size=65_536), st.sampled_from([b"", SIGNATURE, SIGNATURE + header(28, 28), b"\xff\xd8\xff"]))
def test_random_bytes_never_raise_anything_else(data, start):
    is_answered(start + data)


KINDS = {
    GREY: (1, b""),
    RGB: (3, trns(1, 2, 3)),
    PALETTE: (1, chunk(b"PLTE", bytes(range(48))) + chunk(b"tRNS", bytes(16))),
    GREY_ALPHA: (2, b""),
    RGBA: (4, chunk(b"eXIf", exif(5))),
}


@st.composite
def mutated_png(draw):
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
def test_mutated_png_never_raises_anything_else(data):
    is_answered(data)


@ANY
@given(
    st.sampled_from(
        [jpeg(BLOCKS[..., :1]), jpeg(BLOCKS, before=adobe(2)), saved(Image.fromarray(DIGIT), "JPEG", progressive=True)]
    ),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_mutated_jpeg_never_raises_anything_else(data, changes):
    damaged = bytearray(data)
    for where, value in changes:
        damaged[int(where * len(damaged))] = value
    is_answered(bytes(damaged))


# Bombs

BOMB_SCRIPT = """
import sys
from pathlib import Path
from service.errors import ServiceError
from service.images import ImageLimits, decode

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


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_bombs_leave_memory_flat(tmp_path):
    """Each in turn in one fresh process: none raises the peak by 4 MiB, where honest decoding would take 20 to 400."""
    twenty_mb = zlib.compress(bytes(20_000_000))
    pixel_bomb = chunk(b"IDAT", zlib.compress(scanlines(DIGIT, 8, False) + bytes(20_000_000)))
    black = chunk(b"IDAT", zlib.compress(bytes(4096 * 4097)))
    end = chunk(b"IEND")
    bombs = {
        "0-good": (png(DIGIT), "pixels"),
        "0-good-jpeg": (jpeg(BLOCKS[..., :1]), "pixels"),
        "pixels": (SIGNATURE + header(28, 28) + pixel_bomb + end, "pixels"),
        "text": (png(DIGIT, before=chunk(b"zTXt", b"a\0\0" + twenty_mb)), "pixels"),
        "international": (png(DIGIT, before=chunk(b"iTXt", b"a\0\1\0\0\0" + twenty_mb)), "pixels"),
        "profile": (png(DIGIT, before=chunk(b"iCCP", b"a\0\0" + twenty_mb)), "pixels"),
        "large": (SIGNATURE + header(4096, 4096) + black + end, "image_too_large"),
        "huge": (SIGNATURE + header(20_000, 20_000) + pixel_bomb + end, "image_too_large"),
        "huge-jpeg": (jpeg(np.zeros((1, 1, 1)), size=(65_535, 65_535)), "image_too_large"),
    }
    for name, (data, _) in bombs.items():
        (tmp_path / name).write_bytes(data)
    root = Path(__file__).parents[2]
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
        assert name.startswith("0-") or int(growth_kib) < 4096, line
    assert len(run.stdout.splitlines()) == len(bombs)
