"""The service as a process of its own, seen from its socket alone."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.support.server import started
from tests.support.sockets import ask
from tests.support.verbs import Ask


class Served(NamedTuple):
    """A server of one process on the tiny models."""

    address: str
    process: psutil.Process
    log: Path

    @property
    def resident_bytes(self) -> int:
        return int(self.process.memory_info().rss)

    def in_progress(self) -> int:
        """Requests that are being answered, besides the one that asks."""
        return self._metric("vae_http_requests_in_progress") - 1

    def decoded_rows(self) -> int:
        """Rows that the default model's decoder has computed."""
        return self._metric('vae_batch_rows_sum{graph="decoder",model="tiny-vae/1"}')

    def _metric(self, name: str) -> int:
        text = ask(self.address, Ask("/metrics").bytes()).body.decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        assert found, f"no metric {name}"
        return int(float(found[1]))


@pytest.fixture(scope="session")
def tiny(tiny_models: Path) -> tuple[str, ...]:
    """Arguments that make the tiny model the default."""
    return ("--models-dir", str(tiny_models), "--default-model", "tiny-vae")


@pytest.fixture(scope="module")
def served(tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for a file of tests. Whatever they do to it, it stops as asked and its log tells of no bug."""
    path = tmp_path_factory.mktemp("log") / "errors"
    with path.open("wb") as log, started(*tiny, log=log) as (address, process):
        yield Served(address, psutil.Process(process.pid), path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert "Traceback" not in path.read_text()
