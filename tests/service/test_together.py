"""Together: callers that ask at the same time are answered by one call, each with its own answer or error."""

import asyncio
from collections.abc import Sequence

import pytest

from service.errors import InvalidImage
from service.together import Together

pytestmark = pytest.mark.anyio


class Halves:
    """Halves even numbers and notes the calls; an odd one has no half, and 0 finds a bug."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(numbers))
        return [InvalidImage("odd") if number % 2 else number // (2 if number else 0) for number in numbers]


async def test_each_caller_gets_its_own_answer_or_error() -> None:
    halves = Halves()
    together = Together(halves)
    outcomes = await asyncio.gather(*(together.ask(number) for number in (2, 3, 4)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["1", "odd", "2"]
    assert await together.ask(6) == 3
    assert halves.calls == [[2, 3, 4], [6]]


async def test_a_caller_that_left_is_not_asked_for() -> None:
    halves = Halves()
    together = Together(halves)
    gone, there = together.ask(2), together.ask(4)
    gone.cancel()
    assert await there == 2
    lonely = together.ask(8)
    lonely.cancel()
    await asyncio.sleep(0.01)
    assert halves.calls == [[4]]


async def test_a_bug_reaches_its_callers_and_spares_the_next() -> None:
    together = Together(Halves())
    outcomes = await asyncio.gather(*(together.ask(number) for number in (0, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError] * 2
    assert await together.ask(2) == 1


async def test_a_caller_that_is_alone_has_its_answer_at_once() -> None:
    together = Together(Halves(), is_alone=lambda: True)
    assert together.ask(2).result() == 1
    assert isinstance(together.ask(3).exception(), InvalidImage)
    assert together.ask(4).result() == 2
