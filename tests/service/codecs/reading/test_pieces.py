"""Connected parts of a mask."""

import numpy as np
import pytest

from service.codecs.reading import pieces


def drawn(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_parts_are_measured_and_boxed() -> None:
    found = pieces.find(drawn("##...", "#..#.", "...##"))
    assert found.area.tolist() == [3, 3]
    boxes = zip(found.top, found.bottom, found.left, found.right, strict=True)
    assert list(boxes) == [(0, 2, 0, 2), (1, 3, 3, 5)]


def test_corners_connect_only_if_asked() -> None:
    mask = drawn("#.#", ".#.", "#.#")
    assert len(pieces.find(mask)) == 1
    assert len(pieces.find(mask, diagonal=False)) == 5


def test_rows_do_not_go_on_into_the_next() -> None:
    assert len(pieces.find(drawn("..##", "##..", "...."), diagonal=False)) == 2
    assert len(pieces.find(drawn("...#", "#...", "...."))) == 2


def test_a_spiral_is_one_piece() -> None:
    mask = drawn("#######", "......#", "#####.#", "#...#.#", "#.###.#", "#.....#", "#######")
    assert pieces.find(mask).area.tolist() == [mask.sum()]


@pytest.mark.parametrize("seed", range(8))
def test_flood_fill_finds_the_same_parts(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((12, 17)) < random.uniform(0.2, 0.7)
    found = pieces.find(mask)
    left = set(map(tuple, np.argwhere(mask).tolist()))
    areas = []
    while left:
        edge, area = [left.pop()], 0
        while edge:
            row, column = edge.pop()
            area += 1
            near = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            edge += near
        areas.append(area)
    assert sorted(found.area.tolist()) == sorted(areas)
    assert (found.mask(np.ones(len(found), np.bool_)) == mask).all()


def test_a_mask_holds_the_pieces_asked_for() -> None:
    mask = drawn("##.#", "...#", "#...")
    found = pieces.find(mask)
    assert found.mask(found.area == 2).sum() == 4
    assert (found.mask(found.area == 1) == drawn("....", "....", "#...")).all()


def test_an_empty_mask_has_no_pieces() -> None:
    found = pieces.find(np.zeros((4, 5), np.bool_))
    assert len(found) == 0
    assert not found.mask(np.zeros(0, np.bool_)).any()


def test_holes_are_filled_and_bays_are_not() -> None:
    mask = drawn("#####", "#...#", "#.#.#", "#####", "#...#")
    assert (pieces.filled(mask) == drawn("#####", "#####", "#####", "#####", "#...#")).all()
