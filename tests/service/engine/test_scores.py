"""Scores against their closed forms."""

import math
from typing import Any

import numpy as np
import pytest

from service.engine.scores import log_sum_exp, percentiles, scores, squared_error

PIXELS = 784


def pictures(*values: float) -> Any:
    """One picture a value, every pixel of it that value."""
    return np.array(values, np.float32)[:, np.newaxis, np.newaxis, np.newaxis] * np.ones((1, 28, 28), np.float32)


def log_likelihood(images: Any, logits: Any) -> Any:
    zeros = np.zeros((len(images), 1), np.float32)
    return scores(images, logits, zeros, zeros, zeros, np.zeros(len(images))).log_likelihood


def kl(latents: Any, mean: Any, log_var: Any, log_pz: Any) -> Any:
    latents, mean, log_var = (np.array(values, np.float32) for values in (latents, mean, log_var))
    blank = pictures(*(0.0 for _ in latents))
    return scores(blank, blank, latents, mean, log_var, np.array(log_pz, np.float64)).kl


def test_a_pixel_has_the_likelihood_of_its_bernoulli_distribution() -> None:
    probability = np.array([0.5, 0.9, 0.9, 0.25])
    logits = pictures(*np.log(probability / (1 - probability)))
    wanted = PIXELS * np.log([0.5, 0.9, 0.1, 0.75])
    np.testing.assert_allclose(log_likelihood(pictures(1, 1, 0, 0), logits), wanted, rtol=1e-6)


def test_a_grey_pixel_has_the_expected_likelihood_of_its_binarisation() -> None:
    black, white, grey = log_likelihood(pictures(1, 0, 0.3), pictures(0.7, 0.7, 0.7))
    assert grey == pytest.approx(0.3 * black + 0.7 * white)


@pytest.mark.parametrize("logit", [200.0, 1e4])
def test_an_extreme_logit_costs_itself_where_it_is_wrong_and_nothing_where_it_is_right(logit: float) -> None:
    found = log_likelihood(pictures(1, 0, 1, 0), pictures(logit, -logit, -logit, logit))
    np.testing.assert_allclose(found, [0, 0, -PIXELS * logit, -PIXELS * logit], atol=1e-12)


def test_the_terms_are_summed_over_the_pixels_of_their_own_picture() -> None:
    images, logits = pictures(0, 0), pictures(0, 0)
    images[1, 0, 3, 4] = 1
    logits[1, 0, 3, 4] = 2
    wanted = [-PIXELS * math.log(2), -(PIXELS - 1) * math.log(2) - math.log1p(math.exp(-2))]
    np.testing.assert_allclose(log_likelihood(images, logits), wanted, rtol=1e-12)


def test_kl_is_the_posteriors_log_density_at_the_latent_less_the_priors() -> None:
    def log_normal(value: float, mean: float, std: float) -> float:
        return -0.5 * math.log(2 * math.pi) - math.log(std) - 0.5 * ((value - mean) / std) ** 2

    found = kl([[1, 2], [0, 0]], [[0.5, 2], [0, 0]], [[0, math.log(4)], [0, 0]], [-3.0, 0.25])
    wanted = [log_normal(1, 0.5, 1) + log_normal(2, 2, 2) + 3.0, 2 * log_normal(0, 0, 1) - 0.25]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_over_draws_kl_averages_to_that_of_two_gaussians() -> None:
    n, mean, log_var = 200_000, 0.7, -1.0
    epsilon = np.random.default_rng(0).standard_normal(n)
    latents = mean + math.exp(log_var / 2) * epsilon
    log_pz = -0.5 * (math.log(2 * math.pi) + latents**2)
    column = np.ones((n, 1))
    blank = np.zeros((n, 1, 1, 1), np.float32)
    found = scores(
        blank,
        blank,
        latents[:, np.newaxis].astype(np.float32),
        (mean * column).astype(np.float32),
        (log_var * column).astype(np.float32),
        log_pz,
    ).kl
    wanted = 0.5 * (math.exp(log_var) + mean**2 - 1 - log_var)
    assert found.mean() == pytest.approx(wanted, abs=5 * found.std() / math.sqrt(n))


def test_elbo_is_likelihood_less_kl() -> None:
    ones = np.ones((1, 3), np.float32)
    found = scores(pictures(1), pictures(0.5), ones, 0 * ones, ones, np.array([-7.0]))
    assert found.elbo == found.log_likelihood - found.kl
    assert found.kl[0] == pytest.approx(7 - 1.5 * (math.log(2 * math.pi) + 1 + math.exp(-1)), rel=1e-6)


def test_squared_error_is_the_mean_over_a_pictures_pixels() -> None:
    images = pictures(0, 1, 0)
    images[2, 0, 0, :2] = 1
    np.testing.assert_allclose(squared_error(images, pictures(0.5, 1, 0)), [0.25, 0, 2 / PIXELS])


def test_figures_are_computed_in_double_precision() -> None:
    third = float(np.float32(1 / 3))
    assert squared_error(pictures(0), pictures(third))[0] == pytest.approx(third**2, rel=1e-14)
    assert log_likelihood(pictures(1), pictures(third))[0] == pytest.approx(
        -PIXELS * math.log1p(math.exp(-third)), rel=1e-13
    )


def test_a_percentile_lies_linearly_between_the_calibrations() -> None:
    found = percentiles(
        {"mse": np.array([0.0, 0.15, 37.25, 100.0]), "kl": np.array([-300.0])},
        {"mse": np.arange(101.0), "kl": -np.arange(1000.0, 899.0, -1.0)},
    )
    np.testing.assert_allclose(found["mse"], [0, 0.15, 37.25, 100])
    assert found["kl"] == 100


def test_what_lies_outside_the_calibration_is_at_its_end() -> None:
    found = percentiles({"mse": np.array([-1.0, 1e9])}, {"mse": np.arange(101.0)})
    assert found["mse"].tolist() == [0, 100]


def test_log_sum_exp_is_the_log_of_the_sum() -> None:
    joint = np.log([[0.1, 0.2, 0.3], [1.0, 1.0, 1.0], [5.0, 1e-300, 1e-300]])
    np.testing.assert_allclose(log_sum_exp(joint), np.log([0.6, 3, 5]), atol=1e-15)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_log_sum_exp_neither_overflows_nor_vanishes(shift: float) -> None:
    np.testing.assert_allclose(
        log_sum_exp(np.array([[shift, shift], [shift, 0]])), [shift + math.log(2), max(shift, 0)]
    )
