"""What a measurement finds: figures by name, and tables of what one number does not say."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from models.manifest import Metric

Cell = str | int | float


@dataclass(frozen=True)
class Table:
    """Rows under a header, and a sentence on what they are."""

    meaning: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Measurements:
    """metrics: single figures by name; tables: by name."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    @classmethod
    def merged(cls, parts: Iterable[Self]) -> Self:
        """All parts as one, in their order; no two parts have a name in common."""
        whole = cls()
        for part in parts:
            if twice := (whole.metrics.keys() & part.metrics.keys()) | (whole.tables.keys() & part.tables.keys()):
                raise ValueError(f"found twice: {', '.join(sorted(twice))}")
            whole = cls(whole.metrics | part.metrics, whole.tables | part.tables)
        return whole
