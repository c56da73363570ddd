"""What a model does badly, shown: the digits it reconstructs worst, the samples it doubts, the nearest to copies."""

import numpy as np
from matplotlib.figure import Figure

from training.data.mnist import CLASSES, Digits, to_pixels
from training.evaluation.reconstruction import rebuilt, squared_errors
from training.figures.canvas import blank, gallery, grid, noise, row_labels, stacked, styled
from training.model.functions import FloatArray, Model

WORST, DOUBTFUL, DRAWN = 100, 50, 2000


@styled
def worst(model: Model, digits: Digits) -> Figure:
    """The hundred test digits with the largest squared error, worst first, over their reconstructions."""
    pixels = to_pixels(digits.images).numpy()  # (n, 1, 28, 28)
    images = rebuilt(model, pixels)
    order = np.argsort(-squared_errors(pixels, images), kind="stable")[:WORST]
    figure = blank(7.2, 5.75)
    axes = figure.subplots()
    gallery(axes, stacked(pixels[order], images[order]), 20, [CLASSES[label] for label in digits.labels[order]])
    axes.set_title(
        f"The {len(order)} worst reconstructions of {len(pixels):,} test digits: digit, reconstruction, label"
    )
    return figure


@styled
def doubtful(model: Model) -> Figure:
    """Of 2,000 samples, their labels in turn, the fifty with the least p(label given z) of the label asked for."""
    labels = np.arange(DRAWN) % len(model.class_weights)
    latents = model.prior(noise(DRAWN, model.latent_dim), labels)
    joint = model.density(latents).astype(np.float64) + np.log(model.class_weights)  # (n, classes)
    shares = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
    own = shares[np.arange(DRAWN), labels]  # (n,)
    order = np.argsort(own, kind="stable")[:DOUBTFUL]
    notes = [f"{CLASSES[labels[row]]}: {own[row]:.0%}" for row in order]
    figure = blank(7.2, 4.6)
    axes = figure.subplots()
    gallery(axes, model.decode(latents[order])[0][:, 0], 10, notes)
    axes.set_title(f"Of {DRAWN:,} samples those whose label the model doubts most: label asked for, its p(label | z)")
    return figure


@styled
def pairs(samples: FloatArray, neighbours: FloatArray) -> Figure:
    """Samples over the training digits nearest to them, both (n, 1, 28, 28), nearest pair first, ten pairs a row."""
    columns = 10
    missing = -len(samples) % columns
    padded = (np.pad(images[:, 0], ((0, missing), (0, 0), (0, 0))) for images in (samples, neighbours))
    rows = np.stack([images.reshape(-1, columns, 28, 28) for images in padded], axis=1)  # (rows, 2, columns, 28, 28)
    figure = blank(7.2, 0.5 + 0.7 * 2 * len(rows))
    axes = figure.subplots()
    grid(axes, rows.reshape(-1, columns, 28, 28))
    row_labels(axes, ["sample", "training digit"] * len(rows))
    axes.set_title(f"The {len(samples)} samples nearest to a training digit, and that digit")
    return figure
