"""What is measured: a job asked for over so many connections. Jobs and their rows: requests.py."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.serving.requests import ROWS


@dataclass(frozen=True)
class Scenario:
    """behind: a job that clients over `others` connections ask for all the while. seconds: of a turn, at least."""

    name: str
    job: str
    connections: int
    behind: str = ""
    others: int = 0
    seconds: int = 1

    @property
    def jobs(self) -> set[str]:
        return {self.job, self.behind} - {""}

    @property
    def rows(self) -> int:
        return ROWS[self.job]


ONE: Final = Scenario("encode PNG, 1 connection", "encode_png", 1)
MANY: Final = Scenario("encode PNG, 64 connections", "encode_png", 64)
_BULK: Final = Scenario("encode bulk of 256, raw", "encode_bulk", 4)
_SAMPLE: Final = Scenario("sample 1, PNG", "sample_png", 64)

ENCODE_PNG: Final = (
    ONE,
    Scenario("encode PNG, 16 connections", "encode_png", 16),
    MANY,
    Scenario("encode PNG, 256 connections", "encode_png", 256),
)
ALL: Final = (
    *ENCODE_PNG,
    Scenario("encode JSON", "encode_json", 64),
    _BULK,
    Scenario("decode, JSON to PNG", "decode", 64),
    Scenario("reconstruct, PNG to PNG", "reconstruct", 64),
    Scenario("reconstruct, PNG to JSON", "reconstruct_scores", 64),
    _SAMPLE,
    Scenario("sample 64, PNG grid", "sample_grid", 16),
    Scenario("sample 1,000, npy", "sample_npy", 4),
    Scenario("mix of four verbs", "mix", 64),
    Scenario("small behind 4 large", "encode_png", 4, "reconstruct_bulk", others=4, seconds=4),
    Scenario("small behind 32 large", "encode_png", 4, "reconstruct_bulk", others=32, seconds=6),
)
QUICK: Final = (MANY, ONE, _BULK, _SAMPLE)


def matching(pattern: str) -> Sequence[Scenario]:
    """Whose name holds the regular expression, in any case. Raises re.error."""
    return [scenario for scenario in ALL if re.search(pattern, scenario.name, re.IGNORECASE)]
