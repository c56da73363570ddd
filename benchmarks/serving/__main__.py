"""The service beside its limits, a naive service and its peers, on this machine.

`make bench`, `make bench-quick`, `make bench-peers`, or `python -m benchmarks.serving --help`
"""

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.serving import bench, environments, machine, page, picture, scenarios, tables, wrk
from benchmarks.serving.bench import Plan
from benchmarks.serving.environments import ROOT, Unavailable
from benchmarks.serving.scenarios import Scenario
from benchmarks.serving.targets import PEERS

_PAUSE_S = 0.2  # between turns


def main() -> int:
    """Prints a table for each model. Exit status: 0, or 1 where what must be measured could not be."""
    arguments = _parser().parse_args()
    os.sched_setaffinity(0, {machine.GENERATOR_CORE})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    if wrk.version() is None:
        print("wrk is missing: apt-get install wrk", file=sys.stderr)
        return 1
    plan = _plan(arguments)
    print(_bounds(plan), file=sys.stderr, flush=True)
    texts = []
    for model in arguments.models:
        try:
            report = bench.run(environments.bundle(model), plan)
        except Unavailable as reason:
            print(reason, file=sys.stderr)
            return 1
        text = tables.markdown(report)
        print(f"\n{text}\n", flush=True)
        figure = ROOT / "docs/figures" / f"{_part(plan)}-{model.replace('/', '-')}.png"
        if arguments.write and picture.draw(report, figure):
            text += f"\n\n![Throughput against latency, {model}](figures/{figure.name})"
        texts.append(text)
    versions = [f"{peer} {environments.version(peer)}" for peer in plan.peers]
    command = f"`python -m benchmarks.serving {' '.join(sys.argv[1:])}`"
    where = f"{machine.description(versions)} · {command}"
    print(where)
    if arguments.write:
        path = ROOT / page.PAGE
        path.write_text(page.replaced(path.read_text(), _part(plan), "\n\n".join([*texts, where])))
    return 0


def _plan(arguments: argparse.Namespace) -> Plan:
    before = arguments.before and arguments.before.resolve()
    plan = Plan(arguments.only or scenarios.ALL, before=before, workers=True, seconds=arguments.seconds)
    if arguments.quick:
        chosen = arguments.only or scenarios.QUICK
        return replace(plan, scenarios=chosen, naive=False, workers=False, rounds=range(4, 5), starts=1)
    if arguments.peers:
        return replace(plan, scenarios=scenarios.ENCODE_PNG, peers=PEERS, workers=False, rounds=range(5, 9))
    return plan


def _bounds(plan: Plan) -> str:
    targets = 3 + plan.naive + bool(plan.before) + plan.workers + len(plan.peers)
    round_s = sum(
        (1 + bool(plan.before)) * (scenario.seconds + 1) if scenario.behind else targets * (plan.seconds + _PAUSE_S)
        for scenario in plan.scenarios
    )
    minutes = (1 + plan.rounds[-1]) * round_s / 60 + 1
    most = max(scenario.connections + scenario.others for scenario in plan.scenarios)
    return f"Up to about {minutes:.0f} minutes a model, and up to {most} connections at a time, all to 127.0.0.1."


def _part(plan: Plan) -> str:
    return "peers" if plan.peers else "serving"


def _scenarios(pattern: str) -> Sequence[Scenario]:
    """Of the command line. Raises ArgumentTypeError."""
    try:
        found = scenarios.matching(pattern)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{pattern!r} is no regular expression: {error}") from error
    if not found:
        names = "; ".join(scenario.name for scenario in scenarios.ALL)
        raise argparse.ArgumentTypeError(f"no scenario's name holds {pattern!r}: {names}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="four scenarios and no naive service; 2 minutes")
    extent.add_argument("--peers", action="store_true", help="/encode beside other servers, each in its environment")
    parser.add_argument("--models", nargs="+", default=["digits-mlp-vae"], help="bundles below models/, by name")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout: its service takes part")
    parser.add_argument("--only", type=_scenarios, metavar="PATTERN", help="scenarios whose name holds this expression")
    parser.add_argument("--seconds", type=int, default=1, help="of a turn; more for a slow model (default: 1)")
    parser.add_argument("--write", action="store_true", help=f"write tables and picture into {page.PAGE}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
