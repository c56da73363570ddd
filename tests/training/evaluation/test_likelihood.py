"""Nats are held against closed forms, on models made by hand whose likelihood is known."""

import hashlib
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training import tiny
from tests.training.tiny import blind_vae
from training.data.mnist import to_pixels
from training.evaluation import likelihood
from training.model import functions
from training.model.functions import Model, of_torch


def pixels(repeats: int = 1) -> np.ndarray:
    return np.repeat(to_pixels(tiny.mnist().test.images).numpy(), repeats, axis=0)


def binary(repeats: int = 1) -> np.ndarray:
    return likelihood.binarised(pixels(repeats), likelihood.SEED)


def lower_bound(model: Model, repeats: int = 1) -> dict[str, float]:
    images = pixels(repeats)
    labels = np.arange(len(images)) % len(model.class_weights)
    return {name: metric.value for name, metric in likelihood.lower_bound(model, images, labels).metrics.items()}


def blind_nll(images: np.ndarray, logit: float) -> float:
    """Exact −log p(x) of the blind model, the mean over images."""
    return float((np.log1p(np.exp(logit)) - images * logit).sum() / len(images))


def test_bound_is_exact_where_the_posterior_is_the_prior() -> None:
    found = lower_bound(blind_vae())
    exact = blind_nll(binary(), -1.0)
    for name in (
        "negative_elbo",
        "reconstruction",
        "negative_elbo_standard_normal",
        "negative_elbo_given_label",
    ):
        assert found[name] == pytest.approx(exact, rel=1e-6)
    for name in ("kl", "mutual_information", "marginal_kl"):
        assert found[name] == pytest.approx(0, abs=1e-5)


def test_bound_exceeds_the_likelihood_by_the_divergence() -> None:
    mean, log_var = 0.7, -1.5
    found = lower_bound(blind_vae(mean, log_var), 8)  # 2,400 draws
    exact = blind_nll(binary(8), -1.0)
    divergence = 2 * 0.5 * (mean**2 + math.exp(log_var) - 1 - log_var)
    assert found["negative_elbo_standard_normal"] == pytest.approx(exact + divergence, rel=1e-6)
    # log q − log p varies by about 1 nat over draws: 6 standard errors of the mean of 2,400
    assert found["kl"] == pytest.approx(divergence, abs=6 / math.sqrt(2400))
    assert found["negative_elbo"] == pytest.approx(found["reconstruction"] + found["kl"], abs=1e-9)


def test_posterior_that_ignores_the_image_carries_no_information() -> None:
    found = lower_bound(blind_vae(0.7, -1.5))
    assert found["mutual_information"] == pytest.approx(0, abs=1e-5)
    assert found["marginal_kl"] == pytest.approx(found["kl"], abs=1e-5)


def test_posteriors_that_lie_apart_tell_which_image_it_was() -> None:
    model = blind_vae()

    def encoder(images: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        place = np.arange(len(images), dtype=np.float32)[:, None] * 100
        return place, np.zeros_like(place)

    apart = Model("vae", 1, model.class_weights, {**model.functions, "encoder": encoder})
    found = lower_bound(apart)
    assert found["mutual_information"] == pytest.approx(math.log(300), rel=1e-6)
    assert found["mutual_information"] + found["marginal_kl"] == pytest.approx(found["kl"], rel=1e-9)


def test_label_that_is_told_flatters_by_its_entropy_at_most() -> None:
    far_apart = blind_vae(mean=5.0, prior_means=(5.0, -50.0))
    images = pixels()
    found = {label: likelihood.lower_bound(far_apart, images, np.full(len(images), label)).metrics for label in (0, 1)}
    told, not_told = (found[0][name].value for name in ("negative_elbo_given_label", "negative_elbo"))
    assert not_told - told == pytest.approx(math.log(2), rel=1e-6)
    assert found[1]["negative_elbo_given_label"].value > not_told + 1000
    assert "0.69 nats" in found[0]["negative_elbo_given_label"].meaning


def test_importance_weights_close_the_gap_that_the_bound_leaves() -> None:
    images = binary()[::7][:40]
    found = likelihood.curve(blind_vae(0.3, -0.5), images, 2000)
    exact = blind_nll(images, -1.0)
    assert found.metrics["nll_iw2000"].value == pytest.approx(exact, abs=0.02)
    assert found.metrics["nll_iw2000_negative_elbo"].value > exact + 0.1
    assert found.metrics["nll_iw2000_standard_error"].value > 0


def test_curve_falls_from_the_lower_bound_to_the_figure_at_all_draws() -> None:
    images = binary()[:40]
    found = likelihood.curve(blind_vae(0.3, -0.5), images, 250)
    table = found.tables["nll_curve"]
    assert [row[0] for row in table.rows] == [1, 10, 100, 250]
    bounds = [row[1] for row in table.rows]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] == pytest.approx(found.metrics["nll_iw250_negative_elbo"].value)
    assert bounds[-1] == pytest.approx(found.metrics["nll_iw250"].value)
    assert table.rows[-1][2] == pytest.approx(found.metrics["nll_iw250_standard_error"].value)
    assert table.rows[0][3] == pytest.approx(1)
    for k, _, _, effective in table.rows[1:]:
        assert float(k) / 2 < float(effective) < float(k)  # the posterior is nearly the prior


