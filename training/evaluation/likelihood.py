"""What a VAE's likelihood is worth on binarised digits: the lower bound and its terms, the importance-weighted bound.

Everything in nats, summed over dimensions, averaged over images in float64. Burda, Grosse & Salakhutdinov 2016 (bound);
Hoffman & Johnson 2016 (the divergence cut in two).
"""

import hashlib
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.manifest import Metric
from training.evaluation.evidence import Float64Array, bound, effective_draws, log_aggregate, log_weights, one_draw
from training.evaluation.metrics import Measurements, Table
from training.model.functions import FloatArray, IntArray, Model
from training.model.objectives import kl_to_standard_normal

SEED = 13126114  # of the binarised test digits: the number of Kingma & Welling 2013 on arXiv; the other draws follow it
TEST_DRAW, CURVE_DRAW, BOUND_DRAW, TRAIN_PIXELS, TRAIN_DRAW = range(SEED + 1, SEED + 6)
NATS = "nats per image"


def binarised(pixels: FloatArray, seed: int) -> FloatArray:
    """One draw of every pixel as 0 or 1, 1 with the pixel's own value as its probability; same shape."""
    draw = np.random.Generator(np.random.Philox(seed)).random(pixels.shape, np.float32)
    return (draw < pixels).astype(np.float32)


def binary_sha256(binary: FloatArray) -> str:
    """Digest of binary images, packed eight pixels to a byte, the first in the highest bit."""
    return hashlib.sha256(np.packbits(binary.astype(bool)).tobytes()).hexdigest()


def lower_bound(model: Model, pixels: FloatArray, labels: IntArray) -> Measurements:
    """The negative evidence lower bound of test digits (n, 1, 28, 28), binarised here, and what it is made of.

    One draw of z an image. labels (n,): for the bound given the label.
    """
    binary = binarised(pixels, SEED)
    mean, log_var, noise, terms = one_draw(model, binary, TEST_DRAW)
    log_px_z, log_qz, log_pz = terms.log_px_z[:, 0], terms.log_qz[:, 0], terms.log_pz(model.class_weights)[:, 0]
    own_label = terms.log_pz_y[np.arange(len(labels)), 0, labels]
    normal_kl = kl_to_standard_normal(*map(torch.from_numpy, (mean, log_var))).numpy()
    information = log_qz - log_aggregate(mean, log_var, noise)
    about = f"{len(binary):,} test images binarised once with seed {SEED}, one draw of z each"
    label_nats = math.log(len(model.class_weights))

    def metric(values: NDArray[Any], meaning: str) -> Metric:
        return Metric(value=float(values.mean(dtype=np.float64)), unit=NATS, meaning=f"{meaning}; {about}")

    return Measurements(
        {
            "negative_elbo": metric(
                log_qz - log_pz - log_px_z,
                f"−ELBO, prior marginalised over labels; SHA-256 of the packed bits {binary_sha256(binary)}",
            ),
            "reconstruction": metric(
                -log_px_z, "−log p(x given z), the first term of negative_elbo; see binarisation_entropy"
            ),
            "kl": metric(log_qz - log_pz, "log q(z given x) − log p(z), the second term of negative_elbo"),
            "mutual_information": metric(
                information,
                "first part of kl: I(x; z) = log q(z given x) − log q(z), q(z) the mean of the posteriors of these "
                f"images, each image's own among them, so that it can't exceed ln {len(binary):,} = "
                f"{math.log(len(binary)):.2f} and is too low where it comes near",
            ),
            "marginal_kl": metric(
                log_qz - log_pz - information,
                "second part of kl: KL(q(z) ‖ p(z)) = log q(z) − log p(z), too high by what mutual_information is too "
                "low",
            ),
            "negative_elbo_standard_normal": metric(
                normal_kl - log_px_z, "−ELBO with N(0, I) as the prior, its KL in closed form"
            ),
            "negative_elbo_given_label": metric(
                log_qz - own_label - log_px_z,
                f"−ELBO with p(z given the image's own label) as the prior: being told the label flatters it by up to "
                f"{label_nats:.2f} nats, and it compares with no figure of a model that is not told",
            ),
            "binarisation_entropy": Metric(
                value=binarisation_entropy(pixels),
                unit=NATS,
                meaning="entropy of the binarisation of grey test images, summed over pixels: no model's doing. What "
                "reconstruction and the NLL exceed it by is easier to compare than they are, but it bounds neither; "
                f"{len(pixels):,} images",
            ),
        }
    )


