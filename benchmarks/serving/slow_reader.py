"""What a client costs that asks and never reads: many requests on one connection, each for an answer of 3 MB.

`python -m benchmarks.serving.slow_reader [--root CHECKOUT] [--requests 400]`
"""

import argparse
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.serving import environments, server, targets
from benchmarks.serving.environments import ROOT, Unavailable
from benchmarks.serving.processes import Process
from benchmarks.serving.requests import Examples

_JOB = "sample_npy"
_ANSWERED = 3  # requests whose answers are read, before memory is measured: the first ones fill caches
_PAUSE_S = 0.03  # a look at the server's processor time, which is counted in hundredths of a second
_RESTED = 50  # looks at which the server had done nothing and nothing more could be sent: it has come to rest
_MOST_S = 50.0  # with start and end less than a minute


@dataclass(frozen=True)
class Cost:
    """sent_bytes: of asked_bytes, what the kernel took. The others: the server's resident memory."""

    asked_bytes: int
    sent_bytes: int
    before_bytes: int
    most_bytes: int
    after_bytes: int

    def __str__(self) -> str:
        before, most, after = (value / 1e6 for value in (self.before_bytes, self.most_bytes, self.after_bytes))
        memory = f"{before:.0f} → {after:.0f} MB resident ({after - before:+.1f}), {most:.0f} at most"
        return f"{memory}; {self.sent_bytes:,} of {self.asked_bytes:,} bytes sent"


def measure(root: Path, bundle: Path, *, requests: int, most_s: float = _MOST_S) -> Cost:
    """Ends when the server has come to rest, or after most_s. Raises Unavailable."""
    examples = Examples(bundle)
    target = replace(targets.service(examples, bundle), cwd=root)
    with tempfile.TemporaryDirectory() as directory, server.started(target, Path(directory)) as (service, _):
        for _ in range(_ANSWERED):
            service.ask(_JOB).raise_for_status()
        service.process.settle()
        host, port = "127.0.0.1", service.client.base_url.port or 0
        request = target.jobs[_JOB][0].message(f"{host}:{port}")
        with socket.create_connection((host, port)) as client:
            return _ask(client, request, requests, service.process, time.monotonic() + most_s)


def _ask(client: socket.socket, request: bytes, count: int, process: Process, end: float) -> Cost:
    """The next request follows once the server is idle: requests that wait for each other may go another way."""
    client.setblocking(False)  # the kernel takes what it has room for, and nobody waits for the rest
    before = most = process.resident_bytes()
    sent, asked = 0, request * count
    idle, cpu_s = 0, process.cpu_s()
    while time.monotonic() < end and idle < _RESTED:
        if idle > 0 and sent < len(asked):
            try:
                sent += client.send(asked[sent : len(request) * (sent // len(request) + 1)])
                idle = 0
            except BlockingIOError:
                pass
            except ConnectionError:  # the server has had enough
                break
        time.sleep(_PAUSE_S)
        most, until_s = max(most, process.resident_bytes()), process.cpu_s()
        idle, cpu_s = idle + 1 if until_s == cpu_s else 0, until_s
    return Cost(len(asked), sent, before, most, process.resident_bytes())


def main() -> int:
    """Prints memory before and after. Exit status: 0, or 1 without a service."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.slow_reader", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, metavar="CHECKOUT", help="whose service (default: this one)")
    parser.add_argument("--requests", type=int, default=400, help="that nobody reads the answers of (default: 400)")
    arguments = parser.parse_args()
    try:
        bundle = environments.bundle("digits-mlp-vae")
        print(measure(arguments.root.resolve(), bundle, requests=arguments.requests))
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
