"""What was found about each digit."""

import numpy as np

from service.codecs import digits
from service.codecs.digits import Digits


def test_facts_are_lists_of_one_value_a_digit() -> None:
    pixels = np.zeros((2, 28, 28), np.float32)
    pixels[1, 14, 14] = 0.5
    found = Digits(pixels, np.array([(1, 2, 3, 4), (5, 6, 7, 8)]), np.array([True, False]), np.array([0, 3]))
    assert {name: values.tolist() for name, values in found.facts().items()} == {
        "left": [1, 5],
        "top": [2, 6],
        "width": [3, 7],
        "height": [4, 8],
        "dark_ink": [True, False],
        "blank": [True, False],
        "digits": [0, 3],
    }


def test_an_image_that_is_taken_whole_is_one_digit_as_large_as_it_is_or_none() -> None:
    pixels = np.zeros((2, 28, 28), np.float32)
    pixels[0] = 1
    found = digits.whole(pixels, np.array([False, True]), (640, 480))
    assert found.boxes.tolist() == [[0, 0, 640, 480]] * 2
    assert found.counts.tolist() == [1, 0]
    assert digits.whole(pixels, np.array([False, True])).boxes.tolist() == [[0, 0, 28, 28]] * 2


def test_no_image_gives_no_facts() -> None:
    facts = digits.whole(np.zeros((0, 28, 28), np.float32), np.zeros(0, np.bool_)).facts()
    assert all(len(values) == 0 for values in facts.values())
