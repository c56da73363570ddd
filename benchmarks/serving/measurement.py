"""What a run found out: turns by scenario, footprints by server, and what there is to say about both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.serving.rounds import Ratio, ratio
from benchmarks.serving.scenarios import Scenario
from benchmarks.serving.targets import MINIMAL, ONNXRUNTIME, SERVICE
from benchmarks.serving.wrk import Turn

Round = Mapping[str, Turn]  # by target


@dataclass(frozen=True)
class Measured:
    """One scenario's rounds."""

    scenario: Scenario
    rounds: Sequence[Round]

    @property
    def names(self) -> list[str]:
        return list(self.rounds[0])

    def median(self, name: str, value: Callable[[Turn], float]) -> float:
        values = sorted(value(turns[name]) for turns in self.rounds)
        return values[len(values) // 2]

    def errors(self, name: str) -> int:
        return sum(turns[name].errors for turns in self.rounds)


@dataclass(frozen=True)
class Footprint:
    """Of one server. idle_bytes, after_bytes: before and after all scenarios, while nobody asks.

    idle_share: of one core, while nobody asks; where it is high, it slows its neighbours here.
    """

    name: str
    version: str
    start_s: float
    processes: int
    idle_bytes: int
    peak_bytes: int
    after_bytes: int
    idle_share: float


@dataclass
class Report:
    """Of one model."""

    model: str
    measured: list[Measured] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def throughput(rounds: Sequence[Round], other: str, *, of: str = SERVICE) -> Ratio | None:
    """Requests a second of the service, or `of` another, divided by those of the other in the same round."""
    return ratio((turns[of].requests_per_s, turns[other].requests_per_s) for turns in rounds)


def tail(rounds: Sequence[Round], other: str) -> Ratio | None:
    """p99 of the service divided by that of the other in the same round: less is better."""
    return ratio((turns[SERVICE].p99_ms, turns[other].p99_ms) for turns in rounds)


def latency(rounds: Sequence[Round]) -> Ratio | None:
    """The service's p50, divided by what can't be saved: p50 of the minimal server and of the graph for one row."""
    parts = {MINIMAL, ONNXRUNTIME}
    if not all(parts <= turns.keys() for turns in rounds):
        return None
    return ratio((turns[SERVICE].p50_ms, sum(turns[part].p50_ms for part in parts)) for turns in rounds)
