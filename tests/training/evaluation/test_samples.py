"""Figures on samples, on models and classifiers made by hand whose answers are known."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from models.manifest import Kind
from tests.training import tiny
from training.data.mnist import Digits, to_pixels
from training.evaluation import samples
from training.evaluation.classifier import Classifier, load
from training.evaluation.protocol import Protocol
from training.model.functions import Model, of_torch, uniform

COUNT = 500
PROTOCOL = Protocol(samples=60)


def painter(limit: float = np.inf, weights: tuple[float, ...] = uniform(10)) -> Model:
    """A latent is (label, noise); its image has ink in the label's pixel, or the next one's where |noise| > limit."""

    def prior(noise: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (np.stack([labels, noise[:, 1]], 1).astype(np.float32),)

    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        images = np.zeros((len(latents), 1, 28, 28), np.float32)
        shown = (latents[:, 0].astype(int) + (np.abs(latents[:, 1]) > limit)) % 10
        images[np.arange(len(latents)), 0, 0, shown] = 1
        return (images,)

    return Model("ae", 2, weights, {"prior": prior, "decoder": decoder})


class FirstPixels(nn.Module):
    """The ten features that the painter writes."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 0, :10]


def reader() -> Classifier:
    """Reads the painter's images without an error."""
    return Classifier(FirstPixels(), nn.Identity())


def test_labels_are_asked_in_turn_and_row_is_the_same_whatever_the_count() -> None:
    model = of_torch(tiny.autoencoder("vae"))
    images, labels = samples.drawn(model, 25, seed=1)
    assert labels.tolist() == [*range(10), *range(10), *range(5)]
    assert images.shape == (25, 1, 28, 28)
    np.testing.assert_allclose(samples.drawn(model, 40, seed=1)[0][:25], images, atol=1e-6)
    assert not np.allclose(samples.drawn(model, 25, seed=2)[0], images, atol=1e-3)


def test_temperature_scales_the_noise() -> None:
    seen = []

    def prior(noise: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        seen.append(noise)
        return painter().functions["prior"](noise, labels)

    model = Model("ae", 2, uniform(10), painter().functions | {"prior": prior})
    samples.drawn(model, 300, seed=1)
    samples.drawn(model, 300, seed=1, temperature=0.5)
    np.testing.assert_array_equal(seen[1], np.float32(0.5) * seen[0])
    assert seen[0].std() == pytest.approx(1, abs=0.1)


def test_labels_that_nobody_asked_for_follow_the_class_weights() -> None:
    weights = (0.7, 0.3, *[0.0] * 8)
    _, labels = samples.drawn(painter(weights=weights), 2000, seed=1, labels="by weight")
    assert set(labels) == {0, 1}
    assert (labels == 0).mean() == pytest.approx(0.7, abs=0.03)


def test_confirmed_share_counts_what_the_classifier_reads() -> None:
    model = painter(limit=1.0)
    noise = np.random.Generator(np.random.Philox(samples.SEED)).standard_normal((COUNT, 2), np.float32)[:, 1]
    images, labels = samples.drawn(model, COUNT, samples.SEED)
    cooler, _ = samples.drawn(model, COUNT, samples.SEED, samples.COOLER)
    measured = samples.confirmed(reader(), images, labels, cooler)
    right = np.abs(noise) <= 1
    assert measured.metrics["sample_label_confirmed"].value == pytest.approx(right.mean())
    assert measured.metrics["sample_label_confirmed_t08"].value == pytest.approx((np.abs(0.8 * noise) <= 1).mean())
    label, share, _ = measured.tables["sample_label_by_digit"].rows[3]
    assert (label, share) == ("3", pytest.approx(right[3::10].mean()))


def test_entropy_is_that_of_the_classes_and_none_where_all_samples_are_one_digit() -> None:
    images, _ = samples.drawn(painter(), COUNT, 1)
    assert samples.class_entropy(reader(), images).metrics["sample_class_entropy"].value == pytest.approx(np.log(10))
    same = np.repeat(images[4:5], COUNT, 0)
    assert samples.class_entropy(reader(), same).metrics["sample_class_entropy"].value == 0


def cross(*half_axes: float) -> np.ndarray:
    """Two points on every axis, (2 f, f): their covariance is diagonal, with half_axis² / (f − ½)."""
    points = np.diag(np.asarray(half_axes, np.float64))
    return np.concatenate([points, -points])


def test_frechet_distance_of_diagonal_gaussians_is_the_closed_form() -> None:
    first, second = cross(1, 2, 3), cross(2, 5, 3) + np.array([1, 0, -2])
    deviations = np.array([2 - 1, 5 - 2, 3 - 3]) / np.sqrt(2.5)
    assert samples.frechet(first, second) == pytest.approx(1 + 4 + np.square(deviations).sum())


def test_frechet_distance_of_turned_gaussians_agrees_with_the_eigenvalues_of_the_product() -> None:
    random = np.random.default_rng(1)
    first, second = (random.standard_normal((50, 4)) @ random.standard_normal((4, 4)) for _ in range(2))
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(one @ other).real).sum()
    shift = np.square(first.mean(0) - second.mean(0)).sum()
    assert samples.frechet(first, second) == pytest.approx(shift + np.trace(one) + np.trace(other) - 2 * root)


