"""What is read off latents, on models whose latents are made by hand; the probe is held against its optimum."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifest import Kind
from tests.training import tiny
from training.data.mnist import to_pixels
from training.evaluation import latents
from training.model.functions import Model, of_torch

PIXELS = to_pixels(tiny.mnist().test.images).numpy()
LABELS = tiny.mnist().test.labels.numpy()


def normal(*shape: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(2)).standard_normal(shape)


def probe(train_means: NDArray[Any], train_labels: NDArray[Any], means: NDArray[Any], labels: NDArray[Any]) -> float:
    return latents.probe_accuracy(train_means, train_labels, means, labels).metrics["probe_accuracy"].value


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_every_question_is_asked_and_units_are_counted_for_a_vae(kind: Kind) -> None:
    measured = latents.latents(of_torch(tiny.autoencoder(kind)), PIXELS, LABELS, PIXELS[:50], LABELS[:50])
    names = {"label_accuracy", "probe_accuracy"} | ({"active_units"} if kind == "vae" else set())
    assert measured.metrics.keys() == names
    assert "50 training images, 300 test images" in measured.metrics["probe_accuracy"].meaning


@pytest.mark.parametrize(("weights", "share"), [((0.5, 0.5), 0.25), ((0.001, 0.999), 0.75)])
def test_label_is_the_likeliest_one_by_weight_and_density(weights: tuple[float, ...], share: float) -> None:
    model = tiny.blind_vae(mean=-0.5, prior_means=(-1.0, 1.0), weights=weights)  # nearer to label 0, by e² to 1
    measured = latents.label_accuracy(model, PIXELS[:4], np.array([0, 1, 1, 1]))
    assert measured.metrics["label_accuracy"].value == share
    wanted = (("0", 1, 1.0), ("1", 3, 0.0)) if share == 0.25 else (("0", 1, 0.0), ("1", 3, 1.0))
    assert measured.tables["label_by_digit"].rows == wanted


def test_unit_is_active_if_its_mean_varies() -> None:
    ink = PIXELS.sum((1, 2, 3))
    means = np.stack([ink, 0.05 * np.sign(ink - np.median(ink)), np.full(len(ink), 7.0)], 1)
    assert latents.active_units(means).metrics["active_units"].value == 1


def test_probe_reads_labels_that_a_plane_parts_whatever_the_scale() -> None:
    labels = np.arange(200) % 10
    means = np.eye(10)[labels] + 0.1 * normal(200, 10)
    assert probe(means[:150], labels[:150], means[150:], labels[150:]) == 1
    scale, shift = np.logspace(-3, 3, 10), np.arange(10) * 100.0
    moved = means * scale + shift
    assert probe(moved[:150], labels[:150], moved[150:], labels[150:]) == 1


def test_probe_of_latents_that_never_move_knows_only_the_commonest_label() -> None:
    labels = np.array([4, 4, 4, 9])
    assert probe(np.full((4, 3), 2.0), labels, np.full((4, 3), 2.0), labels) == 0.75


def test_probe_arrives_at_its_optimum() -> None:
    features, labels = normal(500, 4), np.arange(500) * 7919 % 10
    weights = latents.logistic_regression(features, labels)  # (5, 10)
    inputs = np.concatenate([features, np.ones((500, 1))], 1)
    odds = np.exp(inputs @ weights)
    slope = inputs.T @ (odds / odds.sum(1, keepdims=True) - np.eye(10)[labels]) / 500
    slope[:-1] += latents.DECAY * weights[:-1]
    np.testing.assert_allclose(slope, 0, atol=1e-6)
    np.testing.assert_array_equal(weights, latents.logistic_regression(features, labels))


def test_probe_is_judged_on_the_test_digits_alone() -> None:
    model = Model("ae", 784, (0.1,) * 10, {"encoder": lambda images: (images.reshape(-1, 784),)})
    means = latents.posterior_means(model, PIXELS)
    assert probe(means, LABELS, means, LABELS) == 1  # 300 points of 784 dimensions can be learned by heart
    assert probe(means[:150], LABELS[:150], means[150:], LABELS[150:]) < 0.95
