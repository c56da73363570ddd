"""The manifest: what both sides may rely on."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from models.manifest import Calibration, Manifest, ScoreName, graph_specs
from tests.support import bundles

README = Path("models/README.md").read_text()


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest.model_validate_json((bundles.write(tmp_path) / "manifest.json").read_text())


def test_a_manifest_survives_json(manifest: Manifest) -> None:
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_a_tensor_knows_its_shape_at_a_batch() -> None:
    specs = graph_specs("vae", 5, 10)
    assert specs["encoder"].inputs[0].of(3) == (3, 1, 28, 28)
    assert specs["prior"].inputs[1].of(3) == (3,)


def test_an_autoencoder_has_neither_log_variance_nor_logit() -> None:
    names = [tensor.name for spec in graph_specs("ae", 3, 10).values() for tensor in spec.outputs]
    assert names == ["mean", "image", "latent", "log_pz_y"]


@pytest.mark.parametrize("file", ["/etc/passwd", "../up", "a/../b", "a//b", ".hidden", "a/.b", "", "a\\b", "a b"])
def test_a_file_outside_the_bundle_can_not_be_named(manifest: Manifest, file: str) -> None:
    content = manifest.model_dump(mode="json")
    content["files"][file] = {"size_bytes": 1, "sha256": "0" * 64}
    with pytest.raises(ValidationError):
        Manifest.model_validate(content)


def test_a_graph_must_be_among_the_files(manifest: Manifest) -> None:
    content = manifest.model_dump(mode="json")
    del content["files"]["density.onnx"]
    with pytest.raises(ValidationError, match=r"density\.onnx"):
        Manifest.model_validate(content)


def test_the_prose_lists_every_key_of_the_manifest() -> None:
    table = README.partition("## manifest.json")[2].partition("## ")[0]
    told = {name for cell in re.findall(r"^\| (`.*?`) \|", table, re.M) for name in re.findall(r"`(\w+)`", cell)}
    assert told == set(Manifest.model_fields)


def test_the_prose_lists_every_golden_array() -> None:
    told = set(re.findall(r"`(\w+)`", README.partition("## golden.npz")[2].partition("Agreement")[0]))
    assert {
        "image",
        "label",
        "noise",
        "mean",
        "log_var",
        "reconstruction",
        "logit",
        "latent",
        "sample",
        "log_pz_y",
    } <= told


def calibration(**changes: object) -> dict[str, object]:
    return {"images": 10, "scores": {"mse": [float(i) for i in range(101)]}, **changes}


def test_a_calibration_survives_json() -> None:
    record = Calibration.model_validate(calibration())
    assert record.scores["mse"][100] == 100
    assert Calibration.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    "changes",
    [
        {"images": 0},
        {"scores": {"mse": [0.0] * 100}},
        {"scores": {"mse": [0.0] * 102}},
        {"scores": {"mse": [0.0] * 100 + [-1.0]}},
        {"scores": {"mse": [0.0] * 100 + [float("inf")]}},
        {"scores": {"mse": [float("nan")] * 101}},
        {"scores": {"ssim": [0.0] * 101}},
        {"unknown": 1},
    ],
)
def test_a_calibration_that_tells_no_percentiles_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Calibration.model_validate(calibration(**changes))


def test_equal_percentiles_are_accepted() -> None:
    assert Calibration.model_validate(calibration(scores={"kl": [2.0] * 101})).scores["kl"][0] == 2


def test_the_prose_lists_every_key_and_score_of_a_calibration() -> None:
    section = README.partition("## calibration.json")[2].partition("## ")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", section, re.M))
    assert told == {*Calibration.model_fields, *get_args(ScoreName)}
