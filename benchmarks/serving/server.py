"""A target that is up: asked, checked, and visited by the load generator."""

import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.serving import answers, processes, wrk
from benchmarks.serving.answers import WrongAnswer
from benchmarks.serving.environments import Unavailable
from benchmarks.serving.machine import CORES, GENERATOR_CORE
from benchmarks.serving.processes import Process
from benchmarks.serving.requests import Examples
from benchmarks.serving.scenarios import Scenario
from benchmarks.serving.targets import Target
from benchmarks.serving.wrk import Load, Turn

START_S = 120  # at most, until the first answer
_ASK_S = 30
_POLL_S = 0.005


@dataclass
class Server:
    """messages: files of each job's requests, as wrk sends them. start_s: from the start of the process to the first
    answer, the median of several starts.
    """

    target: Target
    process: Process
    client: httpx.Client
    messages: Mapping[str, Sequence[Path]]
    start_s: float = 0.0
    idle_bytes: int = 0

    @property
    def name(self) -> str:
        return self.target.name

    def ask(self, job: str, number: int = 0) -> httpx.Response:
        """number: of the job's request to send. Raises httpx.HTTPError."""
        request = self.target.jobs[job][number]
        return self.client.request(request.method, request.path, content=request.body, headers=request.headers)

    def check(self, job: str, examples: Examples) -> None:
        """The answer to every request once. Raises WrongAnswer."""
        for number in range(len(self.target.jobs[job])):
            answer = self.ask(job, number)
            if answer.status_code != 200:
                raise WrongAnswer(f"{job}: status {answer.status_code}, {answer.text[:200]}")
            content_type = answer.headers["content-type"]
            answers.check(examples, job, number, content_type, answer.content, self.target.unwrap)

    def turn(self, scenario: Scenario, seconds: int) -> Turn:
        """seconds: or the scenario's own, where those are more."""
        if self.process.root.poll() is not None:
            return Turn(0.0, 0.0, 0.0, errors=1)
        measured = wrk.turn(
            self._load(scenario.job, scenario.connections),
            seconds=max(seconds, scenario.seconds),
            core=GENERATOR_CORE,
            behind=self._load(scenario.behind, scenario.others) if scenario.behind else None,
        )
        self.process.settle()
        return measured

    def _load(self, job: str, connections: int) -> Load:
        return Load(str(self.client.base_url), self.messages[job], connections)


@contextlib.contextmanager
def up(target: Target, examples: Examples, directory: Path, *, starts: int) -> Iterator[Server]:
    """Starts it several times, checks what it answers to all its jobs. Raises Unavailable with the reason."""
    took: list[float] = []
    for _ in range(starts - 1):
        with started(target, directory) as (_, start_s):
            took.append(start_s)
    with started(target, directory) as (server, start_s):
        server.start_s = statistics.median([*took, start_s])
        server.idle_bytes = server.process.resident_bytes()
        try:
            for job in target.jobs:
                server.check(job, examples)
        except (WrongAnswer, httpx.HTTPError) as error:
            raise Unavailable(f"{target.name} does not answer rightly: {error}") from error
        yield server


@contextlib.contextmanager
def started(target: Target, directory: Path) -> Iterator[tuple[Server, float]]:
    """And how many seconds it took. directory: for its log and for its requests. Raises Unavailable."""
    port = processes.free_port()
    slug = target.name.replace(", ", "-").replace(" ", "-")
    messages: dict[str, list[Path]] = {job: [] for job in target.jobs}
    for job, requests in target.jobs.items():
        for number, request in enumerate(requests):
            path = directory / f"{slug}-{job}-{number}"
            path.write_bytes(request.message(f"127.0.0.1:{port}"))
            messages[job].append(path)
    starting = processes.running(
        [word.replace("{port}", str(port)) for word in target.command],
        cores=[CORES[core] for core in target.cores],
        log=directory / f"{slug}.log",
        cwd=target.cwd,
        environment={name: value.replace("{port}", str(port)) for name, value in target.environment.items()},
        piped=target.piped,
    )
    asking = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_ASK_S, trust_env=False)
    start = time.monotonic()
    with starting as process, asking as client:
        server = Server(target, process, client, messages)
        _wait(server, start + START_S)
        yield server, time.monotonic() - start


def _wait(server: Server, end: float) -> None:
    """Until the first good answer. Raises Unavailable."""
    while time.monotonic() < end:
        if server.process.root.poll() is not None:
            raise Unavailable(f"{server.name} ended at its start: {server.process.last_words()}")
        with contextlib.suppress(httpx.HTTPError):
            if server.ask("encode_png").status_code == 200:
                return
        time.sleep(_POLL_S)
    raise Unavailable(f"{server.name} gave no answer in {START_S} s: {server.process.last_words()}")
