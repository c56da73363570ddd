"""Files become pictures: upright, in colour, never of more pixels than are worked on; and whole, or refused."""

import functools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.codecs.files.header import ImageLimits
from service.codecs.files.picture import MAX_PIXELS, Picture, read_picture
from service.errors import InvalidImage
from tests.support.image_files import (
    DIGIT,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    Samples,
    chunk,
    exif,
    pixels,
    png,
    random_samples,
    saved,
    segment,
    trns,
    unit,
)

LIMITS = ImageLimits(max_bytes=64 << 20)


def read(data: bytes, **options: Any) -> Picture:
    return read_picture(data, LIMITS, **options)


# Colours


def test_colours_are_kept_unless_grey_is_asked_for() -> None:
    colours = random_samples(3)
    assert np.array_equal(read(png(colours, 8, RGB)).samples, colours)
    luma = read(png(colours, 8, RGB), grey=True).samples
    assert np.abs(luma - colours @ (0.299, 0.587, 0.114)).max() <= 0.6


@pytest.mark.parametrize(("channels", "colour"), [(2, GREY_ALPHA), (4, RGBA)])
def test_alpha_is_given_beside_the_colours(channels: int, colour: int) -> None:
    samples = random_samples(channels)
    found = read(png(samples, 8, colour))
    assert np.array_equal(found.samples, samples[..., 0] if channels == 2 else samples[..., :3])
    assert found.alpha is not None
    assert np.array_equal(found.alpha, unit(samples[..., -1]))


