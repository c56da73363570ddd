"""Costs are measured with a clock that the test turns."""

from collections.abc import Callable, Sequence
from itertools import accumulate, chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.manifest import graph_file, graph_specs
from training.bundle import graphs, latency
from training.bundle.latency import LEAST_CALLS, MOST_CALLS, WARM_UP, timed
from training.model.functions import FloatArray, Function

SPECS = graph_specs("vae", 3, 10)
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def clock_of(*steps: float) -> Callable[[], float]:
    """A clock that advances by these steps, one at each reading, and by the last of them ever after."""
    readings = accumulate(chain(steps, repeat(steps[-1])))
    return lambda: next(readings)


def counted() -> tuple[list[Any], Function]:
    """A list, and a function that appends to it whatever it is called with."""
    calls: list[Any] = []

    def function(*arrays: Any) -> tuple[FloatArray, ...]:
        calls.append(arrays)
        return ()

    return calls, function


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Four graphs that multiply the last axis of their first input by 2, each by a weight of its own."""
    for graph, spec in SPECS.items():
        first, *_ = spec.inputs
        weights = onnx.numpy_helper.from_array(np.full(int(first.shape[-1]), 2, np.float32), "weights")
        inputs = [helper.make_tensor_value_info(each.name, TYPES[each.dtype], each.shape) for each in spec.inputs]
        names = [each.name for each in spec.outputs]
        nodes = [helper.make_node("Mul", [first.name, "weights"], [name]) for name in names]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
        proto = helper.make_graph(nodes, graph, inputs, outputs, initializer=[weights])
        model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", graphs.OPSET)], ir_version=10)
        (tmp_path / graph_file(graph)).write_bytes(model.SerializeToString())
    return tmp_path


def test_every_graph_has_its_time_weights_and_size(directory: Path) -> None:
    measured = latency.latency(directory, SPECS, clock_of(0.002))
    assert not measured.metrics
    table = measured.tables["latency"]
    assert [row[0] for row in table.rows] == ["encoder", "decoder", "prior", "density"]
    for graph, row in zip(SPECS, table.rows, strict=True):
        cells = dict(zip(table.header, row, strict=True))
        assert cells["ms at 1"] == cells["ms at 64"] == pytest.approx(2.0)
        assert cells["ms an image at 64"] == pytest.approx(2.0 / 64)
        assert cells["bytes"] == (directory / graph_file(graph)).stat().st_size
        assert cells["parameters"] == (28 if graph == "encoder" else 3)


def test_one_thread_and_of_the_decoder_the_image_alone(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def as_function(serialised: bytes, threads: int, outputs: Sequence[str] | None) -> Function:
        asked.append((threads, outputs))
        return lambda *arrays: ()

    monkeypatch.setattr(graphs, "as_function", as_function)
    latency.latency(directory, SPECS, clock_of(1.0))
    assert asked == [(1, None), (1, ("image",)), (1, None), (1, None)]


def test_slow_graph_is_called_a_few_times_and_a_quick_one_no_more_than_enough() -> None:
    calls, function = counted()
    assert timed(function, [], clock_of(1.0)) == 1.0
    assert len(calls) == WARM_UP + LEAST_CALLS
    calls, function = counted()
    assert timed(function, [], clock_of(0.0)) == 0.0
    assert len(calls) == WARM_UP + MOST_CALLS


def test_one_slow_call_does_not_move_the_median() -> None:
    first, between = 0.0, 0.0
    steps = [first, between, 9.0, *[between, 0.001] * 2, *[between, 0.003] * 2]
    assert timed(counted()[1], [], clock_of(*steps)) == pytest.approx(0.003)


def test_inputs_are_what_the_graphs_take() -> None:
    (image,) = latency.inputs(SPECS["encoder"], 5)
    assert image.shape == (5, 1, 28, 28)
    assert image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1
    noise, label = latency.inputs(SPECS["prior"], 5)
    assert noise.shape == (5, 3)
    assert label.tolist() == [0, 1, 0, 1, 0]
    assert label.dtype == np.int64
