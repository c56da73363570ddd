"""The client of these tests sends each request for a verb both ways: as the server takes it, and through FastAPI.

So every input that the suite knows is also a proof that the two ways give the same answer.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from unittest import mock

import anyio.from_thread
import httpx
import pytest
from fastapi import FastAPI

from service.api.routes import ROUTES, Route
from service.app import create_app, load_models
from service.metrics import Metrics
from service.settings import Settings
from tests.conftest import Client
from tests.support.asgi import Exchange
from tests.support.wire import Answer, Connection, WireTransport

VERBS = tuple(sorted({route.path for route in ROUTES}))


class BothWays(Client):
    """Gives the short way's answer, once it is found equal to FastAPI's. Both ways draw the same seeds."""

    def __init__(
        self, portal: anyio.from_thread.BlockingPortal, settings: Settings, table: Sequence[Route] = ROUTES
    ) -> None:
        """table: the verbs, of which each request is sent both ways."""
        self._verbs = tuple(route.path for route in table)
        self.metrics = (Metrics(), Metrics())  # of the short way and of FastAPI's
        self.registry = load_models(settings, self.metrics[0])
        self.app = create_app(settings, self.registry, self.metrics[0], table)
        self.reference = create_app(settings, self.registry, self.metrics[1], table)
        super().__init__(portal, self.app)
        self._ways = (Client(portal, self.app, WireTransport(self.app)), Client(portal, self.reference))
        self._requests = 0

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        if not path.startswith(self._verbs):
            return super().request(method, path, **options)
        self._requests += 1
        content = options.get("content")
        chunks = self._portal.call(_all, content) if isinstance(content, AsyncIterator) else None
        answers = []
        for way in self._ways:
            if chunks is not None:
                options["content"] = _each(chunks)
            with mock.patch("secrets.randbits", return_value=self._requests):
                answers.append(way.request(method, path, **options))
        first, second = (
            apart_from_its_id(answer.status_code, answer.headers.raw, answer.content) for answer in answers
        )
        assert first == second
        return answers[0]

    def ask(
        self, method: str, path: str, query: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = (), *body: bytes
    ) -> Answer:
        """The answer to exactly this, whose body comes in these pieces; no header is added but the body's length."""
        with mock.patch("secrets.randbits", return_value=1):
            answers = [
                self._portal.call(_by_wire, self.app, method, path, query, headers, body),
                self._portal.call(_by_asgi, self.reference, method, path, query, headers, body),
            ]
        assert apart_from_its_id(*answers[0]) == apart_from_its_id(*answers[1])
        return answers[0]

    def wire(self, method: str, target: str, query: bytes = b"") -> Answer:
        """The short way's answer alone."""
        with mock.patch("secrets.randbits", return_value=1):
            return self._portal.call(_by_wire, self.app, method, target, query, (), ())

    def leave(self, path: str, headers: Sequence[tuple[bytes, bytes]], part: bytes) -> None:
        """Sends both ways a part of a body, and leaves."""

        async def main() -> None:
            connection = Connection(self.app)
            connection.data_received(_head("POST", path, headers) + part)
            connection.leave()
            assert not connection.wire.writes
            exchange = Exchange(self.reference, "POST", path, b"", headers, [part], is_whole=False)
            exchange.leave()
            await exchange.run()
            assert not exchange.sent

        self._portal.call(main)

    def close(self) -> None:
        super().close()
        for way in self._ways:
            way.close()
        self.app.state.door.close()
        self.reference.state.door.close()


def apart_from_its_id(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Answer:
    """The answer without its request's id, in which answers to equal requests differ."""
    request_id = dict(headers)[b"x-request-id"]
    return status, [(name, value) for name, value in headers if value != request_id], body.replace(request_id, b"")


async def _by_wire(
    app: FastAPI, method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]
) -> Answer:
    connection = Connection(app)
    target = path + ("?" + query.decode("latin-1") if query else "")
    connection.data_received(_head(method, target, [*headers, _length(body)]))
    for piece in body:
        connection.data_received(piece)
    return await connection.answer(method)


async def _by_asgi(
    app: FastAPI, method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]
) -> Answer:
    exchange = Exchange(app, method, path, query, [*headers, _length(body)], body)
    await exchange.run()
    return exchange.status, exchange.headers, b"" if method == "HEAD" else exchange.body


def _head(method: str, target: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    lines = [
        f"{method} {target} HTTP/1.1".encode("latin-1"),
        b"host: test",
        *(b"%b: %b" % header for header in headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _length(body: Sequence[bytes]) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % sum(map(len, body))


async def _all(chunks: AsyncIterator[bytes]) -> list[bytes]:
    return [chunk async for chunk in chunks]


async def _each(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.fixture(scope="session")
def client(portal: anyio.from_thread.BlockingPortal, tiny_settings: Settings) -> Iterator[BothWays]:
    """The whole application on the tiny bundles."""
    client = BothWays(portal, tiny_settings)
    yield client
    client.close()
