"""What the latent knows: the label, through the prior and through a linear probe, and how many dimensions are in use.

Burda, Grosse & Salakhutdinov 2016 (active units); Alain & Bengio 2016 (linear probes).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from models.manifest import Metric
from training.data.mnist import CLASSES
from training.evaluation.metrics import Measurements, Table
from training.model.autoencoder import ACTIVE_VARIANCE
from training.model.functions import FloatArray, IntArray, Model, chunks

# The probe: enough steps to arrive at its one optimum, and just enough weight decay that there is one.
STEPS, DECAY = 100, 1e-4


def latents(
    model: Model, pixels: FloatArray, labels: IntArray, train_pixels: FloatArray, train_labels: IntArray
) -> Measurements:
    """Labels read off the latents of test digits (n, 1, 28, 28), and of a VAE the dimensions in use.

    train_pixels, train_labels: digits that the linear probe learns from, (m, 1, 28, 28) and (m,).
    """
    means = posterior_means(model, pixels)
    parts = [
        label_accuracy(model, pixels, labels),
        probe_accuracy(posterior_means(model, train_pixels), train_labels, means, labels),
    ]
    if model.kind == "vae":
        parts.append(active_units(means))
    return Measurements.merged(parts)


def posterior_means(model: Model, pixels: FloatArray) -> FloatArray:
    """The latents (n, d) that stand for images (n, 1, 28, 28)."""
    return np.concatenate([model.encode(pixels[chunk])[0] for chunk in chunks(len(pixels), "latents")])


def label_accuracy(model: Model, pixels: FloatArray, labels: IntArray) -> Measurements:
    """How often the label of highest p(label given z) at the posterior mean is the right one, over all and by digit."""
    log_weights = np.log(model.class_weights)
    parts = []
    for chunk in chunks(len(pixels), "labels"):
        log_pz_y = model.density(model.encode(pixels[chunk])[0])  # (n, classes)
        parts.append((log_pz_y + log_weights).argmax(1))
    right = np.concatenate(parts) == labels  # (n,)
    about = (
        "test images whose likeliest label under p(label given z) at the posterior mean is the right one; "
        f"{len(pixels):,} images"
    )
    table = Table(
        f"share of {about}",
        ("digit", "images", "share"),
        tuple(
            (name, int((labels == label).sum()), float(right[labels == label].mean()))
            for label, name in enumerate(CLASSES)
            if (labels == label).any()
        ),
    )
    metric = Metric(value=right.mean(), unit="share", meaning=about)
    return Measurements({"label_accuracy": metric}, {"label_by_digit": table})


def active_units(means: FloatArray) -> Measurements:
    """Latent dimensions whose posterior mean (n, d) varies over images."""
    active = int((means.var(0, dtype=np.float64) > ACTIVE_VARIANCE).sum())
    varying = f"whose posterior mean varies over images by more than {ACTIVE_VARIANCE}"
    meaning = f"of {means.shape[1]} latent dimensions, those {varying}; {len(means):,} images"
    return Measurements({"active_units": Metric(value=active, unit="dimensions", meaning=meaning)})


def probe_accuracy(
    train_means: FloatArray, train_labels: IntArray, means: FloatArray, labels: IntArray
) -> Measurements:
    """How often a linear classifier of latents is right: learned from (m, d), tested on (n, d), each standardised."""
    centre, scale = train_means.mean(0, dtype=np.float64), train_means.std(0, dtype=np.float64)
    scale[scale == 0] = 1  # a dimension that never moves says nothing at any scale
    weights = logistic_regression((train_means - centre) / scale, train_labels)
    share = float((predicted((means - centre) / scale, weights) == labels).mean())
    meaning = (
        f"test images whose digit a linear classifier reads off the posterior mean; multinomial logistic regression on "
        f"{len(train_means):,} training images, {len(means):,} test images"
    )
    return Measurements({"probe_accuracy": Metric(value=share, unit="share", meaning=meaning)})


def logistic_regression(features: NDArray[np.float64], labels: IntArray) -> NDArray[np.float64]:
    """Weights (d + 1, 10) of the multinomial logistic regression of labels (n,) on features (n, d); the bias is last.

    Mean cross-entropy and half the decay times the squared weights, the bias free of decay; from zero, without draws.
    """
    inputs, targets = torch.from_numpy(_with_one(features)), torch.from_numpy(labels)
    weights = torch.zeros(inputs.shape[1], len(CLASSES), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights], max_iter=STEPS, tolerance_grad=1e-8, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        cross_entropy = torch.nn.functional.cross_entropy(inputs @ weights, targets)
        value = cross_entropy + DECAY / 2 * weights[:-1].square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return weights.detach().numpy()


def predicted(features: NDArray[np.float64], weights: NDArray[np.float64]) -> IntArray:
    """The likeliest label (n,) of features (n, d) under weights (d + 1, 10)."""
    labels: IntArray = (_with_one(features) @ weights).argmax(1)
    return labels


def _with_one(features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)
