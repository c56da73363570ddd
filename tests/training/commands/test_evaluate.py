"""A run is measured from torch, before it is a bundle, and its figures are kept beside it."""

import argparse
import json
from pathlib import Path

import pytest

from models.manifest import Kind
from tests.training import tiny
from training.commands import evaluate
from training.evaluation.measurement import quick_figures
from training.learning.run import fit
from training.model.functions import of_torch


def test_every_figure_has_a_line_with_its_unit() -> None:
    metrics = quick_figures(of_torch(tiny.autoencoder("vae")), tiny.mnist(), tiny.PROTOCOL).metrics
    lines = evaluate.table(metrics).splitlines()
    assert len(lines) == len(metrics)
    assert all(line.endswith(metric.unit) for line, metric in zip(lines, metrics.values(), strict=True))


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("ae", {"reconstruction_mse", "label_accuracy"}),
        ("vae", {"reconstruction_mse", "label_accuracy", "negative_elbo", "kl", "nll_iw6"}),
    ],
)
def test_command_keeps_the_figures_beside_the_run(
    kind: Kind, figures: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tiny.config(kind), tiny.mnist(), tmp_path / "run")
    sample = tiny.mnist()  # read before the reader is replaced
    monkeypatch.setattr(evaluate, "load_mnist", lambda directory: sample)
    monkeypatch.setattr(evaluate, "QUICK", tiny.PROTOCOL)
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    text = evaluate.run(parser.parse_args([str(tmp_path / "run"), "--quick"]))
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert kept.keys() >= figures
    assert ("negative_elbo" in kept) == (kind == "vae")
    assert f"{kept['label_accuracy']['value']:.4g}" in text
