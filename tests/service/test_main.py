"""python -m service: it says where it serves, serves with as many processes as fit, and stops when asked."""

import gc
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from service import __main__
from service.runtime import device
from service.server import cores, serve, workers
from service.settings import Settings
from tests.support import digits, waiting
from tests.support.server import serving


def test_it_serves_where_it_says_and_stops_with_status_0(tiny_models: Path) -> None:
    with serving("--models-dir", str(tiny_models), "--default-model", "tiny-vae") as address:
        assert httpx.get(f"{address}/readyz").json()["ready"] is True
        png = digits.png(digits.images()[0])
        encoded = httpx.post(f"{address}/encode", content=png, headers={"Content-Type": "image/png"})
        assert encoded.status_code == 200
        assert "server" not in httpx.get(f"{address}/livez").headers


def test_samples_are_the_same_bytes_after_a_restart(tiny_models: Path) -> None:
    answers = set()
    for _ in range(2):
        with serving("--models-dir", str(tiny_models), "--default-model", "tiny-vae") as address:
            query = f"{address}/sample?label=1&count=64&seed=1"
            answers.add(httpx.get(query, headers={"Accept": "image/png"}).content)
    assert len(answers) == 1


def test_a_port_that_is_taken_stops_the_start_with_status_3(tiny_models: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        command = [sys.executable, "-m", "service", "--port", port, "--models-dir", str(tiny_models)]
        done = subprocess.run(
            [*command, "--default-model", "tiny-vae"], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 3
    assert port in done.stderr
    assert "Traceback" not in done.stderr


# What the place is like where it starts

TINY = ("--default-model", "tiny-vae", "--models-dir")


def test_kubernetes_variables_and_empty_ones_do_not_stop_the_start(tiny_models: Path) -> None:
    given = {"VAE_PORT": "tcp://10.96.0.10:8000", "VAE_SERVICE_HOST": "10.96.0.10", "VAE_SERVICE_PORT": "8000"}
    with serving(*TINY, str(tiny_models), environment={**given, "VAE_THREADS": ""}) as address:
        assert httpx.get(f"{address}/livez").status_code == 200


def test_one_process_shares_no_metrics_whatever_the_place_says(tiny_models: Path, tmp_path: Path) -> None:
    for directory in (tmp_path / "missing", tmp_path):
        with serving(*TINY, str(tiny_models), environment={"PROMETHEUS_MULTIPROC_DIR": str(directory)}) as address:
            assert "vae_model_info" in httpx.get(f"{address}/metrics").text
    assert list(tmp_path.iterdir()) == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("closed", "workers"), [("<&-", 2), (">&-", 1), ("<&- >&- 2>&-", 2), ("> /dev/full", 2), ("| true", 1)]
)
def test_it_serves_where_nobody_reads_what_it_says_or_says_anything(
    tiny_models: Path, tmp_path: Path, closed: str, workers: int
) -> None:
    port = free_port()
    arguments = f"--port {port} --workers {workers} {' '.join(TINY)} {tiny_models}"
    command = f"set -o pipefail; {sys.executable} -m service {arguments} {closed}"
    with (tmp_path / "log").open("wb") as log:
        shell = subprocess.Popen(
            ["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
        )
        try:
            waiting.until(lambda: answers(port), 30, "it answers")
            (server,) = [child for child in psutil.Process(shell.pid).children() if "service" in child.cmdline()]
        except ValueError:  # the shell became the server
            server = psutil.Process(shell.pid)
        server.terminate()
        assert shell.wait(60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


ELSEWHERE = """
import ctypes, os, signal, socket, sys

def library(name, *rest, _load=ctypes.CDLL, **options):
    if name is None:
        raise TypeError("bad argument type for built-in operation")
    return _load(name, *rest, **options)

ctypes.CDLL = library
for module, names in {os: ("fork", "memfd_create", "sched_getaffinity"), socket: ("SO_REUSEPORT",)}.items():
    for name in names:
        delattr(module, name)
sys.modules["uvloop"] = None
from service.__main__ import main
sys.exit(main())
"""


def test_one_process_serves_on_a_system_without_what_linux_has(tiny_models: Path) -> None:
    """Windows and macOS, as far as Linux can play them; the number of workers is the default."""
    with serving(*TINY, str(tiny_models), "--workers", "0", program=("-c", ELSEWHERE)) as address:
        png = digits.png(digits.images()[0])
        encoded = httpx.post(f"{address}/encode", content=png, headers={"Content-Type": "image/png"})
        assert encoded.status_code == 200


def test_several_workers_are_refused_in_one_line_where_they_cannot_share_a_socket(tiny_models: Path) -> None:
    command = [sys.executable, "-c", ELSEWHERE, "--port", "0", "--workers", "2", *TINY, str(tiny_models)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "The service cannot start: several workers cannot share a socket on this system; start it with --workers 1."
    ]


# What it starts


class Started:
    """Takes the place of what would serve: notes how, and is ready at once."""

    def __init__(self) -> None:
        self.workers = 0
        self.address: tuple[object, ...] = ()

    def serve(self, settings: Settings, listener: socket.socket, ready: Callable[[str], None]) -> int:
        return self.run(1, listener, settings.model_dump_json(), ready)

    def run(self, count: int, listener: socket.socket, settings: str, ready: Callable[[str], None]) -> int:
        with listener:
            self.workers = count
            self.address = listener.getsockname()
            ready("tiny-vae/1")
        return 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    found = Started()
    monkeypatch.setattr(serve, "serve", found.serve)
    monkeypatch.setattr(workers, "run", found.run)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    monkeypatch.setattr(cores, "available", lambda: 3)
    monkeypatch.setattr(device, "has_cuda", lambda: False)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VAE_{name.upper()}", raising=False)
    yield found
    gc.enable()


def start(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["service", "--port", "0", *arguments])
    assert __main__.main() == 0


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


@pytest.mark.parametrize(
    ("host", "bound", "shown"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1", "localhost"),
        ("0.0.0.0", "0.0.0.0", "127.0.0.1"),
        pytest.param("::1", "::1", "[::1]", marks=ipv6),
        pytest.param("[::1]", "::1", "[::1]", marks=ipv6),
        pytest.param("::", "::", "[::1]", marks=ipv6),
    ],
)
def test_it_shows_an_address_that_can_be_visited(
    started: Started,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    host: str,
    bound: str,
    shown: str,
) -> None:
    start(monkeypatch, "--host", host)
    address, port = started.address[:2]
    assert address == bound
    lines = capsys.readouterr().out.splitlines()
    assert f"Serving tiny-vae/1 on http://{shown}:{port}" in lines
    assert f"  docs   http://{shown}:{port}/docs" in lines


@pytest.mark.parametrize(
    ("arguments", "has_cuda", "count"),
    [
        ((), False, 3),
        ((), True, 1),
        (("--device", "auto"), True, 1),
        (("--device", "cuda"), True, 1),
        (("--device", "cpu"), True, 3),
        (("--workers", "2"), True, 2),
        (("--workers", "1"), False, 1),
    ],
)
def test_there_is_a_worker_for_each_core_but_only_one_with_cuda(
    started: Started, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], has_cuda: bool, count: int
) -> None:
    monkeypatch.setattr(device, "has_cuda", lambda: has_cuda)
    start(monkeypatch, *arguments)
    assert started.workers == count
