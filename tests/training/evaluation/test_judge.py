"""The judge on the sample of real digits, and how a judge is learned, on fewer still."""

import argparse
import functools
import json

import numpy as np
import pytest
import torch

from tests.training import tiny
from training import data
from training.data import Digits, to_pixels
from training.errors import DataError
from training.evaluation import judge


def few(count: int) -> Digits:
    return Digits(*(part[:count] for part in tiny.mnist().train))


def pixels() -> np.ndarray:
    return to_pixels(tiny.mnist().test.images).numpy()


def test_committed_judge_reads_real_digits():
    logits = judge.load().logits(pixels())
    assert logits.shape == (300, 10)
    assert logits.dtype == np.float32
    assert judge.accuracy(logits, tiny.mnist().test.labels) >= 0.98


def test_logits_are_the_last_layer_over_the_features():
    loaded = judge.load()
    features = loaded.features(pixels())
    assert features.shape == (300, 64)
    rebuilt = features @ loaded.head.weight.numpy().T + loaded.head.bias.numpy()
    np.testing.assert_allclose(loaded.logits(pixels()), rebuilt, atol=1e-4)


def test_row_does_not_depend_on_its_batch():
    loaded = judge.load()
    together = loaded.logits(pixels())
    alone = np.concatenate([loaded.logits(pixels()[row : row + 1]) for row in (0, 7, 299)])
    np.testing.assert_allclose(alone, together[[0, 7, 299]], atol=1e-4)


def test_damaged_weights_are_refused(tmp_path):
    content = bytearray(judge.WEIGHTS.read_bytes())
    content[-1] ^= 1
    (tmp_path / "judge.npz").write_bytes(content)
    with pytest.raises(DataError, match=f"expected {judge.SHA256}"):
        judge.load(tmp_path / "judge.npz")


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz can't be read"):
        judge.load(tmp_path / "none.npz")


def test_same_digits_and_seed_give_the_same_bytes_and_leave_the_global_seed_alone():
    torch.manual_seed(11)
    first = judge.train(few(20), epochs=1)
    torch.manual_seed(12)
    before = torch.get_rng_state()
    assert judge.train(few(20), epochs=1) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert judge.train(few(20), epochs=1, seed=6) != first


def test_a_classifier_learns_its_digits():
    network = judge.classifier(8, 32, seed=1)
    images = to_pixels(few(100).images).numpy()
    untaught = judge.accuracy(judge.through(network, images), few(100).labels)
    judge.learn(network, few(100), epochs=40, seed=1)
    assert untaught < 0.3
    assert judge.accuracy(judge.through(network, images), few(100).labels) > 0.8


def test_augmentation_moves_ink_a_little_and_makes_none():
    whole = to_pixels(few(50).images)
    moved = judge.augmented(whole, torch.Generator().manual_seed(1))
    assert torch.equal(moved, judge.augmented(whole, torch.Generator().manual_seed(1)))
    assert moved.shape == whole.shape
    assert moved.min() >= 0
    assert moved.max() <= 1
    rows = torch.arange(28.0)
    centre, new_centre = ((part.sum((1, 3)) @ rows) / part.sum((1, 2, 3)) for part in (whole, moved))
    assert 0.5 < (centre - new_centre).abs().max() < 3.5
    ratio = moved.sum((1, 2, 3)) / whole.sum((1, 2, 3))
    assert 0.7 < ratio.min() < ratio.max() < 1.4


def test_command_writes_what_it_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "DIGESTS", json.loads((tiny.DATA / "digests.json").read_text()))
    monkeypatch.setattr(judge, "VALIDATION_ROWS", 50)
    monkeypatch.setattr(judge, "train", functools.partial(judge.train, epochs=1))
    parser = argparse.ArgumentParser()
    judge.add_arguments(parser)
    out = tmp_path / "judge.npz"
    said = judge.run(parser.parse_args(["--out", str(out), "--data", str(tiny.DATA)]))
    assert f"SHA-256 {judge.digest(out.read_bytes())}" in said
    assert "of 250 training digits" in said
    assert "of 50 validation digits" in said
    judge.load(out, judge.digest(out.read_bytes()))


def test_committed_weights_are_small():
    assert judge.WEIGHTS.stat().st_size < 700_000
