"""Priors over latents, conditional on the label: a RealNVP flow, and the standard normal as its simplest case.

Both map noise to latents (`latent`) and tell the density of latents (`log_prob`), in nats. Neither draws noise.
Dinh et al. 2017 (RealNVP); Xu et al. 2019 (as the prior of a VAE).
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from training.model.objectives import gaussian_log_likelihood

# exp(±2) bounds one coupling's stretch of a dimension; unbounded scales make flows diverge early in training.
LOG_SCALE_BOUND = 2.0
PERMUTATION_SEED = 20170512  # fixes the halves, so that a flow's shape says all of its structure


class Coupling(nn.Module):
    """Moves the dimensions outside `kept` by a scale and a shift that depend on those inside it and on the label."""

    kept: Tensor

    def __init__(self, kept: Tensor, classes: int, width: int) -> None:
        """kept: (d,) of 1 for dimensions that pass unchanged and 0 for those moved. classes: 0 to see no label."""
        super().__init__()
        latent_dim = len(kept)
        self.register_buffer("kept", kept)
        self.enter = nn.Linear(latent_dim, width)
        self.label = nn.Embedding(classes, width) if classes else None
        self.hidden = nn.Linear(width, width)
        self.leave = nn.Linear(width, 2 * latent_dim)
        if self.label is not None:
            nn.init.zeros_(self.label.weight)
        nn.init.zeros_(self.leave.weight)  # with a zero last layer a new flow is the identity
        nn.init.zeros_(self.leave.bias)

    def _scale_and_shift(self, z: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Log-scale and shift, each (..., d), zero where kept. z: (..., d); label: int64, broadcastable to (...)."""
        entered = self.enter(z * self.kept)
        hidden = nn.functional.silu(entered if self.label is None else entered + self.label(label))  # (..., width)
        hidden = nn.functional.silu(self.hidden(hidden))
        log_scale, shift = self.leave(hidden).chunk(2, dim=-1)
        moved = 1 - self.kept
        return LOG_SCALE_BOUND * torch.tanh(log_scale / 2) * moved, shift * moved

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        log_scale, shift = self._scale_and_shift(z, label)
        return z * torch.exp(log_scale) + shift

    def inverse(self, z: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Undo `forward`. Returns the input (..., d) and log |det| of this inverse (...)."""
        log_scale, shift = self._scale_and_shift(z, label)
        return (z - shift) * torch.exp(-log_scale), -log_scale.sum(-1)


class ConditionalFlow(nn.Module):
    """Label-conditional RealNVP: noise → per-label Gaussian → couplings → the latents' own mean and scale."""

    latent_mean: Tensor
    latent_scale: Tensor

    def __init__(
        self, latent_dim: int, classes: int, couplings: int, width: int, label_couplings: int | None = None
    ) -> None:
        """label_couplings: how many, counted from the noise, see the label; all by default.

        What sees no label is computed once for all labels in `log_prob`, which costs in proportion.
        """
        super().__init__()
        self.latent_dim, self.classes = latent_dim, classes
        seeing = couplings if label_couplings is None else label_couplings
        self.base_mean = nn.Embedding(classes, latent_dim)
        self.base_log_scale = nn.Embedding(classes, latent_dim)
        nn.init.zeros_(self.base_mean.weight)
        nn.init.zeros_(self.base_log_scale.weight)
        halves = _halves(latent_dim, couplings)
        self.couplings = nn.ModuleList(
            Coupling(kept, classes if number < seeing else 0, width) for number, kept in enumerate(halves)
        )
        self.register_buffer("latent_mean", torch.zeros(latent_dim))
        self.register_buffer("latent_scale", torch.ones(latent_dim))

    def standardise(self, mean: Tensor, scale: Tensor) -> None:
        """Set the outermost map, so that the couplings see latents of mean 0 and scale 1. mean, scale: (d,)."""
        self.latent_mean.copy_(mean)
        self.latent_scale.copy_(scale)

    def latent(self, noise: Tensor, label: Tensor) -> Tensor:
        """Latents (n, d) that standard normal noise (n, d) becomes under each row's label, int64 (n,)."""
        z: Tensor = self.base_mean(label) + torch.exp(self.base_log_scale(label)) * noise  # (n, d)
        for coupling in self.couplings:
            z = coupling(z, label)
        return self.latent_mean + self.latent_scale * z

    def log_prob(self, latents: Tensor) -> Tensor:
        """log p(z given y) of latents (n, d) for every label y, (n, classes)."""
        labels = torch.arange(self.classes, device=latents.device)
        return self._log_prob(latents.unsqueeze(1), labels)  # (n, 1, d) against (classes,)

    def log_prob_given(self, latents: Tensor, label: Tensor) -> Tensor:
        """log p(z given y) of latents (n, d) at their own label, int64 (n,). Returns (n,)."""
        return self._log_prob(latents, label)

    def _log_prob(self, latents: Tensor, label: Tensor) -> Tensor:
        z = (latents - self.latent_mean) / self.latent_scale
        log_det = -self.latent_scale.log().sum()
        for coupling in reversed(cast(Sequence[Coupling], self.couplings)):
            z, inverse_log_det = coupling.inverse(z, label)
            log_det = log_det + inverse_log_det
        mean, log_var = self.base_mean(label), 2 * self.base_log_scale(label)  # (n, d) or (classes, d)
        z, mean, log_var = torch.broadcast_tensors(z, mean, log_var)
        rows = (values.reshape(-1, self.latent_dim) for values in (z, mean, log_var))
        return gaussian_log_likelihood(*rows).reshape(z.shape[:-1]) + log_det


class StandardNormal(nn.Module):
    """N(0, I) whatever the label: the flow without any map."""

    def __init__(self, latent_dim: int, classes: int) -> None:
        super().__init__()
        self.latent_dim, self.classes = latent_dim, classes

    def latent(self, noise: Tensor, label: Tensor) -> Tensor:
        """The noise (n, d) itself; label, int64 (n,), changes nothing."""
        return noise + 0 * label.unsqueeze(1).to(noise.dtype)  # keeps `label` an input of the exported graph

    def log_prob(self, latents: Tensor) -> Tensor:
        """log p(z given y), one value for all labels, (n, classes). latents: (n, d)."""
        return self._log_prob(latents).unsqueeze(1).expand(-1, self.classes)

    def log_prob_given(self, latents: Tensor, label: Tensor) -> Tensor:
        """log p(z) of latents (n, d), (n,)."""
        return self._log_prob(latents)

    def _log_prob(self, latents: Tensor) -> Tensor:
        zero = torch.zeros_like(latents)
        return gaussian_log_likelihood(latents, zero, zero)


LabelPrior = ConditionalFlow | StandardNormal


def _halves(latent_dim: int, couplings: int) -> list[Tensor]:
    """Which half each coupling keeps, (d,) of 0 and 1. Each pair of couplings shuffles anew and moves both halves."""
    generator = torch.Generator().manual_seed(PERMUTATION_SEED)
    halves: list[Tensor] = []
    while len(halves) < couplings:
        kept = torch.zeros(latent_dim)
        kept[torch.randperm(latent_dim, generator=generator)[: latent_dim // 2]] = 1
        halves += [kept, 1 - kept]
    return halves[:couplings]
