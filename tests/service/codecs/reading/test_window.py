"""The largest and smallest values nearby."""

import numpy as np
import pytest

from service.codecs.reading.window import dilate, erode, round_dilate


@pytest.mark.parametrize("reach", [0, 1, 2, 3, 5, 8, 40])
def test_dilation_is_the_largest_value_within_reach(reach: int) -> None:
    plane = np.random.default_rng(reach).integers(0, 256, (13, 21), dtype=np.uint8)
    expected = [
        [plane[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].max() for x in range(21)]
        for y in range(13)
    ]
    assert (dilate(plane, reach) == expected).all()


def test_erosion_is_dilation_of_the_complement_for_bytes_and_masks() -> None:
    plane = np.random.default_rng(0).integers(0, 256, (13, 21), dtype=np.uint8)
    assert (erode(plane, 2) == 255 - dilate(255 - plane, 2)).all()
    assert (erode(plane > 99, 1) == ~dilate(~(plane > 99), 1)).all()


@pytest.mark.parametrize("reach", [1, 3, 6, 10])
def test_a_point_spreads_nearly_round(reach: int) -> None:
    plane = np.zeros((31, 31), np.uint8)
    plane[15, 15] = 255
    rows, columns = round_dilate(plane, reach).nonzero()
    distances = np.hypot(rows - 15, columns - 15)
    assert distances.max() <= reach * 1.13
    assert np.abs(rows - 15).max() == np.abs(columns - 15).max() == reach
