"""Digits on pages of many kinds come out as they would from a clean one."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.codecs.framing import FloatArray, frame
from service.codecs.reading import pieces
from service.codecs.reading.read import Found, read
from tests.support import pages
from tests.support.pages import Ink, drawn, is_round, likeness, page

Samples = np.ndarray
SIZE: Final = (300, 300)
ROWS, COLUMNS = np.mgrid[:300, :300]
DIGITS: Final = "0123456789"


class Written(NamedTuple):
    """A picture, and the ink on it."""

    samples: Samples
    ink: Ink
    is_ink_dark: bool = True
    alpha: FloatArray | None = None


def usual(digit: str) -> Ink:
    return drawn(digit, SIZE, height=180, pen=18)


def falling_light(digit: str) -> Written:
    ink = usual(digit)
    return Written(page(ink, 110 + (ROWS + COLUMNS) / 6, 30), ink)


def shadow_edge(digit: str) -> Written:
    ink = usual(digit)
    light = np.where(COLUMNS + ROWS / 4 > 190, 120, 220)
    return Written(page(ink, light, 15), ink)


def noisy(digit: str) -> Written:
    ink = usual(digit)
    grain = np.random.default_rng(int(digit)).normal(0, 12, SIZE)
    return Written((page(ink, 200, 40) + grain).clip(0, 255).astype(np.uint8), ink)


def faint(digit: str) -> Written:
    ink = usual(digit)
    return Written(page(ink, 240, 185), ink)


def on(paper: Any, colour: Any, *, is_ink_dark: bool = True) -> Callable[[str], Written]:
    return lambda digit: Written(page(usual(digit), paper, colour), usual(digit), is_ink_dark)


def ruled(digit: str) -> Written:
    ink = usual(digit)
    return Written(page(ink, np.where(ROWS % 36 < 2, 120, 245), 30), ink)


def squared(digit: str) -> Written:
    ink = usual(digit)
    return Written(page(ink, np.where((ROWS % 30 < 2) | (COLUMNS % 30 < 2), 120, 245), 30), ink)


def framed(digit: str) -> Written:
    ink = usual(digit)
    box = Image.new("L", SIZE)
    ImageDraw.Draw(box).rectangle((20, 20, 280, 280), outline=255, width=4)
    return Written(page(np.maximum(ink, np.asarray(box, np.float32) / 255)), ink)


def black_frame(digit: str) -> Written:
    ink = usual(digit)
    return Written(np.pad(page(ink), 45), np.pad(ink, 45))


def card_on_transparency(digit: str) -> Written:
    ink = np.pad(usual(digit), 60)
    alpha = np.pad(np.ones(SIZE, np.float32), 60)
    return Written((page(ink) * alpha).astype(np.uint8), ink, alpha=alpha)


def strokes_on_transparency(shade: int) -> Callable[[str], Written]:
    return lambda digit: Written(np.full(SIZE, shade, np.uint8), usual(digit), shade == 0, usual(digit))


def turned_note(digit: str) -> Written:
    ink, note = Image.fromarray(usual(digit)), Image.fromarray(page(usual(digit), 225, 40))
    turned = [
        np.asarray(plane.rotate(5, Image.Resampling.BILINEAR, expand=True, fillcolor=rest), np.float32)
        for plane, rest in ((ink, 0), (note, 70))
    ]
    laid, table = (np.pad(plane, 80, constant_values=rest) for plane, rest in zip(turned, (0, 70), strict=True))
    return Written(table.astype(np.uint8), laid)


def specks(digit: str) -> Written:
    ink = usual(digit)
    spots = np.zeros(SIZE, np.float32)
    for row, column in np.random.default_rng(int(digit)).integers(5, 290, (25, 2)):
        spots[row : row + 3, column : column + 3] = 0.9
    return Written(page(np.maximum(ink, spots)), ink)


def underlined(digit: str) -> Written:
    ink = usual(digit)
    line = np.zeros(SIZE, np.float32)
    line[262:270, 40:260] = 1
    return Written(page(np.maximum(ink, line)), ink)


def cut_things_at_the_edge(digit: str) -> Written:
    ink = usual(digit)
    others = np.zeros(SIZE, np.float32)
    others[:60, :25] = others[285:, 100:190] = 1
    return Written(page(np.maximum(ink, others)), ink)


def near_the_edge(digit: str) -> Written:
    ink = drawn(digit, SIZE, height=120, centre=(62.5, 225))
    return Written(page(ink), ink)


def fineliner(digit: str) -> Written:
    ink = drawn(digit, SIZE, height=200, pen=3)
    return Written(page(ink), ink)


def small(digit: str) -> Ink:
    return drawn(digit, SIZE, height=130, pen=14)


def circled(digit: str) -> Written:
    distance = np.hypot(ROWS - 150, COLUMNS - 150)
    return Written(page(np.maximum(small(digit), (np.abs(distance - 115) < 3).astype(np.float32))), small(digit))


def round_card(digit: str) -> Written:
    is_card = np.hypot(ROWS - 150, COLUMNS - 150) < 125
    return Written(page(small(digit), np.where(is_card, 240, 60), 20), small(digit))


def white_in_a_disc(digit: str) -> Written:
    is_disc = np.hypot(ROWS - 150, COLUMNS - 150) < 125
    return Written(page(small(digit), np.where(is_disc, 60, 250), 250), small(digit), is_ink_dark=False)


def sixteen_bits(digit: str) -> Written:
    ink = usual(digit)
    return Written((65535 - ink * 60000).astype(np.uint16), ink)


KINDS: Final[dict[str, Callable[[str], Written]]] = {
    "black on white": on(255, 0),
    "white on black": on(0, 255, is_ink_dark=False),
    "chalk on a board": on(50, 210, is_ink_dark=False),
    "blue on white": on((255, 255, 255), (60, 80, 220)),
    "red on grey": on((128, 128, 128), (230, 50, 50)),
    "magenta on yellow": on((240, 230, 100), (200, 25, 130)),
    "white on blue": on((50, 80, 200), (255, 255, 230), is_ink_dark=False),
    "faint": faint,
    "16 bits": sixteen_bits,
    "falling light": falling_light,
    "a shadow's edge": shadow_edge,
    "noise": noisy,
    "ruled": ruled,
    "squared": squared,
    "a frame": framed,
    "a black frame round white paper": black_frame,
    "a card on a transparent margin": card_on_transparency,
    "black strokes on transparency": strokes_on_transparency(0),
    "white strokes on transparency": strokes_on_transparency(255),
    "a note, turned": turned_note,
    "specks": specks,
    "an underline": underlined,
    "cut things at the edge": cut_things_at_the_edge,
    "near the edge": near_the_edge,
    "a fineliner": fineliner,
    "a circle": circled,
    "a round card": round_card,
    "white in a dark disc": white_in_a_disc,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("digit", DIGITS)
def test_the_digit_comes_out_as_from_a_clean_page(kind: str, digit: str) -> None:
    samples, ink, is_ink_dark, alpha = KINDS[kind](digit)
    found = read(samples, alpha)
    assert (found.number, found.is_ink_dark) == (1, is_ink_dark)
    assert likeness(only(found), pages.as_in_mnist(digit)) > 0.8
    assert is_round(found.digits[0].box, ink)


@pytest.mark.parametrize(
    ("size", "height", "pen"),
    [((16, 16), 11, 1.6), ((200, 110), 150, 15), ((1200, 1600), 110, 14), ((1500, 2000), 1100, 110), (SIZE, 200, 36)],
    ids=["tiny", "tall and narrow", "small on a large page", "large", "thick"],
)
@pytest.mark.parametrize("digit", "023456789")
def test_every_size_of_page_and_pen_is_read_as_it_is_drawn(
    digit: str, size: tuple[int, int], height: float, pen: float
) -> None:
    ink = drawn(digit, size, height=height, pen=pen)
    found = read(page(ink))
    assert likeness(only(found), frame(ink, "mnist")) > 0.8
    assert is_round(found.digits[0].box, ink)


@pytest.mark.parametrize(
    ("digit", "apart"),
    [
        ("5 with its bar apart", False),
        ("5 with its bar apart", True),
        ("0 in two halves", False),
        ("1 in two halves", True),
    ],
)
def test_parts_of_one_digit_stay_together(digit: str, apart: bool) -> None:
    ink = drawn(digit, SIZE, height=200, pen=16)
    assert len(pieces.find(ink > 0.5)) == 2
    found = read(page(ink), apart=apart)
    assert found.number == 1
    assert likeness(only(found), pages.as_in_mnist(digit)) > 0.8
    assert is_round(found.digits[0].box, ink)


@pytest.mark.parametrize("column", range(100, 114))
def test_a_hairline_is_seen_in_whatever_column_it_stands(column: int) -> None:
    ink = np.zeros((140, 140), np.float32)
    ink[20:120, column] = 1
    found = read(page(ink))
    assert likeness(only(found), pages.as_in_mnist("1")) > 0.8
    assert is_round(found.digits[0].box, ink)


@pytest.mark.parametrize("is_ink_dark", [True, False])
def test_the_side_that_is_asked_for_is_ink_on_any_paper(is_ink_dark: bool) -> None:
    """A dark 1 on the left and a light 7 on the right, both on grey."""
    dark, light = (drawn(digit, SIZE, height=160, centre=(150, at)) for digit, at in (("1", 80), ("7", 220)))
    samples = page(light, page(dark, 128, 20), 240)
    found = read(samples, is_ink_dark=is_ink_dark)
    assert found.is_ink_dark is is_ink_dark
    assert likeness(only(found), pages.as_in_mnist("1" if is_ink_dark else "7")) > 0.8
    assert is_round(found.digits[0].box, dark if is_ink_dark else light)


def test_of_several_digits_the_largest_is_taken_and_all_are_counted() -> None:
    small, large = (drawn("2", SIZE, height=h, centre=(150, at)) for h, at in ((110, 70), (180, 210)))
    found = read(page(small + large))
    assert found.number == 2
    assert is_round(found.digits[0].box, large)


def only(found: Found) -> FloatArray:
    (digit,) = found.digits
    return digit.pixels
