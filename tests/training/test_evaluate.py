"""Figures are held against closed forms, on models made by hand whose answers are known."""

import argparse
import hashlib
import json
import math

import numpy as np
import pytest

from tests.training import tiny
from training import evaluate, fit, likelihood
from training import model as model_module
from training.data import Digits, to_pixels
from training.evaluate import Protocol
from training.model import Model, of_torch

LOG_TWO_PI = math.log(2 * math.pi)


def blind_vae(mean=0.0, log_var=0.0, logit=-1.0, prior_means=(0.0, 0.0), weights=(0.5, 0.5), latent_dim=2) -> Model:
    """A VAE that looks at nothing: each pixel is ink with the same probability, whatever the latent.

    So log p(x) is known, q is N(mean, exp(log_var)) for every image, and p(z given y) is N(prior_means[y], I).
    """

    def encoder(images):
        shape = (len(images), latent_dim)
        return np.full(shape, mean, np.float32), np.full(shape, log_var, np.float32)

    def decoder(latents):
        logits = np.full((len(latents), 1, 28, 28), logit, np.float32)
        return 1 / (1 + np.exp(-logits)), logits

    def density(latents):
        squares = np.square(latents[:, None] - np.array(prior_means)[:, None]).sum(2)  # (n, classes)
        return ((-squares - latent_dim * LOG_TWO_PI) / 2).astype(np.float32), None

    functions = {"encoder": encoder, "decoder": decoder, "prior": None, "density": density}
    return Model("vae", latent_dim, tuple(weights), functions)


def binary() -> np.ndarray:
    return likelihood.binarised(to_pixels(tiny.mnist().test.images).numpy(), 1)


def blind_nll(images: np.ndarray, logit: float) -> float:
    """Exact −log p(x) of the blind model, the mean over images."""
    return float((np.log1p(np.exp(logit)) - images * logit).sum() / len(images))


def test_bound_is_exact_where_the_posterior_is_the_prior():
    metrics = likelihood.lower_bound(blind_vae(), binary())
    exact = blind_nll(binary(), -1.0)
    assert metrics["negative_elbo"].value == pytest.approx(exact, rel=1e-6)
    assert metrics["reconstruction"].value == pytest.approx(exact, rel=1e-6)
    assert metrics["kl"].value == pytest.approx(0, abs=1e-5)
    assert metrics["negative_elbo_standard_normal"].value == pytest.approx(exact, rel=1e-6)


def test_bound_exceeds_the_likelihood_by_the_divergence():
    mean, log_var = 0.7, -1.5
    images = np.repeat(binary(), 20, axis=0)  # (6000, …): one draw each
    metrics = likelihood.lower_bound(blind_vae(mean, log_var), images)
    divergence = 2 * 0.5 * (mean**2 + math.exp(log_var) - 1 - log_var)
    assert metrics["negative_elbo_standard_normal"].value == pytest.approx(
        blind_nll(images, -1.0) + divergence, rel=1e-6
    )
    # log q − log p varies by about 1 nat over draws: 6 standard errors of the mean of 6,000
    assert metrics["kl"].value == pytest.approx(divergence, abs=6 / math.sqrt(6000))
    assert metrics["negative_elbo"].value == pytest.approx(
        metrics["reconstruction"].value + metrics["kl"].value, abs=1e-9
    )


def test_importance_weights_close_the_gap_that_the_bound_leaves():
    metrics = likelihood.importance_weighted(blind_vae(0.3, -0.5), binary(), 40, 2000)
    exact = blind_nll(binary()[::7][:40], -1.0)
    assert metrics["nll_iw2000"].value == pytest.approx(exact, abs=0.02)
    assert metrics["nll_iw2000_negative_elbo"].value > exact + 0.1
    assert metrics["nll_iw2000_standard_error"].value > 0


def test_prior_is_marginalised_over_labels_with_their_weights():
    model = blind_vae(prior_means=(-2.0, 1.0), weights=(0.25, 0.75))
    noise = np.zeros((1, 1, 2), np.float32)  # the draw is the mean, the origin
    zero = np.zeros((1, 2), np.float32)
    _, log_pz, log_qz = likelihood.log_terms(model, binary()[:1], zero, zero, noise)
    wanted = math.log(0.25 * math.exp(-4) + 0.75 * math.exp(-1)) - LOG_TWO_PI
    assert log_pz[0, 0] == pytest.approx(wanted, rel=1e-6)
    assert log_qz[0, 0] == pytest.approx(-LOG_TWO_PI, rel=1e-6)


def test_figures_do_not_depend_on_how_many_rows_are_measured_at_once(monkeypatch):
    model = of_torch(tiny.autoencoder("vae"))
    images = binary()[:40]
    whole = likelihood.lower_bound(model, images) | likelihood.importance_weighted(model, images, 10, 8)
    monkeypatch.setattr(model_module, "ROWS", 17)
    parts = likelihood.lower_bound(model, images) | likelihood.importance_weighted(model, images, 10, 8)
    for name, metric in parts.items():
        # float32 holds the 550 nats of one image to 3e-5; other draws would move each figure by far more
        assert metric.value == pytest.approx(whole[name].value, abs=1e-4), name


