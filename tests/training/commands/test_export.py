"""An export is a whole bundle, right in every digest and figure, or nothing at all, whenever it fails or is killed."""

import argparse
import copy
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from models.manifest import Kind, Manifest, Metric
from tests.training import tiny
from training.bundle import graphs
from training.bundle.files import open_bundle
from training.commands import export, report
from training.errors import CollapseError, ExportError, ParityError
from training.evaluation import collapse
from training.evaluation.measurement import quick_figures
from training.evaluation.metrics import Measurements
from training.learning.run import fit, load_run
from training.model.functions import modules, of_torch

KINDS = ["ae", "vae"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny VAE."""
    run = tmp_path_factory.mktemp("runs") / "vae"
    fit(tiny.config("vae"), tiny.mnist(), run)
    return run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports take their graphs and figures from the tiny VAE's bundle: nothing slow happens twice.

    It is untrained, and so a collapsed one.
    """
    serialised = {name: (tiny.bundle("vae") / f"{name}.onnx").read_bytes() for name in modules(tiny.autoencoder("vae"))}
    found = {"Figures": Measurements(stated(tiny.bundle("vae")))}
    monkeypatch.setattr(export, "measure", lambda model, mnist, classifier, protocol: found)
    monkeypatch.setattr(report, "draw", lambda directory, *_: ["losses.png"])
    monkeypatch.setattr(collapse, "check", lambda metrics, latent_dim: None)
    monkeypatch.setattr(graphs, "to_onnx", lambda module, example, spec, metadata: serialised[metadata["graph"]])
    monkeypatch.setattr(export, "load_run", lambda run: (load_run(run)[0], tiny.autoencoder("vae"), load_run(run)[2]))


def stated(directory: Path) -> dict[str, Metric]:
    """The figures of a bundle's manifest."""
    return Manifest.model_validate_json((directory / "manifest.json").read_bytes()).metrics


def files(directory: Path) -> dict[str, bytes]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("kind", KINDS)
def test_manifest_is_valid_and_its_digests_are_those_of_the_files(kind: Kind) -> None:
    content = files(tiny.bundle(kind))
    manifest = Manifest.model_validate_json(content.pop("manifest.json"))
    assert manifest.files.keys() == content.keys() >= {"CARD.md", "figures/samples.png", "golden.npz", "encoder.onnx"}
    for name, record in manifest.files.items():
        assert record.size_bytes == len(content[name])
        assert record.sha256 == hashlib.sha256(content[name]).hexdigest()
    assert manifest.kind == kind
    assert manifest.config_sha256 == tiny.config(kind).sha256()
    assert manifest.data_sha256 == tiny.mnist().sha256
    assert sum(manifest.class_weights) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_hold_no_random_node_and_name_their_bundle(kind: Kind) -> None:
    for name in ("encoder", "decoder", "prior", "density"):
        model = onnx.load(tiny.bundle(kind) / f"{name}.onnx")
        assert not {node.op_type for node in model.graph.node} & graphs.RANDOM_NODES
        notes = {entry.key: entry.value for entry in model.metadata_props}
        assert notes == {"name": f"tiny-{kind}", "version": "1", "schema_version": "1", "graph": name}


@pytest.mark.parametrize("kind", KINDS)
def test_golden_vectors_are_eight_different_digits_and_what_torch_answers(kind: Kind) -> None:
    with np.load(tiny.bundle(kind) / "golden.npz", allow_pickle=False) as archive:
        golden = dict(archive)
    keys = {"image", "label", "noise", "mean", "reconstruction", "latent", "sample", "log_pz_y"}
    assert golden.keys() == (keys if kind == "ae" else keys | {"log_var", "logit"})
    assert len(set(golden["label"])) == len(golden["image"]) == 8
    model = tiny.autoencoder(kind)
    mean = model.posterior(torch.from_numpy(golden["image"])).mean
    torch.testing.assert_close(torch.from_numpy(golden["mean"]), mean)
    torch.testing.assert_close(torch.from_numpy(golden["reconstruction"]), model.decode(mean))
    latent = model.prior.latent(torch.from_numpy(golden["noise"]), torch.from_numpy(golden["label"]))
    torch.testing.assert_close(torch.from_numpy(golden["latent"]), latent)
    torch.testing.assert_close(torch.from_numpy(golden["sample"]), model.decode(latent))
    torch.testing.assert_close(torch.from_numpy(golden["log_pz_y"]), model.prior.log_prob(mean))


def test_manifest_states_what_torch_measures() -> None:
    """The quick figures of all images of the tiny protocol are the report's."""
    protocol = dataclasses.replace(tiny.PROTOCOL, curve_images=tiny.PROTOCOL.test_images)
    measured = quick_figures(of_torch(tiny.autoencoder("vae")), tiny.mnist(), protocol).metrics
    figures = stated(tiny.bundle("vae"))
    assert measured.keys() >= {"reconstruction_mse", "negative_elbo", "kl", "nll_iw6"}
    for name, metric in measured.items():
        assert figures[name].value == pytest.approx(metric.value, rel=5e-4), name


def test_exporting_twice_gives_equal_bytes_but_for_the_time_it_takes(tmp_path: Path) -> None:
    export.write_bundle(tmp_path, tiny.autoencoder("ae"), tiny.config("ae"), tiny.mnist(), tiny.PROTOCOL)
    assert stated(tmp_path) == stated(tiny.bundle("ae"))
    once, twice = files(tiny.bundle("ae")), files(tmp_path)
    assert once.keys() == twice.keys()
    timed = {"CARD.md", "report.json", "manifest.json"}
    assert {name for name in once if once[name] != twice[name]} <= timed


@pytest.mark.usefixtures("quick")
def test_run_becomes_a_bundle_that_the_report_accepts(run: Path, tmp_path: Path) -> None:
    directory = export.export(run, tmp_path, tiny.mnist(), tiny.PROTOCOL)
    assert directory == tmp_path / "tiny-vae" / "1"
    manifest, _ = open_bundle(directory)
    assert "figures/losses.png" in manifest.files
    card = (directory / "CARD.md").read_text()
    assert "200 training digits; 100 others" in card
    assert [path.name for path in directory.parent.iterdir()] == ["1"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "step",
    [
        "export.graphs.check",
        "export.graphs.as_model",
        "export.check_parity",
        "export.quick_figures",
        "export.check_metrics",
        "export.golden_vectors",
        "export.npz",
        "export.Manifest",
        "export.measure",
        "export.classifier.load",
        "export.report.write_losses",
        "export.report.write_report",
        "export.collapse.check",
    ],
)
def test_export_that_fails_leaves_nothing(
    step: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError("disk full")

    manifest = open_bundle(tiny.bundle("vae"))[0]
    monkeypatch.setattr(report, "write_losses", lambda directory, run: [])
    monkeypatch.setattr(report, "write_report", lambda directory, *_: manifest)
    monkeypatch.setattr(f"training.commands.{step}", fail)
    with pytest.raises(OSError, match="disk full"):
        export.export(run, tmp_path, tiny.mnist(), tiny.PROTOCOL)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert list((tmp_path / "tiny-vae").iterdir()) == []


def test_collapsed_model_is_not_exported(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = {"kl": Metric(value=0.2, unit="nats per image", meaning="")}
    manifest = open_bundle(tiny.bundle("vae"))[0].model_copy(update={"metrics": metrics})
    monkeypatch.setattr(export, "write_bundle", lambda *_: manifest)
    with pytest.raises(CollapseError, match=r"kl is 0.2 nats per image, at least 5 is needed"):
        export.export(run, tmp_path, tiny.mnist(), tiny.PROTOCOL)
    assert files(tmp_path) == {}


@pytest.mark.usefixtures("quick")
def test_graphs_that_do_not_agree_with_torch_are_not_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = copy.deepcopy(tiny.autoencoder("vae"))
    with torch.no_grad():
        other.get_parameter("decoder.2.bias")[400] += 0.01
    config, _, meta = load_run(run)
    monkeypatch.setattr(export, "load_run", lambda run: (config, other, meta))
    with pytest.raises(ParityError, match="image in batches of 1 differs from torch"):
        export.export(run, tmp_path, tiny.mnist(), tiny.PROTOCOL)
    assert files(tmp_path) == {}


def test_figures_must_agree_to_four_digits() -> None:
    def figures(value: float) -> dict[str, Metric]:
        return {"nll": Metric(value=value, unit="nats per image", meaning="")}

    export.check_metrics(figures(88.12), figures(88.12 * (1 + 4e-4)))
    with pytest.raises(ParityError, match=r"nll is 88.2 through ONNX and 88.12 in torch"):
        export.check_metrics(figures(88.12), figures(88.20))
    with pytest.raises(ParityError):
        export.check_metrics(figures(0.0), figures(1e-9))


def test_run_on_other_data_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="other data"):
        export.export(run, tmp_path, tiny.mnist()._replace(sha256="f" * 64), tiny.PROTOCOL)


@pytest.mark.usefixtures("quick")
def test_command_tells_where_the_bundle_is(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = tiny.mnist()  # read before the reader is replaced
    monkeypatch.setattr(export, "load_mnist", lambda directory: sample)
    monkeypatch.setattr(export, "QUICK", tiny.PROTOCOL)
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    said = export.run(parser.parse_args([str(run), "--models", str(tmp_path), "--quick"]))
    assert said.startswith(f"{tmp_path / 'tiny-vae' / '1'} is written")
    assert json.loads((tmp_path / "tiny-vae" / "1" / "manifest.json").read_text())["name"] == "tiny-vae"
