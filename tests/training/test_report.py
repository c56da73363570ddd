"""A report believes nothing: it verifies, measures, and says where the figures differ from what the manifest claims."""

import argparse
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.bundle import load
from models.golden import npz
from models.manifest import Calibration, Metric
from tests.training import tiny
from training import bundle as bundles
from training import card, fit, report
from training.config import Tightening
from training.errors import CollapseError, ExportError
from training.evaluation import collapse
from training.evaluation.findings import Findings, Table

CHECK = collapse.check


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the tiny VAE's bundle, to be altered."""
    return shutil.copytree(tiny.bundle("vae"), tmp_path / "tiny-vae" / "1")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocol in full is the tiny one, and the tiny VAE, which is untrained, passes for a sound one."""
    sample = tiny.mnist()  # read before the reader is replaced
    monkeypatch.setattr(report.data, "load", lambda directory: sample)
    monkeypatch.setattr(report, "FULL", tiny.PROTOCOL)
    monkeypatch.setattr(collapse, "check", lambda metrics, latent_dim: None)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Metric]:
    """The figures that will be measured, to be altered: at first the ones of the bundle. Pictures are left out."""
    figures = dict(bundles.open_bundle(tiny.bundle("vae"))[0].metrics)
    monkeypatch.setattr(report, "measure", lambda model, mnist, judge, protocol: {"Figures": Findings(figures)})
    monkeypatch.setattr(report, "draw", lambda directory, *_: [])
    return figures


def told(*arguments: object) -> str:
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return report.run(parser.parse_args(list(map(str, arguments))))


def contents(bundle: Path) -> dict[str, bytes]:
    paths = (path for path in bundle.rglob("*") if path.is_file())
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in paths}


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


def test_figure_that_is_better_than_measured_is_an_error(bundle, measured):
    measured["kl"] = measured["kl"].model_copy(update={"value": measured["kl"].value * 1.01})
    with pytest.raises(ExportError, match=r"(?s)states other figures.*kl .*≠"):
        told(bundle)


def test_collapsed_model_has_no_report(bundle, measured, monkeypatch):
    before = contents(bundle)
    monkeypatch.setattr(collapse, "check", CHECK)
    measured["active_units"] = Metric(value=1, unit="dimensions", meaning="")
    with pytest.raises(CollapseError, match=r"active_units is 1 dimensions, at least 1.5 is needed"):
        told(bundle, "--write")
    assert contents(bundle) == before


def test_quick_report_measures_less_and_compares_nothing(bundle, measured, monkeypatch):
    asked = []
    measure = report.measure
    monkeypatch.setattr(report, "measure", lambda *arguments: asked.append(arguments[-1]) or measure(*arguments))
    measured["kl"] = measured["kl"].model_copy(update={"value": 1e3})
    del measured["reconstruction_mse"]
    lines = told(bundle, "--quick").splitlines()
    assert asked == [report.QUICK]
    assert any(line.startswith("kl ") and line.endswith("≠") for line in lines)
    assert any(line.startswith("reconstruction_mse ") and " – " in line for line in lines)


def test_quick_figures_are_never_written(bundle, capsys):
    with pytest.raises(SystemExit, match="2"):
        told(bundle, "--quick", "--write")
    assert "not allowed with argument" in capsys.readouterr().err


def test_damaged_file_is_refused(bundle):
    content = bytearray((bundle / "decoder.onnx").read_bytes())
    content[-10] ^= 1
    (bundle / "decoder.onnx").write_bytes(content)
    with pytest.raises(ExportError, match=r"decoder.onnx: .* the manifest states"):
        bundles.open_bundle(bundle)


def test_damaged_picture_is_refused(bundle):
    (bundle / "figures" / "samples.png").write_bytes(b"other")
    with pytest.raises(ExportError, match=r"samples.png: .* the manifest states"):
        bundles.open_bundle(bundle)


def test_missing_file_is_refused(bundle):
    (bundle / "prior.onnx").unlink()
    with pytest.raises(ExportError, match=r"prior.onnx: No such file"):
        bundles.open_bundle(bundle)


def test_file_that_is_a_link_is_refused(bundle):
    (bundle / "prior.onnx").rename(bundle / "elsewhere.onnx")
    (bundle / "prior.onnx").symlink_to("elsewhere.onnx")
    with pytest.raises(ExportError, match=r"prior.onnx: Too many levels of symbolic links"):
        bundles.open_bundle(bundle)


def test_unknown_manifest_is_refused(bundle):
    rewrite(bundle, lambda manifest: manifest.update(schema_version=2))
    with pytest.raises(ExportError, match=r"manifest.json: schema_version"):
        bundles.open_bundle(bundle)


def test_directory_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"manifest.json: No such file"):
        bundles.open_bundle(tmp_path)


def test_golden_vectors_that_do_not_come_out_are_refused(bundle):
    golden = load(bundle).golden
    content = npz({**golden, "sample": golden["sample"] + np.float32(2e-4)})
    (bundle / "golden.npz").write_bytes(content)
    record = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    rewrite(bundle, lambda manifest: manifest["files"].update({"golden.npz": record}))
    with pytest.raises(ExportError, match="decoder does not reproduce the golden sample"):
        bundles.open_bundle(bundle)


def test_card_states_every_figure_and_shows_pictures_that_exist(bundle):
    text = (bundle / "CARD.md").read_text()
    manifest, _ = bundles.open_bundle(bundle)
    for name, metric in manifest.metrics.items():
        assert f"| `{name}` | {metric.value:.4g} | {metric.unit} |" in text
    pictures = re.findall(r"\]\((figures/[a-z]+\.png)\)", text)
    assert len(pictures) == 11
    assert all((bundle / picture).is_file() for picture in pictures)
    assert "CC BY-SA 3.0" in text
    for section in ("What it is", "Data", "Training", "Figures", "Limits", "Licence"):
        assert f"## {section}\n" in text


def test_written_report_replaces_all_that_tells_of_the_bundle_and_nothing_else(bundle, measured):
    before = contents(bundle)
    (bundle / "figures" / "old.png").write_bytes(b"of an older report")
    measured["kl"] = measured["kl"].model_copy(update={"value": 21.5})
    told(bundle, "--write")
    manifest, _ = bundles.open_bundle(bundle)
    after = contents(bundle)
    assert manifest.metrics["kl"].value == 21.5
    assert "| `kl` | 21.5 |" in after["CARD.md"].decode()
    assert after.keys() == {*manifest.files, "manifest.json"}
    assert not any(name.startswith("figures/") for name in after)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"CARD.md", "report.json", "manifest.json"}
    assert [path.name for path in bundle.parent.iterdir()] == ["1"]


def test_written_report_that_fails_leaves_the_bundle_as_it_was(bundle, measured, monkeypatch):
    def fail(*arguments):
        raise OSError("disk full")

    before = contents(bundle)
    monkeypatch.setattr(report, "card", fail)
    with pytest.raises(OSError, match="disk full"):
        told(bundle, "--write")
    assert contents(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["1"]


def test_report_as_data_holds_what_the_card_tells(bundle):
    manifest, _ = bundles.open_bundle(bundle)
    data = json.loads((bundle / "report.json").read_text())
    assert data["protocol"]["curve_draws"] == 8
    assert data["judge"].keys() == {"architecture", "sha256", "test_accuracy"}
    assert data["judge"]["test_accuracy"] == data["metrics"]["judge_accuracy"]["value"]
    assert "cores" in data["machine"]
    assert data["training"] == []
    assert data["metrics"] == {name: metric.model_dump() for name, metric in manifest.metrics.items()}
    assert [row[0] for row in data["tables"]["nll_curve"]["rows"]] == [1, 8]
    text = (bundle / "CARD.md").read_text()
    for name, table in data["tables"].items():
        assert f"`{name}`: {table['meaning']}." in text
        assert f"| {' | '.join(table['header'])} |" in text


def test_calibration_is_of_the_test_digits(bundle):
    record = Calibration.model_validate_json((bundle / "calibration.json").read_bytes())
    assert record.images == 60
    assert record.scores.keys() == {"elbo", "log_likelihood", "kl", "mse"}
    assert "calibration.json" in bundles.open_bundle(bundle)[0].files


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_card_tells_how_it_was_trained_where_the_run_is_known(kind):
    meta = {"epochs": {"networks": 3, "prior": 2}, "wall_seconds": 90.0, "machine": "an abacus"}
    meta |= {"train_rows": 55000, "validation_rows": 5000}
    lines = card.account(tiny.config(kind), meta)
    assert "784-16-3" in lines[0]
    assert "3 epochs of the networks, 2 epochs of the prior: 1.5 minutes on an abacus." in lines


def test_card_tells_of_a_last_stage_on_a_tighter_bound():
    config = tiny.config("vae")
    tightening = Tightening(draws=5, training=config.training)
    config = config.model_copy(update={"objective": config.objective.model_copy(update={"tightening": tightening})})
    meta = {"epochs": {}, "wall_seconds": 90.0, "machine": "an abacus", "train_rows": 1, "validation_rows": 1}
    assert "importance-weighted bound of 5 latents an image" in card.account(config, meta)[1]


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


def test_figures_of_classifiers_that_the_report_trains_may_differ_a_little():
    def found(value: float) -> dict[str, Metric]:
        return {name: Metric(value=value, unit="share", meaning="") for name in ("tstr_accuracy", "other")}

    assert report.comparison(found(0.9815), found(0.98))[1] == ["other"]
    assert report.comparison(found(0.9825), found(0.98))[1] == ["tstr_accuracy", "other"]


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_questions_stand_in_the_order_of_a_reader(kind):
    likelihood = ["Likelihood"] if kind == "vae" else []
    questions = [*likelihood, "Reconstruction", "Latents", "Samples", "Train on synthetic", "Memorisation", "Cost"]
    assert re.findall(r"^### (.*)$", (tiny.bundle(kind) / "CARD.md").read_text(), re.M) == questions


def test_card_has_a_heading_for_each_kind_of_question():
    table = Table("Rows of two", ("name", "count", "share"), (("one", 1, 0.123456), ("two", 22, 0.5)))
    metric = Metric(value=12.34567, unit="nats", meaning="told")
    text = card.section("Latents", Findings({"kl": metric}, {"by_digit": table}))
    assert text.splitlines() == [
        "### Latents",
        "",
        "| figure | value | unit | meaning |",
        "| --- | ---: | --- | --- |",
        "| `kl` | 12.35 | nats | told |",
        "",
        "`by_digit`: Rows of two.",
        "",
        "| name | count | share |",
        "| --- | ---: | ---: |",
        "| one | 1 | 0.1235 |",
        "| two | 22 | 0.5 |",
    ]


def test_long_table_is_cut_and_says_so():
    rows = tuple((row,) for row in range(25))
    text = card.section("Latents", Findings(tables={"many": Table("Rows", ("row",), rows)}))
    assert "`many`: Rows. The first 20 of 25 rows." in text
    assert text.endswith("| 19 |")


def test_run_adds_its_loss_curves_and_they_stay(bundle, measured, tmp_path):
    fit.fit(tiny.config("vae"), tiny.mnist(), tmp_path / "run")
    told(bundle, "--write", "--run", tmp_path / "run")
    assert (bundle / "figures" / "losses.png").is_file()
    assert "epochs of the networks" in (bundle / "CARD.md").read_text()
    first = contents(bundle)
    told(bundle, "--write")
    again = contents(bundle)
    assert again.keys() == first.keys()
    assert again["figures/losses.png"] == first["figures/losses.png"]
    assert json.loads(again["report.json"])["training"] == json.loads(first["report.json"])["training"] != []


def test_account_of_the_training_is_never_lost_unnoticed(bundle, measured):
    (bundle / "report.json").unlink()
    rewrite(bundle, lambda manifest: manifest["files"].pop("report.json"))
    with pytest.raises(ExportError, match=r"has no report.json that tells of its training: name the --run"):
        told(bundle, "--write")
