"""A report believes nothing: it verifies, measures, and says where the figures differ from what the manifest claims."""

import argparse
import json
import re
import shutil
from pathlib import Path

import pytest

from models.manifest import Metric
from tests.training import tiny
from training import card, export, fit, report
from training.errors import ExportError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the tiny VAE's bundle, to be altered."""
    return shutil.copytree(tiny.bundle("vae"), tmp_path / "tiny-vae" / "1")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = tiny.mnist()  # read before the reader is replaced
    monkeypatch.setattr(report.data, "load", lambda directory: sample)
    monkeypatch.setattr(report, "FULL", tiny.PROTOCOL)


def told(*arguments: object) -> str:
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return report.run(parser.parse_args(list(map(str, arguments))))


def rewrite(bundle: Path, change) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    change(manifest)
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_report_of_a_sound_bundle_shows_measured_and_stated_figures(bundle):
    lines = told(bundle).splitlines()
    assert lines[0].split() == ["figure", "measured", "manifest", "unit"]
    _, measured, stated, *unit = next(line for line in lines if line.startswith("negative_elbo ")).split()
    assert measured == stated
    assert unit == ["nats", "per", "image"]


def test_figure_that_is_better_than_measured_is_an_error(bundle):
    def flatter(manifest):
        manifest["metrics"]["kl"]["value"] *= 0.99

    rewrite(bundle, flatter)
    with pytest.raises(ExportError, match=r"(?s)states other figures.*kl .*≠"):
        told(bundle)


def test_quick_report_measures_less_and_compares_nothing(bundle, monkeypatch):
    monkeypatch.setattr(report, "QUICK", export.Protocol(20, 5, 3))
    lines = told(bundle, "--quick").splitlines()
    assert any(line.startswith("nll_iw3 ") and "–" in line for line in lines)


def test_damaged_file_is_refused(bundle):
    content = bytearray((bundle / "decoder.onnx").read_bytes())
    content[-10] ^= 1
    (bundle / "decoder.onnx").write_bytes(content)
    with pytest.raises(ExportError, match=r"decoder.onnx is not the file that the manifest describes"):
        report.open_bundle(bundle)


def test_missing_file_is_refused(bundle):
    (bundle / "prior.onnx").unlink()
    with pytest.raises(ExportError, match=r"prior.onnx can't be read"):
        report.open_bundle(bundle)


def test_unknown_manifest_is_refused(bundle):
    rewrite(bundle, lambda manifest: manifest.update(schema_version=2))
    with pytest.raises(ExportError, match="is not a manifest"):
        report.open_bundle(bundle)


def test_directory_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"manifest.json can't be read: No such file"):
        report.open_bundle(tmp_path)


def test_golden_vectors_that_do_not_come_out_are_refused(bundle):
    _, model = report.open_bundle(bundle)
    golden = export.golden(model, tiny.mnist().test)
    golden["sample"] = golden["sample"] + 2e-4
    (bundle / "golden.npz").write_bytes(export.npz(golden))
    with pytest.raises(ExportError, match="sample does not come out"):
        report.check_golden(model, bundle / "golden.npz")


def test_card_states_every_figure_and_shows_pictures_that_exist(bundle):
    text = (bundle / "CARD.md").read_text()
    manifest, _ = report.open_bundle(bundle)
    for name, metric in manifest.metrics.items():
        assert f"| `{name}` | {metric.value:.4g} | {metric.unit} |" in text
    pictures = re.findall(r"\]\((figures/[a-z]+\.png)\)", text)
    assert len(pictures) == 5
    assert all((bundle / picture).is_file() for picture in pictures)
    assert "CC BY-SA 3.0" in text
    for section in ("What it is", "Data", "Training", "Figures", "Limits", "Licence"):
        assert f"## {section}\n" in text


def test_report_draws_the_card_that_the_export_drew(bundle, tmp_path):
    told(bundle, "--out", tmp_path / "out", "--quick")
    assert (tmp_path / "out" / "CARD.md").read_text() == (bundle / "CARD.md").read_text()
    for picture in (bundle / "figures").iterdir():
        assert (tmp_path / "out" / "figures" / picture.name).read_bytes() == picture.read_bytes()


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_card_tells_how_it_was_trained_where_the_run_is_known(kind):
    meta = {"epochs": {"networks": 3, "prior": 2}, "wall_seconds": 90.0, "machine": "an abacus"}
    meta |= {"train_rows": 55000, "validation_rows": 5000}
    lines = card.account(tiny.config(kind), meta)
    assert "784-16-3" in lines[0]
    assert "3 epochs of the networks, 2 epochs of the prior: 1.5 minutes on an abacus." in lines


def test_card_of_an_autoencoder_warns_of_decoding_noise():
    text = (tiny.bundle("ae") / "CARD.md").read_text()
    assert "not by decoding noise" in text
    assert "Nats are" not in text


def test_comparison_names_what_differs_in_the_fourth_digit():
    def metric(value: float) -> Metric:
        return Metric(value=value, unit="share", meaning="")

    text, differing = report.comparison(
        {"same": metric(0.12344), "other": metric(0.1236), "new": metric(1)},
        {"same": metric(0.12343), "other": metric(0.1234), "old": metric(2)},
    )
    assert differing == ["other"]
    assert [line.split()[0] for line in text.splitlines()] == ["figure", "same", "other", "new", "old"]


def test_run_adds_its_loss_curves(bundle, tmp_path):
    fit.fit(tiny.config("vae"), tiny.mnist(), tmp_path / "run")
    told(bundle, "--out", tmp_path / "out", "--run", tmp_path / "run", "--quick")
    assert (tmp_path / "out" / "figures" / "losses.png").is_file()
    assert "epochs of the networks" in (tmp_path / "out" / "CARD.md").read_text()
