"""How good a model is: figures on the test digits, each with its unit and what it means.

Nats are summed over dimensions and averaged over images; sums over images and draws are float64. Burda, Grosse &
Salakhutdinov 2016 for the importance-weighted bound and the active units.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from models.manifest import Metric
from training import data, fit
from training.data import Digits, Mnist, to_pixels
from training.journal import replace_file
from training.model import FloatArray, Model, of_torch
from training.objectives import (
    bernoulli_log_likelihood,
    gaussian_log_likelihood,
    importance_weighted_bound,
    kl_to_standard_normal,
    log_marginal,
)

SEED = 13126114  # of every draw below: the number of Kingma & Welling 2013 on arXiv
ROWS = 4096  # at once through the model: about 13 MB of logits
METRICS_FILE = "metrics.json"
NATS = "nats per image"


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


def binarised(pixels: FloatArray, seed: int) -> FloatArray:
    """One draw of every pixel as 0 or 1, 1 with the pixel's own value as its probability; same shape."""
    draw = np.random.Generator(np.random.Philox(seed)).random(pixels.shape, np.float32)
    return (draw < pixels).astype(np.float32)


def binary_sha256(binary: FloatArray) -> str:
    """Digest of binary images, packed eight pixels to a byte, the first in the highest bit."""
    return hashlib.sha256(np.packbits(binary.astype(bool)).tobytes()).hexdigest()


def reconstruction(model: Model, pixels: FloatArray, train_pixels: FloatArray) -> dict[str, Metric]:
    """Squared error of grey images decoded at their posterior mean, and its ratio to PCA of as many dimensions."""
    squared = 0.0
    for chunk in _chunks(len(pixels), ROWS, "reconstruction"):
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
    for chunk in _chunks(len(pixels), ROWS, "labels"):
        log_pz_y = model.density(model.encode(pixels[chunk])[0])
        right += int(((log_pz_y + log_weights).argmax(1) == labels[chunk]).sum())
    meaning = "test images whose likeliest label under p(label given z) at the posterior mean is the right one"
    metric = Metric(value=right / len(pixels), unit="share", meaning=f"{meaning}; {len(pixels):,} images")
    return {"label_accuracy": metric}


def lower_bound(model: Model, binary: FloatArray) -> dict[str, Metric]:
    """The negative evidence lower bound of binary images and its two terms, one draw of z an image.

    The prior is marginalised over labels. The bound under N(0, I) in its place has its KL in closed form.
    """
    random = np.random.Generator(np.random.Philox(SEED + 1))
    terms = []
    for chunk in _chunks(len(binary), ROWS, "lower bound"):
        images = binary[chunk]
        mean, log_var = model.encode(images)
        noise = random.standard_normal(mean.shape, np.float32)
        log_px_z, log_pz, log_qz = log_terms(model, images, mean, log_var, noise[:, None])
        normal_kl = kl_to_standard_normal(*map(torch.from_numpy, (mean, log_var))).numpy()
        terms.append(np.stack([log_px_z[:, 0], log_pz[:, 0], log_qz[:, 0], normal_kl]).astype(np.float64))
    log_px_z, log_pz, log_qz, normal_kl = np.concatenate(terms, 1)  # each (n,)
    about = f"{len(binary):,} test images binarised once with seed {SEED}, one draw of z each"

    def metric(values: NDArray[np.float64], meaning: str) -> Metric:
        return Metric(value=float(values.mean()), unit=NATS, meaning=f"{meaning}; {about}")

    return {
        "negative_elbo": metric(
            log_qz - log_pz - log_px_z,
            f"−ELBO, prior marginalised over labels; SHA-256 of the packed bits {binary_sha256(binary)}",
        ),
        "reconstruction": metric(-log_px_z, "−log p(x given z), the first term of negative_elbo"),
        "kl": metric(log_qz - log_pz, "log q(z given x) − log p(z), the second term of negative_elbo"),
        "negative_elbo_standard_normal": metric(
            normal_kl - log_px_z, "−ELBO with N(0, I) as the prior, its KL in closed form"
        ),
    }


