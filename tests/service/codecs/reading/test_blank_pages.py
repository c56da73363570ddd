"""Pages on which nothing is written hold no digit, whatever their light, noise and lines."""

from typing import Final

import numpy as np
import pytest

from service.codecs.reading.read import read

Samples = np.ndarray
SIZE: Final = (300, 300)
ROWS, COLUMNS = np.mgrid[:300, :300]


def vignette() -> Samples:
    return 230 - 90 * np.hypot((ROWS - 150) / 150, (COLUMNS - 150) / 150)


def grain(deviation: float, paper: float = 200, size: tuple[int, int] = SIZE) -> Samples:
    return paper + np.random.default_rng(0).normal(0, deviation, size)


BLANK: Final[dict[str, Samples]] = {
    "white": np.full(SIZE, 255),
    "black": np.zeros(SIZE),
    "grey": np.full(SIZE, 128),
    "blue": np.broadcast_to((40, 60, 200), (*SIZE, 3)),
    "one pixel": np.full((1, 1), 77),
    "28 wide and 1 high": np.full((1, 28), 77),
    "noise": grain(4),
    "much noise": grain(15, size=(640, 640)),
    "noise on dark paper": grain(4, 40),
    "falling light": 90 + (ROWS + COLUMNS) / 5,
    "a vignette": vignette(),
    "a noisy vignette": vignette() + grain(6, 0),
    "ruled": np.where(ROWS % 36 < 2, 170, 245),
    "a shadow's edge": np.where(COLUMNS + ROWS / 4 > 190, 120, 220),
    "squared": np.where((ROWS % 30 < 2) | (COLUMNS % 30 < 2), 180, 245),
}


@pytest.mark.parametrize("kind", BLANK)
def test_a_blank_page_holds_no_digit(kind: str) -> None:
    assert read(eight_bits(BLANK[kind]))[:2] == ([], 0)


# A number may fill its picture, and a band from edge to edge be a 1 of it.
@pytest.mark.parametrize("kind", [kind for kind in BLANK if kind != "a shadow's edge"])
def test_a_blank_page_holds_no_number(kind: str) -> None:
    assert read(eight_bits(BLANK[kind]), apart=True)[:2] == ([], 0)


@pytest.mark.parametrize("shade", [0, 90, 255])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_one_shade_is_blank_however_transparent(shade: int, alpha: float) -> None:
    found = read(np.full(SIZE, shade, np.uint8), np.full(SIZE, alpha, np.float32))
    assert found[:2] == ([], 0)


def eight_bits(shades: Samples) -> Samples:
    return shades.clip(0, 255).astype(np.uint8)
