"""Models are built as configured, and each training step computes the objective that its name promises."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor

from training import config as configuration
from training.config import AeObjective, Config, VaeObjective
from training.data.mnist import Mnist, to_pixels
from training.model import objectives
from training.model.autoencoder import (
    LOG_VAR_RANGE,
    Autoencoder,
    build,
    encoded,
    evidence_step,
    prior_step,
    squared_error_step,
    tightening_step,
)
from training.model.flow import ConditionalFlow, StandardNormal


def variant(small: Config, **sections: object) -> Config:
    """The small configuration with whole sections replaced."""
    return configuration.parse(json.dumps(small.model_dump(mode="json") | sections), "variant")


@pytest.fixture
def ae(small: Config) -> Autoencoder:
    return build(variant(small, objective={"kind": "ae", "code_noise": 0.1}))


@pytest.fixture
def vae(small: Config) -> Autoencoder:
    return build(small)


def rows(mnist: Mnist, count: int = 32) -> tuple[Tensor, Tensor]:
    return mnist.train.images[:count], mnist.train.labels[:count]


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vae_objective(**changes: float) -> VaeObjective:
    tables: dict[str, Any] = {"kind": "vae", "binarised_share": 0.8, "kl_warmup_share": 0.0}
    return VaeObjective(**(tables | changes))


def test_model_depends_on_the_seed_alone(small: Config) -> None:
    torch.manual_seed(7)
    one = build(small).state_dict()
    torch.manual_seed(8)
    state = torch.random.get_rng_state()
    other = build(small).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_prior_is_the_configured_one(small: Config) -> None:
    assert isinstance(build(small).prior, ConditionalFlow)
    assert isinstance(build(variant(small, prior={"kind": "standard_normal"})).prior, StandardNormal)


def test_posterior_of_an_autoencoder_is_a_point(ae: Autoencoder, mnist: Mnist) -> None:
    posterior = ae.posterior(to_pixels(rows(mnist)[0]))
    assert posterior.mean.shape == (32, 8)
    assert posterior.log_var is None
    assert torch.equal(posterior.draw(torch.ones(32, 8)), posterior.mean)


def test_posterior_of_a_vae_is_a_bounded_gaussian(vae: Autoencoder) -> None:
    with torch.no_grad():
        vae.encoder[-1].bias[8:] = torch.tensor([1e6, -1e6] * 4)
    mean, log_var = vae.posterior(torch.rand(2, 1, 28, 28))
    assert log_var is not None
    assert mean.shape == log_var.shape == (2, 8)
    assert log_var[0, 0] == LOG_VAR_RANGE[1]
    assert log_var[0, 1] == LOG_VAR_RANGE[0]


def test_draw_is_mean_plus_noise_times_deviation(vae: Autoencoder) -> None:
    posterior = vae.posterior(torch.rand(2, 1, 28, 28))
    noise = torch.randn(2, 8)
    torch.testing.assert_close((posterior.draw(noise) - posterior.mean) / noise, (posterior.log_var / 2).exp())


def test_reconstruction_decodes_the_mean(vae: Autoencoder) -> None:
    images = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(vae.reconstruct(images), torch.sigmoid(vae.logits(vae.posterior(images).mean)))


def test_squared_error_is_per_pixel_against_ink_between_0_and_1(ae: Autoencoder, mnist: Mnist) -> None:
    images, labels = rows(mnist)
    expected = (ae.reconstruct(to_pixels(images)) - images[:, None] / 255).square().mean()
    torch.testing.assert_close(squared_error_step(ae, images, labels, 0.0, generator())["loss"], expected)


def test_no_sigmoid_reaches_the_notebooks_targets(mnist: Mnist, ae: Autoencoder) -> None:
    """The notebook's targets lie in [-1, 1]; the nearest that an output in [0, 1] comes is the target, cut off."""
    targets = to_pixels(mnist.test.images) * 2 - 1
    lowest = (targets.clamp(0, 1) - targets).square().mean()
    assert lowest.item() == pytest.approx(0.831, abs=0.01)  # 0.831 on the whole test set
    for outputs in (ae.reconstruct(to_pixels(mnist.test.images)), torch.rand(targets.shape), targets.clamp(0, 1)):
        assert (outputs - targets).square().mean() >= lowest
    assert (to_pixels(mnist.test.images).clamp(0, 1) - to_pixels(mnist.test.images)).square().mean() == 0


def test_evidence_step_is_the_negative_elbo_at_its_own_draws(vae: Autoencoder, mnist: Mnist) -> None:
    images, labels = rows(mnist)
    found = evidence_step(vae_objective(binarised_share=1.0), False)(vae, images, labels, 1.0, generator())
    pixels, random = to_pixels(images), generator()
    targets = (torch.rand(pixels.shape, generator=random) < pixels).float()
    torch.rand((32, 1, 1, 1), generator=random)
    mean, log_var = vae.posterior(targets)
    assert log_var is not None
    latents = mean + (log_var / 2).exp() * torch.randn(mean.shape, generator=random)
    reconstruction = -objectives.bernoulli_log_likelihood(targets, vae.logits(latents)).mean()
    kl = objectives.kl_to_standard_normal(mean, log_var).mean()
    torch.testing.assert_close(found, {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl})
    assert kl > 0


