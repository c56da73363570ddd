"""Pictures of a model: what it learned, seen. The one home of matplotlib. Digits are dark ink on white paper.

Every picture is a function of a model and of digits with fixed draws, so that the same model gives the same picture.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from training.data import CLASSES, Digits, to_pixels
from training.model import FloatArray, Model

SEED = 7  # of every draw in a picture
DPI = 110
INK, QUIET = "#1a1a1a", "#767676"
BLUE, ORANGE = "#0072b2", "#d55e00"  # Okabe & Ito 2008, told apart by every kind of colour vision
# Paul Tol's muted scheme and black; each digit is named in the plot too, so colour is not the only key.
DIGIT_COLOURS = (
    "#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddaa33", "#cc6677", "#882255", "#aa4499", "#1a1a1a"
)  # fmt: skip
PAPER_TO_INK = matplotlib.colormaps["gray_r"].resampled(32)  # more greys are not seen, and make the files larger
STYLE = {
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


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    @functools.wraps(draw)
    def styled(*arguments: object, **options: object) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*arguments, **options)

    return styled


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, without a date or a version, so that equal pictures are equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=DPI, bbox_inches="tight", pad_inches=0.1, metadata={"Software": None})


@_styled
def reconstructions(model: Model, digits: Digits) -> Figure:
    """Two test digits of every class, over each its reconstruction at the posterior mean."""
    rows = []
    for nth in range(2):
        chosen = np.stack([_pixels(digits, label)[nth] for label in range(len(CLASSES))])  # (10, 1, 28, 28)
        rows += [chosen[:, 0], model.decode(model.encode(chosen)[0])[0][:, 0]]
    figure = _figure(7.2, 3.35)
    axes = figure.subplots()
    _grid(axes, np.stack(rows))
    _row_labels(axes, ["digit", "reconstruction"] * 2)
    axes.set_title(f"Test digits and what is left of them after {model.latent_dim} numbers")
    return figure


@_styled
def samples(model: Model, columns: int = 12) -> Figure:
    """A row of samples for every label: noise → prior → decoder."""
    labels = np.repeat(np.arange(len(CLASSES)), columns)
    noise = _random().standard_normal((len(labels), model.latent_dim), np.float32)
    images = model.decode(model.prior(noise, labels))[0].reshape(len(CLASSES), columns, 28, 28)
    figure = _figure(5.4, 4.9)
    axes = figure.subplots()
    _grid(axes, images)
    _row_labels(axes, CLASSES)
    axes.set_ylabel("label asked for")
    axes.set_title("Samples: noise → prior → decoder")
    return figure


@_styled
def latents(model: Model, digits: Digits, count: int = 3000) -> Figure:
    """Posterior means of test digits by class: every pair of up to three dimensions, else two principal components."""
    means = model.encode(to_pixels(digits.images[:count]).numpy())[0]
    labels = digits.labels[:count].numpy()
    if model.latent_dim <= 3:
        pairs = [(a, b) for a in range(model.latent_dim) for b in range(a + 1, model.latent_dim)]
        names = [f"latent {axis + 1}" for axis in range(model.latent_dim)]
        points, what = means, f"all {model.latent_dim} dimensions"
    else:
        centred = means - means.mean(0)
        _, singular, axes_ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
        axes_ *= np.sign(axes_[np.arange(len(axes_)), np.abs(axes_).argmax(1)])[:, None]  # a sign is a convention
        share = singular**2 / np.square(singular).sum()
        points, pairs = centred @ axes_[:2].T, [(0, 1)]
        names = [f"principal component {i + 1} ({share[i]:.0%} of variance)" for i in range(2)]
        what = f"two of {model.latent_dim} dimensions"
    figure = _figure(3.4 * len(pairs) if len(pairs) > 1 else 5.4, 3.7 if len(pairs) > 1 else 4.9)
    for axes, (a, b) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        for label, colour in enumerate(DIGIT_COLOURS):
            of_label = points[labels == label]
            axes.scatter(of_label[:, a], of_label[:, b], s=4, color=colour, alpha=0.6, linewidths=0)
        for label, colour in enumerate(DIGIT_COLOURS):
            middle = np.median(points[labels == label], axis=0)
            halo = [patheffects.withStroke(linewidth=3, foreground="white")]
            place = {"ha": "center", "va": "center", "path_effects": halo}
            axes.text(middle[a], middle[b], CLASSES[label], color=colour, fontsize=14, fontweight="bold", **place)
        axes.set(xlabel=names[a], ylabel=names[b])
    figure.suptitle(f"Where the encoder puts {len(means):,} test digits: {what}", fontsize=10, x=0.01, ha="left")
    return figure


@_styled
def traversal(model: Model, digits: Digits, columns: int = 11, most: int = 10) -> Figure:
    """One latent dimension moved at a time, from the first test digit: the dimensions that vary most, a row each."""
    pixels = to_pixels(digits.images[:2000]).numpy()
    means = model.encode(pixels)[0]  # (n, d)
    order = np.argsort(-means.var(0))[:most]
    low, high = np.percentile(means, [1, 99], axis=0)  # (d,) each
    rows = np.repeat(means[:1], len(order) * columns, axis=0).reshape(len(order), columns, -1)
    for row, axis in zip(rows, order, strict=True):
        row[:, axis] = np.linspace(low[axis], high[axis], columns)
    images = model.decode(rows.reshape(-1, model.latent_dim))[0].reshape(len(order), columns, 28, 28)
    figure = _figure(5.4, 0.62 + 0.43 * len(order))
    axes = figure.subplots()
    _grid(axes, images)
    _row_labels(axes, [f"latent {axis + 1}" for axis in order])
    axes.set_title(f"One latent moved from its 1st to its 99th percentile, from a {int(digits.labels[0])}")
    return figure


@_styled
def random_points(panels: Sequence[tuple[str, FloatArray]]) -> Figure:
    """Decoded random points, side by side. panels: title and images (64, 1, 28, 28) of each."""
    figure = _figure(0.4 + 3.05 * len(panels), 3.5)
    for axes, (title, images) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _grid(axes, images.reshape(8, 8, 28, 28))
        axes.set_title(title)
    return figure


def decoded_normal(model: Model) -> FloatArray:
    """64 decoded draws of N(0, I), (64, 1, 28, 28): the prior takes no part."""
    return model.decode(_random().standard_normal((64, model.latent_dim), np.float32))[0]


def decoded_box(model: Model, digits: Digits) -> FloatArray:
    """64 decoded points, uniform in the smallest box that holds the codes of the digits. The prior takes no part."""
    means = model.encode(to_pixels(digits.images).numpy())[0]
    points = _random().uniform(means.min(0), means.max(0), (64, model.latent_dim))
    return model.decode(points.astype(np.float32))[0]


def decoded_prior(model: Model) -> FloatArray:
    """64 samples, their labels in turn: noise → prior → decoder."""
    noise = _random().standard_normal((64, model.latent_dim), np.float32)
    return model.decode(model.prior(noise, np.arange(64) % len(model.class_weights)))[0]


def with_and_without_prior(model: Model, digits: Digits) -> list[tuple[str, FloatArray]]:
    """Panels for `random_points`: what one model makes of noise, decoded as it is and sent through its prior."""
    panels = [("N(0, I), decoded", decoded_normal(model))]
    if model.kind == "ae":
        panels.append(("uniform among the codes, decoded", decoded_box(model, digits)))
    return [*panels, ("N(0, I) → prior, decoded", decoded_prior(model))]


@_styled
def losses(log: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss of each stage of a run and the terms it is made of, by epoch. A fall in the first tenth may be cut off."""
    panels = []
    for stage in dict.fromkeys(line["stage"] for line in log):
        lines = [line for line in log if line["stage"] == stage and line["epoch"] >= 1]
        unit = "nats per image" if stage == "prior" or any("kl" in line for line in lines) else "squared ink per pixel"
        for name in ("loss", "reconstruction", "kl"):
            of_name = [line for line in lines if name in line]
            same_as_loss = all(line["loss"] == line[name] for line in of_name)
            if of_name and (name == "loss" or not same_as_loss):
                panels.append(
                    (f"{stage}: {name}", unit, [(line["split"], line["epoch"], line[name]) for line in of_name])
                )
    figure = _figure(3.1 * len(panels), 2.6)
    for axes, (title, unit, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for split, colour in (("train", BLUE), ("validation", ORANGE)):
            epochs = [epoch for part, epoch, _ in points if part == split]
            values = [value for part, _, value in points if part == split]
            axes.plot(epochs, values, color=colour, linewidth=1.3, label=split)
        last = max(epoch for _, epoch, _ in points)
        low = min(value for _, _, value in points)
        high = max(value for _, epoch, value in points if epoch >= last / 10)
        margin = 0.05 * (high - low) or 1.0
        axes.set(title=title, xlabel="epoch", ylabel=unit, ylim=(low - margin, high + margin))
    figure.axes[0].legend()
    return figure


@_styled
def hero(model: Model, digits: Digits) -> Figure:
    """One wide strip: digit → latent → reconstruction, and noise and a label → samples."""
    pixels = _pixels(digits, 2)[:1]
    mean, log_var = model.encode(pixels)
    labels = np.tile(np.arange(len(CLASSES)), 4)
    noise = _random().standard_normal((len(labels), model.latent_dim), np.float32)
    drawn = model.decode(model.prior(noise, labels))[0].reshape(4, len(CLASSES), 28, 28)
    figure = Figure(figsize=(11, 2))
    low, high, title = 0.14, 0.82, 0.9
    digit, latent, rebuilt, grid = (
        figure.add_axes((left, low, right - left, high - low))
        for left, right in ((0.0, 0.125), (0.19, 0.405), (0.465, 0.59), (0.65, 0.99))
    )
    _grid(digit, pixels[:1])
    _bars(latent, mean[0], None if log_var is None else np.exp(log_var[0] / 2))
    _grid(rebuilt, model.decode(mean)[0][:1])
    _grid(grid, drawn)
    grid.set_xticks(13.5 + 30 * np.arange(len(CLASSES)), CLASSES)
    grid.tick_params(length=0)
    latent_title = "latent, mean" if log_var is None else "latent, mean ± standard deviation"
    for left, text in ((0.0, "digit"), (0.19, latent_title), (0.465, "reconstruction")):
        figure.text(left, title, text, fontsize=10)
    figure.text(0.65, title, "samples: noise, label → prior → decoder", fontsize=10)
    for left, right, text in ((0.133, 0.165, "encode"), (0.42, 0.452, "decode")):
        figure.text((left + right) / 2, 0.53, text, fontsize=8, color=QUIET, ha="center")
        arrow = FancyArrowPatch((left, 0.48), (right, 0.48), transform=figure.transFigure)
        arrow.set(arrowstyle="-|>", mutation_scale=12, color=ORANGE, linewidth=1.4)
        figure.add_artist(arrow)
    return figure


def _bars(axes: Axes, mean: FloatArray, deviation: FloatArray | None) -> None:
    axes.bar(np.arange(len(mean)), mean, color=BLUE, width=0.75, yerr=deviation, ecolor=INK, error_kw={"lw": 0.9})
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _pixels(digits: Digits, label: int) -> FloatArray:
    return to_pixels(digits.images[digits.labels == label]).numpy()


def _random() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(SEED))


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def _grid(axes: Axes, images: FloatArray) -> None:
    """Draw images (rows, columns, 28, 28) edge to edge, two pixels of paper between."""
    rows, columns = images.shape[:2]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))  # (rows, columns, 30, 30)
    mosaic = padded.transpose(0, 2, 1, 3).reshape(rows * 30, columns * 30)[1:-1, 1:-1]
    axes.imshow(mosaic, cmap=PAPER_TO_INK, vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _row_labels(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(13.5 + 30 * np.arange(len(labels)), labels)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
