"""The model: encoder, decoder and prior over one latent space; and what one training step of each kind computes.

Steps are functions of (model, images, labels, progress, generator); they return named means over the batch, of which
`loss` is minimised. An autoencoder is trained on squared error, a variational one on the evidence lower bound, which
several draws tighten; either's prior may be fitted to the latents of its images. Kingma & Welling 2013.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from models.manifest import Kind
from training.config import AeObjective, Config, VaeObjective
from training.data.mnist import CLASSES, binarise, to_pixels
from training.model import networks, objectives
from training.model.flow import ConditionalFlow, LabelPrior, StandardNormal

# exp(±) of half of these are posterior scales of about 0.001 and 20; beyond them the exponential only makes overflow.
LOG_VAR_RANGE = (-14.0, 6.0)
# A unit counts as active if its posterior mean varies this much over images. Burda et al. 2015.
ACTIVE_VARIANCE = 0.01

Metrics = dict[str, Tensor]
Step = Callable[["Autoencoder", Tensor, Tensor, float, Generator], Metrics]


class Posterior(NamedTuple):
    """q(z given x): mean (n, d) and log-variance (n, d) of a diagonal Gaussian; None where it is a point."""

    mean: Tensor
    log_var: Tensor | None

    def draw(self, noise: Tensor) -> Tensor:
        """Latents (n, d): the posterior at standard normal noise (n, d); the mean where it is a point."""
        return self.mean if self.log_var is None else self.mean + torch.exp(self.log_var / 2) * noise


class Autoencoder(nn.Module):
    """Encoder, decoder and prior. kind: "ae" or "vae"; the decoder's logits are those of the ink in [0, 1]."""

    def __init__(
        self, kind: Kind, latent_dim: int, classes: int, encoder: nn.Module, decoder: nn.Module, prior: LabelPrior
    ) -> None:
        """encoder: images (n, 1, 28, 28) → (n, latent_dim), or (n, 2 · latent_dim) for a VAE."""
        super().__init__()
        self.kind, self.latent_dim, self.classes = kind, latent_dim, classes
        self.encoder, self.decoder = encoder, decoder
        self.prior: LabelPrior = prior

    def posterior(self, images: Tensor) -> Posterior:
        """Posterior of pixels (n, 1, 28, 28) in [0, 1], grey or binary."""
        outputs = self.encoder(images)
        if self.kind == "ae":
            return Posterior(outputs, None)
        mean, log_var = outputs.chunk(2, dim=1)  # (n, d) each
        return Posterior(mean, log_var.clamp(*LOG_VAR_RANGE))

    def logits(self, latents: Tensor) -> Tensor:
        """Logits (n, 1, 28, 28) of the pixels at latents (n, d)."""
        logits: Tensor = self.decoder(latents)
        return logits

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels (n, 1, 28, 28) in [0, 1] at latents (n, d)."""
        return torch.sigmoid(self.logits(latents))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Pixels (n, 1, 28, 28) decoded at the posterior mean."""
        return self.decode(self.posterior(images).mean)


