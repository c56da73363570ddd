"""One real server, and the programs that people send requests with.

Where a program is missing, its tests are skipped; where CLIENTS=all, they fail.
"""

import contextlib
import importlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support import waiting
from tests.support.server import serving
from tests.support.sockets import Answer, ask
from tests.support.verbs import ENCODE, Ask

ROOT = "/digits"  # that a proxy may put before every path
HUGE_BYTES = 30 << 20  # beyond the limit of a body
assert ENCODE.body
DIGIT = ENCODE.body
FORM = Ask(
    "/encode",
    b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + DIGIT + b"\r\n--X--\r\n",
    ("Content-Type: multipart/form-data; boundary=X",),
)


@pytest.fixture(scope="session")
def address(tiny_models: Path) -> Iterator[str]:
    """Of the service on the tiny models, for all these tests; at the end it stops as asked."""
    models = ("--models-dir", str(tiny_models), "--default-model", "tiny-vae")
    with serving(*models, "--root-path", ROOT, "--max-body-bytes", str(16 << 20)) as address:
        yield address


@pytest.fixture(scope="session")
def encoded(address: str) -> Answer:
    """What the digit is answered with, byte by byte."""
    answer = ask(address, ENCODE.bytes())
    assert answer.status == 200
    assert ask(address, FORM.bytes()).body == answer.body
    return answer


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digit as a file."""
    path = tmp_path_factory.mktemp("picture") / "digit.png"
    path.write_bytes(DIGIT)
    return path


@pytest.fixture(scope="session")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of zeros beyond the limit of a body."""
    path = tmp_path_factory.mktemp("huge") / "zeros"
    with path.open("wb") as file:
        file.truncate(HUGE_BYTES)
    return path


def lacking(what: str) -> NoReturn:
    if os.environ.get("CLIENTS") == "all":
        pytest.fail(f"{what} is not on this machine, and CLIENTS=all")
    pytest.skip(f"{what} is not on this machine")


def program(name: str) -> str:
    """Its path; skips or fails where it is missing."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin") or lacking(name)


def package(name: str) -> Any:
    """A Python package; skips or fails where it is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return lacking(name)


def run(*command: str, cwd: Path | None = None, text: str | None = None) -> str:
    """What a program prints that ends well within a minute. text: its standard input."""
    done = subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: Sequence[str], address: str) -> Iterator[None]:
    """A program that listens at the address until the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    try:
        waiting.until(lambda: process.poll() is not None or listens(address), 30, f"{command[0]} listens")
        assert process.poll() is None, process.stderr.read().decode()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def listens(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False
