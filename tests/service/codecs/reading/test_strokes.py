"""Strokes and their widths."""

import numpy as np
import pytest

from service.codecs.reading import strokes


@pytest.mark.parametrize("width", [2, 5, 9])
def test_a_bar_is_as_wide_as_it_is(width: int) -> None:
    mask = np.zeros((120, 40), np.bool_)
    mask[10:110, 10 : 10 + width] = True
    assert strokes.width(mask) == pytest.approx(width * 4 / np.pi * 100 / (100 + width), rel=0.01)


def test_a_thin_stroke_becomes_as_thick_as_those_of_mnist() -> None:
    ink = np.zeros((100, 60), np.float32)
    ink[:, 29:31] = 1
    ink[:2] = 1
    thick = strokes.thickened(ink)
    side = max(np.ptp(np.flatnonzero((thick > 0.5).any(axis=axis))) + 1 for axis in (0, 1))
    assert 2.2 < strokes.width(thick > 0.5) * 20 / side < 3.1


def test_a_thick_stroke_stays_as_it_is() -> None:
    ink = np.zeros((100, 60), np.float32)
    ink[:, 20:40] = 1
    assert strokes.thickened(ink) is ink


def test_no_ink_stays_none() -> None:
    assert not strokes.thickened(np.zeros((30, 30), np.float32)).any()
