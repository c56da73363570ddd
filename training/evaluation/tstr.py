"""Train on synthetic, test on real: whether samples can stand in for real digits.

Classifiers learn from samples alone and read the real test digits. Nothing is chosen on real digits: one network, one
schedule, no augmentation, no early stopping. The seed changes the first weights, the order of the rows, and the samples
themselves. Ravuri & Vinyals 2019 (classification accuracy score).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from models.manifest import Metric
from training.data.mnist import CLASSES, Digits, to_pixels
from training.evaluation.classifier import learn, new_network, through
from training.evaluation.metrics import Measurements, Table
from training.evaluation.protocol import Protocol, strided
from training.evaluation.samples import drawn
from training.model.functions import Model

SEED = 190510887  # of the first classifier, the next ones of the others: the number of Ravuri & Vinyals on arXiv
TEMPERATURES = {"": 1.0, "_t09": 0.9}  # by the end of the metric's name
FINE, COARSE = 24, 48  # channels of the classifier at 14×14 and at 7×7; 214,530 parameters


def tstr(model: Model, train: Digits, test: Digits, protocol: Protocol) -> Measurements:
    """Accuracy on test digits of classifiers of samples, by temperature, and of the same classifiers of real digits."""
    seeds = range(SEED, SEED + protocol.synthetic_seeds)
    count, epochs = protocol.synthetic_images, protocol.synthetic_epochs
    real = strided(train, count)
    right = {
        suffix: [read(synthetic(model, count, seed, temperature), test, epochs, seed) for seed in seeds]
        for suffix, temperature in TEMPERATURES.items()
    }
    right["_real"] = [read(real, test, epochs, seed) for seed in seeds]
    learned = {
        suffix: f"{count:,} samples at temperature {temperature}" for suffix, temperature in TEMPERATURES.items()
    }
    learned["_real"] = f"{len(real.labels):,} training digits"
    metrics: dict[str, Metric] = {}
    for suffix, reads in right.items():
        metrics |= accuracy(f"tstr_accuracy{suffix}", np.stack(reads), f"{learned[suffix]}, for {epochs} epochs")
    labels = test.labels.numpy()
    table = Table(
        meaning=f"share of test digits of each label read right, a mean over {len(seeds)} classifiers, by what they "
        "learned from",
        header=("label", *learned.values()),
        rows=tuple(
            (CLASSES[label], *(float(np.stack(reads)[:, labels == label].mean()) for reads in right.values()))
            for label in np.unique(labels)
        ),
    )
    return Measurements(metrics, {"tstr_by_digit": table})


def synthetic(model: Model, count: int, seed: int, temperature: float) -> Digits:
    """Samples as digits of 256 greys, decoder means, each label as often as any other."""
    images, labels = drawn(model, count, seed, temperature)
    greys = torch.from_numpy(images[:, 0]).mul(255).round().to(torch.uint8)  # (n, 28, 28)
    return Digits(greys, torch.from_numpy(labels))


def read(digits: Digits, test: Digits, epochs: int, seed: int) -> NDArray[np.bool_]:
    """Which test digits (n,) a classifier reads right that learned from `digits` alone."""
    network = new_network(FINE, COARSE, seed)
    learn(network, digits, epochs, seed)
    right: NDArray[np.bool_] = through(network, to_pixels(test.images).numpy()).argmax(1) == test.labels.numpy()
    return right


def accuracy(name: str, right: NDArray[np.bool_], learned: str) -> dict[str, Metric]:
    """Mean over classifiers of right (classifiers, n), and where there are several, their standard deviation."""
    shares = right.mean(1)
    seeds = f"{len(shares)} classifiers, seeds from {SEED}" if len(shares) > 1 else f"one classifier, seed {SEED}"
    meaning = f"{right.shape[1]:,} test digits read right by a small classifier that learned from {learned}; {seeds}"
    metrics = {name: Metric(value=shares.mean(), unit="share", meaning=meaning)}
    if len(shares) > 1:
        deviation = f"standard deviation of {name} over its classifiers"
        metrics[f"{name}_sd"] = Metric(value=shares.std(ddof=1), unit="share", meaning=deviation)
    return metrics
