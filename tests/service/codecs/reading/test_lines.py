"""Lines of ruled and squared paper."""

import numpy as np
import pytest

from service.codecs.reading import lines


def page() -> np.ndarray:
    """A vertical stroke, strong, in the middle of an empty page."""
    ink = np.zeros((200, 200), np.float32)
    ink[40:160, 95:105] = 0.9
    return ink


@pytest.mark.parametrize("slope", [0, 0.04, -0.07])
@pytest.mark.parametrize("is_upright", [False, True])
def test_a_line_from_edge_to_edge_goes_and_the_stroke_it_crosses_stays(slope: float, is_upright: bool) -> None:
    alone = page()
    ruled = alone.copy()
    columns = np.arange(200)
    for row in (30, 80, 130):
        for thickness in (0, 1):
            at = np.rint(row + thickness + slope * (columns - 100)).astype(int)
            ruled[at, columns] = np.maximum(ruled[at, columns], 0.4)
    if is_upright:
        alone, ruled = alone.T, ruled.T
    left = lines.without(ruled, 0.2)
    assert np.abs(left - alone).max(where=alone == 0, initial=0) == 0
    assert left[alone > 0].min() > 0.8


def test_a_line_as_strong_as_the_stroke_leaves_it_whole() -> None:
    ruled = page()
    ruled[100:103] = 0.9
    left = lines.without(ruled, 0.2)
    assert left[100:103, 96:104].min() > 0.8
    assert not left[100:103, :90].any()


def test_a_stroke_that_ends_before_the_edge_is_no_line() -> None:
    ink = page()
    ink[100:103, 20:180] = 0.9
    assert lines.without(ink, 0.2) is ink


def test_a_broad_band_is_no_line() -> None:
    ink = page()
    ink[100:130] = 0.5
    assert (lines.without(ink, 0.2) == ink).all()


def test_a_small_picture_has_no_lines() -> None:
    ink = np.zeros((40, 40), np.float32)
    ink[20] = 0.9
    assert lines.without(ink, 0.2) is ink
