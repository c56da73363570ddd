"""How the scores of test digits are spread, so that the service can say how unusual the score of another image is.

Scored as the service scores a grey image: at the posterior mean, by the expected log-likelihood under binarisation.
"""

import numpy as np
from numpy.typing import NDArray

from models.manifest import Calibration, ScoreName
from training.model.functions import FloatArray, Model, chunks
from training.model.objectives import LOG_TWO_PI

Float64Array = NDArray[np.float64]


def calibration(model: Model, pixels: FloatArray) -> Calibration:
    """The 0th, 1st, … 100th percentile of each score over grey digits (n, 1, 28, 28)."""
    parts = [scores(model, pixels[chunk]) for chunk in chunks(len(pixels), "calibration")]
    spread = {
        name: tuple(np.percentile(np.concatenate([part[name] for part in parts]), range(101)).tolist())
        for name in parts[0]
    }
    return Calibration(images=len(pixels), scores=spread)


def scores(model: Model, pixels: FloatArray) -> dict[ScoreName, Float64Array]:
    """Each score of grey images (n, 1, 28, 28), float64 (n,): nats, and mse in squared ink per pixel.

    elbo = log_likelihood − kl, and kl = log q(z given x) − log p(z), at z the posterior mean; a VAE's only.
    """
    mean, log_var = model.encode(pixels)
    images, logits = model.decode(mean)
    mse = np.square(np.subtract(images, pixels, dtype=np.float64)).mean((1, 2, 3))
    if log_var is None or logits is None:
        return {"mse": mse}
    logits = logits.astype(np.float64)
    log_likelihood = (pixels * logits - np.logaddexp(0.0, logits)).sum((1, 2, 3))
    log_qz = -0.5 * (LOG_TWO_PI + log_var.astype(np.float64)).sum(1)  # the deviation from the mean is none
    joint = model.density(mean).astype(np.float64) + np.log(model.class_weights)  # (n, classes)
    kl = log_qz - np.logaddexp.reduce(joint, axis=1)
    return {"elbo": log_likelihood - kl, "log_likelihood": log_likelihood, "kl": kl, "mse": mse}
