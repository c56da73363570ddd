"""The limit: onnxruntime alone on the bundle's graphs; nothing is copied, nothing decoded, and no noise drawn.

A process of its own on the servers' core runs one turn for each line it is given, and answers with a line.
usage: python -m benchmarks.serving.in_process BUNDLE
"""

import contextlib
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.serving import processes
from benchmarks.serving.environments import ROOT, Unavailable
from benchmarks.serving.machine import SERVER_CORE
from benchmarks.serving.processes import Process
from benchmarks.serving.scenarios import Scenario
from benchmarks.serving.targets import ONNXRUNTIME
from benchmarks.serving.wrk import Turn
from models.bundle import load
from models.golden import CASES
from models.manifest import GraphName

_SIZES = (1, 4, 8, 16, 32, 64, 128, 256)
_PROBE_S = 0.05
_PROBES = 3
# Graphs that each job must run, one after the other. Scores need logits, which the decoder makes images of anyway.
_GRAPHS: dict[str, tuple[GraphName, ...]] = {
    "encode_png": ("encoder",),
    "encode_json": ("encoder",),
    "encode_bulk": ("encoder",),
    "decode": ("decoder",),
    "reconstruct": ("encoder", "decoder"),
    "reconstruct_scores": ("encoder", "decoder", "density"),
    "sample_png": ("prior", "decoder"),
    "sample_grid": ("prior", "decoder"),
    "sample_npy": ("prior", "decoder"),
}


class InProcess:
    """The handle of that process: a target like a server, but one that is not asked over HTTP."""

    name = ONNXRUNTIME
    jobs = _GRAPHS.keys()

    def __init__(self, process: Process) -> None:
        self._process = process
        self.best_rows: dict[str, int] = {}  # by job, as far as it was run

    def turn(self, scenario: Scenario, seconds: int) -> Turn:
        """Requests are of the scenario's rows each; one connection is compared with one row at a time."""
        command = {"job": scenario.job, "seconds": seconds, "one_row": scenario.connections == 1}
        self._process.root.stdin.write(json.dumps(command) + "\n")
        self._process.root.stdin.flush()
        found = json.loads(self._process.root.stdout.readline())
        if scenario.connections > 1:
            self.best_rows[scenario.job] = found["rows"]
        return Turn(found["rows_per_s"] / scenario.rows, found["p50_ms"], found["p99_ms"])


@contextlib.contextmanager
def up(bundle: Path, directory: Path) -> Iterator[InProcess]:
    """directory: for its log."""
    command = [sys.executable, "-m", "benchmarks.serving.in_process", str(bundle)]
    log = directory / f"{ONNXRUNTIME}.log"
    with processes.running(command, cores=[SERVER_CORE], log=log, cwd=ROOT, piped=True) as process:
        if not process.root.stdout.readline():
            raise Unavailable(f"onnxruntime in process ended at its start: {process.last_words()}")
        yield InProcess(process)


class Graphs:
    """A bundle's graphs, and how many rows at once each job runs best with."""

    def __init__(self, bundle: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        loaded = load(bundle)
        self._outputs: dict[GraphName, list[str] | None] = {
            "encoder": None,
            "decoder": ["image"],
            "prior": None,
            "density": None,
        }
        self._sessions = {graph: ort.InferenceSession(loaded.graphs[graph], options) for graph in self._outputs}
        self._inputs = {
            case.graph: {own: loaded.golden[theirs] for own, theirs in case.inputs.items()} for case in CASES
        }
        self._best: dict[tuple[GraphName, ...], int] = {}

    def turn(self, job: str, *, seconds: float, one_row: bool) -> dict[str, float]:
        """rows: at once; rows_per_s; p50_ms and p99_ms of one run of all the job's graphs."""
        graphs = _GRAPHS[job]
        if not one_row and graphs not in self._best:
            self._best[graphs] = self._probe(graphs)
        rows = 1 if one_row else self._best[graphs]
        times = _timed(self._call(graphs, rows), seconds)
        ends = statistics.quantiles(times, n=100) if len(times) > 1 else times * 99
        return {
            "rows": rows,
            "rows_per_s": rows * len(times) / sum(times),
            "p50_ms": ends[49] * 1e3,
            "p99_ms": ends[98] * 1e3,
        }

    def _probe(self, graphs: tuple[GraphName, ...]) -> int:
        rates: dict[int, list[float]] = {rows: [] for rows in _SIZES}
        for _ in range(_PROBES):
            for rows in _SIZES:
                times = _timed(self._call(graphs, rows), _PROBE_S)
                rates[rows].append(rows * len(times) / sum(times))
        return max(_SIZES, key=lambda rows: statistics.median(rates[rows]))

    def _call(self, graphs: Sequence[GraphName], rows: int) -> Callable[[], None]:
        steps = [
            (
                self._sessions[graph].run,
                self._outputs[graph],
                {name: np.resize(values, (rows, *values.shape[1:])) for name, values in self._inputs[graph].items()},
            )
            for graph in graphs
        ]

        def call() -> None:
            for run, outputs, inputs in steps:
                run(outputs, inputs)

        return call


def _timed(call: Callable[[], None], seconds: float) -> list[float]:
    """Seconds of each call, as many as fit, at least one."""
    marks = [time.perf_counter()]
    while len(marks) == 1 or marks[-1] < marks[0] + seconds:
        call()
        marks.append(time.perf_counter())
    return [after - before for before, after in itertools.pairwise(marks)]


def main() -> None:
    graphs = Graphs(Path(sys.argv[1]))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(graphs.turn(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
