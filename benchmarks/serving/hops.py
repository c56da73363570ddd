"""How often one POST /encode of a PNG, alone on a kept-alive connection, crosses from one file of service/ to another.

`python -m benchmarks.serving.hops [--root CHECKOUT]`
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.serving import environments, server, targets
from benchmarks.serving.environments import ROOT, Unavailable
from benchmarks.serving.requests import Examples
from benchmarks.serving.server import Server
from benchmarks.serving.servers.profiled import MARK

_JOB = "encode_png"
_REQUESTS = 9  # measured one by one: a timer of the server that falls into one adds its own calls
_AFTERWARDS_S = 0.03  # for what the server still does once its answer has left


@dataclass(frozen=True)
class Walk:
    """files: below service/, of each call in order."""

    files: Sequence[str]

    @property
    def switches(self) -> int:
        return sum(one != other for one, other in itertools.pairwise(self.files))

    def __str__(self) -> str:
        steps = " → ".join(file for file, _ in itertools.groupby(self.files))
        figures = f"{len(self.files)} calls, {len(set(self.files))} files, {self.switches} file switches"
        return f"{steps}\n\n{figures}"


def walk(root: Path, bundle: Path) -> Walk:
    """The shortest of several requests', once others have filled the caches. Raises Unavailable."""
    examples = Examples(bundle)
    like = targets.service(examples, bundle)
    profiled = str(Path(__file__).parent / "servers" / "profiled.py")
    command = (sys.executable, profiled, str(root), *like.command[3:], "--workers", "1")
    target = replace(like, name="profiled", command=command, jobs={_JOB: like.jobs[_JOB]}, cwd=root, piped=True)
    with tempfile.TemporaryDirectory() as directory, server.started(target, Path(directory)) as (service, _):
        for number in range(len(examples.pngs)):
            service.ask(_JOB, number)
        return min(_walks(service), key=lambda found: len(found.files))


def _walks(service: Server) -> Iterator[Walk]:
    root = service.process.root
    for number in range(1 + _REQUESTS):
        time.sleep(_AFTERWARDS_S)
        print(file=root.stdin, flush=True)
        if number > 0:
            line = next((line for line in root.stdout if line.startswith(MARK)), None)
            if line is None:
                raise Unavailable(f"The profiled service ended: {service.process.last_words()}")
            yield Walk(json.loads(line.removeprefix(MARK)))
        service.ask(_JOB)


def main() -> int:
    """Prints the files in the order of their calls, and three counts. Exit status: 0, or 1 without a service."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.hops", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, metavar="CHECKOUT", help="whose service (default: this one)")
    root = parser.parse_args().root.resolve()
    try:
        found = walk(root, environments.bundle("digits-mlp-vae"))
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
