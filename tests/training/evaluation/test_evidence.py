"""Log densities at draws, held against closed forms on a VAE whose densities are known."""

import math

import numpy as np
import pytest
import torch

from tests.training import tiny
from tests.training.tiny import LOG_TWO_PI, blind_vae
from training.data.mnist import to_pixels
from training.evaluation import evidence
from training.evaluation.likelihood import binarised
from training.model.functions import of_torch
from training.model.objectives import bernoulli_log_likelihood, gaussian_log_likelihood


def binary() -> np.ndarray:
    return binarised(to_pixels(tiny.mnist().test.images).numpy(), 1)


def test_prior_is_marginalised_over_labels_with_their_weights() -> None:
    model = blind_vae(prior_means=(-2.0, 1.0), weights=(0.25, 0.75))
    noise = np.zeros((1, 1, 2), np.float32)  # the draw is the mean, the origin
    zero = np.zeros((1, 2), np.float32)
    terms = evidence.log_terms(model, binary()[:1], zero, zero, noise)
    wanted = math.log(0.25 * math.exp(-4) + 0.75 * math.exp(-1)) - LOG_TWO_PI
    assert terms.log_pz(model.class_weights)[0, 0] == pytest.approx(wanted, rel=1e-6)
    assert terms.log_pz_y[0, 0] == pytest.approx([-4 - LOG_TWO_PI, -1 - LOG_TWO_PI], rel=1e-6)
    assert terms.log_qz[0, 0] == pytest.approx(-LOG_TWO_PI, rel=1e-6)


def test_terms_are_those_that_training_uses() -> None:
    model = of_torch(tiny.autoencoder("vae"))
    images = binary()[:4]
    mean, log_var = model.encode(images)
    assert log_var is not None
    noise = np.random.Generator(np.random.Philox(2)).standard_normal((4, 3, model.latent_dim), np.float32)
    terms = evidence.log_terms(model, images, mean, log_var, noise)
    for draw in range(3):
        latents = mean + np.exp(log_var / np.float32(2)) * noise[:, draw]
        tensors = (torch.from_numpy(array) for array in (latents, mean, log_var))
        log_px_z = bernoulli_log_likelihood(torch.from_numpy(images), torch.from_numpy(model.decode(latents)[1]))
        assert terms.log_px_z[:, draw] == pytest.approx(log_px_z.numpy(), rel=1e-5)
        assert terms.log_qz[:, draw] == pytest.approx(gaussian_log_likelihood(*tensors).numpy(), rel=1e-4, abs=1e-4)
        assert terms.log_pz_y[:, draw] == pytest.approx(model.density(latents), rel=1e-5)


def test_aggregate_posterior_is_the_mean_of_all_of_them() -> None:
    random = np.random.Generator(np.random.Philox(3))
    mean, log_var, noise = random.standard_normal((3, 5, 2), np.float32)
    latents = mean + np.exp(log_var / 2) * noise
    wanted = []
    for latent in latents:
        log_density = -(LOG_TWO_PI + log_var + np.square(latent - mean) * np.exp(-log_var)).sum(1) / 2
        wanted.append(math.log(np.exp(log_density).mean()))
    assert evidence.log_aggregate(mean, log_var, noise) == pytest.approx(np.array(wanted), rel=1e-5)


def test_far_posteriors_do_not_drown_a_narrow_one() -> None:
    mean = np.array([[300.0], [-300.0]], np.float32)
    log_var = np.full((2, 1), -10.0, np.float32)
    # each draw is its own mean, and the other posterior is e^-1e9 there
    wanted = (10 - LOG_TWO_PI) / 2 - math.log(2)
    assert evidence.log_aggregate(mean, log_var, np.zeros((2, 1), np.float32)) == pytest.approx(wanted, abs=1e-4)


def test_effective_draws_run_from_one_to_all() -> None:
    weights = np.log(np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1e-30, 1e-30, 1e-30], [3.0, 1.0, 1e-30, 1e-30]]))
    assert evidence.effective_draws(weights - 500) == pytest.approx([4, 1, 1.6])


def test_bound_is_the_log_of_the_mean_weight() -> None:
    weights = np.log([[[1.0, 3.0], [5.0, 5.0]]])
    assert evidence.bound(weights) == pytest.approx(np.log([[2.0, 5.0]]))
