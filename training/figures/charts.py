"""Pictures made of axes: where latents lie, how a loss falls, what a bound is worth."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.data.mnist import CLASSES, Digits, to_pixels
from training.evaluation.metrics import Table
from training.evaluation.protocol import strided
from training.figures.canvas import BLUE, INK, ORANGE, QUIET, blank, styled
from training.model.functions import FloatArray, IntArray, Model

# Paul Tol's muted scheme and black; each digit is named in the plot too, so colour is not the only key.
DIGIT_COLOURS = (
    "#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddaa33", "#cc6677", "#882255", "#aa4499", "#1a1a1a"
)  # fmt: skip
Anchor = tuple[str, float, Literal["ours", "published"]]


@styled
def latents(model: Model, digits: Digits, count: int = 3000) -> Figure:
    """Posterior means of test digits by class: every pair of up to three dimensions; of more, two views of them all.

    One view knows no labels: principal components. The other looks for them: linear discriminants, which are fitted to
    other test digits than those shown, so that it does not part them by chance.
    """
    chosen = strided(digits, 2 * count)
    means, labels = model.encode(to_pixels(chosen.images).numpy())[0], chosen.labels.numpy()
    shown, shown_labels = means[::2], labels[::2]
    few = model.latent_dim <= 3
    views: list[tuple[str, NDArray[Any], list[str]]]
    if few:
        pairs = [(a, b) for a in range(model.latent_dim) for b in range(a + 1, model.latent_dim)]
        views = [("", shown[:, pair], [f"latent {axis + 1}" for axis in pair]) for pair in pairs]
    else:
        widest, variance = principal_components(means[1::2])
        parting, separation = discriminants(means[1::2], labels[1::2])
        components = [f"principal component {i + 1} ({variance[i]:.0%} of variance)" for i in range(2)]
        discriminated = [f"linear discriminant {i + 1} ({separation[i]:.0%} of separation)" for i in range(2)]
        views = [
            ("the widest view, labels unknown", shown @ widest, components),
            ("the view that parts the labels best, found on other digits", shown @ parting, discriminated),
        ]
    figure = blank(3.4 * len(views), 3.7) if few else blank(9.2, 4.9)
    for axes, (title, points, names) in zip(figure.subplots(1, len(views), squeeze=False)[0], views, strict=True):
        _by_class(axes, points, shown_labels)
        axes.set(xlabel=names[0], ylabel=names[1], title=title)
    what = f"{'all' if few else 'two views of'} {model.latent_dim} dimensions"
    figure.suptitle(f"Where the encoder puts {len(shown):,} test digits: {what}", fontsize=10, x=0.01, ha="left")
    return figure


def principal_components(points: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two axes (d, 2) along which points (n, d) vary most, and each dimension's share (d,) of the variance."""
    variances, axes = np.linalg.eigh(np.cov(points.astype(np.float64), rowvar=False))  # ascending
    return _signed(axes[:, :-3:-1]), variances[::-1] / variances.sum()