def test_a_palette_gives_its_colours_and_alpha_only_if_it_has_some() -> None:
    colours = np.arange(12).reshape(4, 3) * 20
    indices = random_samples(1, top=3)
    table = chunk(b"PLTE", colours.astype(np.uint8).tobytes())
    found = read(png(indices, 8, PALETTE, before=table))
    assert np.array_equal(found.samples, colours[indices])
    assert found.alpha is None
    found = read(png(indices, 8, PALETTE, before=table + chunk(b"tRNS", b"\xff\0")))
    assert found.alpha is not None
    assert np.array_equal(found.alpha, indices != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_samples_and_alpha_are_turned_upright(orientation: int) -> None:
    samples = random_samples(4)[:20]
    found = read(png(samples, 8, RGBA, before=chunk(b"eXIf", exif(orientation))))
    upright = samples.swapaxes(0, 1) if orientation >= 5 else samples
    upright = upright[:: -1 if orientation in (3, 4, 7, 8) else 1, :: -1 if orientation in (2, 3, 6, 7) else 1]
    assert np.array_equal(found.samples, upright[..., :3])
    assert found.alpha is not None
    assert np.array_equal(found.alpha, unit(upright[..., 3]))


# Large pictures


def boxes(samples: Samples, factor: int) -> Samples:
    """Means over factor × factor samples; at the right and the bottom over as many as there are."""
    rows, columns = (np.arange(0, side, factor) for side in samples.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(samples, rows, dtype=np.uint32), columns, axis=1)
    counts = np.outer(*(np.diff([*starts, side]) for starts, side in zip((rows, columns), samples.shape, strict=False)))
    return sums / counts.reshape(*counts.shape, *[1] * (samples.ndim - 2))


@functools.cache
def scene(width: int, height: int) -> Samples:
    """Soft colours, in which each place is told from the others."""
    small = np.random.default_rng(0).integers(0, 256, (height // 60, width // 60, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(1920, 1080), (1170, 2532), (1025, 1024)], ids=str)
@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_large_picture_is_reduced_by_the_least_whole_number(size: tuple[int, int], kind: str) -> None:
    samples = scene(*size)
    found = read(saved(Image.fromarray(samples), kind))
    assert np.abs(found.samples - boxes(samples, 2)).max() <= 0.6
    assert found.alpha is None


@pytest.mark.parametrize("size", [(1024, 1024), (16_384, 64)], ids=str)
def test_a_picture_of_as_many_pixels_as_are_worked_on_is_left_as_it_is(size: tuple[int, int]) -> None:
    assert size[0] * size[1] == MAX_PIXELS
    samples = scene(*size)
    assert np.array_equal(read(saved(Image.fromarray(samples), "PNG")).samples, samples)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_a_large_picture_of_another_format_is_reduced_as_well(kind: str) -> None:
    image = Image.fromarray(scene(1500, 1200)).quantize(64, Image.Quantize.FASTOCTREE)
    samples = np.asarray(image.convert("RGB"))
    found = read(saved(image, "GIF") if kind == "GIF" else saved(image.convert("RGB"), kind, quality=95))
    assert np.abs(found.samples - boxes(samples, 2)).mean() < (0.6 if kind == "GIF" else 4)


@functools.cache
def at_a_quarter() -> Samples:
    return np.rot90(boxes(scene(4032, 3024), 4), -1)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
def test_a_photograph_of_a_telephone_is_read_upright_at_a_quarter(options: dict[str, Any]) -> None:
    whole = saved(Image.fromarray(scene(4032, 3024)), "JPEG", **options)
    whole = whole[:2] + segment(0xE1, b"Exif\0\0" + exif(6)) + whole[2:]
    expected = at_a_quarter()
    assert np.abs(read(whole).samples - expected).mean() < 3
    assert np.abs(read(whole, grey=True).samples - expected @ (0.299, 0.587, 0.114)).mean() < 3


@pytest.mark.parametrize("depth", [8, 16])
def test_large_grey_stays_grey(depth: int) -> None:
    samples = scene(1500, 1000)[..., 0].astype(int)
    found = read(png(samples * (257 if depth == 16 else 1), depth)).samples
    assert np.abs(found - boxes(samples, 2)).max() <= 0.6


def test_hidden_colours_do_not_bleed_into_a_reduced_picture() -> None:
    """A black stroke on transparent white: where half a pixel is stroke, it is black and half transparent."""
    samples = np.full((1100, 1000, 4), (255, 255, 255, 0))
    samples[:, 301:400] = (0, 0, 0, 255)
    found = read(png(samples, 8, RGBA))
    assert found.alpha is not None
    assert found.alpha[0, 150] == pytest.approx(0.5, abs=0.01)
    assert found.samples[:, 150:200].max() == 0
    assert np.array_equal(found.alpha[:, :150], np.zeros((550, 150)))


def test_transparent_values_are_kept_in_a_reduced_picture() -> None:
    grey = np.zeros((1100, 1000), int)
    grey[:, 500:] = 7
    found = read(png(grey * 255, 16, before=trns(7 * 255)))
    assert found.alpha is not None
    assert found.alpha[:, :250].min() == 1
    assert found.alpha[:, 250:].max() == 0


@pytest.mark.parametrize(("side", "expected"), [(100, 100), (199, 199), (200, 100), (250, 125), (401, 101)])
def test_a_least_side_lets_a_picture_be_reduced_further(side: int, expected: int) -> None:
    assert read(png(random_samples(1, 255).repeat(20, 0)[:side, :20]), least_side=100).samples.shape[0] == expected


@pytest.mark.parametrize(("side", "expected"), [(199, 199), (200, 100), (399, 200), (400, 100), (700, 175), (800, 100)])
def test_a_jpeg_is_reduced_by_powers_of_two(side: int, expected: int) -> None:
    assert read(saved(Image.new("RGB", (side, 50)), "JPEG"), least_side=100).samples.shape[1] == expected


# JPEGs without an end

JPEGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "with restarts": {"restart_marker_rows": 1},
    "with many restarts": {"restart_marker_blocks": 1},
}
STROKE = Image.fromarray(255 - np.pad(DIGIT, 40))  # whose last rows are blank


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_may_lack_its_end_but_none_of_its_pixels(options: dict[str, Any], mode: str) -> None:
    whole = saved(STROKE.convert(mode), "JPEG", **options)
    expected = read(whole).samples
    for missing in (1, 2):
        assert np.array_equal(read(whole[:-missing]).samples, expected)
    accepted = []
    for length in range(len(whole) - 2):
        try:
            accepted.append(np.abs(read(whole[:length]).samples.astype(int) - expected).max())
        except InvalidImage:
            continue
    assert max(accepted, default=0) == 0  # some codes say no more than that nothing follows


def test_zeros_that_fill_the_end_of_a_file_are_ignored() -> None:
    whole = saved(STROKE, "JPEG")
    assert np.array_equal(read(whole[:-2] + bytes(4096)).samples, read(whole).samples)


# Masks of 0 and 1

MASK = (DIGIT > 127).astype(np.uint8)


MODES = {
    "PNG": ("L", "P", "RGB", "LA", "RGBA"),
    "WEBP": ("L", "RGB", "RGBA"),
    "BMP": ("L", "P", "RGB"),
    "GIF": ("L", "P"),
}


@pytest.mark.parametrize("enlarged", [1, 2, 50], ids=["of a digit's size", "small", "large"])
@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_a_mask_of_0_and_1_is_black_and_white(kind: str, mode: str, enlarged: int) -> None:
    mask = np.kron(MASK, np.ones((enlarged, enlarged), np.uint8))
    image = Image.fromarray(np.dstack([mask] * 3) if mode[0] == "R" else mask)
    if mode == "P":
        image.putpalette([0, 0, 0, 1, 1, 1])
    elif "A" in mode:
        image.putalpha(255)
    found = read(saved(image, kind, **({"lossless": True} if kind == "WEBP" else {})), grey=True).samples
    step = len(found) // 28
    assert np.array_equal(found, np.kron(MASK * 255, np.ones((step, step))))


NO_MASKS = {
    "blank": saved(Image.new("L", (30, 30)), "PNG"),
    "a sample of 2": png(np.eye(30) + (np.arange(30) == 7) * np.eye(30)),
    "a JPEG": saved(Image.new("L", (30, 30), 1), "JPEG", quality=100),
    "16 bits": png(np.eye(30), 16),
    "16-bit colour": png(np.dstack([np.eye(30) * 256] * 3), 16, RGB),
    "half-transparent": png(np.dstack([np.eye(30), np.full((30, 30), 128)]), 8, GREY_ALPHA),
    "a transparent value": png(np.eye(30), before=trns(0)),
}


@pytest.mark.parametrize("data", NO_MASKS.values(), ids=NO_MASKS)
def test_nothing_else_is_taken_for_a_mask(data: bytes) -> None:
    assert read(data).samples.max() <= 2


def test_masks_among_digits_are_told_apart() -> None:
    assert np.array_equal(pixels(png(MASK)), MASK)
    assert np.array_equal(pixels(png(MASK * 2)), unit(MASK * 2))
    assert np.array_equal(pixels(png(np.ones((28, 28)))), np.ones((28, 28)))
