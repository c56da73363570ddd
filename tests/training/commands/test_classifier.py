"""The command learns a classifier, writes it, and says how well it reads."""

import argparse
import functools
import json
from pathlib import Path

import pytest

from tests.training import tiny
from training.commands import classifier
from training.data import idx
from training.evaluation.classifier import digest, load, train


def test_command_writes_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "DIGESTS", json.loads((tiny.DATA / "digests.json").read_text()))
    monkeypatch.setattr(classifier, "VALIDATION_ROWS", 50)
    monkeypatch.setattr(classifier, "train", functools.partial(train, epochs=1))
    parser = argparse.ArgumentParser()
    classifier.add_arguments(parser)
    out = tmp_path / "weights.npz"
    said = classifier.run(parser.parse_args(["--out", str(out), "--data", str(tiny.DATA)]))
    assert f"SHA-256 {digest(out.read_bytes())}" in said
    assert "of 250 training digits" in said
    assert "of 50 validation digits" in said
    load(out, digest(out.read_bytes()))
