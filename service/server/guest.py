"""Guest: uvicorn's own HTTP protocol, for one request on a connection that is ours, and its answer through ASGI."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState


class Guest(HttpToolsProtocol):
    """Leans on uvicorn for this: a protocol calls `on_response_complete` behind the last byte of an answer.

    It writes to the transport itself. The connection forwards what the transport says meanwhile.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        done: Callable[[], None],
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self._done = done

    def on_response_complete(self) -> None:
        """No timer, no next request, no count: all are the connection's."""
        self.server_state.connections.discard(self)
        self._done()
