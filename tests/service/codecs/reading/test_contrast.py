"""Ink by the paper beside it."""

import numpy as np
import pytest

from service.codecs.reading import contrast as c


def test_the_same_ink_is_as_strong_in_the_light_as_in_the_shadow() -> None:
    light = np.linspace(100, 240, 80, dtype=np.float32)[np.newaxis].repeat(80, axis=0)
    page = light.copy()
    page[:, 10:13] *= 0.25
    page[:, 65:68] *= 0.25
    ink = c.contrast(page, c.paper(page, True), True)
    assert ink[40, 11] == pytest.approx(0.75, abs=0.03)
    assert ink[40, 66] == pytest.approx(0.75, abs=0.03)
    assert ink[:, 20:60].max() < 0.03


def test_a_shadows_edge_belongs_to_the_paper() -> None:
    page = np.full((80, 80), 220, np.float32)
    page[:, 50:] = 120
    assert c.contrast(page, c.paper(page, True), True).max() == 0


def test_light_ink_is_measured_by_what_dark_paper_lacks() -> None:
    board = np.full((80, 80), 55, np.float32)
    board[30:50, 38:42] = 205
    ink = c.contrast(board, c.paper(board, False), False)
    assert ink[40, 40] == pytest.approx(0.75)
    assert ink[5, 5] == 0


def test_even_paper_is_one_number() -> None:
    assert c.enlarged(np.full((20, 20), 200, np.float32), 4, (80, 80)).shape == (1, 1)
    assert c.enlarged(np.array([[0, 200]], np.float32), 4, (4, 7)).shape == (4, 7)


@pytest.mark.parametrize("deviation", [0.5, 3, 9])
def test_noise_is_estimated_beside_strokes(deviation: float) -> None:
    page = np.full((300, 300), 180, np.float32)
    page[50:250, 140:160] = 20
    page += np.random.default_rng(0).normal(0, deviation, page.shape).astype(np.float32)
    assert c.noise(page) == pytest.approx(deviation, rel=0.1)


def test_only_much_noise_is_smoothed() -> None:
    page = np.random.default_rng(0).normal(180, 3, (100, 100)).astype(np.float32)
    assert c.smoothed(page, 1.0) == (page, 1.0)
    clean, left = c.smoothed(page, 3.0)
    assert clean.std() == pytest.approx(left, rel=0.2)


def test_texture_leaves_strong_ink_aside() -> None:
    ink = np.random.default_rng(0).normal(0.02, 0.01, (200, 200)).astype(np.float32)
    ink[:, :80] = 0.9
    level, spread = c.texture(ink, 0.9)
    assert level == pytest.approx(0.02, abs=0.002)
    assert spread == pytest.approx(0.01, rel=0.1)
    assert c.texture(np.ones((8, 8), np.float32), 0.9) == (0, 0)
