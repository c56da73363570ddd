"""Scores are those that a hand calculation gives, and their percentiles those of the digits."""

import math

import numpy as np
import pytest

from tests.training import tiny
from tests.training.tiny import LOG_TWO_PI, blind_vae
from training.data.mnist import to_pixels
from training.evaluation.calibration import calibration, scores
from training.model import functions
from training.model.functions import of_torch


def pixels() -> np.ndarray:
    return to_pixels(tiny.mnist().test.images).numpy()


def test_grey_image_is_scored_at_the_posterior_mean_as_by_hand() -> None:
    model = blind_vae(mean=0.5, log_var=-1.0, logit=2.0, prior_means=(-1.0, 1.0), weights=(0.25, 0.75))
    image = np.zeros((1, 1, 28, 28), np.float32)
    image[0, 0, 0, :2] = 0.25, 1.0
    found = scores(model, image)
    log_likelihood = 1.25 * 2.0 - 784 * math.log1p(math.exp(2.0))
    log_q = -(LOG_TWO_PI - 1.0)  # two dimensions, no deviation
    log_p = math.log(0.25 * math.exp(-2 * 1.5**2 / 2) + 0.75 * math.exp(-2 * 0.5**2 / 2)) - LOG_TWO_PI
    white = 1 / (1 + math.exp(-2.0))
    mse = (782 * white**2 + (white - 0.25) ** 2 + (white - 1) ** 2) / 784
    assert found["log_likelihood"] == pytest.approx(log_likelihood)
    assert found["kl"] == pytest.approx(log_q - log_p)
    assert found["elbo"] == pytest.approx(log_likelihood - (log_q - log_p))
    assert found["mse"] == pytest.approx(mse)


def test_expected_score_is_the_mean_over_binarised_images() -> None:
    model = blind_vae(logit=-1.5)
    image = np.full((1, 1, 28, 28), 0.25, np.float32)
    binary = (np.arange(784) % 4 == 0).astype(np.float32).reshape(1, 1, 28, 28)  # a quarter of the pixels
    assert scores(model, image)["elbo"] == pytest.approx(scores(model, binary)["elbo"])


def test_percentiles_run_from_the_least_to_the_greatest_score() -> None:
    model = of_torch(tiny.autoencoder("vae"))
    record = calibration(model, pixels())
    found = scores(model, pixels())
    assert record.images == 300
    assert list(record.scores) == ["elbo", "log_likelihood", "kl", "mse"]
    for name, values in found.items():
        ascending = np.sort(values)
        assert record.scores[name][0] == pytest.approx(ascending[0], rel=1e-6)
        assert record.scores[name][100] == pytest.approx(ascending[-1], rel=1e-6)
        assert record.scores[name][50] == pytest.approx((ascending[149] + ascending[150]) / 2, rel=1e-6)


def test_autoencoder_has_no_score_but_the_error() -> None:
    assert list(calibration(of_torch(tiny.autoencoder("ae")), pixels()).scores) == ["mse"]


def test_percentiles_do_not_depend_on_how_many_rows_are_scored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = of_torch(tiny.autoencoder("vae"))
    whole = calibration(model, pixels()).scores
    monkeypatch.setattr(functions, "ROWS", 17)
    for name, values in calibration(model, pixels()).scores.items():
        assert values == pytest.approx(whole[name], rel=1e-5), name
