"""Job: which jobs one call may answer."""

from collections.abc import Sequence
from typing import Any

from service.engine.job import SMALL_S, Job


def job(key: Any, cost_s: float = 0.0) -> Job:
    def answer(items: Sequence[Any]) -> Sequence[Any]:
        return items

    return Job(answer, key, None, rows=1, cost_s=cost_s, timeout_s=1.0)


def test_jobs_of_equal_keys_are_alike() -> None:
    assert job(("encode", 1)).key == job(("encode", 1)).key != job(("encode", 2)).key


def test_a_small_job_is_not_like_one_that_is_not_small() -> None:
    assert job("encode", SMALL_S).key == job("encode").key != job("encode", 2 * SMALL_S).key


def test_a_job_without_a_key_is_like_no_other() -> None:
    assert job(None).key != job(None).key


def test_a_job_is_open_only_once_it_is_submitted() -> None:
    assert not job("encode").is_open
