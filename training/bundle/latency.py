"""What a bundle costs to serve, on the machine that measures: time of each graph on one thread, parameters, size."""

import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import GraphName, GraphSpec, graph_file
from training.bundle import graphs
from training.evaluation.metrics import Measurements, Table
from training.model.functions import Function

BATCHES = (1, 64)
WARM_UP = 5  # calls before those that count: the first ones find memory and fill the caches
MOST_CALLS, MOST_S = 200, 0.5  # of each graph at each batch, whichever comes first
LEAST_CALLS = 5
SERVED: Mapping[GraphName, tuple[str, ...]] = {"decoder": ("image",)}  # else all: logits are asked for only to score


def latency(
    directory: Path, specs: Mapping[GraphName, GraphSpec], clock: Callable[[], float] = time.perf_counter
) -> Measurements:
    """Time, parameters and file size of every graph in a bundle's directory; a table and no figure, for they vary.

    clock: seconds, monotonic.
    """
    rows = []
    for graph, spec in specs.items():
        serialised = (directory / graph_file(graph)).read_bytes()
        function = graphs.as_function(serialised, threads=1, outputs=SERVED.get(graph))
        calls = [timed(function, inputs(spec, batch), clock) * 1000 for batch in BATCHES]  # ms
        rows.append((graph, *calls, calls[-1] / BATCHES[-1], graphs.parameters(serialised), len(serialised)))
    table = Table(
        "median milliseconds of a call on one thread of the CPU, at a batch of one and of 64, and the latter an image; "
        "floats among the weights of the graph; size of its file in bytes. The decoder is asked for its image alone",
        ("graph", *(f"ms at {batch}" for batch in BATCHES), f"ms an image at {BATCHES[-1]}", "parameters", "bytes"),
        tuple(rows),
    )
    return Measurements(tables={"latency": table})


def inputs(spec: GraphSpec, rows: int) -> list[NDArray[Any]]:
    """Arrays that a graph may be asked about: uniform pixels, standard normal latents and noise, labels in turn."""
    random = np.random.Generator(np.random.Philox(0))
    arrays: list[NDArray[Any]] = []
    for tensor in spec.inputs:
        if tensor.dtype == "int64":
            arrays.append(np.arange(rows) % 2)
        elif tensor.name == "image":
            arrays.append(random.random(tensor.of(rows), np.float32))
        else:
            arrays.append(random.standard_normal(tensor.of(rows), np.float32))
    return arrays


def timed(function: Function, arrays: list[NDArray[Any]], clock: Callable[[], float]) -> float:
    """Median seconds of a call, over as many as half a second allows, five at least and two hundred at most."""
    for _ in range(WARM_UP):
        function(*arrays)
    times: list[float] = []
    first = clock()
    for call in count(1):
        start = clock()
        function(*arrays)
        end = clock()
        times.append(end - start)
        if call >= MOST_CALLS or (call >= LEAST_CALLS and end - first >= MOST_S):
            break
    return median(times)
