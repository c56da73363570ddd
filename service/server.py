"""One process that serves: the application on a socket."""

import contextlib
import ctypes
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
from service.outbox import Outbox
from service.protocol import Protocol
from service.settings import Settings

# Objects between two collections. Python's own 700 are ten requests, which mostly still wait; what they leave behind
# has no cycles.
_COLLECTED_AT = 10_000
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
        metrics = Metrics(metrics_dir)
        engine = load_engine(settings, metrics)
        app = create_app(settings, engine, metrics)
        server = uvicorn.Server(
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
        gc.freeze()  # else every full collection goes through what the start made, for 40 ms
        gc.set_threshold(_COLLECTED_AT)
        gc.enable()
        _give_memory_back()
        ready(", ".join(model.name for model in engine.models))
        server.run(sockets=[listener])
        return 0 if server.started else 3
    finally:
        for number in _STOP_SIGNALS:  # it is stopping already
            signal.signal(number, signal.SIG_IGN)


def _give_memory_back() -> None:
    """2 to 8 MB that the start took and freed; only glibc has to be asked."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _stopped(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
