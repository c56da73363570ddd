"""Several processes on one socket: the same answers, one set of metrics, one life."""

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

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
        deadline = time.monotonic() + 10  # each worker tells the others once a second what it has answered
        while {counted(client) for client in clients} != {len(clients)}:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def counted(client: httpx.Client) -> int:
    """Answers of /sample that the metrics tell."""
    found = re.findall(r'^vae_http_requests_total\{.*route="/sample".*\} (\S+)$', client.get("/metrics").text, re.M)
    assert len(found) == 1
    return int(float(found[0]))


def test_gauges_tell_of_all_workers_once(two: Two) -> None:
    text = httpx.get(f"{two[0]}/metrics").text
    assert len(re.findall(r'^vae_model_info\{.*model="tiny-vae/1".*\} 1\.0$', text, re.M)) == 1
    assert 'vae_queue_rows{graph="encoder",model="tiny-vae/1"} 0.0' in text


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


def test_a_bundle_that_can_not_be_served_is_told_once_and_stops_the_start_with_status_3(tmp_path: Path) -> None:
    (bundles.write(tmp_path) / "encoder.onnx").write_bytes(b"no graph")
    command = [sys.executable, "-m", "service", "--port", "0", "--workers", "2", "--models-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("The service can not start") == 1
    assert done.stderr.count("encoder.onnx") == 1
    assert "Traceback" not in done.stderr
