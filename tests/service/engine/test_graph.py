"""Graph: rows of any number go through a session in batches and come back whole, in order."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.engine.graph import FIXED_ROWS, AnyArray, Graph, Rows
from service.errors import InferenceFailed
from service.runtime.cost import BatchCost


class Session:
    """Doubles and negates x and adds y, and notes what it was given and what it gave."""

    def __init__(self) -> None:
        self.given: list[Rows] = []
        self.gave: list[dict[str, AnyArray]] = []

    def run(self, inputs: Rows, outputs: Sequence[str]) -> dict[str, AnyArray]:
        self.given.append(inputs)
        x = inputs["x"]
        known: dict[str, Callable[[], AnyArray]] = {
            "double": lambda: 2 * x,
            "negative": lambda: -x,
            "sum": lambda: x[:, 0] + inputs["y"],
        }
        self.gave.append({name: known[name]() for name in outputs})
        return self.gave[-1]

    @property
    def batches(self) -> list[list[float]]:
        return [inputs["x"][:, 0].tolist() for inputs in self.given]


def costing(saturating_rows: int) -> BatchCost:
    """Of a graph whose batches are free, up to the one that pays."""
    return BatchCost((1, saturating_rows), (1e-3, 1e-3)) if saturating_rows > 1 else BatchCost((1,), (1e-3,))


def x(*values: float) -> AnyArray:
    return np.array(values, np.float32)[:, np.newaxis]


@pytest.fixture
def session() -> Session:
    return Session()


def test_many_rows_are_split_into_batches_and_joined(session: Session) -> None:
    found = Graph(session.run, costing(4)).run({"x": x(*range(10))}, ["double"])
    assert found["double"].tolist() == [[2 * i] for i in range(10)]
    assert session.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_every_input_is_split_alike(session: Session) -> None:
    inputs = {"x": x(*range(5)), "y": 10 * np.arange(5)}
    found = Graph(session.run, costing(2)).run(inputs, ["sum", "negative"])
    assert found["sum"].tolist() == [0, 11, 22, 33, 44]
    assert found["negative"].ravel().tolist() == [0, -1, -2, -3, -4]


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_what_one_batch_gives_is_handed_through_without_a_copy(session: Session, rows: int) -> None:
    found = Graph(session.run, costing(4)).run({"x": x(*range(rows))}, ["double"])
    assert found["double"] is session.gave[0]["double"]


def test_what_one_batch_takes_is_handed_through_without_a_copy(session: Session) -> None:
    given = x(1, 2)
    Graph(session.run, costing(4)).run({"x": given}, ["double"])
    assert session.given[0]["x"] is given


@pytest.mark.parametrize("outputs", [("double",), ("negative", "double")])
@pytest.mark.parametrize("rows", [3, 9])
@pytest.mark.parametrize("deterministic", [False, True])
def test_only_the_outputs_asked_for_are_computed(
    session: Session, outputs: Sequence[str], rows: int, deterministic: bool
) -> None:
    found = Graph(session.run, costing(4)).run({"x": x(*range(rows))}, outputs, deterministic=deterministic)
    assert list(found) == list(outputs)
    assert all(list(batch) == list(outputs) for batch in session.gave)


def test_several_batches_are_joined_in_what_allocate_gives(session: Session) -> None:
    allocated: list[AnyArray] = []

    def allocate(shape: tuple[int, ...], dtype: npt.DTypeLike) -> AnyArray:
        allocated.append(np.full(shape, -99, dtype))
        return allocated[-1]

    graph = Graph(session.run, costing(4), allocate=allocate)
    graph.run({"x": x(*range(4))}, ["double"])
    assert not allocated
    found = graph.run({"x": x(*range(9)), "y": np.arange(9)}, ["double", "sum"])
    assert [id(values) for values in found.values()] == [id(values) for values in allocated]
    assert [(values.shape, values.dtype) for values in allocated] == [((9, 1), np.float32), ((9,), np.float64)]
    assert found["double"].ravel().tolist() == [2 * i for i in range(9)]


def test_the_rows_of_every_batch_are_observed_before_it_runs(session: Session) -> None:
    observed: list[tuple[int, int]] = []
    graph = Graph(session.run, costing(4), observe=lambda rows: observed.append((len(session.given), rows)))
    graph.run({"x": x(*range(9))}, ["double"])
    graph.run({"x": x(1, 2)}, ["double"])
    assert observed == [(0, 4), (1, 4), (2, 1), (3, 2)]


@pytest.mark.parametrize("rows", [1, FIXED_ROWS - 1, FIXED_ROWS, FIXED_ROWS + 1, 3 * FIXED_ROWS])
@pytest.mark.parametrize("saturating_rows", [1, 64])
def test_a_deterministic_run_has_batches_of_one_size_filled_up_with_zeros(
    session: Session, rows: int, saturating_rows: int
) -> None:
    values = [float(i) for i in range(1, rows + 1)]
    graph = Graph(session.run, costing(saturating_rows))
    found = graph.run({"x": x(*values), "y": np.ones(rows, np.int64)}, ["double", "sum"], deterministic=True)
    assert found["double"].ravel().tolist() == [2 * value for value in values]
    assert found["sum"].tolist() == [value + 1 for value in values]
    filled = values + [0.0] * (-rows % FIXED_ROWS)
    assert session.batches == [filled[i : i + FIXED_ROWS] for i in range(0, len(filled), FIXED_ROWS)]
    assert {inputs["y"].shape for inputs in session.given} == {(FIXED_ROWS,)}
    assert {inputs["y"].dtype for inputs in session.given} == {np.dtype(np.int64)}


def test_after_a_batch_that_fails_the_rest_is_not_computed() -> None:
    batches: list[int] = []

    def run(inputs: Rows, outputs: Sequence[str]) -> Any:
        batches.append(len(inputs["x"]))
        raise InferenceFailed("broken")

    with pytest.raises(InferenceFailed):
        Graph(run, costing(4)).run({"x": x(*range(12))}, ["double"])
    assert batches == [4]


def test_a_row_costs_its_share_of_the_batch_that_pays(session: Session) -> None:
    assert Graph(session.run, BatchCost((1, 2, 4), (1e-3, 1.2e-3, 9e-3))).row_s == pytest.approx(0.6e-3)
