"""A graph is exported with a free batch axis and nothing of the machine in it; an unfit one is refused, by reason."""

import os
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from models.manifest import GraphSpec, TensorSpec
from training.bundle import graphs
from training.errors import ExportError

SPEC = GraphSpec(
    inputs=(TensorSpec(name="image", dtype="float32", shape=("n", 4)),),
    outputs=(TensorSpec(name="mean", dtype="float32", shape=("n", 4)),),
)
METADATA = {"name": "tiny", "version": "3"}


class Doubled(nn.Module):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image * 2 + self.shift,)

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))


@pytest.fixture(scope="module")
def doubled() -> bytes:
    return graphs.to_onnx(Doubled(), (torch.ones(3, 4),), SPEC, METADATA)


def by_hand(
    *nodes: onnx.NodeProto, rows: str | int = "n", name: str = "mean", initializers: Sequence[onnx.TensorProto] = ()
) -> bytes:
    """A graph image (rows, 4) → name (rows, 4) of given nodes."""
    tensors = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [rows, 4]) for each in ("image", name)]
    graph = helper.make_graph(nodes, "by_hand", tensors[:1], tensors[1:], initializer=list(initializers))
    opsets = [helper.make_opsetid("", graphs.OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def test_graph_computes_what_the_module_does_at_any_batch_length(doubled: bytes) -> None:
    graphs.check(doubled, SPEC)
    function = graphs.as_function(doubled)
    for rows in (1, 2, 5):
        image = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
        np.testing.assert_array_equal(function(image)[0], image * 2 + np.array([1, 2, 3, 4], np.float32))


def test_function_returns_the_outputs_it_was_asked_for() -> None:
    nodes = helper.make_node("Neg", ["image"], ["mean"]), helper.make_node("Abs", ["mean"], ["size"])
    model = onnx.load_model_from_string(by_hand(*nodes))
    model.graph.output.append(helper.make_tensor_value_info("size", TensorProto.FLOAT, ["n", 4]))
    image = np.ones((2, 4), np.float32)
    assert len(graphs.as_function(model.SerializeToString())(image)) == 2
    (size,) = graphs.as_function(model.SerializeToString(), outputs=["size"])(image)
    np.testing.assert_array_equal(size, image)


def test_parameters_are_the_floats_among_the_weights() -> None:
    weights = onnx.numpy_helper.from_array(np.ones((3, 4), np.float32), "weights")
    shape = onnx.numpy_helper.from_array(np.array([-1, 4]), "shape")
    node = helper.make_node("Reshape", ["image", "shape"], ["mean"])
    assert graphs.parameters(by_hand(node, initializers=[weights, shape])) == 12


def test_graph_tells_whose_it_is(doubled: bytes) -> None:
    assert graphs.session(doubled).get_modelmeta().custom_metadata_map == METADATA


def test_graph_keeps_no_paths_of_the_machine(doubled: bytes) -> None:
    assert b".py" not in doubled
    assert os.getcwd().encode() not in doubled


def test_equal_modules_give_equal_bytes(doubled: bytes) -> None:
    assert graphs.to_onnx(Doubled(), (torch.ones(3, 4),), SPEC, METADATA) == doubled


def test_telemetry_is_off() -> None:
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_module_that_torch_cannot_trace_is_a_clear_error() -> None:
    class Moody(nn.Module):
        def forward(self, image: Tensor) -> tuple[Tensor, ...]:
            return (image if image.sum() > 0 else -image,)

    with pytest.raises(ExportError, match="cannot export Moody"):
        graphs.to_onnx(Moody(), (torch.ones(3, 4),), SPEC, METADATA)


def test_random_module_is_refused() -> None:
    class Noisy(nn.Module):
        def forward(self, image: Tensor) -> tuple[Tensor, ...]:
            return (image + torch.randn_like(image),)

    noisy = graphs.to_onnx(Noisy(), (torch.ones(3, 4),), SPEC, METADATA)
    with pytest.raises(ExportError, match="RandomNormalLike"):
        graphs.check(noisy, SPEC)


@pytest.mark.parametrize("op", sorted(graphs.RANDOM_NODES | graphs.CONTROL_FLOW))
def test_random_node_and_control_flow_are_refused_by_name(op: str) -> None:
    with pytest.raises(ExportError, match=rf"holds {op}\b"):
        graphs.check(by_hand(helper.make_node(op, ["image"], ["mean"])), SPEC)


def test_random_node_inside_a_local_function_is_refused() -> None:
    model = onnx.load_model_from_string(by_hand(helper.make_node("Hidden", ["image"], ["mean"], domain="own")))
    opsets = [helper.make_opsetid("", graphs.OPSET)]
    inner = [helper.make_node("RandomNormalLike", ["a"], ["b"])]
    model.functions.append(helper.make_function("own", "Hidden", ["a"], ["b"], inner, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    with pytest.raises(ExportError, match="outside the ONNX default domain"):
        graphs.check(model.SerializeToString(), SPEC)


def test_frozen_batch_axis_is_refused() -> None:
    with pytest.raises(
        ExportError, match=r"inputs of the graph are image float32 \(2, 4\), not image float32 \(n, 4\)"
    ):
        graphs.check(by_hand(helper.make_node("Neg", ["image"], ["mean"]), rows=2), SPEC)


def test_batch_axis_frozen_inside_the_graph_shows_when_it_runs() -> None:
    shape = onnx.numpy_helper.from_array(np.array([2, 4]), "shape")
    nodes = helper.make_node("Reshape", ["image", "shape"], ["two"]), helper.make_node("Identity", ["two"], ["mean"])
    function = graphs.as_function(by_hand(*nodes, initializers=[shape]))
    with pytest.raises(ExportError, match=r"cannot run the graph at \(3, 4\)"):
        function(np.ones((3, 4), np.float32))


def test_weights_outside_the_file_are_refused() -> None:
    weights = onnx.numpy_helper.from_array(np.ones(4, np.float32), "weights")
    weights.data_location = TensorProto.EXTERNAL
    weights.ClearField("raw_data")
    weights.external_data.add(key="location", value="weights.bin")
    serialised = by_hand(helper.make_node("Add", ["image", "weights"], ["mean"]), initializers=[weights])
    with pytest.raises(ExportError, match="outside its file"):
        graphs.check(serialised, SPEC)


def test_other_names_are_refused() -> None:
    with pytest.raises(ExportError, match="outputs of the graph are other float32"):
        graphs.check(by_hand(helper.make_node("Neg", ["image"], ["other"]), name="other"), SPEC)


def test_other_opset_is_refused() -> None:
    model = onnx.load_model_from_string(by_hand(helper.make_node("Neg", ["image"], ["mean"])))
    model.opset_import[0].version = 17
    with pytest.raises(ExportError, match=r"of opset \[17\], not 18"):
        graphs.check(model.SerializeToString(), SPEC)


@pytest.mark.parametrize("damaged", [b"", b"not a graph", by_hand(helper.make_node("Nonsense", ["image"], ["mean"]))])
def test_invalid_graph_is_refused(damaged: bytes) -> None:
    with pytest.raises(ExportError, match="not valid ONNX"):
        graphs.check(damaged, SPEC)


def test_unreadable_graph_cannot_be_loaded() -> None:
    with pytest.raises(ExportError, match="cannot load"):
        graphs.session(b"not a graph")
