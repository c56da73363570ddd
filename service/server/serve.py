"""One process that serves: the application on a socket."""

import gc
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from service.api.routes import Routes
from service.app import create_app, load_models
from service.engine.door import Door
from service.metrics import Metrics
from service.server import memory
from service.server.wire import Connection
from service.settings import Settings

# Objects between two collections. Python's own 700 are ten requests, which mostly still wait; what verbs leave behind
# has no cycles, what passes through FastAPI has 30 objects of them.
_COLLECTED_AT = 4_000
_SWITCH_S = 1e-3  # a thread at long work yields Python's lock to the event loop so soon; Python's own is 5 ms
_TICKS_A_SECOND = 10
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    settings: Settings,
    listener: socket.socket,
    ready: Callable[[str], None],
    *,
    metrics_dir: Path | None = None,
    beat: Callable[[], None] = lambda: None,
) -> int:
    """Serves until it is asked to stop; gives the exit status. Raises StartError.

    ready: called with the models' names once they can answer. beat: called every second while the event loop turns and
    no model hangs. metrics_dir: of the metrics that workers share.
    """
    try:
        for number in _STOP_SIGNALS:
            signal.signal(number, _stopped)
        memory.use_one_arena()
        metrics = Metrics(metrics_dir)
        registry = load_models(settings, metrics)
        app = create_app(settings, registry, metrics)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            http=Connection,
            ws="none",
            proxy_headers=False,  # nothing here uses the client's address or scheme
            timeout_keep_alive=75,  # longer than most clients' pools keep a connection
            timeout_graceful_shutdown=20,
        )
        server = Server(config, app.state.routes, app.state.door, beat)
        memory.trim()  # 2 to 8 MB
        gc.freeze()  # else every full collection goes through what the start made, for 40 ms
        gc.set_threshold(_COLLECTED_AT)
        gc.enable()
        sys.setswitchinterval(_SWITCH_S)
        # From here on a signal must not break in: the event loop may be about to begin. uvicorn raises it once more
        # when it has shut down, to no effect.
        for number in _STOP_SIGNALS:
            signal.signal(number, server.handle_exit)
        ready(", ".join(model.name for model in registry.models))
        server.run(sockets=[listener])
        return 0 if server.started else 3
    finally:
        for number in _STOP_SIGNALS:  # it is stopping already
            signal.signal(number, signal.SIG_IGN)


class Server(uvicorn.Server):
    """uvicorn's, which also beats, says that it stops, and gives memory back in a quiet second after some answers."""

    _answered = _trimmed_at = 0  # requests, a second ago and when memory was given back

    def __init__(self, config: uvicorn.Config, routes: Routes, door: Door, beat: Callable[[], None]) -> None:
        super().__init__(config)
        self._routes = routes
        self._door = door
        self._beat = beat

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            if not self._door.is_stuck():
                self._beat()
            answered = self.server_state.total_requests
            if answered == self._answered != self._trimmed_at:
                gc.collect()
                memory.trim()
                self._trimmed_at = answered
            self._answered = answered
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._routes.is_stopping = True
        await super().shutdown(sockets)


def _stopped(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
