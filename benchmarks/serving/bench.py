"""A run on one bundle: every target up at once, checked, then visited scenario by scenario."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.serving import in_process, server, targets
from benchmarks.serving.environments import ROOT, Unavailable
from benchmarks.serving.in_process import InProcess
from benchmarks.serving.machine import CORES, GENERATOR_CORE
from benchmarks.serving.measurement import Footprint, Measured, Report, Round, tail, throughput
from benchmarks.serving.requests import Examples
from benchmarks.serving.rounds import visit
from benchmarks.serving.scenarios import MANY, Scenario
from benchmarks.serving.server import Server
from benchmarks.serving.targets import TWO_WORKERS, Target

_ERROR = 0.05  # of a median ratio, relative: what a spread must come down to before the rounds end early
_IDLE_S = 3.0


@dataclass(frozen=True)
class Plan:
    """Who takes part beside the service, minimal and onnxruntime, in what, and how long.

    before: another checkout of the service. rounds: how many, from least to most. starts: of each server, for their
    median time.
    """

    scenarios: Sequence[Scenario]
    naive: bool = True
    peers: Sequence[str] = ()
    before: Path | None = None
    workers: bool = False
    seconds: int = 1
    rounds: range = range(5, 13)
    starts: int = 3


def run(bundle: Path, plan: Plan) -> Report:
    """bundle: models/<name>/<version>. Raises Unavailable if the service, minimal or onnxruntime are unavailable."""
    report = Report(f"{bundle.parent.name}/{bundle.name}")
    examples = Examples(bundle)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        service = targets.service(examples, bundle)
        ours = stack.enter_context(server.up(service, examples, directory, starts=plan.starts))
        least = targets.minimal(service, _recorded(ours, directory / "answers"))
        servers = [ours, stack.enter_context(server.up(least, examples, directory, starts=plan.starts))]
        limit = stack.enter_context(in_process.up(bundle, directory))
        for make in _others(plan, examples, bundle, service, report.notes):
            try:
                servers.append(stack.enter_context(server.up(make(), examples, directory, starts=plan.starts)))
            except Unavailable as reason:
                report.notes.append(str(reason))
        idle = {each.name: each.process.cpu_s() for each in servers}
        time.sleep(_IDLE_S)
        idle = {each.name: (each.process.cpu_s() - idle[each.name]) / _IDLE_S for each in servers}
        for scenario in plan.scenarios:
            report.measured.append(_measure(scenario, servers, limit, plan))
        time.sleep(_IDLE_S)
        report.footprints = [_footprint(each, idle[each.name]) for each in servers]
        if limit.best_rows:
            batches = ", ".join(f"{job} {rows}" for job, rows in limit.best_rows.items())
            report.notes.append(f"onnxruntime's best batch, in rows: {batches}.")
    return report


def _others(
    plan: Plan, examples: Examples, bundle: Path, service: Target, notes: list[str]
) -> Iterator[Callable[[], Target]]:
    """Makers of the other targets; each may raise Unavailable."""
    if plan.naive:
        yield partial(targets.naive, examples, bundle)
    if plan.before:
        yield partial(targets.before, service, plan.before)
    if plan.workers and _takes_workers():
        if CORES[1] == GENERATOR_CORE:
            notes.append("2 workers: the generator shares the second worker's core, so the gain is understated.")
        yield partial(targets.two_workers, service)
    elif plan.workers:
        notes.append("2 workers: not measured, the service has no --workers or the machine a single core.")
    for peer in plan.peers:
        yield partial(targets.peer, peer, examples, bundle)


def _takes_workers() -> bool:
    command = [sys.executable, "-m", "service", "--help"]
    flags = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return "--workers" in flags and len(CORES) > 1


def _recorded(ours: Server, directory: Path) -> Path:
    """The service's answer to each job, for the minimal server."""
    directory.mkdir()
    for job in ours.target.jobs:
        answer = ours.ask(job)
        (directory / job).write_bytes(answer.content)
        (directory / f"{job}.type").write_text(answer.headers["content-type"])
    return directory


def _measure(scenario: Scenario, servers: Sequence[Server], limit: InProcess, plan: Plan) -> Measured:
    taking_part: list[Server | InProcess] = [each for each in servers if scenario.jobs <= each.target.jobs.keys()]
    if scenario != MANY:  # two workers are a matter of throughput, shown once
        taking_part = [each for each in taking_part if each.name != TWO_WORKERS]
    if scenario.jobs <= limit.jobs:
        taking_part.insert(2, limit)
    turns = {each.name: partial(each.turn, scenario, plan.seconds) for each in taking_part}
    compare = tail if scenario.behind else throughput

    def enough(rounds: Sequence[Round]) -> bool:
        if len(rounds) not in plan.rounds:
            return False
        found = [compare(rounds, other) for other in turns]
        return all(each is not None and each.error <= _ERROR for each in found)

    measured = Measured(scenario, visit(turns, enough, most=plan.rounds[-1]))
    print(f"  {scenario.name}: {len(measured.rounds)} rounds of {', '.join(turns)}", file=sys.stderr, flush=True)
    return measured


def _footprint(each: Server, idle_share: float) -> Footprint:
    return Footprint(
        each.name,
        each.target.version,
        each.start_s,
        len(each.process.tree()),
        each.idle_bytes,
        each.process.peak_bytes(),
        each.process.resident_bytes(),
        idle_share,
    )
