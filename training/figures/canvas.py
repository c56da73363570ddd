"""What every picture is drawn on: the style, grids of digits, the file. No model here."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.data.mnist import Digits, to_pixels
from training.model.functions import FloatArray

SEED = 7  # of every draw in a picture
DPI = 110
INK, QUIET = "#1a1a1a", "#767676"
BLUE, ORANGE = "#0072b2", "#d55e00"  # Okabe & Ito 2008, distinct to every kind of colour vision
PAPER_TO_INK = matplotlib.colormaps["gray_r"].resampled(32)  # more greys are not seen, and make the files larger
GAP, NOTE_GAP = 2, 10  # pixels of paper between two digits, and below one that has a note
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """The same picture in the style above, whatever style is set elsewhere."""

    @functools.wraps(draw)
    def in_style(*arguments: object, **options: object) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*arguments, **options)

    return in_style


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, without a date or a version, so that equal pictures are equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=DPI, bbox_inches="tight", pad_inches=0.1, metadata={"Software": None})


def blank(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    return Figure(figsize=(width, height), layout="constrained")


def grid(axes: Axes, images: FloatArray, notes: Sequence[str] = ()) -> None:
    """Draw images (rows, columns, height, width) with a little paper between.

    notes: a word below each image, row by row; they make the rows stand further apart.
    """
    rows, columns, height, width = images.shape
    below = NOTE_GAP if notes else GAP
    padded = np.pad(images, ((0, 0), (0, 0), (0, below), (0, GAP)))
    mosaic = padded.transpose(0, 2, 1, 3).reshape(rows * (height + below), columns * (width + GAP))[:-GAP, :-GAP]
    axes.imshow(mosaic, cmap=PAPER_TO_INK, vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for number, note in enumerate(notes):
        row, column = divmod(number, columns)
        place = (column * (width + GAP) + width / 2, row * (height + below) + height)
        axes.text(*place, note, fontsize=6, color=QUIET, ha="center", va="top")


def gallery(axes: Axes, images: FloatArray, columns: int, notes: Sequence[str] = ()) -> None:
    """Draw images (n, height, width) row by row; the last row may be short."""
    missing = -len(images) % columns
    padded = np.pad(images, ((0, missing), (0, 0), (0, 0)))
    grid(axes, padded.reshape(-1, columns, *images.shape[1:]), notes)


def stacked(upper: FloatArray, lower: FloatArray) -> FloatArray:
    """Images (n, 1, 28, 28) over others of the same shape, as tall images (n, 58, 28)."""
    return np.concatenate([upper[:, 0], np.zeros((len(upper), GAP, 28), np.float32), lower[:, 0]], axis=1)


def row_labels(axes: Axes, labels: Sequence[str]) -> None:
    """A word beside each row of a grid of digits without notes."""
    axes.set_yticks(13.5 + (28 + GAP) * np.arange(len(labels)), labels)
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def column_labels(axes: Axes, labels: Sequence[str], columns: int = 1) -> None:
    """A word below each group of so many columns of a grid of digits."""
    width = (28 + GAP) * columns
    axes.set_xticks((width - GAP - 1) / 2 + width * np.arange(len(labels)), labels)
    axes.tick_params(axis="x", length=0, labelcolor=INK)


def of_label(digits: Digits, label: int) -> FloatArray:
    """The pixels (n, 1, 28, 28) of all digits of a label."""
    return to_pixels(digits.images[digits.labels == label]).numpy()


def noise(rows: int, latent_dim: int) -> FloatArray:
    """Standard normal noise (rows, latent_dim), always the same."""
    return random().standard_normal((rows, latent_dim), np.float32)


def random() -> np.random.Generator:
    """The draws of a picture, from their beginning."""
    return np.random.Generator(np.random.Philox(SEED))