def test_bound_on_all_images_is_that_of_its_own_draws() -> None:
    found = likelihood.importance_weighted(blind_vae(0.3, -0.5), binary()[:50], 100).metrics
    assert found.keys() == {"nll_iw100", "nll_iw100_standard_error"}
    assert found["nll_iw100"].value == pytest.approx(blind_nll(binary()[:50], -1.0), abs=0.05)
    assert "50 test images, 100 draws" in found["nll_iw100"].meaning


def test_training_digits_are_measured_as_test_digits_are() -> None:
    found = likelihood.train_bound(blind_vae(), pixels()).metrics["negative_elbo_train"]
    exact = blind_nll(likelihood.binarised(pixels(), likelihood.TRAIN_PIXELS), -1.0)
    assert found.value == pytest.approx(exact, rel=1e-6)


def test_figures_do_not_depend_on_how_many_rows_are_measured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = of_torch(tiny.autoencoder("vae"))

    def measured() -> dict[str, float]:
        found = likelihood.lower_bound(model, pixels()[:40], np.arange(40) % 10).metrics
        found |= likelihood.importance_weighted(model, binary()[:10], 8).metrics
        return {name: metric.value for name, metric in found.items()}

    whole = measured()
    monkeypatch.setattr(functions, "ROWS", 17)
    for name, value in measured().items():
        # float32 holds the 550 nats of one image to 3e-5; other draws would move each figure by far more
        assert value == pytest.approx(whole[name], abs=1e-4), name


def test_binarisation_entropy_is_that_of_each_pixel() -> None:
    images = np.zeros((2, 1, 28, 28), np.float32)
    images[0, 0, 0, :3] = 0.5, 0.25, 1.0
    wanted = (math.log(2) - 0.25 * math.log(0.25) - 0.75 * math.log(0.75)) / 2
    assert likelihood.binarisation_entropy(images) == pytest.approx(wanted)


def test_binarisation_is_one_published_draw() -> None:
    grey = np.full((2, 1, 28, 28), 0.25, np.float32)
    draw = likelihood.binarised(grey, likelihood.SEED)
    assert set(np.unique(draw)) == {0, 1}
    assert draw.mean() == pytest.approx(0.25, abs=0.05)
    packed = np.packbits(draw.astype(np.uint8)).tobytes()
    assert likelihood.binary_sha256(draw) == hashlib.sha256(packed).hexdigest()
    # If this changes, NumPy's stream did, and no figure compares with an older one.
    assert likelihood.binary_sha256(draw)[:16] == "76a590d1c6ad09c7"


def test_black_and_white_pixels_are_certain() -> None:
    images = np.zeros((1, 1, 28, 28), np.float32)
    images[0, 0, :14] = 1
    assert np.array_equal(likelihood.binarised(images, 5), images)
