"""The client of these tests sends each request for a verb both ways: as the server takes it, and through FastAPI.

So every input that the suite knows is also a proof that the two ways give the same answer.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from unittest import mock

import anyio.from_thread
import httpx
import pytest

from service.app import create_app, load_models
from service.engine import noise
from service.metrics import Metrics
from service.settings import Settings
from tests.conftest import Client
from tests.support.wire import Answer, Connection, WireTransport

VERBS = ("/encode", "/decode", "/reconstruct", "/sample")


class BothWays(Client):
    """Gives the short way's answer, once it is found equal to FastAPI's. Both ways draw the same seeds."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal, settings: Settings) -> None:
        self.metrics = (Metrics(), Metrics())  # of the short way and of FastAPI's
        self.registry = load_models(settings, self.metrics[0])
        self.app = create_app(settings, self.registry, self.metrics[0])
        self.reference = create_app(settings, self.registry, self.metrics[1])
        super().__init__(portal, self.app)
        self._ways = (Client(portal, self.app, WireTransport(self.app)), Client(portal, self.reference))
        self._requests = 0

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        if not path.startswith(VERBS):
            return super().request(method, path, **options)
        self._requests += 1
        content = options.get("content")
        chunks = self._portal.call(_all, content) if isinstance(content, AsyncIterator) else None
        answers = []
        for way in self._ways:
            if chunks is not None:
                options["content"] = _each(chunks)
            with mock.patch.object(noise.secrets, "randbits", return_value=self._requests):
                answers.append(way.request(method, path, **options))
        first, second = (told(answer.status_code, answer.headers.raw, answer.content) for answer in answers)
        assert first == second
        return answers[0]

    def ask(
        self, method: str, path: str, query: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = (), *body: bytes
    ) -> Answer:
        """The answer to exactly this, whose body comes in these pieces; no header is added but the body's length."""
        with mock.patch.object(noise.secrets, "randbits", return_value=1):
            answers = [
                self._portal.call(_by_wire, self.app, method, path, query, headers, body),
                self._portal.call(_by_asgi, self.reference, method, path, query, headers, body),
            ]
        assert told(*answers[0]) == told(*answers[1])
        return answers[0]

    def wire(self, method: str, target: str, query: bytes = b"") -> Answer:
        """The short way's answer alone."""
        with mock.patch.object(noise.secrets, "randbits", return_value=1):
            return self._portal.call(_by_wire, self.app, method, target, query, (), ())

    def leave(self, path: str, headers: Sequence[tuple[bytes, bytes]], part: bytes) -> None:
        """Sends both ways a part of a body, and leaves."""
        messages = [{"type": "http.request", "body": part, "more_body": True}, {"type": "http.disconnect"}]

        async def main() -> None:
            connection = Connection(self.app)
            lines = [
                b"POST " + path.encode() + b" HTTP/1.1",
                b"host: test",
                *(b"%b: %b" % header for header in headers),
            ]
            connection.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + part)
            connection.leave()
            assert not connection.wire.writes

            async def receive() -> dict[str, Any]:
                return messages.pop(0)

            scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
            await self.reference(scope | {"root_path": ""}, receive, None)  # type: ignore[arg-type]

        self._portal.call(main)

    def close(self) -> None:
        super().close()
        for way in self._ways:
            way.close()
        self.app.state.door.close()
        self.reference.state.door.close()


def told(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Answer:
    """The answer, its request's id apart."""
    request_id = dict(headers)[b"x-request-id"]
    return status, [(name, value) for name, value in headers if value != request_id], body.replace(request_id, b"")


async def _by_wire(
    app: Any, method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]
) -> Answer:
    connection = Connection(app)
    target = path.encode() + (b"?" + query if query else b"")
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"host: test", *(b"%b: %b" % header for header in headers)]
    lines.append(b"content-length: %d" % sum(map(len, body)))
    connection.data_received(b"\r\n".join(lines) + b"\r\n\r\n")
    for piece in body:
        connection.data_received(piece)
    return await connection.answer(method)


async def _by_asgi(
    app: Any, method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]
) -> Answer:
    length = (b"content-length", b"%d" % sum(map(len, body)))
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": [*headers, length]}
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in body]
    messages.append({"type": "http.request"})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope | {"root_path": ""}, receive, send)
    content = b"" if method == "HEAD" else b"".join(message["body"] for message in sent[1:])
    return sent[0]["status"], sent[0]["headers"], content


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
