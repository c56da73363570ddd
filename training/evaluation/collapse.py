"""A model that has collapsed must not be shipped: one whose latent says nothing, or whose samples are all one digit.

Bowman et al. 2016, Burda, Grosse & Salakhutdinov 2016 on latents that a strong decoder learns to ignore.
"""

from collections.abc import Mapping

import numpy as np

from models.manifest import Metric
from training.errors import CollapseError
from training.evaluation.latents import posterior_means
from training.evaluation.metrics import Measurements
from training.model.functions import FloatArray, Model, chunks

LEAST_KL = 5.0  # nats; the models here have 20 to 30
LEAST_ACTIVE = 0.5  # of the latent dimensions
LEAST_SHUFFLED = 20.0  # nats; the models here lose hundreds
LEAST_SHUFFLED_RATIO = 2.0  # of squared errors
LEAST_CLASS_ENTROPY = 2.2  # nats, of at most ln 10 = 2.303


def shuffled(model: Model, pixels: FloatArray) -> Measurements:
    """How much worse grey digits (n, 1, 28, 28) are reconstructed from the latent of the digit before."""
    latents = posterior_means(model, pixels)
    own = foreign = 0.0
    for chunk in chunks(len(pixels), "shuffled latents"):
        own += _loss(model, pixels[chunk], latents[chunk])
        foreign += _loss(model, pixels[chunk], np.roll(latents, 1, axis=0)[chunk])
    about = f"decoded at the posterior mean of the digit before instead of their own; {len(pixels):,} images"
    if model.kind == "ae":
        meaning = f"squared error of grey test images {about}: over reconstruction_mse"
        return Measurements({"shuffled_mse_ratio": Metric(value=foreign / own, unit="ratio", meaning=meaning)})
    meaning = f"what the expected log p(x given z) of grey test images loses when they are {about}"
    loss = (foreign - own) / len(pixels)
    return Measurements({"shuffled_reconstruction": Metric(value=loss, unit="nats per image", meaning=meaning)})


def check(metrics: Mapping[str, Metric], latent_dim: int) -> None:
    """Raises CollapseError, which names them, if figures that are there show a collapse."""
    bounds = {
        "kl": LEAST_KL,
        "active_units": LEAST_ACTIVE * latent_dim,
        "shuffled_reconstruction": LEAST_SHUFFLED,
        "shuffled_mse_ratio": LEAST_SHUFFLED_RATIO,
        "sample_class_entropy": LEAST_CLASS_ENTROPY,
    }
    low = [
        f"{name} is {metrics[name].value:.4g} {metrics[name].unit}, at least {least:g} is needed"
        for name, least in bounds.items()
        if name in metrics and not metrics[name].value >= least
    ]
    if low:
        raise CollapseError(f"the model has collapsed: {'; '.join(low)}")


def _loss(model: Model, pixels: FloatArray, latents: FloatArray) -> float:
    """Sum over images: −log p(x given z) of a VAE, squared error of an autoencoder."""
    images, logits = model.decode(latents)
    if logits is None:
        return float(np.square(np.subtract(images, pixels, dtype=np.float64)).sum())
    return float(np.sum(np.logaddexp(0, logits) - pixels * logits, dtype=np.float64))