def test_frechet_distance_to_itself_is_none_even_where_features_are_constant() -> None:
    features = np.random.default_rng(1).standard_normal((30, 4)).astype(np.float32)
    features[:, 2] = 5
    assert samples.frechet(features, features) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("sample", "density", "coverage"), [(0.5, 6 / 5, 1.0), (-5.0, 3 / 5, 1 / 2), (100.0, 0.0, 0.0)]
)
def test_density_and_coverage_of_points_on_a_line(sample: float, density: float, coverage: float) -> None:
    real = np.array([0, 1, 2, 3, 4, 10], np.float32)[:, None]
    radii = samples.radius(real)
    np.testing.assert_allclose(radii, [10, 9, 8, 7, 6, 10])  # of six points, the fifth neighbour is the farthest
    found = samples.density_and_coverage(np.array([[sample]], np.float32), real, radii)
    assert found == (pytest.approx(density), pytest.approx(coverage))


def test_density_does_not_depend_on_how_the_rows_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    some, real = random.standard_normal((2, 50, 3)).astype(np.float32)
    whole = samples.density_and_coverage(some, real, samples.radius(real))
    monkeypatch.setattr(samples, "CHUNK", 7)
    assert samples.density_and_coverage(some, real, samples.radius(real)) == whole


def test_blur_keeps_the_ink_and_spreads_it() -> None:
    image = np.zeros((1, 1, 28, 28), np.float32)
    image[0, 0, 10, 10] = 0.9
    blurred = samples.blurred(image)
    np.testing.assert_allclose(blurred[0, 0, 9:12, 9:12], 0.1, rtol=1e-6)
    assert blurred.sum() == pytest.approx(0.9)


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_every_figure_of_a_model_is_found_and_more_damage_is_farther_away(kind: Kind) -> None:
    mnist = tiny.mnist()
    measured = samples.samples(of_torch(tiny.autoencoder(kind)), load(), mnist.train, mnist.test, PROTOCOL)
    assert set(measured.metrics) == {
        "judge_accuracy",
        "sample_label_confirmed",
        "sample_label_confirmed_t08",
        "sample_class_entropy",
        "frechet_distance",
        "frechet_distance_floor",
        "density",
        "density_real",
        "coverage",
        "coverage_real",
    }
    values = {name: metric.value for name, metric in measured.metrics.items()}
    assert values["judge_accuracy"] > 0.95
    assert values["sample_label_confirmed"] < 0.5  # the model is untrained
    assert values["frechet_distance"] > 2 * values["frechet_distance_floor"]
    assert values["coverage"] < 0.2 < values["coverage_real"]
    ruler = {row[0]: row[1] for row in measured.tables["frechet_ruler"].rows}
    floor, weak, strong, *_, rebuilt = ruler.values()
    assert floor == values["frechet_distance_floor"]
    assert floor < strong
    assert weak < strong < rebuilt
    assert all("60" in metric.meaning for metric in measured.metrics.values())


def test_test_digits_as_samples_have_no_distance() -> None:
    real = load().features(to_pixels(tiny.mnist().test.images[:60]).numpy())
    metrics = samples.distances(real, real[::-1], real).metrics
    assert metrics["frechet_distance"].value == pytest.approx(0, abs=1e-4)
    assert metrics["coverage"].value == 1


def test_more_digits_than_there_are_is_all_of_them() -> None:
    test = Digits(*(part[:40] for part in tiny.mnist().test))
    measured = samples.samples(of_torch(tiny.autoencoder("ae")), load(), tiny.mnist().train, test, PROTOCOL)
    assert "against 40 test digits" in measured.metrics["density"].meaning
