"""A grid puts each digit and each note in its place, and equal pictures are equal files."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tests.training import tiny
from training import figures
from training.figures import canvas
from training.model.functions import Model, of_torch

TEST = tiny.mnist().test


def model(kind: str) -> Model:
    return of_torch(tiny.autoencoder(kind))


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        figures.save(figures.latents(model("vae"), TEST), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def shown(figure: Figure) -> np.ndarray:
    """The ink of a figure's first grid of digits."""
    return np.asarray(figure.axes[0].images[0].get_array())


def test_grid_puts_every_image_at_its_row_and_column() -> None:
    images = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((28, 28), np.float32)
    figure = canvas.blank(3, 2)
    canvas.grid(figure.subplots(), images)
    mosaic = shown(figure)
    assert mosaic.shape == (58, 88)
    np.testing.assert_array_equal(mosaic[:28, :28], 0)
    np.testing.assert_array_equal(mosaic[30:, 60:], 5)
    np.testing.assert_array_equal(mosaic[28:30], 0)


def test_notes_stand_below_their_images() -> None:
    images = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((58, 28), np.float32)
    axes = canvas.blank(3, 2).subplots()
    canvas.grid(axes, images, list("abcdef"))
    assert axes.images[0].get_array().shape == (2 * 58 + 10 + 8, 88)
    (last,) = (text for text in axes.texts if text.get_text() == "f")
    assert last.get_position() == (60 + 14, 68 + 58)


def test_short_last_row_of_a_gallery_is_filled_with_paper() -> None:
    axes = canvas.blank(3, 2).subplots()
    canvas.gallery(axes, np.ones((3, 28, 28), np.float32), 2)
    mosaic = axes.images[0].get_array()
    assert mosaic.shape == (58, 58)
    np.testing.assert_array_equal(mosaic[30:, :28], 1)
    np.testing.assert_array_equal(mosaic[30:, 28:], 0)