def test_names_tell_the_number_of_draws():
    metrics = evaluate.measure(of_torch(tiny.autoencoder("vae")), tiny.mnist(), Protocol(50, 5, 4))
    assert "nll_iw4" in metrics
    assert "5 evenly spread test images, 4 draws" in metrics["nll_iw4"].meaning
    assert metrics["nll_iw4"].value <= metrics["nll_iw4_negative_elbo"].value


def test_autoencoder_has_no_likelihood():
    metrics = evaluate.measure(of_torch(tiny.autoencoder("ae")), tiny.mnist(), tiny.PROTOCOL)
    assert metrics.keys() == {"reconstruction_mse", "reconstruction_mse_over_pca", "label_accuracy"}


def test_principal_components_leave_the_smaller_variances():
    axes = np.array([[3, 0, 0], [0, 2, 0], [0, 0, 1]], np.float32)
    points = np.concatenate([axes, -axes]) + 5  # (6, 3): variances 3, 4/3 and 1/3 about the mean (5, 5, 5)
    assert evaluate.pca_mse(points, points, 1) == pytest.approx((4 / 3 + 1 / 3) / 3)
    assert evaluate.pca_mse(points, points, 2) == pytest.approx(1 / 9)
    assert evaluate.pca_mse(points, points + np.float32([0, 0, 1]), 2) == pytest.approx(1 / 9 + 1 / 3)


def test_error_of_a_constant_image_is_its_mean_square():
    model = blind_vae(logit=0.0)  # every pixel is one half
    pixels = to_pixels(tiny.mnist().test.images).numpy()
    metrics = evaluate.reconstruction(model, pixels, pixels)
    wanted = float(np.square(pixels - 0.5, dtype=np.float64).mean())
    assert metrics["reconstruction_mse"].value == pytest.approx(wanted, rel=1e-6)
    pca = evaluate.pca_mse(pixels.reshape(len(pixels), -1), pixels.reshape(len(pixels), -1), 2)
    assert metrics["reconstruction_mse_over_pca"].value == pytest.approx(wanted / pca, rel=1e-6)


@pytest.mark.parametrize(("weights", "share"), [((0.5, 0.5), 0.25), ((0.001, 0.999), 0.75)])
def test_label_is_the_likeliest_one_by_weight_and_density(weights, share):
    model = blind_vae(mean=-0.5, prior_means=(-1.0, 1.0), weights=weights)  # nearer to label 0, by e² to 1
    labels = np.array([0, 1, 1, 1])
    metric = evaluate.label_accuracy(model, binary()[:4], labels)["label_accuracy"]
    assert metric.value == share


def test_unit_is_active_if_its_mean_varies():
    def encoder(images):
        ink = images.sum((1, 2, 3))
        return np.stack([ink, 0.05 * np.sign(ink - np.median(ink)), np.full(len(ink), 7.0)], 1), None

    model = Model("vae", 3, (1.0,), {"encoder": encoder})
    assert evaluate.active_units(model, binary())["active_units"].value == 1


def test_binarisation_is_one_published_draw():
    pixels = np.full((2, 1, 28, 28), 0.25, np.float32)
    draw = likelihood.binarised(pixels, likelihood.SEED)
    assert set(np.unique(draw)) == {0, 1}
    assert draw.mean() == pytest.approx(0.25, abs=0.05)
    packed = np.packbits(draw.astype(np.uint8)).tobytes()
    assert likelihood.binary_sha256(draw) == hashlib.sha256(packed).hexdigest()
    # If this changes, NumPy's stream did, and no figure compares with an older one.
    assert likelihood.binary_sha256(draw)[:16] == "76a590d1c6ad09c7"


def test_black_and_white_pixels_are_certain():
    pixels = np.zeros((1, 1, 28, 28), np.float32)
    pixels[0, 0, :14] = 1
    assert np.array_equal(likelihood.binarised(pixels, 5), pixels)


def test_images_are_spread_evenly():
    digits = Digits(tiny.mnist().test.images, tiny.mnist().test.labels)
    kept = evaluate.strided(digits, 100)
    assert np.array_equal(kept.images, digits.images[::3])
    assert len(evaluate.strided(digits, 1000).labels) == 300


def test_every_figure_has_a_line_with_its_unit():
    metrics = evaluate.measure(of_torch(tiny.autoencoder("vae")), tiny.mnist(), tiny.PROTOCOL)
    lines = evaluate.table(metrics).splitlines()
    assert len(lines) == len(metrics)
    assert all(line.endswith(metric.unit) for line, metric in zip(lines, metrics.values(), strict=True))


def test_command_keeps_the_figures_beside_the_run(tmp_path, monkeypatch):
    fit.fit(tiny.config("ae"), tiny.mnist(), tmp_path / "run")
    sample = tiny.mnist()  # read before the reader is replaced
    monkeypatch.setattr(evaluate.data, "load", lambda directory: sample)
    monkeypatch.setattr(evaluate, "QUICK", tiny.PROTOCOL)
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    text = evaluate.run(parser.parse_args([str(tmp_path / "run"), "--quick"]))
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert kept.keys() == {"reconstruction_mse", "reconstruction_mse_over_pca", "label_accuracy"}
    assert f"{kept['label_accuracy']['value']:.4g}" in text
