"""What a VAE's likelihood is worth on the test digits: the lower bound, its terms, and the importance-weighted bound.

Everything in nats, summed over dimensions, averaged over images in float64. Burda, Grosse & Salakhutdinov 2016.
"""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

from models.manifest import Metric
from training.model import FloatArray, Model, chunks
from training.objectives import (
    bernoulli_log_likelihood,
    gaussian_log_likelihood,
    importance_weighted_bound,
    kl_to_standard_normal,
    log_marginal,
)

SEED = 13126114  # of every draw below: the number of Kingma & Welling 2013 on arXiv
NATS = "nats per image"


def binarised(pixels: FloatArray, seed: int) -> FloatArray:
    """One draw of every pixel as 0 or 1, 1 with the pixel's own value as its probability; same shape."""
    draw = np.random.Generator(np.random.Philox(seed)).random(pixels.shape, np.float32)
    return (draw < pixels).astype(np.float32)


def binary_sha256(binary: FloatArray) -> str:
    """Digest of binary images, packed eight pixels to a byte, the first in the highest bit."""
    return hashlib.sha256(np.packbits(binary.astype(bool)).tobytes()).hexdigest()


def lower_bound(model: Model, binary: FloatArray) -> dict[str, Metric]:
    """The negative evidence lower bound of binary images and its two terms, one draw of z an image.

    The prior is marginalised over labels. The bound under N(0, I) in its place has its KL in closed form.
    """
    random = np.random.Generator(np.random.Philox(SEED + 1))
    terms = []
    for chunk in chunks(len(binary), "lower bound"):
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
    for chunk in chunks(len(binary), "importance weights", draws):
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
