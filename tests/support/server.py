"""A real server in a process of its own, on a free port of the loopback interface."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def started(
    *arguments: str,
    cwd: Path | None = None,
    python: str = sys.executable,
    program: Sequence[str] = ("-m", "service"),
    environment: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Starts `python -m service`, one process unless asked for more, and yields its address; kills it at the end.

    program: how Python finds it. environment: variables besides those of the tests. log: takes what it writes to
    standard error.
    """
    command = [python, *program, "--port", "0", "--workers", "1", *arguments]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("VAE_")}
    variables |= environment or {}
    process = subprocess.Popen(command, cwd=cwd, env=variables, stdout=subprocess.PIPE, stderr=log, text=True)
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
def serving(
    *arguments: str,
    cwd: Path | None = None,
    python: str = sys.executable,
    program: Sequence[str] = ("-m", "service"),
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The same; at the end asks it to stop and waits for status 0."""
    started_ = started(*arguments, cwd=cwd, python=python, program=program, environment=environment)
    with started_ as (address, process):
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
