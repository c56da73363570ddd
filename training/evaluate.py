"""How good a model is: figures on the test digits, each with its unit and what it means.

Sums over images are float64. Those in nats are in likelihood.py. Burda, Grosse & Salakhutdinov 2016 (active units).
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.manifest import Metric
from training import data, fit
from training.autoencoder import ACTIVE_VARIANCE
from training.data import Digits, Mnist, to_pixels
from training.journal import replace_file
from training.likelihood import SEED, binarised, importance_weighted, lower_bound
from training.model import FloatArray, Model, chunks, of_torch

METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class Protocol:
    """How many test images are measured, spread evenly over the test set, and with how many draws.

    images: for all figures but the bound; bound_images and bound_draws: for the importance-weighted bound.
    """

    images: int = 10_000
    bound_images: int = 1_000
    bound_draws: int = 1_000


FULL = Protocol()
QUICK = Protocol(images=200, bound_images=20, bound_draws=10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training evaluate`."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="directory of a finished run")
    parser.add_argument("--data", type=Path, help="directory of the MNIST files (default: $MNIST_DIR, else ./data)")
    parser.add_argument("--quick", action="store_true", help="measure on few images; for trying things out")


def run(arguments: argparse.Namespace) -> str:
    """Measure a run, keep its figures in metrics.json beside it; returns them as a table. Raises TrainingError."""
    _, autoencoder, _ = fit.load_run(arguments.directory)
    metrics = measure(of_torch(autoencoder), data.load(arguments.data), QUICK if arguments.quick else FULL)
    content = json.dumps({name: metric.model_dump() for name, metric in metrics.items()}, indent=2, ensure_ascii=False)
    replace_file(arguments.directory / METRICS_FILE, lambda file: file.write(content.encode()))
    return table(metrics)


def measure(model: Model, mnist: Mnist, protocol: Protocol = FULL) -> dict[str, Metric]:
    """Every figure of a model by name: reconstruction and label accuracy, and for a VAE its likelihood."""
    test = strided(mnist.test, protocol.images)
    pixels = to_pixels(test.images).numpy()  # (n, 1, 28, 28)
    metrics = reconstruction(model, pixels, to_pixels(mnist.train.images).numpy())
    metrics |= label_accuracy(model, pixels, test.labels.numpy())
    if model.kind == "vae":
        binary = binarised(pixels, SEED)
        metrics |= lower_bound(model, binary)
        metrics |= importance_weighted(model, binary, protocol.bound_images, protocol.bound_draws)
        metrics |= active_units(model, pixels)
    return metrics


def strided(digits: Digits, count: int) -> Digits:
    """`count` of the digits at an even stride, beginning with the first; all of them where there are no more."""
    every = max(1, len(digits.labels) // count)
    return Digits(*(part[::every][:count] for part in digits))


def reconstruction(model: Model, pixels: FloatArray, train_pixels: FloatArray) -> dict[str, Metric]:
    """Squared error of grey images decoded at their posterior mean, and its ratio to PCA of as many dimensions."""
    squared = 0.0
    for chunk in chunks(len(pixels), "reconstruction"):
        image, _ = model.decode(model.encode(pixels[chunk])[0])
        squared += float(np.square(image - pixels[chunk], dtype=np.float64).sum())
    mse = squared / pixels.size
    pca = pca_mse(train_pixels.reshape(len(train_pixels), -1), pixels.reshape(len(pixels), -1), model.latent_dim)
    return {
        "reconstruction_mse": Metric(
            value=mse,
            unit="squared ink per pixel",
            meaning=f"grey test images decoded at their posterior mean, ink from 0 to 1; {len(pixels):,} images",
        ),
        "reconstruction_mse_over_pca": Metric(
            value=mse / pca,
            unit="ratio",
            meaning=f"reconstruction_mse over that of PCA with {model.latent_dim} components fitted on the "
            f"training images, which is {pca:.4f}",
        ),
    }


def pca_mse(train: FloatArray, test: FloatArray, components: int) -> float:
    """Mean squared error per value of `test` (n, p) rebuilt from the leading principal components of `train` (m, p)."""
    mean = train.mean(0, dtype=np.float64)
    covariance = np.zeros((train.shape[1],) * 2)
    for start in range(0, len(train), 10_000):
        centred = train[start : start + 10_000] - mean
        covariance += centred.T @ centred
    axes = np.linalg.eigh(covariance)[1][:, -components:]  # (p, components), eigenvalues ascend
    centred = test - mean
    rest = centred - centred @ axes @ axes.T
    return float(np.square(rest).mean())


def label_accuracy(model: Model, pixels: FloatArray, labels: NDArray[np.int64]) -> dict[str, Metric]:
    """How often the label of highest p(label given z) at the posterior mean is the right one."""
    right = 0
    log_weights = np.log(model.class_weights)
    for chunk in chunks(len(pixels), "labels"):
        log_pz_y = model.density(model.encode(pixels[chunk])[0])
        right += int(((log_pz_y + log_weights).argmax(1) == labels[chunk]).sum())
    meaning = "test images whose likeliest label under p(label given z) at the posterior mean is the right one"
    metric = Metric(value=right / len(pixels), unit="share", meaning=f"{meaning}; {len(pixels):,} images")
    return {"label_accuracy": metric}


def active_units(model: Model, pixels: FloatArray) -> dict[str, Metric]:
    """Latent dimensions whose posterior mean varies over images."""
    means = np.concatenate([model.encode(pixels[chunk])[0] for chunk in chunks(len(pixels), "active units")])
    active = int((means.var(0, dtype=np.float64) > ACTIVE_VARIANCE).sum())
    varying = f"whose posterior mean varies over images by more than {ACTIVE_VARIANCE}"
    meaning = f"of {model.latent_dim} latent dimensions, those {varying}"
    return {"active_units": Metric(value=active, unit="dimensions", meaning=meaning)}


def table(metrics: dict[str, Metric]) -> str:
    """Name, value to four significant digits and unit, one metric a line."""
    width = max(map(len, metrics))
    return "\n".join(f"{name:<{width}}  {metric.value:>10.4g}  {metric.unit}" for name, metric in metrics.items())