def discriminants(points: FloatArray, labels: IntArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two axes (d, 2) along which the classes of points (n, d) lie furthest apart for their own width.

    Within a class, points have a mean variance of 1 along each. Also the share (d,) of each axis in the separation.
    Fisher 1936, Rao 1948: the leading eigenvectors of within⁻¹ between.
    """
    points = points.astype(np.float64)
    middles = np.stack([points[labels == label].mean(0) for label in np.unique(labels)])  # (classes, d)
    rest = points - middles[np.searchsorted(np.unique(labels), labels)]
    widths, axes = np.linalg.eigh(rest.T @ rest / len(points))
    whiten = axes / np.sqrt(widths.clip(1e-12))  # (d, d)
    counts = np.unique(labels, return_counts=True)[1]
    centred = (middles - points.mean(0)) @ whiten * np.sqrt(counts / len(points))[:, None]
    separations, turned = np.linalg.eigh(centred.T @ centred)  # ascending
    return _signed(whiten @ turned[:, :-3:-1]), separations[::-1] / separations.sum()


@styled
def losses(log: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss of each stage of a run and the terms it is made of, by epoch. A fall in the first tenth may be cut off."""
    panels = []
    for stage in dict.fromkeys(line["stage"] for line in log):
        lines = [line for line in log if line["stage"] == stage and line["epoch"] >= 1]
        of_error = stage == "networks" and not any("kl" in line for line in lines)
        unit = "squared ink per pixel" if of_error else "nats per image"
        for name in ("loss", "reconstruction", "kl"):
            of_name = [line for line in lines if name in line]
            same_as_loss = all(line["loss"] == line[name] for line in of_name)
            if of_name and (name == "loss" or not same_as_loss):
                panels.append(
                    (f"{stage}: {name}", unit, [(line["split"], line["epoch"], line[name]) for line in of_name])
                )
    figure = blank(3.1 * len(panels), 2.6)
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


@styled
def curve(table: Table) -> Figure:
    """The importance-weighted bound by its number of draws, with its standard error, and how many draws count.

    table: rows of k, bound, standard error, effective draws.
    """
    draws, bound, error, effective = np.array(table.rows, np.float64).T  # (rows,) each
    figure = blank(7.2, 2.9)
    left, right = figure.subplots(1, 2)
    left.fill_between(draws, bound - error, bound + error, color=BLUE, alpha=0.18, linewidth=0)
    for axes, values, colour, digits in ((left, bound, BLUE, 2), (right, effective, ORANGE, 1)):
        axes.plot(draws, values, color=colour, marker="o", markersize=4, linewidth=1.3)
        axes.set(xscale="log", xlabel="draws k of the latent")
        axes.set_xticks(draws, [f"{k:,.0f}" for k in draws])
        axes.minorticks_off()
        axes.margins(x=0.1, y=0.12)
        for k, value in zip(draws, values, strict=True):
            place = {"xytext": (0, 7), "textcoords": "offset points", "ha": "left" if axes is left else "right"}
            axes.annotate(f"{value:.{digits}f}", (k, value), fontsize=8, **place)
    left.set(title="bound on −log p(x) ± standard error", ylabel="nats per image")
    right.set(title="effective draws among k", yscale="log")
    return figure


@styled
def anchors(rows: Sequence[Anchor]) -> Figure:
    """Likelihoods of models in nats per image, best first: ours, filled, beside published ones."""
    ordered = sorted(rows, key=lambda row: row[1])
    figure = blank(7.2, 0.75 + 0.24 * len(ordered))
    axes = figure.subplots()
    for place, (_, nats, kind) in enumerate(ordered):
        filled = BLUE if kind == "ours" else "white"
        axes.plot(nats, place, "o", markersize=7, color=BLUE if kind == "ours" else QUIET, markerfacecolor=filled)
        axes.annotate(f"{nats:.2f}", (nats, place), (9, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(ordered)), [name for name, _, _ in ordered])
    for text, (_, _, kind) in zip(axes.get_yticklabels(), ordered, strict=True):
        text.set(color=INK if kind == "ours" else QUIET, fontweight="bold" if kind == "ours" else "normal")
    axes.invert_yaxis()
    axes.grid(axis="y", color=QUIET, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.12)
    axes.set(xlabel="bound on −log p(x), nats per image: less is better\nfilled: ours; hollow: published")
    return figure


def _by_class(axes: Axes, points: NDArray[Any], labels: IntArray) -> None:
    """Points (n, 2) in the colour of their digit, its name in the middle of them."""
    for label, colour in enumerate(DIGIT_COLOURS):
        of_label = points[labels == label]
        axes.scatter(of_label[:, 0], of_label[:, 1], s=4, color=colour, alpha=0.6, linewidths=0)
    for label, colour in enumerate(DIGIT_COLOURS):
        if (labels == label).any():
            middle = np.median(points[labels == label], axis=0)
            name = axes.text(middle[0], middle[1], CLASSES[label], color=colour, fontsize=14, fontweight="bold")
            name.set(ha="center", va="center", path_effects=[patheffects.withStroke(linewidth=3, foreground="white")])


def _signed(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each axis, a column, turned so that its largest entry is positive: a sign is a convention."""
    largest = axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])]
    signed: NDArray[np.float64] = np.multiply(axes, np.sign(largest))
    return signed
