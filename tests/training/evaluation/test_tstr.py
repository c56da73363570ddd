"""Classifiers of tiny sets: what they read follows from what they were shown, and from nothing else."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.training import tiny
from training.data.mnist import Digits
from training.evaluation import tstr
from training.evaluation.protocol import Protocol
from training.model.functions import Model, of_torch, uniform

TINY = Protocol(synthetic_images=100, synthetic_seeds=2, synthetic_epochs=1)


def few(digits: Digits, count: int) -> Digits:
    return Digits(*(part[:count] for part in digits))


def copier() -> Model:
    """Its samples of a label are training digits of that label, chosen by the noise."""
    train = tiny.mnist().train
    rows = [np.flatnonzero(train.labels.numpy() == label) for label in range(10)]

    def prior(noise: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        chosen = [
            rows[label][int(abs(x) * 1e4) % len(rows[label])] for x, label in zip(noise[:, 0], labels, strict=True)
        ]
        return (np.array(chosen, np.float32)[:, None],)

    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (train.images[latents[:, 0].astype(int)].unsqueeze(1).float().div(255).numpy(),)

    return Model("ae", 1, uniform(10), {"prior": prior, "decoder": decoder})


def test_right_labels_teach_more_than_shuffled_ones() -> None:
    train, test = tiny.mnist()[:2]
    order = torch.randperm(len(train.labels), generator=torch.Generator().manual_seed(1))
    right = tstr.read(train, test, epochs=6, seed=1)
    shuffled = tstr.read(Digits(train.images, train.labels[order]), test, epochs=6, seed=1)
    assert right.mean() > 0.5
    assert shuffled.mean() < 0.3


def test_classifiers_learn_from_samples_at_each_temperature_and_from_real_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learned = []

    def read(digits: Digits, test: Digits, epochs: int, seed: int) -> NDArray[Any]:
        learned.append((digits, seed))
        return test.labels.numpy() == 0

    monkeypatch.setattr(tstr, "read", read)
    model, mnist = of_torch(tiny.autoencoder("vae")), tiny.mnist()
    tstr.tstr(model, mnist.train, mnist.test, TINY)
    first = tstr.SEED
    expected = [
        *(tstr.synthetic(model, 100, seed, 1.0) for seed in (first, first + 1)),
        *(tstr.synthetic(model, 100, seed, 0.9) for seed in (first, first + 1)),
        *[Digits(*(part[::3] for part in mnist.train))] * 2,
    ]
    assert [seed for _, seed in learned] == [first, first + 1] * 3
    for (digits, _), wanted in zip(learned, expected, strict=True):
        assert torch.equal(digits.images, wanted.images)
        assert torch.equal(digits.labels, wanted.labels)


def test_samples_are_256_greys_with_their_labels() -> None:
    digits = tstr.synthetic(copier(), 30, seed=1, temperature=1.0)
    assert digits.images.shape == (30, 28, 28)
    assert digits.images.dtype == torch.uint8
    train = tiny.mnist().train
    for image, label in zip(*digits, strict=True):
        assert (train.images[train.labels == label] == image).flatten(1).all(1).any()


def test_every_seed_has_samples_of_its_own() -> None:
    model = of_torch(tiny.autoencoder("vae"))
    one, other, again = (tstr.synthetic(model, 20, seed, 1.0).images for seed in (1, 2, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_two_runs_find_the_same_and_the_global_seed_is_left_alone() -> None:
    model, mnist = of_torch(tiny.autoencoder("vae")), tiny.mnist()
    before = torch.get_rng_state()
    first = tstr.tstr(model, mnist.train, mnist.test, TINY)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert tstr.tstr(model, mnist.train, mnist.test, TINY) == first


def test_mean_deviation_and_recall_by_label_are_those_of_the_classifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    mnist = tiny.mnist()
    labels = mnist.test.labels.numpy()

    def read(
        digits: Digits, test: Digits, epochs: int, seed: int
    ) -> NDArray[Any]:  # the first classifier reads only 0 to 4, the second only 0
        return labels <= (4 if seed == tstr.SEED else 0)

    monkeypatch.setattr(tstr, "read", read)
    measured = tstr.tstr(of_torch(tiny.autoencoder("vae")), mnist.train, mnist.test, TINY)
    shares = [(labels <= 4).mean(), (labels <= 0).mean()]
    for suffix in ("", "_t09", "_real"):
        assert measured.metrics[f"tstr_accuracy{suffix}"].value == pytest.approx(np.mean(shares))
        assert measured.metrics[f"tstr_accuracy{suffix}_sd"].value == pytest.approx(np.std(shares, ddof=1))
    by_digit = {row[0]: row[1:] for row in measured.tables["tstr_by_digit"].rows}
    assert by_digit == {str(label): ((label <= 4) / 2 + (label <= 0) / 2,) * 3 for label in range(10)}


def test_one_classifier_has_no_deviation() -> None:
    mnist = tiny.mnist()
    protocol = Protocol(synthetic_images=50, synthetic_seeds=1, synthetic_epochs=1)
    measured = tstr.tstr(copier(), mnist.train, few(mnist.test, 100), protocol)
    assert set(measured.metrics) == {"tstr_accuracy", "tstr_accuracy_t09", "tstr_accuracy_real"}
    assert "100 test digits" in measured.metrics["tstr_accuracy"].meaning
