"""A real server in a process of its own, on a free port of the loopback interface."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def started(
    *arguments: str, cwd: Path | None = None, python: str = sys.executable, log: IO[bytes] | None = None
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Starts `python -m service`, one process unless asked for more, and yields its address; kills it at the end.

    log: takes what it writes to standard error.
    """
    command = [python, "-m", "service", "--port", "0", "--workers", "1", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VAE_")}
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout
    try:
        welcome = ""
        while "try" not in welcome:
            line = process.stdout.readline()
            assert line, f"the server ended with status {process.wait()} before it was ready"
            welcome += line
        address = re.search(r"http://[0-9.]+:[0-9]+", welcome)
        assert address
        yield address[0], process
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


@contextlib.contextmanager
def serving(*arguments: str, cwd: Path | None = None, python: str = sys.executable) -> Iterator[str]:
    """The same; at the end asks it to stop and waits for status 0."""
    with started(*arguments, cwd=cwd, python=python) as (address, process):
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
