"""Several digits on a page come out in reading order, each as from a page of its own."""

import numpy as np
import pytest

from service.codecs.reading.read import Found, read
from service.errors import InvalidImage
from tests.support import pages
from tests.support.pages import drawn, is_round, likeness, page


def in_order(found: Found, label: str) -> bool:
    return len(found.digits) == found.number == len(label) and all(
        likeness(digit.pixels, pages.as_in_mnist(wanted)) > 0.8
        for digit, wanted in zip(found.digits, label, strict=True)
    )


@pytest.mark.parametrize("label", ["12", "90210", "8005551234", "1111", "0123456789"])
@pytest.mark.parametrize("is_ink_dark", [True, False])
def test_a_number_is_read_from_the_left(label: str, is_ink_dark: bool) -> None:
    ink = pages.row(label)
    found = read(page(ink, 240, 20) if is_ink_dark else page(ink, 20, 240), apart=True)
    assert found.is_ink_dark is is_ink_dark
    assert in_order(found, label)


def test_lines_are_read_from_the_top() -> None:
    first, second = pages.row("4071"), pages.row("2538")
    assert in_order(read(page(np.concatenate([first, second])), apart=True), "40712538")


def test_digits_that_stand_unevenly_make_one_line() -> None:
    shapes = [
        drawn(digit, (200, 80), height=90, centre=(100 + lower, 40))
        for digit, lower in zip("3725", (-25, 20, -10, 30), strict=True)
    ]
    assert in_order(read(page(np.concatenate(shapes, axis=1)), apart=True), "3725")


@pytest.mark.parametrize("gap", [0, 14])
def test_a_box_round_each_digit_is_none_of_them(gap: int) -> None:
    """Cells that share their walls, as in a table, or stand apart, as in a form."""
    cells = []
    for digit in "4071":
        cell = drawn(digit, (100, 80), height=60)
        cell[[3, 4, -5, -4], 3:-3] = cell[3:-3, [3, 4, -5, -4]] = 1
        if not gap:
            cell = cell[:, 3:-3]
        cells.append(np.pad(cell, ((20, 20), (0, gap))))
    row = np.pad(np.concatenate(cells, axis=1), ((0, 0), (20, 20)))
    assert in_order(read(page(row), apart=True), "4071")


def test_boxes_of_a_number_lie_round_its_digits() -> None:
    shapes = [drawn(digit, (200, 90), height=120) for digit in "260"]
    found = read(page(np.concatenate(shapes, axis=1)), apart=True)
    for i, (digit, ink) in enumerate(zip(found.digits, shapes, strict=True)):
        left, top, width, height = digit.box
        assert is_round((left - 90 * i, top, width, height), ink)


def test_a_picture_may_hold_64_digits_and_no_more() -> None:
    eight = pages.row("23456789", height=40, gap=10, margin=12)
    page_of_64 = np.concatenate([eight] * 8)
    assert in_order(read(page(page_of_64), apart=True), "23456789" * 8)
    one_more = np.concatenate([page_of_64, eight * (np.arange(eight.shape[1]) < 50)])
    with pytest.raises(InvalidImage) as caught:
        read(page(one_more), apart=True)
    assert caught.value.code == "too_many_digits"
