"""Neighbours of samples that are copies, are new, or lie where a ruler can reach."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from tests.training import tiny
from training.data.mnist import Digits, to_pixels
from training.evaluation import memorisation
from training.evaluation.classifier import Classifier
from training.evaluation.metrics import Measurements
from training.evaluation.protocol import Protocol
from training.model.functions import Model, uniform


def flat_classifier() -> Classifier:
    """Its features are every fourth pixel."""
    return Classifier(nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), nn.Identity())


def showing(digits: Digits) -> Model:
    """Its sample i is digit i, whatever is asked."""
    shown = to_pixels(digits.images).numpy()

    def prior(noise: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (np.arange(len(noise), dtype=np.float32)[:, None],)

    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (shown[latents[:, 0].astype(int)],)

    return Model("ae", 1, uniform(10), {"prior": prior, "decoder": decoder})


def found(digits: Digits, samples: int = 100, **counts: int) -> Measurements:
    mnist, protocol = tiny.mnist(), Protocol(samples=samples, **counts)
    return memorisation.memorisation(showing(digits), flat_classifier(), mnist.train, mnist.test, protocol)


def test_copies_are_found_out() -> None:
    metrics = found(tiny.mnist().train).metrics
    for suffix in ("", "_features"):
        assert metrics[f"nearest_train_median{suffix}"].value == 0
        assert metrics[f"nearest_train_median_test{suffix}"].value > 0
        assert metrics[f"nearer_than_test_share{suffix}"].value == 1


def test_new_digits_are_as_far_away_as_test_digits() -> None:
    metrics = found(tiny.mnist().test, samples=300).metrics
    for suffix in ("", "_features"):
        assert metrics[f"nearest_train_median{suffix}"].value == metrics[f"nearest_train_median_test{suffix}"].value
        assert metrics[f"nearer_than_test_share{suffix}"].value == pytest.approx(0.01, abs=0.005)


def test_rows_are_those_of_all_training_digits_where_only_some_are_searched() -> None:
    copied = Digits(*(rows[248:252] for rows in tiny.mnist().train))
    table = found(copied, samples=4, known_images=150).tables["closest_pairs"]
    assert [row[2] for row in table.rows if row[4] == 0] == [248, 250]


def test_a_few_copies_among_new_digits_lead_the_closest_pairs() -> None:
    train, test = tiny.mnist()[:2]
    images, labels = test.images[:60].clone(), test.labels[:60]
    images[41], images[7] = train.images[250], train.images[3]
    measured = found(Digits(images, labels), samples=60)
    table = measured.tables["closest_pairs"]
    assert len(table.rows) == 20
    assert table.rows[0] == (7, 7, 3, int(train.labels[3]), 0)
    assert table.rows[1] == (41, 1, 250, int(train.labels[250]), 0)
    distances = [float(row[-1]) for row in table.rows]
    assert distances == sorted(distances)
    assert distances[2] > 0
    assert 2 / 60 <= measured.metrics["nearer_than_test_share"].value < 0.1


def test_pairs_are_the_pictures_of_the_table() -> None:
    train, test = tiny.mnist()[:2]
    model = showing(test)
    table = found(test, samples=60).tables["closest_pairs"]
    samples, neighbours = memorisation.pairs(model, train, table)
    assert samples.shape == neighbours.shape == (20, 1, 28, 28)
    distances = np.sqrt(np.square(samples - neighbours).sum((1, 2, 3)))
    np.testing.assert_allclose(distances, [float(row[-1]) for row in table.rows], rtol=1e-5)


def test_nearest_row_and_distance_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    others = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
    rows = np.array([[3, 4], [10, 1], [1, 8], [9, -2], [0, 0]], np.float32)
    for size in (512, 2):
        monkeypatch.setattr(memorisation, "ROWS", size)
        index, distances = memorisation.nearest(rows, others)
        assert index.tolist() == [0, 1, 2, 1, 0]
        np.testing.assert_allclose(distances, [5, 1, np.sqrt(5), np.sqrt(5), 0])


def test_nearest_agrees_with_all_distances_in_double_precision() -> None:
    random = np.random.default_rng(1)
    some, others = random.random((40, 784), np.float32), random.random((70, 784), np.float32)
    squared = np.square(some[:, None].astype(np.float64) - others).sum(2)
    index, distances = memorisation.nearest(some, others)
    assert index.tolist() == squared.argmin(1).tolist()
    np.testing.assert_allclose(distances, np.sqrt(squared.min(1)), rtol=1e-6)
