"""The service starts on sound bundles alone: their graphs load, fit the manifest and reproduce the golden vectors."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from service.app import load_models
from service.engine.registry import Registry
from service.errors import BundleError
from service.metrics import Metrics
from service.settings import Settings
from tests.support import bundles


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return bundles.write(tmp_path)


def start(directory: Path) -> Registry:
    """As the service does it: find, verify, check the graphs, reproduce the golden vectors, warm up."""
    settings = Settings(models_dir=directory.parents[1], default_model="tiny-vae", max_batch_rows=8)
    return load_models(settings, Metrics())


def test_a_sound_bundle_starts(directory: Path) -> None:
    registry = start(directory)
    assert (registry.default.name, registry.default.provider) == ("tiny-vae/1", "CPUExecutionProvider")


def test_what_is_wrong_with_a_bundle_is_an_error_of_the_service(directory: Path, tmp_path: Path) -> None:
    (directory / "prior.onnx").unlink()
    with pytest.raises(BundleError, match=r"prior\.onnx: No such file"):
        start(directory)
    with pytest.raises(BundleError, match="No bundle was found"):
        start(tmp_path / "nothing" / "tiny-vae" / "1")


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
    with pytest.raises(BundleError, match="cannot load"):
        start(directory)


def test_weights_that_do_not_reproduce_the_golden_vectors_are_refused(directory: Path) -> None:
    model = onnx.load(directory / "decoder.onnx")
    weights = next(constant for constant in model.graph.initializer if constant.name == "weights")
    changed = onnx.numpy_helper.to_array(weights) * np.float32(1.01)
    weights.CopyFrom(onnx.numpy_helper.from_array(changed, "weights"))
    replace_graph(directory, "decoder", model)
    with pytest.raises(BundleError, match="decoder does not reproduce"):
        start(directory)


def test_of_several_versions_the_highest_is_current(tmp_path: Path) -> None:
    for version in (2, 10, 9):
        bundles.write(tmp_path, version=version)
    registry = load_models(Settings(models_dir=tmp_path, default_model="tiny-vae"), Metrics())
    assert registry.default.name == "tiny-vae/10"
    assert registry.model("tiny-vae/9").manifest.version == 9
