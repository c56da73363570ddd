"""Several processes on one socket: the same answers, one set of metrics, one life.

Where a worker must fail in a certain way, a shell script takes its place.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from service.errors import StartError
from service.server import workers
from tests.support import bundles
from tests.support.server import started

SAMPLE = "/sample?label=1&count=3&seed=1&pixels=true"


Two = tuple[str, "subprocess.Popen[str]"]


@pytest.fixture
def two(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    """Address and parent of two workers."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a parent that is killed leaves its directory there
    arguments = ("--workers", "2", "--models-dir", str(tiny_models), "--default-model", "tiny-vae")
    with started(*arguments) as (address, process):
        yield address, process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def children(parent: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(parent.pid).children()


def test_both_workers_answer_with_the_same_bits_and_count_together(two: Two) -> None:
    address, parent = two
    with contextlib.ExitStack() as stack:
        # As many connections at once as it takes until both workers hold some.
        clients: list[httpx.Client] = []
        answers = set()
        while not all(child.net_connections("tcp")[1:] for child in children(parent)):  # besides the listening one
            assert len(clients) < 200
            clients.append(stack.enter_context(httpx.Client(base_url=address)))
            answers.add(clients[-1].get(SAMPLE).content)
        assert len(answers) == 1
        deadline = time.monotonic() + 10  # each worker shares once a second what it has answered
        while {counted(client) for client in clients} != {len(clients)}:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def counted(client: httpx.Client) -> int:
    """Answers of /sample, by the metrics."""
    found = re.findall(r'^vae_http_requests_total\{.*route="/sample".*\} (\S+)$', client.get("/metrics").text, re.M)
    assert len(found) == 1
    return int(float(found[0]))


def test_gauges_count_all_workers_once(two: Two) -> None:
    text = httpx.get(f"{two[0]}/metrics").text
    assert len(re.findall(r'^vae_model_info\{.*model="tiny-vae/1".*\} 1\.0$', text, re.M)) == 1
    assert len(re.findall(r"^vae_queue_rows 0\.0$", text, re.M)) == 1


def test_workers_that_died_are_replaced(two: Two) -> None:
    address, parent = two
    before = children(parent)
    assert len(before) == 2
    for child in before:
        child.kill()
    psutil.wait_procs(before, timeout=60)
    assert httpx.get(f"{address}{SAMPLE}", timeout=60).status_code == 200  # it waits until one is there
    assert not set(before) & set(children(parent))


def test_the_end_of_the_parent_is_the_end_of_all(two: Two) -> None:
    _, parent = two
    workers = children(parent)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(60) == 0
    assert not any(worker.is_running() for worker in workers)


def test_workers_do_not_outlive_a_parent_that_was_killed(two: Two) -> None:
    _, parent = two
    workers = children(parent)
    parent.kill()
    assert len(psutil.wait_procs(workers, timeout=60)[0]) == 2


def test_a_bundle_that_cannot_be_served_is_reported_once_and_stops_the_start_with_status_3(tmp_path: Path) -> None:
    (bundles.write(tmp_path) / "encoder.onnx").write_bytes(b"no graph")
    command = [sys.executable, "-m", "service", "--port", "0", "--workers", "2", "--models-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("The service cannot start") == 1
    assert done.stderr.count("encoder.onnx") == 1
    assert "Traceback" not in done.stderr


# Workers that are scripts

READY = """echo '{"ready": "tiny/1"}'\n"""
STOP_ALL = "kill -TERM $PPID; exec sleep 1000\n"  # as if somebody stopped the service, which then ends this one too


class Scripts:
    """Runs workers that are a shell script, which finds in $number how many were started before, itself included."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.settings = directory / "settings"  # a line for each worker
        self.ready: list[str] = []
        self._program = directory / "worker"
        monkeypatch.setattr(sys, "executable", str(self._program))

    def run(
        self, script: str, count: int = 1, listener: socket.socket | None = None, *, until_ready: bool = False
    ) -> int:
        """until_ready: stops once all are."""

        def ready(models: str) -> None:
            self.ready.append(models)
            if until_ready:
                os.kill(os.getpid(), signal.SIGTERM)

        preamble = f"cd {self.directory}\nread line; echo $line >>settings; echo $$ >>pids; number=$(wc -l <settings)\n"
        self._program.write_text("#!/bin/sh\n" + preamble + script)
        self._program.chmod(0o700)
        with listener or socket.create_server(("127.0.0.1", 0)) as listener:
            try:
                return workers.run(count, listener, '{"a": 1}', ready)
            finally:
                assert listener.fileno() == -1
                assert not any(psutil.pid_exists(int(pid)) for pid in (self.directory / "pids").read_text().split())


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripts:
    monkeypatch.setattr(workers, "_PAUSES_S", (0.0, 0.01, 0.02, 0.03))
    return Scripts(tmp_path, monkeypatch)


def pauses(caplog: pytest.LogCaptureFixture) -> list[float]:
    """Those announced in the log, in seconds."""
    return [float(found[1]) for found in re.finditer(r"another takes its place in (\S+) s$", caplog.text, re.M)]


def test_it_is_ready_once_all_workers_are(scripts: Scripts) -> None:
    assert scripts.run(READY + "exec sleep 1000", count=3, until_ready=True) == 0
    assert scripts.ready == ["tiny/1"]
    assert scripts.settings.read_text().splitlines() == ['{"a": 1}'] * 3


def test_workers_share_a_directory_for_metrics_which_is_gone_with_them(scripts: Scripts) -> None:
    script = 'test -d "$4" && echo "$4 $PROMETHEUS_MULTIPROC_DIR" >>metrics\n' + READY + "exec sleep 1000"
    assert scripts.run(script, count=2, until_ready=True) == 0
    (named,) = set((scripts.directory / "metrics").read_text().splitlines())
    argument, variable = named.split()
    assert argument == variable
    assert not Path(argument).exists()


def test_a_worker_that_dies_again_and_again_is_replaced_after_longer_and_longer_pauses(
    scripts: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    assert scripts.run(READY + f"[ $number -le 6 ] && exit 7\n{STOP_ALL}") == 0
    assert pauses(caplog) == [0.0, 0.01, 0.02, 0.03, 0.03, 0.03]
    assert caplog.text.count("ended with status 7") == 6
    assert scripts.ready == ["tiny/1"]


def test_a_worker_that_lived_long_is_replaced_at_once(
    scripts: Scripts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_LASTING_S", -1.0)
    assert scripts.run(READY + f"[ $number -le 3 ] && exit 7\n{STOP_ALL}") == 0
    assert pauses(caplog) == [0.0, 0.0, 0.0]


def test_a_worker_that_falls_silent_is_killed_and_replaced(
    scripts: Scripts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_SILENT_S", 0.3)
    assert scripts.run(READY + f"[ $number = 1 ] && echo '{{}}' && kill -STOP $$\n{STOP_ALL}") == 0
    assert caplog.text.count("hangs") == 1
    assert caplog.text.count("ended with status -9") == 1


def test_a_worker_that_speaks_up_now_and_then_is_left_alone(
    scripts: Scripts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_SILENT_S", 2.0)
    beats = "for beat in 1 2 3 4 5 6; do sleep 0.5; echo '{}'; done\n"  # for longer than it may be silent
    assert scripts.run(READY + beats + STOP_ALL) == 0
    assert not caplog.records
    assert len(scripts.settings.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("""echo '{"failed": "No bundle was found."}'; exit 3""", "No bundle was found."),
        ("exit 7", "a worker ended with status 7 before it was ready."),
        ("kill -KILL $$", "a worker ended with status -9 before it was ready."),
    ],
    ids=["says why", "exits", "is killed"],
)
def test_a_first_worker_that_cannot_start_ends_all(scripts: Scripts, script: str, detail: str) -> None:
    with pytest.raises(StartError) as raised:
        scripts.run(f"mkdir one || exec sleep 1000\n{script}\n", count=3)
    assert raised.value.detail == detail
    assert scripts.ready == []


def test_a_later_worker_that_cannot_start_is_tried_again(scripts: Scripts, caplog: pytest.LogCaptureFixture) -> None:
    fail = """echo '{"failed": "no memory"}'; exit 3"""
    script = f"[ $number = 2 ] && {{ {fail}; }}\n{READY}[ $number = 1 ] && exit 7\n{STOP_ALL}"
    assert scripts.run(script) == 0
    assert caplog.text.count("cannot start: no memory") == 1
    assert re.findall(r"ended with status (\S+);", caplog.text) == ["7", "3"]
    assert pauses(caplog) == [0.0, 0.01]


def test_a_stop_is_not_lost_where_it_comes_together_with_a_worker_s_word(
    scripts: Scripts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_SILENT_S", 0.3)  # else nothing happens any more
    assert scripts.run(READY + "sleep 0.1; echo '{}'\n" + STOP_ALL) == 0
    assert not caplog.records


def test_a_worker_that_does_not_stop_is_killed(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_STOP_S", 0.2)
    assert scripts.run("trap '' TERM\n" + READY + STOP_ALL) == 0


def test_nobody_is_let_in_while_workers_end(scripts: Scripts) -> None:
    had_ended = []

    class Listener(socket.socket):
        def close(self) -> None:
            if self.fileno() != -1:
                had_ended.append((scripts.directory / "ended").exists())
            super().close()

    listener = Listener()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    script = f"trap 'touch ended; exit 0' TERM\n{READY}while true; do sleep 0.05; done"
    assert scripts.run(script, count=2, listener=listener, until_ready=True) == 0
    assert had_ended == [False]
    assert (scripts.directory / "ended").exists()
