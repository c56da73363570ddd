"""Bundles are served whole and true, or not at all."""

import json
import math
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from service import bundle
from service.app import load_engine
from service.engine.model import EngineLimits, Model
from service.errors import BundleError
from service.metrics import Metrics
from service.settings import Settings
from tests.support import bundles


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return bundles.write(tmp_path)


def start(directory: Path) -> Model:
    """As the service does it: verify, check the graphs, reproduce the golden vectors, warm up."""
    return Model(bundle.load(directory), device="cpu", threads=1, limits=EngineLimits(4, 16))


def test_a_sound_bundle_starts(directory: Path) -> None:
    model = start(directory)
    assert (model.name, model.provider) == ("tiny-vae/1", "CPUExecutionProvider")
    model.close()


@pytest.mark.parametrize(
    "name", ["encoder.onnx", "decoder.onnx", "prior.onnx", "density.onnx", "golden.npz", "calibration.json"]
)
def test_one_flipped_bit_is_found(directory: Path, name: str) -> None:
    content = (directory / name).read_bytes()
    rng = np.random.default_rng(len(content))
    for position in rng.integers(0, len(content), 20):
        flipped = bytearray(content)
        flipped[position] ^= 1 << int(rng.integers(8))
        (directory / name).write_bytes(flipped)
        with pytest.raises(BundleError, match=name):
            bundle.load(directory)


def truncate(directory: Path) -> None:
    path = directory / "decoder.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def append(directory: Path) -> None:
    with (directory / "decoder.onnx").open("ab") as file:
        file.write(b"\0")


def swap(directory: Path) -> None:
    (directory / "encoder.onnx").rename(directory / "kept")
    (directory / "decoder.onnx").rename(directory / "encoder.onnx")
    (directory / "kept").rename(directory / "decoder.onnx")


def remove(directory: Path) -> None:
    (directory / "prior.onnx").unlink()


def link(directory: Path) -> None:
    (directory / "prior.onnx").rename(directory / "elsewhere.onnx")
    (directory / "prior.onnx").symlink_to(directory / "elsewhere.onnx")


def make_directory(directory: Path) -> None:
    (directory / "prior.onnx").unlink()
    (directory / "prior.onnx").mkdir()


def make_pipe(directory: Path) -> None:
    (directory / "prior.onnx").unlink()
    os.mkfifo(directory / "prior.onnx")


@pytest.mark.parametrize("damage", [truncate, append, swap, remove, link, make_directory, make_pipe])
def test_a_damaged_file_is_refused_by_name(directory: Path, damage: Callable[[Path], None]) -> None:
    damage(directory)
    with pytest.raises(BundleError, match=r"(encoder|decoder|prior)\.onnx"):
        bundle.load(directory)


def rewrite(directory: Path, **changes: object) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 2},
        {"surprise": 1},
        {"name": "../escape"},
        {"kind": "gan"},
        {"latent_dim": 3},
        {"classes": ["0", "1"]},
        {"class_weights": [0.5, 0.5, 0.5]},
        {"likelihood": None},
        {"files": {}},
        {"files": {"../../secret": {"size_bytes": 1, "sha256": "0" * 64}}},
        {"version": 2},
    ],
)
def test_a_manifest_that_does_not_hold_together_is_refused(directory: Path, changes: dict[str, object]) -> None:
    rewrite(directory, **changes)
    with pytest.raises(BundleError):
        bundle.load(directory)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, " " * (2 << 20)])
def test_a_manifest_that_is_no_manifest_is_refused(directory: Path, text: str) -> None:
    (directory / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        bundle.load(directory)


def replace_graph(directory: Path, name: str, model: onnx.ModelProto) -> None:
    """Puts another graph in place and lets the manifest vouch for it."""
    (directory / f"{name}.onnx").write_bytes(model.SerializeToString())
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))


def test_a_graph_with_other_tensors_than_the_manifest_is_refused(directory: Path) -> None:
    shutil.copy(directory / "prior.onnx", directory / "density.onnx")
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))
    with pytest.raises(BundleError, match="inputs and outputs"):
        start(directory)


def test_a_graph_with_a_fixed_batch_is_refused(directory: Path) -> None:
    model = onnx.load(directory / "encoder.onnx")
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 4
    replace_graph(directory, "encoder", model)
    with pytest.raises(BundleError, match="dynamic first axis"):
        start(directory)


def test_a_graph_that_is_no_graph_is_refused(directory: Path) -> None:
    (directory / "encoder.onnx").write_bytes(b"not a graph")
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))
    with pytest.raises(BundleError, match="can not load"):
        start(directory)