def importance_weighted(model: Model, binary: FloatArray, images: int, draws: int) -> dict[str, Metric]:
    """The importance-weighted estimate of −log p(x) over evenly spread images, and −ELBO from the same draws."""
    every = max(1, len(binary) // images)
    binary = binary[::every][:images]
    random = np.random.Generator(np.random.Philox(SEED + 2))
    bounds, elbos = [], []
    for chunk in _chunks(len(binary), max(1, ROWS // draws), "importance weights"):
        mean, log_var = model.encode(binary[chunk])
        noise = random.standard_normal((len(mean), draws, model.latent_dim), np.float32)
        log_px_z, log_pz, log_qz = log_terms(model, binary[chunk], mean, log_var, noise)
        log_weights = log_px_z.astype(np.float64) + log_pz - log_qz  # (n, k)
        bounds.append(importance_weighted_bound(torch.from_numpy(log_weights.T)).numpy())
        elbos.append(log_weights.mean(1))
    bound, elbo = np.concatenate(bounds), np.concatenate(elbos)  # each (n,)
    about = f"{len(binary):,} evenly spread test images, {draws:,} draws of z each"
    name = f"nll_iw{draws}"
    error = float(bound.std(ddof=1) / np.sqrt(len(bound)))
    return {
        name: Metric(
            value=-float(bound.mean()),
            unit=NATS,
            meaning=f"importance-weighted upper bound on −log p(x), prior marginalised over labels; {about}",
        ),
        f"{name}_standard_error": Metric(value=error, unit=NATS, meaning=f"of {name}, over its images"),
        f"{name}_negative_elbo": Metric(
            value=-float(elbo.mean()), unit=NATS, meaning=f"−ELBO from the same images and draws as {name}"
        ),
    }


def log_terms(
    model: Model, images: FloatArray, mean: FloatArray, log_var: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """log p(x given z), log p(z) and log q(z given x) in nats, each (n, k), at k draws of z an image.

    images: (n, 1, 28, 28); mean, log_var: (n, d); noise: standard normal (n, k, d).
    log p(z) is marginalised over labels with the model's class weights.
    """
    n, draws, _ = noise.shape
    latents = mean[:, None] + np.exp(log_var / 2)[:, None] * noise  # (n, k, d)
    rows = latents.reshape(n * draws, -1)
    _, logits = model.decode(rows)
    pixels = torch.from_numpy(images).repeat_interleave(draws, 0)
    log_px_z = bernoulli_log_likelihood(pixels, torch.from_numpy(logits)).reshape(n, draws)
    weights = torch.tensor(model.class_weights)
    log_pz = log_marginal(torch.from_numpy(model.density(rows)), weights).reshape(n, draws)
    repeated = (torch.from_numpy(part).repeat_interleave(draws, 0) for part in (mean, log_var))
    log_qz = gaussian_log_likelihood(torch.from_numpy(rows), *repeated).reshape(n, draws)
    return log_px_z.numpy(), log_pz.numpy(), log_qz.numpy()


def active_units(model: Model, pixels: FloatArray) -> dict[str, Metric]:
    """Latent dimensions whose posterior mean varies over images by more than 0.01."""
    means = np.concatenate([model.encode(pixels[chunk])[0] for chunk in _chunks(len(pixels), ROWS, "active units")])
    active = int((means.var(0, dtype=np.float64) > 0.01).sum())
    meaning = (
        f"of {model.latent_dim} latent dimensions, those whose posterior mean varies over images by more than 0.01"
    )
    return {"active_units": Metric(value=active, unit="dimensions", meaning=meaning)}


def table(metrics: dict[str, Metric]) -> str:
    """Name, value to four significant digits and unit, one metric a line."""
    width = max(map(len, metrics))
    return "\n".join(f"{name:<{width}}  {metric.value:>10.4g}  {metric.unit}" for name, metric in metrics.items())


def _chunks(total: int, size: int, label: str) -> Iterator[slice]:
    """Slices of at most `size` rows, under a progress bar where somebody watches."""
    with tqdm(total=total, desc=label, unit="image", disable=None, leave=False) as bar:
        for start in range(0, total, size):
            stop = min(start + size, total)
            yield slice(start, stop)
            bar.update(stop - start)
