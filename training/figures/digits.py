"""Pictures made of digits: what comes back, what is drawn from the prior, what lies between and around."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from training.data.mnist import CLASSES, Digits, to_pixels
from training.figures.canvas import (
    BLUE,
    INK,
    ORANGE,
    QUIET,
    blank,
    column_labels,
    grid,
    noise,
    of_label,
    random,
    row_labels,
    styled,
)
from training.model.functions import FloatArray, Model

JOINED = ((4, 9), (3, 8), (1, 7), (5, 6), (0, 2))  # every label once, beside one that it is mistaken for
TEMPERATURES = (0.2, 0.5, 0.8, 1.0)


@styled
def reconstructions(model: Model, digits: Digits) -> Figure:
    """Two test digits of every class, over each its reconstruction at the posterior mean."""
    rows = []
    for nth in range(2):
        chosen = np.stack([of_label(digits, label)[nth] for label in range(len(CLASSES))])  # (10, 1, 28, 28)
        rows += [chosen[:, 0], model.decode(model.encode(chosen)[0])[0][:, 0]]
    figure = blank(7.2, 3.35)
    axes = figure.subplots()
    grid(axes, np.stack(rows))
    row_labels(axes, ["digit", "reconstruction"] * 2)
    axes.set_title(f"Test digits and what is left of them after {model.latent_dim} numbers")
    return figure


@styled
def samples(model: Model, columns: int = 12) -> Figure:
    """A row of samples for every label: noise → prior → decoder."""
    labels = np.repeat(np.arange(len(CLASSES)), columns)
    latents = model.prior(noise(len(labels), model.latent_dim), labels)
    figure = blank(5.4, 4.9)
    axes = figure.subplots()
    grid(axes, model.decode(latents)[0].reshape(len(CLASSES), columns, 28, 28))
    row_labels(axes, CLASSES)
    axes.set_ylabel("label asked for")
    axes.set_title("Samples: noise → prior → decoder")
    return figure


@styled
def temperatures(model: Model, labels: Sequence[int] = (2, 4, 8), each: int = 6) -> Figure:
    """The same noise at one temperature a row, for three labels: how much variety is given for plainer digits."""
    asked = np.repeat(labels, each)  # (columns,)
    drawn = noise(len(asked), model.latent_dim)
    rows = [model.decode(model.prior(np.float32(warm) * drawn, asked))[0][:, 0] for warm in TEMPERATURES]
    figure = blank(7.2, 2.25)
    axes = figure.subplots()
    grid(axes, np.stack(rows))
    row_labels(axes, [f"{warm:.1f}" for warm in TEMPERATURES])
    column_labels(axes, [f"label {label}" for label in labels], each)
    axes.set_ylabel("temperature")
    axes.set_title("The same noise, scaled by a temperature")
    return figure


@styled
def interpolation(model: Model, digits: Digits, columns: int = 11) -> Figure:
    """The straight line between the latents of two test digits, a row for each pair of labels, both ends included."""
    ends = np.stack([np.concatenate([of_label(digits, label)[:1] for label in pair]) for pair in JOINED])
    means = model.encode(ends.reshape(-1, 1, 28, 28))[0].reshape(len(JOINED), 2, 1, -1)  # (rows, 2, 1, d)
    share = np.linspace(0, 1, columns, dtype=np.float32)[:, None]  # (columns, 1)
    lines = (1 - share) * means[:, 0] + share * means[:, 1]  # (rows, columns, d)
    images = model.decode(lines.reshape(-1, model.latent_dim))[0].reshape(len(JOINED), columns, 28, 28)
    figure = blank(5.4, 2.75)
    axes = figure.subplots()
    grid(axes, images)
    row_labels(axes, [f"{CLASSES[left]} → {CLASSES[right]}" for left, right in JOINED])
    axes.set_title("Straight lines between the latents of two test digits, decoded")
    return figure


@styled
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
    figure = blank(5.4, 0.62 + 0.43 * len(order))
    axes = figure.subplots()
    grid(axes, images)
    row_labels(axes, [f"latent {axis + 1}" for axis in order])
    axes.set_title(f"One latent moved from its 1st to its 99th percentile, from a {int(digits.labels[0])}")
    return figure


@styled
def random_points(panels: Sequence[tuple[str, FloatArray]]) -> Figure:
    """Decoded random points, side by side. panels: title and images (64, 1, 28, 28) of each."""
    figure = blank(0.4 + 3.05 * len(panels), 3.5)
    for axes, (title, images) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        grid(axes, images.reshape(8, 8, 28, 28))
        axes.set_title(title)
    return figure


def decoded_normal(model: Model) -> FloatArray:
    """64 decoded draws of N(0, I), (64, 1, 28, 28): the prior takes no part."""
    return model.decode(noise(64, model.latent_dim))[0]


def decoded_box(model: Model, digits: Digits) -> FloatArray:
    """64 decoded points, uniform in the smallest box that holds the codes of the digits. The prior takes no part."""
    means = model.encode(to_pixels(digits.images).numpy())[0]
    points = random().uniform(means.min(0), means.max(0), (64, model.latent_dim))
    return model.decode(points.astype(np.float32))[0]


def decoded_prior(model: Model) -> FloatArray:
    """64 samples, their labels in turn: noise → prior → decoder."""
    return model.decode(model.prior(noise(64, model.latent_dim), np.arange(64) % len(model.class_weights)))[0]


def with_and_without_prior(model: Model, digits: Digits) -> list[tuple[str, FloatArray]]:
    """Panels for `random_points`: what one model makes of noise, decoded as it is and sent through its prior."""
    panels = [("N(0, I), decoded", decoded_normal(model))]
    if model.kind == "ae":
        panels.append(("uniform among the codes, decoded", decoded_box(model, digits)))
    return [*panels, ("N(0, I) → prior, decoded", decoded_prior(model))]


@styled
def hero(model: Model, digits: Digits) -> Figure:
    """One wide strip: digit → latent → reconstruction, and noise and a label → samples."""
    pixels = of_label(digits, 2)[:1]
    mean, log_var = model.encode(pixels)
    labels = np.tile(np.arange(len(CLASSES)), 4)
    drawn = model.decode(model.prior(noise(len(labels), model.latent_dim), labels))[0]
    figure = Figure(figsize=(11, 2))
    low, high, title = 0.14, 0.82, 0.9
    digit, latent, rebuilt, sampled = (
        figure.add_axes((left, low, right - left, high - low))
        for left, right in ((0.0, 0.125), (0.19, 0.405), (0.465, 0.59), (0.65, 0.99))
    )
    grid(digit, pixels[:1])
    _bars(latent, mean[0], None if log_var is None else np.exp(log_var[0] / 2))
    grid(rebuilt, model.decode(mean)[0][:1])
    grid(sampled, drawn.reshape(4, len(CLASSES), 28, 28))
    sampled.set_xticks(13.5 + 30 * np.arange(len(CLASSES)), CLASSES)
    sampled.tick_params(length=0)
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
