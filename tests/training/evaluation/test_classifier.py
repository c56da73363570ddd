"""The classifier on the sample of real digits, and how one is learned, on fewer still."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training import tiny
from training.data.mnist import Digits, to_pixels
from training.errors import DataError
from training.evaluation import classifier


def few(count: int) -> Digits:
    return Digits(*(part[:count] for part in tiny.mnist().train))


def pixels() -> np.ndarray:
    return to_pixels(tiny.mnist().test.images).numpy()


def test_committed_classifier_reads_real_digits() -> None:
    logits = classifier.load().logits(pixels())
    assert logits.shape == (300, 10)
    assert logits.dtype == np.float32
    assert classifier.accuracy(logits, tiny.mnist().test.labels) >= 0.98


def test_logits_are_the_last_layer_over_the_features() -> None:
    loaded = classifier.load()
    features = loaded.features(pixels())
    assert features.shape == (300, 64)
    rebuilt = features @ loaded.head.weight.numpy().T + loaded.head.bias.numpy()
    np.testing.assert_allclose(loaded.logits(pixels()), rebuilt, atol=1e-4)


def test_row_does_not_depend_on_its_batch() -> None:
    loaded = classifier.load()
    together = loaded.logits(pixels())
    alone = np.concatenate([loaded.logits(pixels()[row : row + 1]) for row in (0, 7, 299)])
    np.testing.assert_allclose(alone, together[[0, 7, 299]], atol=1e-4)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    content = bytearray(classifier.WEIGHTS.read_bytes())
    content[-1] ^= 1
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(DataError, match=f"expected {classifier.SHA256}"):
        classifier.load(tmp_path / "weights.npz")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz cannot be read"):
        classifier.load(tmp_path / "none.npz")


def test_same_digits_and_seed_give_the_same_bytes_and_leave_the_global_seed_alone() -> None:
    torch.manual_seed(11)
    first = classifier.train(few(20), epochs=1)
    torch.manual_seed(12)
    before = torch.get_rng_state()
    assert classifier.train(few(20), epochs=1) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert classifier.train(few(20), epochs=1, seed=6) != first


def test_a_classifier_learns_its_digits() -> None:
    network = classifier.new_network(8, 32, seed=1)
    images = to_pixels(few(100).images).numpy()
    untaught = classifier.accuracy(classifier.through(network, images), few(100).labels)
    classifier.learn(network, few(100), epochs=40, seed=1)
    assert untaught < 0.3
    assert classifier.accuracy(classifier.through(network, images), few(100).labels) > 0.8


def test_augmentation_moves_ink_a_little_and_makes_none() -> None:
    whole = to_pixels(few(50).images)
    moved = classifier.augmented(whole, torch.Generator().manual_seed(1))
    assert torch.equal(moved, classifier.augmented(whole, torch.Generator().manual_seed(1)))
    assert moved.shape == whole.shape
    assert moved.min() >= 0
    assert moved.max() <= 1
    rows = torch.arange(28.0)
    centre, new_centre = ((part.sum((1, 3)) @ rows) / part.sum((1, 2, 3)) for part in (whole, moved))
    assert 0.5 < (centre - new_centre).abs().max() < 3.5
    ratio = moved.sum((1, 2, 3)) / whole.sum((1, 2, 3))
    assert 0.7 < ratio.min() < ratio.max() < 1.4


def test_committed_weights_are_small() -> None:
    assert classifier.WEIGHTS.stat().st_size < 700_000
