"""One process that serves: the application on a socket."""

import functools
import gc
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from service.app import create_app, load_engine
from service.metrics import Metrics
from service.server import memory
from service.server.outbox import Outbox
from service.server.protocol import Protocol
from service.settings import Settings

# Objects between two collections. Python's own 700 are ten requests, which mostly still wait; what they leave behind
# has no cycles.
_COLLECTED_AT = 10_000
_TICKS_A_SECOND = 10
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    settings: Settings, listener: socket.socket, ready: Callable[[str], None], metrics_dir: Path | None = None
) -> int:
    """Serves until it is asked to stop; gives the exit status. Raises StartError.

    ready: told the models' names once they can answer. metrics_dir: of the metrics that workers share.
    """
    try:
        for number in _STOP_SIGNALS:  # uvicorn raises them again once it has shut down
            signal.signal(number, _stopped)
        memory.use_one_arena()
        metrics = Metrics(metrics_dir)
        engine = load_engine(settings, metrics)
        app = create_app(settings, engine, metrics)
        server = Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                http=functools.partial(Protocol, app.state.front, Outbox()),  # type: ignore[arg-type]
                ws="none",
                proxy_headers=False,  # nobody asks for the client's address or scheme
                timeout_keep_alive=75,  # longer than most clients' pools keep a connection
                timeout_graceful_shutdown=20,
            )
        )
        memory.trim()  # 2 to 8 MB
        gc.freeze()  # else every full collection goes through what the start made, for 40 ms
        gc.set_threshold(_COLLECTED_AT)
        gc.enable()
        ready(", ".join(model.name for model in engine.models))
        server.run(sockets=[listener])
        return 0 if server.started else 3
    finally:
        for number in _STOP_SIGNALS:  # it is stopping already
            signal.signal(number, signal.SIG_IGN)


class Server(uvicorn.Server):
    """uvicorn's, which gives memory back in the first second without an answer after some."""

    _answered = _trimmed_at = 0  # requests, a second ago and when memory was given back

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            answered = self.server_state.total_requests
            if answered == self._answered != self._trimmed_at:
                gc.collect()
                memory.trim()
                self._trimmed_at = answered
            self._answered = answered
        return await super().on_tick(counter)


def _stopped(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