def train_bound(model: Model, pixels: FloatArray) -> Measurements:
    """The negative evidence lower bound of training digits (n, 1, 28, 28): what negative_elbo exceeds it by shows
    how much was learned by heart."""
    terms = one_draw(model, binarised(pixels, TRAIN_PIXELS), TRAIN_DRAW)[3]
    values = terms.log_qz - terms.log_pz(model.class_weights) - terms.log_px_z
    metric = Metric(
        value=float(values.mean()),
        unit=NATS,
        meaning="as negative_elbo, of training images: the gap between the two shows overfitting; "
        f"{len(pixels):,} evenly spread training images binarised once with seed {TRAIN_PIXELS}, one draw of z each",
    )
    return Measurements({"negative_elbo_train": metric})


def importance_weighted(model: Model, binary: FloatArray, draws: int) -> Measurements:
    """The importance-weighted bound on −log p(x) of binary images and its standard error."""
    bounds = bound(log_weights(model, binary, draws, BOUND_DRAW))
    return Measurements(
        _bound_metrics(f"nll_iw{draws}", bounds, f"{len(binary):,} test images, {draws:,} draws of z each")
    )


def curve(model: Model, binary: FloatArray, draws: int) -> Measurements:
    """The importance-weighted bound of binary images at 1, 10, 100, … draws, all of them shares of the same draws.

    The figure at all draws has −ELBO of the same draws beside it, which shows whether these images are easy ones.
    """
    weights = log_weights(model, binary, draws, CURVE_DRAW)  # (n, draws)
    rows, counts = [], [k for k in (10**power for power in range(9)) if k < draws]
    for k in (*counts, draws):
        groups = weights[:, : draws // k * k].reshape(len(weights), -1, k)  # (n, groups, k)
        bounds = -bound(groups).mean(1)  # (n,)
        rows.append((k, float(bounds.mean()), standard_error(bounds), float(effective_draws(groups).mean())))
    about = f"{len(binary):,} evenly spread test images, {draws:,} draws of z each"
    name = f"nll_iw{draws}"
    same = Metric(value=-float(weights.mean()), unit=NATS, meaning=f"−ELBO from the same images and draws as {name}")
    table = Table(
        "Importance-weighted bound on −log p(x) by its number of draws k, in nats per image, the standard error over "
        "images, and the effective number of draws, 1/Σw² of weights that sum to 1, of k: a bound that still falls at "
        f"the end, or few effective draws, say that it is not tight; {about}, in disjoint groups of k",
        ("k", "bound", "standard error", "effective draws"),
        tuple(rows),
    )
    metrics = _bound_metrics(name, bound(weights), about) | {f"{name}_negative_elbo": same}
    return Measurements(metrics, {"nll_curve": table})


def binarisation_entropy(pixels: FloatArray) -> float:
    """Entropy of the binarisation of grey images (n, …), in nats, summed over pixels, the mean over images."""
    ink = np.clip(pixels.astype(np.float64), 1e-300, 1)  # 0 · log 0 is 0
    paper = np.clip(1 - ink, 1e-300, 1)
    return float(-(ink * np.log(ink) + paper * np.log(paper)).sum() / len(pixels))


def standard_error(values: Float64Array) -> float:
    """Of the mean of values (n,)."""
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _bound_metrics(name: str, bounds: Float64Array, about: str) -> dict[str, Metric]:
    meaning = f"importance-weighted upper bound on −log p(x), prior marginalised over labels; {about}"
    error = f"of {name}, over its images"
    return {
        name: Metric(value=-float(bounds.mean()), unit=NATS, meaning=meaning),
        f"{name}_standard_error": Metric(value=standard_error(bounds), unit=NATS, meaning=error),
    }
