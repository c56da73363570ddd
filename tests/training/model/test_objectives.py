"""Every term of the evidence lower bound agrees with a closed form, or with Monte Carlo within its standard error."""

import math

import pytest
import torch
from torch import distributions

from training.model import objectives

DRAWS = 200_000
STANDARD_ERRORS = 5  # a true statement fails once in two million seeds


def gaussian(rows: int = 3, latent_dim: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, latent_dim, generator=generator), torch.randn(rows, latent_dim, generator=generator)


def agrees(samples: torch.Tensor, expected: torch.Tensor) -> None:
    """samples: (draws, n) with mean expected (n,)."""
    error = samples.std(0) / math.sqrt(len(samples))
    assert ((samples.mean(0) - expected).abs() < STANDARD_ERRORS * error).all()


def draws(mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(DRAWS, *mean.shape, generator=torch.Generator().manual_seed(2))
    return mean + torch.exp(log_var / 2) * noise


def log_density(values: torch.Tensor, mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    """Over (draws, n, d), by torch.distributions."""
    return distributions.Normal(mean, torch.exp(log_var / 2)).log_prob(values).sum(-1)


def test_bernoulli_log_likelihood_is_the_log_probability_of_each_pixel_summed() -> None:
    logits = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    pixels = (torch.rand(logits.shape, generator=torch.Generator().manual_seed(4)) < 0.3).float()
    probability = torch.sigmoid(logits.double())
    expected = torch.where(pixels == 1, probability, 1 - probability).log().sum((1, 2, 3))
    found = objectives.bernoulli_log_likelihood(pixels, logits)
    assert found.shape == (3,)
    torch.testing.assert_close(found.double(), expected)


def test_bernoulli_log_likelihood_of_even_odds_is_one_bit_a_pixel() -> None:
    pixels = torch.ones(1, 1, 28, 28)
    expected = torch.tensor([-784 * math.log(2)])
    torch.testing.assert_close(objectives.bernoulli_log_likelihood(pixels, torch.zeros_like(pixels)), expected)


def test_bernoulli_log_likelihood_stays_finite_at_extreme_logits() -> None:
    found = objectives.bernoulli_log_likelihood(torch.tensor([[1.0, 0.0]]), torch.tensor([[-500.0, 500.0]]))
    assert found.item() == -1000.0


def test_grey_pixels_score_the_mean_over_their_binarisations() -> None:
    generator = torch.Generator().manual_seed(5)
    grey, logits = torch.rand(1, 12, generator=generator), torch.randn(1, 12, generator=generator)
    binary = (torch.rand(DRAWS, 12, generator=generator) < grey).float()
    samples = objectives.bernoulli_log_likelihood(binary, logits.expand_as(binary)).unsqueeze(1)
    agrees(samples, objectives.bernoulli_log_likelihood(grey, logits))


def test_gaussian_log_likelihood_is_that_of_torch() -> None:
    mean, log_var = gaussian()
    values = mean + 0.5
    torch.testing.assert_close(
        objectives.gaussian_log_likelihood(values, mean, log_var), log_density(values, mean, log_var)
    )


def test_kl_to_standard_normal_is_that_of_torch_and_zero_only_at_home() -> None:
    mean, log_var = gaussian()
    posterior = distributions.Normal(mean, torch.exp(log_var / 2))
    expected = distributions.kl_divergence(posterior, distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(objectives.kl_to_standard_normal(mean, log_var), expected)
    zero = torch.zeros(1, 4)
    assert objectives.kl_to_standard_normal(zero, zero).item() == 0
    assert (expected > 0).all()


def test_kl_by_draw_has_the_closed_form_as_its_mean() -> None:
    mean, log_var = gaussian()
    latents = draws(mean, log_var)
    zero = torch.zeros_like(mean)
    samples = objectives.kl_by_draw(log_density(latents, mean, log_var), log_density(latents, zero, zero))
    agrees(samples, objectives.kl_to_standard_normal(mean, log_var))


def test_elbo_weighs_the_kl() -> None:
    log_px_z, kl = torch.tensor([-80.0, -90.0]), torch.tensor([20.0, 30.0])
    assert objectives.elbo(log_px_z, kl).tolist() == [-100.0, -120.0]
    assert objectives.elbo(log_px_z, kl, kl_weight=0.5).tolist() == [-90.0, -105.0]


class LinearGaussian:
    """p(z) = N(0, 1), p(x given z) = N(z, 1): log p(x) is that of N(0, 2), the posterior is N(x/2, 1/2)."""

    x = torch.tensor([[1.5]])
    log_px = distributions.Normal(0.0, math.sqrt(2.0)).log_prob(x).squeeze(1)

    @classmethod
    def log_weights(cls, mean: float, log_var: float, k: int, repeats: int) -> torch.Tensor:
        """log p(x, z)/q(z given x) at draws of q = N(mean, exp(log_var)), (k, repeats)."""
        q = torch.full((1,), mean), torch.full((1,), log_var)
        z = draws(*q)[: k * repeats]  # (k · repeats, 1)
        log_px_z = objectives.gaussian_log_likelihood(cls.x.expand_as(z), z, torch.zeros_like(z))
        log_pz = objectives.gaussian_log_likelihood(z, torch.zeros(1), torch.zeros(1))
        return (log_px_z + log_pz - objectives.gaussian_log_likelihood(z, *q)).reshape(k, repeats)


def test_exact_posterior_makes_every_bound_the_evidence() -> None:
    log_weights = LinearGaussian.log_weights(0.75, math.log(0.5), k=5, repeats=10)
    expected = LinearGaussian.log_px.double().expand(10)
    torch.testing.assert_close(objectives.importance_weighted_bound(log_weights), expected, atol=1e-5, rtol=0)


def test_mean_importance_weight_is_the_evidence() -> None:
    weights = LinearGaussian.log_weights(0.5, 0.0, k=1, repeats=DRAWS).exp().T  # (draws, 1)
    agrees(weights, LinearGaussian.log_px.exp())


def test_bound_rises_with_its_draws_from_the_elbo_towards_the_evidence() -> None:
    bounds = [
        objectives.importance_weighted_bound(LinearGaussian.log_weights(0.0, 0.0, k, repeats=2000)).mean().item()
        for k in (1, 5, 50)
    ]
    elbo = LinearGaussian.log_weights(0.0, 0.0, 1, repeats=2000).double().mean().item()
    assert bounds[0] == pytest.approx(elbo)
    assert bounds[0] < bounds[1] < bounds[2] < LinearGaussian.log_px.item() + 0.01


def test_bound_survives_weights_that_underflow() -> None:
    log_weights = torch.tensor([[-1000.0], [-1001.0]])
    expected = -1000 + math.log((1 + math.exp(-1)) / 2)
    assert objectives.importance_weighted_bound(log_weights).item() == pytest.approx(expected)
