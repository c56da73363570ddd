"""Queue: jobs of one key in order and together, the keys in turn."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import pytest

from service.engine.job import Job, Queue

NOW = 10.0


def answer(items: Sequence[Any]) -> Sequence[Any]:
    raise AssertionError("a queue answers nothing")


def job(
    item: Any, key: Hashable | None = "a", *, rows: int = 1, cost_s: float = 0.0, deadline: float = math.inf
) -> Job:
    """As the door submits it."""
    made = Job(answer, key, item, rows=rows, cost_s=cost_s, timeout_s=0.0)
    made.deadline = deadline
    made.is_open = True
    return made


def filled(*jobs: Job) -> Queue:
    queue = Queue()
    for each in jobs:
        queue.put(each)
    return queue


def groups(queue: Queue, max_rows: int = 100, max_s: float = 100.0) -> list[list[Any]]:
    """The items of one group after the other, until the queue is empty."""
    found = []
    while queue:
        group, late = queue.take(max_rows, max_s, NOW)
        assert not late
        found.append([each.item for each in group])
    return found


def test_an_empty_queue_gives_nothing() -> None:
    assert Queue().take(1, 1.0, NOW) == ([], [])


def test_jobs_of_one_key_go_together_in_their_order() -> None:
    assert groups(filled(job(3), job(1), job(2))) == [[3, 1, 2]]


def test_keys_are_compared_by_value() -> None:
    assert groups(filled(job(1, ("sample", 8)), job(2, ("encode", 8)), job(3, ("sample", 8)))) == [[1, 3], [2]]


def test_jobs_without_a_key_go_alone() -> None:
    assert groups(filled(job(1, None), job(2, None), job(3, None))) == [[1], [2], [3]]


def test_a_key_with_more_than_a_group_lets_the_other_keys_go_first() -> None:
    queue = filled(job("a1"), job("a2"), job("a3"), job("b1", "b"), job("c1", "c"), job("b2", "b"))
    assert groups(queue, max_rows=1) == [["a1"], ["b1"], ["c1"], ["a2"], ["b2"], ["a3"]]


def test_a_group_has_at_most_its_rows() -> None:
    assert groups(filled(job(1, rows=2), job(2, rows=2), job(3), job(4, rows=4)), max_rows=4) == [[1, 2], [3], [4]]


def test_a_group_has_at_most_its_cost() -> None:
    assert groups(filled(*(job(i, cost_s=1.0) for i in range(5))), max_s=2.5) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("large", [{"rows": 9}, {"cost_s": 9.0}])
def test_a_job_beyond_the_limits_goes_alone(large: Any) -> None:
    assert groups(filled(job(1), job(2, **large), job(3)), max_rows=4, max_s=4.0) == [[1], [2], [3]]


def test_a_small_job_does_not_overtake_a_large_one_of_its_key() -> None:
    assert groups(filled(job(1, rows=3), job(2, rows=3), job(3)), max_rows=4) == [[1], [2, 3]]


def test_closed_jobs_are_dropped() -> None:
    jobs = [job(i, rows=2) for i in range(4)]
    queue = filled(*jobs)
    jobs[0].is_open = jobs[2].is_open = False
    assert groups(queue, max_rows=4) == [[1, 3]]
    assert len(queue) == 0


def test_late_jobs_are_given_beside_the_group_and_take_none_of_its_room() -> None:
    late, last, timely = job(1, rows=4, deadline=NOW - 1), job(2, rows=2, deadline=NOW), job(3, rows=2)
    queue = filled(late, last, timely)
    assert queue.take(4, 1.0, NOW) == ([last, timely], [late])
    assert len(queue) == 0


def test_a_closed_job_that_is_late_is_dropped() -> None:
    gone = job(1, deadline=NOW - 1)
    gone.is_open = False
    assert filled(gone).take(4, 1.0, NOW) == ([], [])


def test_a_key_with_nothing_to_do_does_not_cost_the_next_its_turn() -> None:
    gone, late, next_one = job(1, "a"), job(2, "b", deadline=NOW - 1), job(3, "c")
    queue = filled(gone, late, next_one)
    gone.is_open = False
    assert queue.take(4, 1.0, NOW) == ([next_one], [late])


def test_the_length_is_that_of_what_waits() -> None:
    queue = Queue()
    for count in range(4):
        assert len(queue) == count
        queue.put(job(count, rows=2))
    queue.take(4, 1.0, NOW)
    assert len(queue) == 2
