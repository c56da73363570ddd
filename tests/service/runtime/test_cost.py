"""BatchCost: how large a batch pays, and what a row costs in it, from a few measured sizes."""

import pytest

from service.runtime.cost import BatchCost


def test_a_graph_whose_rows_are_nearly_free_saturates_late() -> None:
    assert BatchCost((1, 2, 4, 8, 16), [1e-4 + rows * 1e-6 for rows in (1, 2, 4, 8, 16)]).saturating_rows == 16


def test_a_graph_whose_rows_cost_alike_saturates_where_the_batch_itself_no_longer_counts() -> None:
    sizes = (1, 2, 4, 8, 16, 32, 64)
    assert BatchCost(sizes, [5e-3 * rows for rows in sizes]).saturating_rows == 4
    assert BatchCost(sizes, [0.1e-3 * rows for rows in sizes]).saturating_rows == 64
    assert BatchCost(sizes, [0.5e-3 * rows for rows in sizes]).saturating_rows == 32


def test_less_than_5_per_cent_is_no_gain() -> None:
    assert BatchCost((1, 2, 4), (99e-3, 199e-3, 380e-3)).saturating_rows == 1
    assert BatchCost((1, 2, 4), (99e-3, 199e-3, 378e-3)).saturating_rows == 4


def test_a_larger_batch_that_is_slower_is_not_taken() -> None:
    assert BatchCost((1, 2, 4), (1e-3, 1.2e-3, 9e-3)).saturating_rows == 2


@pytest.mark.parametrize(
    ("rows", "seconds", "row_s"),
    [
        ((1,), (2e-3,), 2e-3),
        ((1, 2, 4), (1e-3, 1.2e-3, 9e-3), 0.6e-3),
        ((1, 2, 4, 8), (1e-3, 1e-3, 1e-3, 2e-3), 0.25e-3),
    ],
)
def test_a_row_costs_its_share_of_the_batch_that_pays(
    rows: tuple[int, ...], seconds: tuple[float, ...], row_s: float
) -> None:
    assert BatchCost(rows, seconds).row_s == pytest.approx(row_s)


def test_a_batch_that_is_free_makes_its_rows_free() -> None:
    assert BatchCost((1, 2), (0.0, 0.0)).row_s == 0
