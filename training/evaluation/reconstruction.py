"""How near a digit comes back: grey test digits decoded at their posterior mean, no draw anywhere.

Wang, Bovik, Sheikh & Simoncelli 2004 (structural similarity).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.manifest import Metric
from training.data.mnist import CLASSES
from training.evaluation.metrics import Cell, Measurements, Table
from training.model.functions import FloatArray, IntArray, Model, chunks

WORST = 100
LEAST_MSE = 1e-10  # an image without error would have an infinite signal-to-noise ratio; this is 100 dB
# Of structural similarity, all as in the paper: a Gaussian window, and constants for ink from 0 to 1.
WINDOW, WINDOW_DEVIATION = 11, 1.5
C1, C2 = 0.01**2, 0.03**2

Float64Array = NDArray[np.float64]


def reconstruction(model: Model, pixels: FloatArray, labels: IntArray, train_pixels: FloatArray) -> Measurements:
    """Squared error, signal-to-noise ratio and structural similarity of test digits, by digit, and the worst of them.

    pixels, train_pixels: (n, 1, 28, 28) and (m, 1, 28, 28); labels: (n,). The training digits are for PCA alone.
    """
    images = rebuilt(model, pixels)
    mse, ssim = squared_errors(pixels, images), np.empty(len(pixels))
    psnr = -10 * np.log10(mse.clip(LEAST_MSE))
    for chunk in chunks(len(pixels), "structural similarity"):
        ssim[chunk] = structural_similarity(pixels[chunk, 0], images[chunk, 0])
    pca = pca_mse(train_pixels.reshape(len(train_pixels), -1), pixels.reshape(len(pixels), -1), model.latent_dim)
    about = f"grey test images decoded at their posterior mean, ink from 0 to 1; {len(pixels):,} images"
    metrics = {
        "reconstruction_mse": Metric(value=mse.mean(), unit="squared ink per pixel", meaning=about),
        "reconstruction_mse_over_pca": Metric(
            value=mse.mean() / pca,
            unit="ratio",
            meaning=f"reconstruction_mse over that of PCA with {model.latent_dim} components fitted on the "
            f"{len(train_pixels):,} training images, which is {pca:.4f}",
        ),
        "reconstruction_psnr": Metric(
            value=psnr.mean(),
            unit="dB",
            meaning=f"peak signal-to-noise ratio, peak 1: −10 log10 of each image's own squared error, at most "
            f"{-10 * np.log10(LEAST_MSE):.0f} dB, then the mean over images; {about}",
        ),
        "reconstruction_ssim": Metric(
            value=ssim.mean(),
            unit="of 1",
            meaning="structural similarity, 1 for equal images: Gaussian window of 11×11 and standard deviation 1.5, "
            f"K1 0.01, K2 0.03, range 1, mean over where the window fits in; {about}",
        ),
    }
    rows: list[tuple[Cell, ...]] = []
    for label, name in enumerate(CLASSES):
        own = labels == label
        if own.any():
            rows.append((name, int(own.sum()), *(float(values[own].mean()) for values in (mse, psnr, ssim))))
    order = np.argsort(-mse, kind="stable")[:WORST]
    by_digit = Table(
        f"mean squared error in squared ink per pixel, signal-to-noise ratio in dB and structural similarity; {about}",
        ("digit", "images", "mse", "psnr", "ssim"),
        tuple(rows),
    )
    worst = Table(
        f"the images with the largest squared error, their rows counted from 0 among those measured; {about}",
        ("row", "label", "mse"),
        tuple((int(row), int(labels[row]), float(mse[row])) for row in order),
    )
    return Measurements(metrics, {"reconstruction_by_digit": by_digit, "reconstruction_worst": worst})


def rebuilt(model: Model, pixels: FloatArray) -> FloatArray:
    """Images (n, 1, 28, 28) decoded at their posterior mean, same shape."""
    parts = [model.decode(model.encode(pixels[chunk])[0])[0] for chunk in chunks(len(pixels), "reconstruction")]
    return np.concatenate(parts)


def squared_errors(pixels: FloatArray, images: FloatArray) -> Float64Array:
    """Mean squared difference per pixel of each of two times n images (n, 1, 28, 28), float64 (n,)."""
    errors: Float64Array = np.square(pixels - images, dtype=np.float64).mean((1, 2, 3))
    return errors


def structural_similarity(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> Float64Array:
    """SSIM of each of two times n images (n, height, width) with ink from 0 to 1, float64 (n,). Wang et al., eq. 13."""
    x, y = first.astype(np.float64), second.astype(np.float64)
    rows, columns = _window(x.shape[1]), _window(x.shape[2])

    def local(values: Float64Array) -> Float64Array:
        """Weighted mean under the window, wherever it fits: (n, height − 10, width − 10)."""
        return rows @ values @ columns.T

    mean_x, mean_y = local(x), local(y)
    variances = local(x * x) - mean_x**2 + local(y * y) - mean_y**2
    covariance = local(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    similarity: Float64Array = (luminance * (2 * covariance + C2) / (variances + C2)).mean((1, 2))
    return similarity


def pca_mse(train: FloatArray, test: FloatArray, components: int) -> float:
    """Mean squared error per value of `test` (n, p) rebuilt from the leading principal components of `train` (m, p)."""
    mean = train.mean(0, dtype=np.float64)
    covariance = np.zeros((train.shape[1],) * 2)
    for start in range(0, len(train), 10_000):
        centred = train[start : start + 10_000] - mean
        covariance += centred.T @ centred
    # torch's, for it keeps to torch's number of threads: NumPy's takes 70 times as long where others share the cores
    axes = torch.linalg.eigh(torch.from_numpy(covariance))[1][:, -components:].numpy()  # (p, components), ascending
    centred = test - mean
    rest = centred - centred @ axes @ axes.T
    return float(np.square(rest).mean())


def _window(size: int) -> Float64Array:
    """The Gaussian window at every place where it fits, a place a row: (size − 10, size); rows sum to 1."""
    weights = np.exp(-0.5 * (np.arange(WINDOW) - WINDOW // 2) ** 2 / WINDOW_DEVIATION**2)
    places = size - WINDOW + 1
    band = np.zeros((places, size))
    for place in range(places):
        band[place, place : place + WINDOW] = weights / weights.sum()
    return band
