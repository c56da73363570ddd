"""The digit on an image file of any size and format: found, in its own pixels, whatever is drawn round it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.codecs.digits import Digits
from service.codecs.files import images
from service.codecs.files.images import ImageLimits, Invert
from tests.support import pages
from tests.support.image_files import saved, unit
from tests.support.pages import drawn, is_round, likeness, page


def found_on(data: bytes, *, split: bool = False, invert: Invert = "auto") -> Digits:
    return images.read(data, fit="auto", invert=invert, limits=ImageLimits(max_bytes=1 << 24), split=split)


def looks_like(found: Digits, digit: str) -> bool:
    return len(found.pixels) == 1 and likeness(found.pixels[0], pages.as_in_mnist(digit)) > 0.8


INK = drawn("2", (300, 400), height=160, centre=(140, 230))
ON_WHITE = page(INK)


def black_frame() -> Image.Image:
    return Image.fromarray(np.pad(ON_WHITE, 40))


def card_on_transparency() -> Image.Image:
    """Saved as paint programs do it: what is transparent is black."""
    card = np.pad(np.dstack([ON_WHITE] * 3 + [np.full_like(ON_WHITE, 255)]), ((40, 40), (40, 40), (0, 0)))
    return Image.fromarray(card)


def strokes_on_transparency() -> Image.Image:
    return Image.fromarray(np.dstack([np.zeros_like(ON_WHITE), 255 - ON_WHITE]), "LA")


@pytest.mark.parametrize("made", [black_frame, card_on_transparency, strokes_on_transparency])
def test_what_is_drawn_is_ink_and_not_the_paper(made: Callable[[], Image.Image]) -> None:
    picture = made()
    found = found_on(saved(picture, "PNG"))
    assert looks_like(found, "2")
    assert found.is_ink_dark.tolist() == [True]
    assert is_round(found.boxes[0], np.pad(INK, (picture.width - 400) // 2))


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "L", {}),
        ("PNG", "1", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("JPEG", "L", {"quality": 60}),
        ("JPEG", "RGB", {"quality": 60}),
        ("JPEG", "CMYK", {}),
        ("GIF", "P", {}),
        ("BMP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
    ],
)
def test_every_format_shows_the_same_digit_in_the_same_place(kind: str, mode: str, options: dict[str, Any]) -> None:
    found = found_on(saved(Image.fromarray(ON_WHITE).convert(mode), kind, **options))
    assert looks_like(found, "2")
    assert is_round(found.boxes[0], INK)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("side", [330, 700, 1300, 2600, 4000])
@pytest.mark.parametrize("split", [False, True])
def test_however_far_a_picture_is_reduced_boxes_are_in_its_own_pixels(kind: str, side: int, split: bool) -> None:
    ink = drawn("2", (side * 3 // 4, side), height=side * 0.3, centre=(side * 0.3, side * 0.6))
    found = found_on(saved(Image.fromarray(page(ink, 230, 30)), kind), split=split)
    assert looks_like(found, "2")
    assert is_round(found.boxes[0], ink)


def test_a_blank_picture_is_one_blank_digit_as_large_as_itself() -> None:
    for split in (False, True):
        found = found_on(saved(Image.new("L", (2000, 1200), 200), "PNG"), split=split)
        assert not found.pixels.any()
        assert (found.boxes.tolist(), found.counts.tolist()) == ([[0, 0, 2000, 1200]], [0])


def test_split_gives_each_digit_and_otherwise_one_is_given() -> None:
    data = saved(Image.fromarray(page(pages.row("4071"))), "PNG")
    assert found_on(data, split=True).counts.tolist() == [4] * 4
    assert found_on(data).counts.tolist() == [4]


@pytest.mark.parametrize(("invert", "wanted"), [("true", "1"), ("false", "7")])
def test_invert_says_which_side_is_ink(invert: Invert, wanted: str) -> None:
    dark, light = (drawn(digit, (300, 300), height=160, centre=(150, at)) for digit, at in (("1", 80), ("7", 220)))
    found = found_on(saved(Image.fromarray(page(light, page(dark, 128, 20), 240)), "PNG"), invert=invert)
    assert looks_like(found, wanted)
    assert found.is_ink_dark.tolist() == [invert == "true"]


def test_28_by_28_is_taken_whole_and_27_by_28_is_not() -> None:
    corner = np.zeros((28, 28), np.uint8)
    corner[2:14, 3:6] = 255
    assert np.array_equal(found_on(saved(Image.fromarray(corner), "PNG")).pixels[0], unit(corner))
    centred = found_on(saved(Image.fromarray(corner[:27]), "PNG"))
    rows, columns = centred.pixels[0].nonzero()
    assert abs(rows.mean() - 14) < 1
    assert abs(columns.mean() - 14) < 1
    assert is_round(centred.boxes[0], unit(corner[:27]))
