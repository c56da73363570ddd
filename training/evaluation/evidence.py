"""log p(x given z), log p(z) and log q(z given x) at draws of z from the posterior, and what is made of their weights.

In nats, through the four functions of a model. Burda, Grosse & Salakhutdinov 2016.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch users expect)
from numpy.typing import NDArray

from training.model.functions import FloatArray, Model, chunks
from training.model.objectives import LOG_TWO_PI, importance_weighted_bound

Float64Array = NDArray[np.float64]


class Terms(NamedTuple):
    """At k draws of z an image, in nats: log p(x given z) (n, k), log p(z given label) (n, k, classes) and
    log q(z given x) (n, k)."""

    log_px_z: Float64Array
    log_pz_y: Float64Array
    log_qz: Float64Array

    def log_pz(self, class_weights: tuple[float, ...]) -> Float64Array:
        """log p(z), marginalised over labels: (n, k)."""
        return log_sum_exp(self.log_pz_y + np.log(class_weights))


def one_draw(model: Model, binary: FloatArray, seed: int) -> tuple[FloatArray, FloatArray, FloatArray, Terms]:
    """Posterior mean and log-variance, standard normal noise, each (n, d), and the terms at the one draw they make."""
    random = np.random.Generator(np.random.Philox(seed))
    parts = []
    for chunk in chunks(len(binary), "lower bound"):
        mean, log_var = _posterior(model, binary[chunk])
        noise = random.standard_normal(mean.shape, np.float32)
        parts.append((mean, log_var, noise, *log_terms(model, binary[chunk], mean, log_var, noise[:, None])))
    mean, log_var, noise, *terms = map(np.concatenate, zip(*parts, strict=True))
    return mean, log_var, noise, Terms(*terms)


def log_weights(model: Model, binary: FloatArray, draws: int, seed: int) -> Float64Array:
    """log p(x, z) − log q(z given x) at so many draws of z an image: (n, draws)."""
    random = np.random.Generator(np.random.Philox(seed))
    weights = np.empty((len(binary), draws))
    for chunk in chunks(len(binary), "importance weights", draws):
        mean, log_var = _posterior(model, binary[chunk])
        noise = random.standard_normal((len(mean), draws, model.latent_dim), np.float32)
        terms = log_terms(model, binary[chunk], mean, log_var, noise)
        weights[chunk] = terms.log_px_z + terms.log_pz(model.class_weights) - terms.log_qz
    return weights


def log_terms(model: Model, images: FloatArray, mean: FloatArray, log_var: FloatArray, noise: FloatArray) -> Terms:
    """The terms of the bound at z = mean + exp(log_var / 2) · noise.

    images: (n, 1, 28, 28); mean, log_var: (n, d); noise: standard normal (n, k, d).
    """
    n, draws, latent_dim = noise.shape
    latents = mean[:, None] + np.exp(log_var / np.float32(2))[:, None] * noise  # (n, k, d)
    latents = latents.reshape(-1, latent_dim)  # (n k, d)
    logits = torch.from_numpy(model.decode(latents)[1]).reshape(n, draws, -1)
    # Σ x·logit − softplus(logit): the images are not repeated k times, which halves the time beside the graphs.
    ink = torch.bmm(logits, torch.from_numpy(images).reshape(n, -1, 1))[:, :, 0]
    log_px_z = (ink - F.softplus(logits).sum(2)).double().numpy()  # (n, k)
    log_pz_y = model.density(latents).reshape(n, draws, -1).astype(np.float64)
    squares = np.square(noise, dtype=np.float64).sum(2) + log_var.sum(1, dtype=np.float64)[:, None]
    return Terms(log_px_z, log_pz_y, -(latent_dim * LOG_TWO_PI + squares) / 2)


def log_aggregate(mean: FloatArray, log_var: FloatArray, noise: FloatArray) -> Float64Array:
    """log q(z) at the draw that each image's noise makes: q(z) is the mean of all n posteriors. All (n, d) → (n,)."""
    mean, log_var = mean.astype(np.float64), log_var.astype(np.float64)
    latents = mean + np.exp(log_var / 2) * noise
    precision = np.exp(-log_var)
    # −2 log q(z given x) = Σ z²/σ² − 2 z·μ/σ² + (μ²/σ² + log σ² + log 2π), one matrix product for all pairs
    factors = np.concatenate([precision, -2 * mean * precision], 1).T  # (2d, n)
    constant = (np.square(mean) * precision + log_var + LOG_TWO_PI).sum(1)  # (n,)
    values = np.empty(len(mean))
    for chunk in chunks(len(mean), "aggregate posterior", draws=16):  # 256 × 10,000 float64: 20 MB
        pairs = np.concatenate([np.square(latents[chunk]), latents[chunk]], 1) @ factors + constant
        values[chunk] = log_sum_exp(-pairs / 2) - math.log(len(mean))
    return values


def bound(log_weights: Float64Array) -> Float64Array:
    """log of the mean of k importance weights, over the last axis: (…, k) → (…)."""
    return importance_weighted_bound(torch.from_numpy(log_weights).movedim(-1, 0)).numpy()


def effective_draws(log_weights: Float64Array) -> Float64Array:
    """1/Σw² of k weights scaled to sum to 1, over the last axis: from 1, where one has all the weight, to k."""
    return np.exp(2 * log_sum_exp(log_weights) - log_sum_exp(2 * log_weights))


def log_sum_exp(values: Float64Array) -> Float64Array:
    """log Σ exp over the last axis: (…, k) → (…)."""
    return torch.logsumexp(torch.from_numpy(values), -1).numpy()


def _posterior(model: Model, binary: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and log-variance, each (n, d), of a VAE's posterior."""
    mean, log_var = model.encode(binary)
    assert log_var is not None
    return mean, log_var
