"""The evidence lower bound and its parts, as pure functions on tensors.

Everything is in nats, summed over dimensions, one value per image. Nothing here knows of networks.
Kingma & Welling 2013 (ELBO), Burda et al. 2015 (importance-weighted bound).
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch users expect)
from torch import Tensor

LOG_TWO_PI = math.log(2 * math.pi)


def bernoulli_log_likelihood(pixels: Tensor, logits: Tensor) -> Tensor:
    """log p(x given z) of independent Bernoulli pixels, (n,).

    pixels, logits: (n, ...) of one shape; pixels in {0, 1}. It is linear in the pixels, so for a grey image in [0, 1]
    it is the exact expectation under binarisation.
    """
    return -F.binary_cross_entropy_with_logits(logits, pixels, reduction="none").flatten(1).sum(1)


def gaussian_log_likelihood(values: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Log density of a diagonal Gaussian at `values`, (n,). All arguments (n, ...), broadcast together."""
    log_density = -0.5 * (LOG_TWO_PI + log_var + (values - mean).square() * torch.exp(-log_var))
    return log_density.flatten(1).sum(1)


def kl_to_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) ‖ N(0, I)) in closed form, (n,). mean, log_var: (n, d). Kingma & Welling, app. B."""
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)


def kl_by_draw(log_qz: Tensor, log_pz: Tensor) -> Tensor:
    """One-draw estimate of KL(q ‖ p) from both log densities at a draw of q. Unbiased; may be negative for one draw."""
    return log_qz - log_pz


def elbo(log_px_z: Tensor, kl: Tensor, kl_weight: float = 1.0) -> Tensor:
    """Evidence lower bound, log p(x given z) − kl_weight · KL, (n,). Below log p(x) in expectation if kl_weight ≥ 1."""
    return log_px_z - kl_weight * kl


def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """log of the mean of k importance weights p(x, z)/q(z given x), (n,). log_weights: (k, n).

    k = 1 is the ELBO; it rises to log p(x) with k. Accumulated in float64. Burda et al. 2015, eq. 8.
    """
    return torch.logsumexp(log_weights.double(), dim=0) - math.log(len(log_weights))
