"""How well a model explains an image: error and likelihood figures from the graphs' outputs, and their places.

Nats, summed over dimensions, in float64. Arrays in, arrays out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

_PERCENTS = np.arange(101.0)  # of a calibration's values


@dataclass(frozen=True)
class Scores:
    """ELBO and its two terms at the decoded latent, nats per image, float64 (n,): elbo = log_likelihood − kl.

    At a draw from the posterior each is an unbiased estimate. At the mean (no draw) both terms lie
    several nats above their averages, up to about latent_dim / 2, which cancels in the ELBO to second order.
    """

    elbo: Float64Array
    log_likelihood: Float64Array
    kl: Float64Array


def scores(
    images: FloatArray,
    logits: FloatArray,
    latents: FloatArray,
    mean: FloatArray,
    log_var: FloatArray,
    log_pz: Float64Array,
) -> Scores:
    """images, logits: (n, 1, 28, 28); latents, and their posterior's mean and log_var: (n, d); log_pz: (n,).

    A grey image is scored by its expected log-likelihood under binarisation, which is linear in the pixels and so
    exact.
    """
    log_likelihood = _bernoulli_log_likelihood(images, logits)
    kl = _gaussian_log_density(latents, mean, log_var) - log_pz
    return Scores(log_likelihood - kl, log_likelihood, kl)


def squared_error(images: FloatArray, reconstructions: FloatArray) -> Float64Array:
    """Mean over the pixels of (n, 1, 28, 28): (n,)."""
    error: Float64Array = np.square(np.subtract(reconstructions, images, dtype=np.float64)).mean(axis=(1, 2, 3))
    return error


def percentiles(found: Mapping[str, Float64Array], calibration: Mapping[str, Float64Array]) -> dict[str, Float64Array]:
    """Per cent of the calibration's digits that score lower, by the score's name: (n,) each, linear between values.

    calibration: percentiles 0 … 100 (101,) of each score.
    """
    return {name: np.interp(values, calibration[name], _PERCENTS) for name, values in found.items()}


def log_sum_exp(joint: Float64Array) -> Float64Array:
    """log Σ exp over the classes: (n, classes) → (n,)."""
    most = joint.max(axis=1)
    total: Float64Array = most + np.log(np.exp(joint - most[:, np.newaxis]).sum(axis=1))
    return total


def _bernoulli_log_likelihood(images: FloatArray, logits: FloatArray) -> Float64Array:
    """Σ x·logit − log(1 + exp(logit)) over pixels: (n,)."""
    logits64 = logits.astype(np.float64)
    total: Float64Array = (images * logits64 - np.logaddexp(0.0, logits64)).sum(axis=(1, 2, 3))
    return total


def _gaussian_log_density(values: FloatArray, mean: FloatArray, log_var: FloatArray) -> Float64Array:
    """log N(values; mean, exp(log_var)), summed over dimensions: (n,)."""
    deviation = np.subtract(values, mean, dtype=np.float64)
    terms = math.log(2 * math.pi) + log_var + np.square(deviation) * np.exp(-log_var.astype(np.float64))
    total: Float64Array = -0.5 * terms.sum(axis=1)
    return total