def test_joint_prior_replaces_the_standard_normal_in_the_kl(vae: Autoencoder, mnist: Mnist) -> None:
    images, labels = rows(mnist, 300)
    apart = evidence_step(vae_objective(), False)(vae, images, labels, 1.0, generator())
    joint = evidence_step(vae_objective(), True)(vae, images, labels, 1.0, generator())
    assert joint["reconstruction"] == apart["reconstruction"]
    assert joint["kl"].item() == pytest.approx(apart["kl"].item(), abs=0.5)  # a new flow is N(0, I); one draw each
    joint["loss"].backward()
    assert vae.prior.base_mean.weight.grad.abs().sum() > 0


def test_kl_is_charged_step_by_step(vae: Autoencoder, mnist: Mnist) -> None:
    for progress, weight in ((0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (1.0, 1.0)):
        found = evidence_step(vae_objective(kl_warmup_share=0.2), False)(vae, *rows(mnist), progress, generator())
        torch.testing.assert_close(found["loss"], found["reconstruction"] + weight * found["kl"])


def test_kl_weight_is_where_the_ramp_ends(vae: Autoencoder, mnist: Mnist) -> None:
    for progress, weight in ((0.1, 0.15), (0.2, 0.3), (1.0, 0.3)):
        objective = vae_objective(kl_warmup_share=0.2, kl_weight=0.3)
        found = evidence_step(objective, False)(vae, *rows(mnist), progress, generator())
        torch.testing.assert_close(found["loss"], found["reconstruction"] + weight * found["kl"])


def test_encoder_sees_grey_and_binary_images_in_the_configured_shares(vae: Autoencoder, mnist: Mnist) -> None:
    seen = []
    vae.encoder.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    images, labels = rows(mnist, 300)
    for _ in range(4):
        evidence_step(vae_objective(), False)(vae, images, labels, 1.0, generator(len(seen)))
    binary = [((image == 0) | (image == 1)).all().item() for image in torch.cat(seen)]
    assert sum(binary) / len(binary) == pytest.approx(0.8, abs=0.06)  # five standard errors
    assert not torch.equal(seen[0], seen[1])


def test_tightening_step_is_the_importance_weighted_bound_at_its_own_draws(vae: Autoencoder, mnist: Mnist) -> None:
    images, labels = rows(mnist, 8)
    found = tightening_step(vae_objective(binarised_share=1.0), 3)(vae, images, labels, 1.0, generator())
    pixels, random = to_pixels(images), generator()
    targets = (torch.rand(pixels.shape, generator=random) < pixels).float()
    torch.rand((8, 1, 1, 1), generator=random)
    mean, log_var = vae.posterior(targets)
    assert log_var is not None
    noise = torch.randn((3, *mean.shape), generator=random)
    posterior = torch.distributions.Normal(mean, (log_var / 2).exp())
    weights = []
    for latents in (mean + (log_var / 2).exp() * draw for draw in noise):
        log_px_z = objectives.bernoulli_log_likelihood(targets, vae.logits(latents))
        log_pz = vae.prior.log_prob_given(latents, labels)
        weights.append((log_px_z + log_pz - posterior.log_prob(latents).sum(1)).double().exp())
    expected = -torch.stack(weights).mean(0).log().mean()
    torch.testing.assert_close(found["loss"], expected, rtol=1e-5, atol=1e-4)


def test_tightening_by_one_draw_is_the_evidence_and_by_more_draws_less(vae: Autoencoder, mnist: Mnist) -> None:
    images, labels = rows(mnist, 300)
    evidence = evidence_step(vae_objective(), True)(vae, images, labels, 1.0, generator())["loss"]
    one, many = (tightening_step(vae_objective(), k)(vae, images, labels, 0.0, generator())["loss"] for k in (1, 20))
    torch.testing.assert_close(one.float(), evidence)
    assert many < one
    many.backward()
    for part in (vae.encoder, vae.decoder, vae.prior):
        assert all(weights.grad.isfinite().all() for weights in part.parameters() if weights.grad is not None)
        assert any(weights.grad.abs().sum() > 0 for weights in part.parameters() if weights.grad is not None)


def test_prior_step_is_the_density_of_encoded_latents_and_leaves_the_networks_alone(
    vae: Autoencoder, mnist: Mnist
) -> None:
    images, labels = rows(mnist)
    found = prior_step(vae_objective())(vae, images, labels, 0.0, generator())
    latents = encoded(vae, vae_objective(), images, generator())
    torch.testing.assert_close(found["loss"], -vae.prior.log_prob_given(latents, labels).mean())
    found["loss"].backward()
    assert all(weights.grad is None for weights in [*vae.encoder.parameters(), *vae.decoder.parameters()])
    assert vae.prior.base_mean.weight.grad.abs().sum() > 0


def test_codes_are_blurred_by_a_share_of_their_scale(ae: Autoencoder, mnist: Mnist) -> None:
    images, _ = rows(mnist, 300)
    ae.prior.standardise(torch.zeros(8), torch.full((8,), 5.0))
    codes = ae.posterior(to_pixels(images)).mean
    blurred = encoded(ae, AeObjective(kind="ae", code_noise=0.1), images, generator())
    assert (blurred - codes).std().item() == pytest.approx(0.5, rel=0.1)