def test_weights_that_do_not_reproduce_the_golden_vectors_are_refused(directory: Path) -> None:
    model = onnx.load(directory / "decoder.onnx")
    weights = next(constant for constant in model.graph.initializer if constant.name == "weights")
    changed = onnx.numpy_helper.to_array(weights) * np.float32(1.01)
    weights.CopyFrom(onnx.numpy_helper.from_array(changed, "weights"))
    replace_graph(directory, "decoder", model)
    with pytest.raises(BundleError, match="decoder does not reproduce"):
        start(directory)


def test_golden_vectors_that_lack_an_array_are_refused(directory: Path) -> None:
    with np.load(directory / "golden.npz") as archive:
        kept = {name: archive[name] for name in archive if name != "log_pz_y"}
    np.savez(directory / "golden.npz", **kept)
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))
    with pytest.raises(BundleError, match="log_pz_y"):
        start(directory)


def calibrate(directory: Path, text: str) -> None:
    """Puts another calibration in place and lets the manifest vouch for it."""
    (directory / "calibration.json").write_text(text)
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))


def with_scores(**changes: object) -> str:
    """The tiny bundle's calibration with other scores; one that is None is left out."""
    document = bundles.calibration("vae").model_dump()
    document["scores"] = {name: value for name, value in {**document["scores"], **changes}.items() if value is not None}
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the whole"),
        ("[1]", "the whole"),
        ('{"scores": {}}', "images"),
        (with_scores().replace("1000", "0", 1), "images"),
        (with_scores(mse=[0.0] * 100), "scores.mse"),
        (with_scores(elbo=[*range(100), 98]), "scores.elbo"),
        (with_scores(kl=[0.0] * 100 + [math.inf]), "scores.kl.100"),
        (with_scores(kl=[math.nan] + [0.0] * 100), "scores.kl.0"),
        (with_scores(beauty=[0.0] * 101), "scores.beauty"),
        (with_scores(elbo=None), "scores: expected elbo, kl, log_likelihood, mse"),
    ],
)
def test_a_calibration_that_is_no_calibration_is_refused_by_name(directory: Path, text: str, fault: str) -> None:
    calibrate(directory, text)
    with pytest.raises(BundleError, match=r"calibration\.json: " + re.escape(fault)):
        bundle.load(directory)


def test_an_autoencoder_is_calibrated_by_its_mse_alone(tmp_path: Path) -> None:
    directory = bundles.write(tmp_path, "tiny-ae", kind="ae")
    found = bundle.load(directory).calibration
    assert found
    assert found.scores.keys() == {"mse"}
    (directory / "calibration.json").write_text(with_scores())
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-ae", 1, "ae"))
    with pytest.raises(BundleError, match=r"calibration\.json: scores: expected mse"):
        bundle.load(directory)


def test_a_calibration_that_the_manifest_does_not_vouch_for_is_not_read(tmp_path: Path) -> None:
    directory = bundles.write(tmp_path, calibrated=False)
    (directory / "calibration.json").write_text(bundles.calibration("vae").model_dump_json())
    assert bundle.load(directory).calibration is None


def test_a_calibration_that_is_missing_is_refused_by_name(directory: Path) -> None:
    (directory / "calibration.json").unlink()
    with pytest.raises(BundleError, match=r"calibration\.json"):
        bundle.load(directory)


def test_of_several_versions_the_highest_is_current(tmp_path: Path) -> None:
    for version in (2, 10, 9):
        bundles.write(tmp_path, version=version)
    engine = load_engine(Settings(models_dir=tmp_path, default_model="tiny-vae"), Metrics())
    assert engine.default.name == "tiny-vae/10"
    assert engine.model("tiny-vae/9").manifest.version == 9
    engine.close()


def test_a_bundle_in_another_models_place_is_refused(tmp_path: Path) -> None:
    directory = bundles.write(tmp_path)
    moved = tmp_path / "other" / "1"
    moved.parent.mkdir()
    directory.rename(moved)
    with pytest.raises(BundleError, match="tiny-vae/1"):
        bundle.load(moved)


def test_only_the_models_that_are_wanted_are_found(tmp_path: Path) -> None:
    for name, version in (("tiny-a", "1"), ("tiny-a", "2"), ("tiny-b", "1")):
        (tmp_path / name / version).mkdir(parents=True)
        (tmp_path / name / version / "manifest.json").touch()

    def found(*wanted: str) -> list[str]:
        return [str(path.relative_to(tmp_path)) for path in bundle.find(tmp_path, wanted)]

    assert found() == ["tiny-a/1", "tiny-a/2", "tiny-b/1"]
    assert found("tiny-a") == ["tiny-a/1", "tiny-a/2"]
    assert found("tiny-a/2", "tiny-b") == ["tiny-a/2", "tiny-b/1"]
    with pytest.raises(BundleError, match="holds no model tiny-a/3, tiny-c"):
        found("tiny-a/3", "tiny-b", "tiny-c")
