"""HTTP/1.1 as uvicorn speaks it, and a short way for requests that the front knows.

The parser, connections, their timeouts and their end are uvicorn's. But to hand a request to an ASGI application and
to take its answer costs uvicorn two thirds of what it does for a small one, so the front gets a request as it was
parsed, and its answer leaves as it is. What is unusual goes uvicorn's way: all other paths, a second request before
the first was answered, `Expect`, `Upgrade`, HTTP/1.0.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.api.front import Front
from service.server.exchange import Exchange
from service.server.outbox import Outbox


class Protocol(HttpToolsProtocol):
    """One connection."""

    cycle: Any  # uvicorn's RequestResponseCycle, or an Exchange

    def __init__(
        self,
        front: Front,
        outbox: Outbox,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """outbox: one for all connections."""
        super().__init__(config, server_state, app_state, _loop)
        self._front = front
        self.outbox = outbox
        self._in_hand: Any = None  # the cycle that is being answered, or was last; `cycle` is the one being read

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        url = httptools.parse_url(self.url)
        route = None if self._is_unusual() else self._front.route(self.parser.get_method(), url.path)
        if route is None:
            self._hand_over()
            return
        call = self._front.call(route, url.query or b"", dict(reversed(self.headers)))
        self._in_hand = self.cycle = Exchange(self, call, self.parser.should_keep_alive())
        if call.body.refusal:
            self.cycle.begin()

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, Exchange):
            self.cycle.add(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if isinstance(self.cycle, Exchange):
            self.cycle.begin()
        else:
            super().on_message_complete()

    def eof_received(self) -> None:
        """A client that sends no more may still read; the connection is closed after this."""
        self.outbox.flush()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if isinstance(self._in_hand, Exchange):
            self._in_hand.leave()
        elif self._in_hand:  # uvicorn tells the last that was read, which may still wait behind it
            self._in_hand.disconnected = True
            self._in_hand.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._in_hand = cycle
        super()._start_asgi_task(cycle, app)

    def _is_unusual(self) -> bool:
        busy = self.cycle is not None and not self.cycle.response_complete
        return (
            busy or self.expect_100_continue or self.parser.should_upgrade() or self.parser.get_http_version() != "1.1"
        )

    def _hand_over(self) -> None:
        """Tells uvicorn all that the parser has told."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.on_url(url)
        for name, value in headers:
            self.on_header(name, value)
        super().on_headers_complete()
