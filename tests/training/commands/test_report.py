"""A report believes nothing: it verifies, measures, and says where the figures differ from what the manifest claims."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.manifest import Calibration, Metric
from tests.training import tiny
from training.bundle.files import open_bundle
from training.commands import report
from training.errors import CollapseError, ExportError
from training.evaluation import collapse
from training.evaluation.metrics import Measurements
from training.evaluation.protocol import QUICK
from training.learning.run import fit

CHECK = collapse.check


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the tiny VAE's bundle, to be altered."""
    return shutil.copytree(tiny.bundle("vae"), tmp_path / "tiny-vae" / "1")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocol in full is the tiny one, and the tiny VAE, which is untrained, passes for a sound one."""
    sample = tiny.mnist()  # read before the reader is replaced
    monkeypatch.setattr(report, "load_mnist", lambda directory: sample)
    monkeypatch.setattr(report, "FULL", tiny.PROTOCOL)
    monkeypatch.setattr(collapse, "check", lambda metrics, latent_dim: None)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Metric]:
    """The figures that will be measured, to be altered: at first the ones of the bundle. Pictures are left out."""
    figures = dict(open_bundle(tiny.bundle("vae"))[0].metrics)
    monkeypatch.setattr(
        report, "measure", lambda model, mnist, classifier, protocol: {"Figures": Measurements(figures)}
    )
    monkeypatch.setattr(report, "draw", lambda directory, *_: [])
    return figures


def told(*arguments: object) -> str:
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return report.run(parser.parse_args(list(map(str, arguments))))


def contents(bundle: Path) -> dict[str, bytes]:
    paths = (path for path in bundle.rglob("*") if path.is_file())
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in paths}


def rewrite(bundle: Path, change: Callable[[Any], Any]) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    change(manifest)
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_report_of_a_sound_bundle_shows_measured_and_stated_figures(bundle: Path) -> None:
    lines = told(bundle).splitlines()
    assert lines[0].split() == ["figure", "measured", "manifest", "unit"]
    _, measured, stated, *unit = next(line for line in lines if line.startswith("negative_elbo ")).split()
    assert measured == stated
    assert unit == ["nats", "per", "image"]


def test_figure_that_is_better_than_measured_is_an_error(bundle: Path, measured: dict[str, Metric]) -> None:
    measured["kl"] = measured["kl"].model_copy(update={"value": measured["kl"].value * 1.01})
    with pytest.raises(ExportError, match=r"(?s)states other figures.*kl .*≠"):
        told(bundle)


def test_collapsed_model_has_no_report(
    bundle: Path, measured: dict[str, Metric], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(bundle)
    monkeypatch.setattr(collapse, "check", CHECK)
    measured["active_units"] = Metric(value=1, unit="dimensions", meaning="")
    with pytest.raises(CollapseError, match=r"active_units is 1 dimensions, at least 1.5 is needed"):
        told(bundle, "--write")
    assert contents(bundle) == before


def test_quick_report_measures_less_and_compares_nothing(
    bundle: Path, measured: dict[str, Metric], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def remember(*arguments: Any) -> dict[str, Measurements]:
        asked.append(arguments[-1])
        return {"Figures": Measurements(measured)}

    monkeypatch.setattr(report, "measure", remember)
    measured["kl"] = measured["kl"].model_copy(update={"value": 1e3})
    del measured["reconstruction_mse"]
    lines = told(bundle, "--quick").splitlines()
    assert asked == [QUICK]
    assert any(line.startswith("kl ") and line.endswith("≠") for line in lines)
    assert any(line.startswith("reconstruction_mse ") and " – " in line for line in lines)


def test_quick_figures_are_never_written(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        told(bundle, "--quick", "--write")
    assert "not allowed with argument" in capsys.readouterr().err


def test_written_report_replaces_all_that_tells_of_the_bundle_and_nothing_else(
    bundle: Path, measured: dict[str, Metric]
) -> None:
    before = contents(bundle)
    (bundle / "figures" / "old.png").write_bytes(b"of an older report")
    measured["kl"] = measured["kl"].model_copy(update={"value": 21.5})
    told(bundle, "--write")
    manifest, _ = open_bundle(bundle)
    after = contents(bundle)
    assert manifest.metrics["kl"].value == 21.5
    assert "| `kl` | 21.5 |" in after["CARD.md"].decode()
    assert after.keys() == {*manifest.files, "manifest.json"}
    assert not any(name.startswith("figures/") for name in after)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"CARD.md", "report.json", "manifest.json"}
    assert [path.name for path in bundle.parent.iterdir()] == ["1"]


def test_written_report_that_fails_leaves_the_bundle_as_it_was(
    bundle: Path, measured: dict[str, Metric], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("disk full")

    before = contents(bundle)
    monkeypatch.setattr(report, "card", fail)
    with pytest.raises(OSError, match="disk full"):
        told(bundle, "--write")
    assert contents(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["1"]


def test_report_as_data_holds_what_the_card_tells(bundle: Path) -> None:
    manifest, _ = open_bundle(bundle)
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


def test_calibration_is_of_the_test_digits(bundle: Path) -> None:
    record = Calibration.model_validate_json((bundle / "calibration.json").read_bytes())
    assert record.images == 60
    assert record.scores.keys() == {"elbo", "log_likelihood", "kl", "mse"}
    assert "calibration.json" in open_bundle(bundle)[0].files


def test_comparison_names_what_differs_in_the_fourth_digit() -> None:
    def metric(value: float) -> Metric:
        return Metric(value=value, unit="share", meaning="")

    text, differing = report.comparison(
        {"same": metric(0.12344), "other": metric(0.1236), "new": metric(1)},
        {"same": metric(0.12343), "other": metric(0.1234), "old": metric(2)},
    )
    assert differing == ["other"]
    assert [line.split()[0] for line in text.splitlines()] == ["figure", "same", "other", "new", "old"]


def test_figures_of_classifiers_that_the_report_trains_may_differ_a_little() -> None:
    def found(value: float) -> dict[str, Metric]:
        return {name: Metric(value=value, unit="share", meaning="") for name in ("tstr_accuracy", "other")}

    assert report.comparison(found(0.9815), found(0.98))[1] == ["other"]
    assert report.comparison(found(0.9825), found(0.98))[1] == ["tstr_accuracy", "other"]


def test_run_adds_its_loss_curves_and_they_stay(bundle: Path, measured: dict[str, Metric], tmp_path: Path) -> None:
    fit(tiny.config("vae"), tiny.mnist(), tmp_path / "run")
    told(bundle, "--write", "--run", tmp_path / "run")
    assert (bundle / "figures" / "losses.png").is_file()
    assert "epochs of the networks" in (bundle / "CARD.md").read_text()
    first = contents(bundle)
    told(bundle, "--write")
    again = contents(bundle)
    assert again.keys() == first.keys()
    assert again["figures/losses.png"] == first["figures/losses.png"]
    assert json.loads(again["report.json"])["training"] == json.loads(first["report.json"])["training"] != []


def test_account_of_the_training_is_never_lost_unnoticed(bundle: Path, measured: dict[str, Metric]) -> None:
    (bundle / "report.json").unlink()
    rewrite(bundle, lambda manifest: manifest["files"].pop("report.json"))
    with pytest.raises(ExportError, match=r"has no report.json with an account of the training: name the --run"):
        told(bundle, "--write")
