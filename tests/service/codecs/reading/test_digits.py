"""Which pieces of ink make a digit, by planes drawn by hand."""

from typing import Final

import numpy as np
import pytest

from service.codecs.reading import digits
from service.codecs.reading.digits import Mark, find, strongest
from service.errors import InvalidImage

Part = tuple[slice, slice]
FLOOR: Final = 0.1
SHAPE: Final = (120, 160)
STROKE: Final = np.s_[30:90, 40:50]


def plane(*parts: Part, strength: float = 0.8, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    ink = np.zeros(shape, np.float32)
    for part in parts:
        ink[part] = strength
    return ink


def boxes(ink: np.ndarray, *, apart: bool = False) -> list[tuple[int, int, int, int]]:
    """Top, bottom, left and right of each digit's ink, in their order."""
    marks, number = find(ink, FLOOR, apart=apart)
    assert number >= len(marks)
    return [box(mark) for mark in marks]


def box(mark: Mark) -> tuple[int, int, int, int]:
    rows, columns = (np.flatnonzero(mark.ink.any(axis=axis)) for axis in (1, 0))
    return (
        mark.top + int(rows[0]),
        mark.top + int(rows[-1]) + 1,
        mark.left + int(columns[0]),
        mark.left + int(columns[-1]) + 1,
    )


def test_a_stroke_is_a_digit_where_it_lies() -> None:
    assert boxes(plane(STROKE)) == [(30, 90, 40, 50)]
    ((ink, top, left),), number = find(plane(STROKE), FLOOR, apart=False)
    assert number == 1
    assert ink[40 - top, 45 - left] == 1
    assert ink[40 - top, 52 - left] == 0


def test_ink_fainter_than_the_floor_is_none() -> None:
    assert find(plane(STROKE, strength=0.09), FLOOR, apart=False) == ([], 0)
    assert boxes(plane(STROKE, strength=0.11)) == [(30, 90, 40, 50)]


def test_a_faint_stroke_becomes_full_ink_and_its_soft_edge_stays_soft() -> None:
    ink = plane(STROKE, strength=0.2)
    ink[30:90, 50] = 0.1
    ((shades, top, left),), _ = find(ink, FLOOR, apart=False)
    assert shades[60 - top, 45 - left] == 1
    assert shades[60 - top, 50 - left] == pytest.approx(0.5)


@pytest.mark.parametrize("apart", [False, True])
def test_a_bar_over_a_digit_belongs_to_it(apart: bool) -> None:
    bar = np.s_[16:24, 42:66]
    assert boxes(plane(STROKE, bar), apart=apart) == [(16, 90, 40, 66)]


@pytest.mark.parametrize("apart", [False, True])
def test_a_bar_far_above_it_does_not(apart: bool) -> None:
    bar = np.s_[2:5, 42:56]
    assert boxes(plane(np.s_[50:110, 40:50], bar), apart=apart) == [(50, 110, 40, 50)]


def test_an_interrupted_stroke_is_one_digit() -> None:
    upper, lower = np.s_[20:55, 40:50], np.s_[57:95, 40:50]
    assert boxes(plane(upper, lower)) == [(20, 95, 40, 50)]


def test_a_speck_is_no_part_however_near() -> None:
    assert boxes(plane(STROKE, np.s_[60:63, 54:57])) == [(30, 90, 40, 50)]


def test_of_two_the_larger_is_taken_and_both_are_counted() -> None:
    marks, number = find(plane(STROKE, np.s_[20:100, 110:122]), FLOOR, apart=False)
    assert ([box(mark) for mark in marks], number) == ([(20, 100, 110, 122)], 2)


def test_strokes_side_by_side_are_digits_of_their_own_if_asked() -> None:
    near = np.s_[30:90, 54:64]
    assert len(boxes(plane(STROKE, near), apart=True)) == 2


def test_digits_are_in_reading_order() -> None:
    places = [(10, 90), (10, 20), (70, 120), (66, 55), (74, 10)]
    ink = plane(*(np.s_[top : top + 36, left : left + 10] for top, left in places))
    found = [(top, left) for top, _, left, _ in boxes(ink, apart=True)]
    assert found == [(10, 20), (10, 90), (74, 10), (66, 55), (70, 120)]


def test_a_black_border_hides_no_faint_end_of_a_stroke() -> None:
    ink = plane(STROKE, strength=0.5)
    ink[70:90] *= 0.6
    ink[:, 150:] = 1
    assert boxes(ink) == [(30, 90, 40, 50)]


def test_a_blot_with_a_soft_edge_is_no_digit() -> None:
    rows, columns = np.mgrid[:120, :160]
    blot = np.exp(-((rows - 60) ** 2 + (columns - 80) ** 2) / 2 / 25**2).astype(np.float32)
    assert find(blot, FLOOR, apart=False) == ([], 0)


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (4, 16)])
def test_up_to_64_are_found(rows: int, columns: int) -> None:
    strokes = [np.s_[20 * i + 4 : 20 * i + 16, 12 * j + 4 : 12 * j + 8] for i in range(rows) for j in range(columns)]
    shape = (20 * rows + 40, 12 * columns + 12)
    assert len(boxes(plane(*strokes, shape=shape), apart=True)) == digits.MAX_DIGITS
    one_more = np.s_[20 * rows + 4 : 20 * rows + 16, 4:8]
    with pytest.raises(InvalidImage) as caught:
        find(plane(*strokes, one_more, shape=shape), FLOOR, apart=True)
    assert caught.value.code == "too_many_digits"
    assert len(find(plane(*strokes, one_more, shape=shape), FLOOR, apart=False)[0]) == 1


def test_the_strongest_is_what_a_two_thousandth_has() -> None:
    ink = plane(STROKE)
    ink[0, 0] = 5
    assert strongest(ink) == pytest.approx(0.8)
