"""python -m service: it says where it serves, serves with as many processes as fit, and stops when asked."""

import gc
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service import __main__
from service.runtime import device
from service.server import cores, serve, workers
from service.settings import Settings
from tests.support import digits
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
