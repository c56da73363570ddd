"""Gathering: what arrives turn after turn goes together, and nothing waits long."""

import asyncio

import pytest

from service.gathering import Gathering

pytestmark = pytest.mark.anyio


async def acted_on(arrivals: list[int]) -> list[int]:
    """How much is there whenever it acts, if so much arrives in each turn of the loop."""
    waiting, seen = 0, []

    def act() -> None:
        nonlocal waiting
        seen.append(waiting)
        waiting = 0

    gathering = Gathering(act, lambda: waiting)
    for arriving in [*arrivals, *[0] * 6]:
        if arriving and not waiting:
            gathering.begin()
        waiting += arriving
        await asyncio.sleep(0)
    return seen


@pytest.mark.parametrize(
    ("arrivals", "together"),
    [
        ([1], [1]),
        ([5], [5]),
        ([2, 3], [5]),
        ([2, 3, 4], [9]),
        ([2, 0, 0, 3], [2, 3]),
        ([2, 1, 1, 1, 1, 1, 1], [5, 1, 1, 1]),
        ([1, 0, 1, 0], [1, 1]),
    ],
)
async def test_it_acts_once_a_turn_brings_nothing_more_or_after_a_few(arrivals: list[int], together: list[int]) -> None:
    assert await acted_on(arrivals) == together


async def test_what_is_alone_is_acted_on_at_once() -> None:
    acted: list[str] = []
    Gathering(lambda: acted.append("now"), lambda: 1, is_alone=lambda: True).begin()
    assert acted == ["now"]
