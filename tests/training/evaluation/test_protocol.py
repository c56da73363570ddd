"""Fewer images than there are means evenly spread ones."""

import numpy as np

from tests.training import tiny
from training.evaluation.protocol import evenly, strided


def test_images_are_spread_evenly() -> None:
    digits = tiny.mnist().test
    kept = strided(digits, 100)
    assert np.array_equal(kept.images, digits.images[::3])
    assert np.array_equal(kept.labels, digits.labels[::3])


def test_no_more_are_taken_than_asked() -> None:
    assert evenly(np.arange(10), 4).tolist() == [0, 2, 4, 6]


def test_all_are_taken_where_there_are_no_more() -> None:
    assert len(strided(tiny.mnist().test, 1000).labels) == 300