def build(config: Config) -> Autoencoder:
    """A new model as configured, initialised from the configured seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.run.seed)
        latent_dim, classes, kind = config.network.latent_dim, len(CLASSES), config.objective.kind
        encoder, decoder = networks.build(config.network, latent_dim if kind == "ae" else 2 * latent_dim)
        if config.prior.kind == "standard_normal":
            prior: LabelPrior = StandardNormal(latent_dim, classes)
        else:
            shape = (config.prior.couplings, config.prior.width, config.prior.label_couplings)
            prior = ConditionalFlow(latent_dim, classes, *shape)
        return Autoencoder(kind, latent_dim, classes, encoder, decoder, prior)


def squared_error_step(
    model: Autoencoder, images: Tensor, labels: Tensor, progress: float, generator: Generator
) -> Metrics:
    """Squared error per pixel of grey images, uint8 (n, 28, 28), reconstructed. Targets are in [0, 1]."""
    pixels = to_pixels(images)
    loss = nn.functional.mse_loss(model.reconstruct(pixels), pixels)
    return {"loss": loss, "reconstruction": loss}


def evidence_step(objective: VaeObjective, joint_prior: bool) -> Step:
    """Negative ELBO of freshly binarised images, nats per image: `reconstruction` = −log p(x given z), and `kl`.

    The KL is to N(0, I) in closed form, or, with a joint prior, log q − log p(z given label) at the draw. Its weight
    rises linearly to `kl_weight` over the first `kl_warmup_share` of the steps, so that no unit dies before the decoder
    can use it.
    """

    def step(model: Autoencoder, images: Tensor, labels: Tensor, progress: float, generator: Generator) -> Metrics:
        targets, inputs = _targets_and_inputs(images, objective.binarised_share, generator)
        mean, log_var = _gaussian(model.posterior(inputs))
        latents = Posterior(mean, log_var).draw(_noise_like(mean, generator))
        log_px_z = objectives.bernoulli_log_likelihood(targets, model.logits(latents))
        if joint_prior:
            log_qz = objectives.gaussian_log_likelihood(latents, mean, log_var)
            kl = objectives.kl_by_draw(log_qz, model.prior.log_prob_given(latents, labels))
        else:
            kl = objectives.kl_to_standard_normal(mean, log_var)
        warmup = objective.kl_warmup_share
        ramp = min(1.0, progress / warmup) if warmup else 1.0
        loss = -objectives.elbo(log_px_z, kl, ramp * objective.kl_weight).mean()
        return {"loss": loss, "reconstruction": -log_px_z.mean(), "kl": kl.mean()}

    return step


def tightening_step(objective: VaeObjective, draws: int) -> Step:
    """Minus the importance-weighted bound of freshly binarised images, nats per image, given their labels.

    Burda et al. 2016. Its gradient weighs draws by how likely they are, so that the decoder and the prior learn more
    from the true posterior than from the encoder's Gaussian, while the encoder itself learns to spread over it.
    """

    def step(model: Autoencoder, images: Tensor, labels: Tensor, progress: float, generator: Generator) -> Metrics:
        targets, inputs = _targets_and_inputs(images, objective.binarised_share, generator)
        mean, log_var = (part.repeat(draws, 1) for part in _gaussian(model.posterior(inputs)))  # (draws · n, d)
        latents = Posterior(mean, log_var).draw(_noise_like(mean, generator))
        log_px_z = objectives.bernoulli_log_likelihood(targets.repeat(draws, 1, 1, 1), model.logits(latents))
        log_pz = model.prior.log_prob_given(latents, labels.repeat(draws))
        log_weights = log_px_z + log_pz - objectives.gaussian_log_likelihood(latents, mean, log_var)
        return {"loss": -objectives.importance_weighted_bound(log_weights.reshape(draws, -1)).mean()}

    return step


def prior_step(objective: AeObjective | VaeObjective) -> Step:
    """−log p(z given label), nats, of latents of freshly encoded images.

    For a VAE this is the one term of the negative ELBO that depends on the prior.
    """

    def step(model: Autoencoder, images: Tensor, labels: Tensor, progress: float, generator: Generator) -> Metrics:
        with torch.no_grad():
            latents = encoded(model, objective, images, generator)
        return {"loss": -model.prior.log_prob_given(latents, labels).mean()}

    return step


def encoded(model: Autoencoder, objective: AeObjective | VaeObjective, images: Tensor, generator: Generator) -> Tensor:
    """Latents (n, d) for a prior to be fitted to: posterior draws of a VAE, blurred codes of an autoencoder.

    Codes are finitely many points, at which a flow could raise its density without bound; noise of `code_noise` times
    each dimension's scale gives them a density to fit.
    """
    if isinstance(objective, AeObjective):
        codes = model.posterior(to_pixels(images)).mean
        assert isinstance(model.prior, ConditionalFlow)  # an autoencoder's is one: config.py
        return codes + objective.code_noise * model.prior.latent_scale * _noise_like(codes, generator)
    _, inputs = _targets_and_inputs(images, objective.binarised_share, generator)
    posterior = model.posterior(inputs)
    return posterior.draw(_noise_like(posterior.mean, generator))


def _targets_and_inputs(images: Tensor, binarised_share: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Binary targets, and what the encoder sees: the same, or for a random share of the rows the grey image.

    Any q gives a valid bound, and the encoder will be asked about grey images once it is served.
    """
    pixels = to_pixels(images)  # (n, 1, 28, 28)
    targets = binarise(pixels, generator)
    binarised = torch.rand((len(images), 1, 1, 1), generator=generator, device=images.device) < binarised_share
    return targets, torch.where(binarised, targets, pixels)


def _gaussian(posterior: Posterior) -> tuple[Tensor, Tensor]:
    """Mean and log-variance, each (n, d), of a VAE's posterior."""
    assert posterior.log_var is not None
    return posterior.mean, posterior.log_var


def _noise_like(values: Tensor, generator: Generator) -> Tensor:
    return torch.randn(values.shape, generator=generator, device=values.device)
