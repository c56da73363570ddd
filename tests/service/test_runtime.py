"""A session says no more, gives no more and keeps no more than it should."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from models.manifest import graph_specs
from service import bundle
from service.engine import EngineLimits, Model
from service.errors import DeviceError, InferenceFailed
from service.runtime import Session
from tests import bundles


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return bundles.write(tmp_path)


def test_values_that_are_not_finite_never_leave_the_runtime() -> None:
    spec = graph_specs("ae", 2, 3)["encoder"]
    nodes = [
        helper.make_node("Flatten", ["image"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "weights"], ["product"]),
        helper.make_node("Log", ["product"], ["mean"]),
    ]
    weights = onnx.numpy_helper.from_array(np.ones((784, 2), np.float32), "weights")
    tensors = [
        [helper.make_tensor_value_info(t.name, onnx.TensorProto.FLOAT, t.shape) for t in part]
        for part in (spec.inputs, spec.outputs)
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "log", *tensors, [weights]), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    session = Session(model.SerializeToString(), spec, device="cpu", threads=1)
    session.run({"image": np.ones((1, 1, 28, 28), np.float32)}, ["mean"])
    with pytest.raises(InferenceFailed, match="not finite"):
        session.run({"image": np.zeros((1, 1, 28, 28), np.float32)}, ["mean"])


def test_a_session_does_not_keep_the_graphs_file(directory: Path) -> None:
    verified = bundle.load(directory)
    before = sys.getrefcount(verified.graphs["encoder"])
    session = Session(verified.graphs["encoder"], verified.manifest.graphs["encoder"], device="cpu", threads=1)
    after = sys.getrefcount(verified.graphs["encoder"])
    assert after == before
    assert session.run({"image": np.zeros((1, 1, 28, 28), np.float32)}, ["mean"])


def test_what_the_runtime_says_of_a_failure_is_not_passed_on(directory: Path) -> None:
    verified = bundle.load(directory)
    session = Session(verified.graphs["encoder"], verified.manifest.graphs["encoder"], device="cpu", threads=1)
    with pytest.raises(InferenceFailed) as raised:
        session.run({"image": np.zeros((1, 1, 28, 27), np.float32)}, ["mean"])
    assert raised.value.detail == "The model could not be run."


def test_cuda_is_not_silently_replaced(directory: Path) -> None:
    with pytest.raises(DeviceError):
        Model(bundle.load(directory), device="cuda", threads=1, limits=EngineLimits(4, 16))
