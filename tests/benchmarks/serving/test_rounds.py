"""Turns and ratios: who is visited when, and what is divided by what."""

import pytest

from benchmarks.serving.rounds import Ratio, ratio, visit


def test_each_round_visits_everyone_once_and_the_first_is_dropped() -> None:
    visited: list[str] = []
    turns = {name: lambda name=name: visited.append(name) or len(visited) for name in "abc"}
    rounds = visit(turns, lambda rounds: False, most=3)
    assert [list(measured) for measured in rounds] == [["a", "b", "c"]] * 3
    assert len(visited) == 4 * 3
    assert all(sorted(visited[start : start + 3]) == ["a", "b", "c"] for start in range(0, 12, 3))
    assert min(min(measured.values()) for measured in rounds) == 4


def test_the_order_within_a_round_is_shuffled() -> None:
    visited: list[str] = []
    turns = {name: lambda name=name: visited.append(name) for name in "abc"}
    visit(turns, lambda rounds: False, most=0, shuffle=lambda names: names.reverse())
    assert visited == ["c", "b", "a"]


def test_rounds_end_once_there_are_enough() -> None:
    assert len(visit({"a": lambda: 1}, lambda rounds: len(rounds) == 2, most=9)) == 2


def test_a_machine_that_slows_down_does_not_change_the_ratio() -> None:
    speeds = [1.0, 0.56, 0.56, 1.0, 0.8]
    assert ratio((3000 * speed, 1000 * speed) for speed in speeds) == Ratio(
        pytest.approx(3), pytest.approx(3), pytest.approx(3), 5
    )


def test_a_ratio_is_printed_with_its_quartiles() -> None:
    found = ratio((value, 1.0) for value in (5, 1, 4, 2, 3))
    assert found == Ratio(3, 2, 4, 5)
    assert str(found) == "3.00 (2.00–4.00)"
    assert found.error == pytest.approx(1.57 * 2 / 5**0.5 / 3)


def test_a_round_without_an_answer_is_left_out() -> None:
    assert ratio([(1, 0), (0, 1), (2, 1)]) is None
    assert ratio([(1, 0), (4, 2), (2, 1)]) == Ratio(2, 2, 2, 2)
