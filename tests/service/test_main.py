"""python -m service as a process: it says where it serves, serves, and stops when asked."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support import digits
from tests.support.server import serving


def test_it_serves_where_it_says_and_stops_with_status_0(tiny_models: Path) -> None:
    with serving("--models-dir", str(tiny_models), "--default-model", "tiny-vae") as address:
        assert httpx.get(f"{address}/readyz").json()["ready"] is True
        picture = digits.png(digits.images()[0])
        answer = httpx.post(f"{address}/encode", content=picture, headers={"Content-Type": "image/png"})
        assert answer.status_code == 200
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
