"""A server's every second and its end: it beats while it is well, gives memory back, and says that it stops."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn

from service.api.routes import Routes
from service.engine.door import Door
from service.server import memory
from service.server.serve import Server

pytestmark = pytest.mark.anyio


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Nobody asks it."""


class Rig:
    """A server whose door is stuck when the test says so."""

    def __init__(self) -> None:
        self.is_stuck = False
        self.beats = 0
        self.routes = SimpleNamespace(is_stopping=False)
        door = cast(Door, SimpleNamespace(is_stuck=lambda: self.is_stuck))
        config = uvicorn.Config(_application, lifespan="off", log_config=None)
        self.server = Server(config, cast(Routes, self.routes), door, self._beat)
        self._ticks = 0

    def _beat(self) -> None:
        self.beats += 1

    async def second(self) -> bool:
        """uvicorn's ten ticks; whether one ends the server."""
        ends = []
        for _ in range(10):
            ends.append(await self.server.on_tick(self._ticks))
            self._ticks += 1
        return any(ends)


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_it_beats_every_second_unless_its_door_is_stuck(rig: Rig) -> None:
    beats = []
    for is_stuck in (False, False, True, True, False):
        rig.is_stuck = is_stuck
        await rig.second()
        beats.append(rig.beats)
    assert beats == [1, 2, 2, 2, 3]


async def test_memory_is_given_back_in_the_first_quiet_second_after_answers(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trimmed: list[int] = []
    monkeypatch.setattr(memory, "trim", lambda: trimmed.append(rig.server.server_state.total_requests))
    for requests in (0, 0, 5, 9, 9, 9, 12, 12, 12):
        rig.server.server_state.total_requests = requests
        await rig.second()
    assert trimmed == [9, 12]


async def test_a_tick_does_what_uvicorn_does_in_it(rig: Rig) -> None:
    assert not await rig.second()
    assert dict(rig.server.server_state.default_headers)[b"date"]
    rig.server.should_exit = True
    assert await rig.second()


async def test_it_says_that_it_stops_before_its_connections_learn_of_it(rig: Rig) -> None:
    was_stopping = []

    class Connection:
        def shutdown(self) -> None:
            was_stopping.append(rig.routes.is_stopping)
            rig.server.server_state.connections.clear()

    rig.server.config.load()
    rig.server.servers = []
    rig.server.lifespan = rig.server.config.lifespan_class(rig.server.config)
    rig.server.server_state.connections.add(cast(Any, Connection()))
    await rig.server.shutdown()
    assert was_stopping == [True]
