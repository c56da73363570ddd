"""What is foreign to a digit, by pieces drawn by hand."""

from typing import Final

import numpy as np
import pytest

from service.codecs.reading import pieces
from service.codecs.reading.foreign import judge

SHAPE: Final = (100, 80)
DIGIT: Final = np.s_[30:70, 35:45]
FRAME: Final = (np.s_[5:95, 5:8], np.s_[5:95, 72:75], np.s_[5:8, 5:75], np.s_[92:95, 5:75])


def judged(*parts: tuple[slice, slice], apart: bool = False) -> tuple[set[tuple[int, int]], tuple[int, int]]:
    """Top left corners of the foreign pieces, and of the main one."""
    mask = np.zeros(SHAPE, np.bool_)
    for part in parts:
        mask[part] = True
    found = pieces.find(mask)
    foreign, main = judge(found, SHAPE, apart)
    corners = list(zip(found.top.tolist(), found.left.tolist(), strict=True))
    return {corner for corner, is_foreign in zip(corners, foreign, strict=True) if is_foreign}, corners[main]


def test_what_stands_alone_is_the_digit() -> None:
    assert judged(DIGIT) == (set(), (30, 35))


@pytest.mark.parametrize(
    ("part", "corner"),
    [
        (np.s_[0:20, 10:20], (0, 10)),
        (np.s_[85:100, 10:40], (85, 10)),
        (np.s_[40:60, 0:20], (40, 0)),
        (np.s_[40:60, 60:80], (40, 60)),
    ],
    ids=["top", "bottom", "left", "right"],
)
def test_what_the_edge_cuts_is_foreign(part: tuple[slice, slice], corner: tuple[int, int]) -> None:
    assert judged(DIGIT, part) == ({corner}, (30, 35))


def test_a_larger_piece_at_the_edge_is_not_the_main_one() -> None:
    shadow = np.s_[0:100, 60:80]
    assert judged(DIGIT, shadow) == ({(0, 60)}, (30, 35))


def test_a_digit_that_the_edge_cuts_is_one_where_there_is_no_other() -> None:
    assert judged(np.s_[30:100, 35:45]) == (set(), (30, 35))


def test_a_scrap_at_the_edge_is_none() -> None:
    assert judged(np.s_[0:10, 30:36]) == ({(0, 30)}, (0, 30))


def test_a_thin_border_along_an_edge_is_none() -> None:
    assert judged(np.s_[0:100, 0:1]) == ({(0, 0)}, (0, 0))


def test_a_frame_is_foreign_though_it_is_larger() -> None:
    assert judged(DIGIT, *FRAME) == ({(5, 5)}, (30, 35))


def test_a_frame_round_nothing_may_be_a_zero() -> None:
    assert judged(*FRAME) == (set(), (5, 5))


def test_an_open_form_round_something_is_no_frame() -> None:
    """A large 1 with feet, which has no sides."""
    large = (np.s_[5:95, 38:42], np.s_[90:95, 5:75])
    foreign, main = judged(*large, np.s_[40:70, 50:60])
    assert main == (5, 5)
    assert not foreign


def test_an_underline_is_foreign() -> None:
    assert judged(DIGIT, np.s_[80:84, 10:70]) == ({(80, 10)}, (30, 35))


def test_a_line_alone_is_a_digit() -> None:
    assert judged(np.s_[48:53, 10:70]) == (set(), (48, 10))


def test_an_upright_stroke_is_a_one_and_no_rule() -> None:
    """Along the picture's height a rule reaches an edge; a 1 does not."""
    one, margin = np.s_[15:85, 50:54], np.s_[20:100, 10:13]
    assert judged(DIGIT, one)[0] == set()
    assert judged(DIGIT, margin)[0] == {(20, 10)}


def test_of_a_number_that_fills_its_picture_the_cut_digits_are_digits_too() -> None:
    digits = (np.s_[10:90, 0:10], np.s_[10:90, 35:45], np.s_[10:90, 70:80])
    assert judged(*digits, apart=True)[0] == set()
    assert judged(*digits)[0] == {(10, 0), (10, 70)}


def test_beside_a_number_a_scrap_at_the_edge_is_foreign() -> None:
    assert judged(DIGIT, np.s_[0:12, 60:66], apart=True)[0] == {(0, 60)}
