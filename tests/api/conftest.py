"""The client of these tests sends each request for a verb both ways, past FastAPI and through it.

So every input that the suite knows is also a proof that the two ways give the same answer.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import anyio.from_thread
import httpx
import orjson
import pytest

from service.app import create_app
from service.metrics import Metrics
from service.routes import verbs
from service.settings import Settings
from tests.conftest import Client

VERBS = ("/encode", "/decode", "/reconstruct", "/sample")


class BothWays(Client):
    """Gives the short way's answer, once it is found equal to FastAPI's. Both ways draw the same seeds."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal, settings: Settings) -> None:
        self.metrics = (Metrics(), Metrics())  # of the short way and of FastAPI's
        self.front = create_app(settings, metrics=self.metrics[0])
        self.engine = self.front.state.engine
        self.reference = create_app(settings, self.engine, self.metrics[1]).app
        super().__init__(portal, self.front)
        self._reference = Client(portal, self.reference)
        self._requests = 0

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        if not path.startswith(VERBS):
            return super().request(method, path, **options)
        self._requests += 1
        content = options.get("content")
        chunks = self._portal.call(_all, content) if isinstance(content, AsyncIterator) else None
        answers = []
        for send in (super().request, self._reference.request):
            if chunks is not None:
                options["content"] = _each(chunks)
            with mock.patch.object(verbs.secrets, "randbits", return_value=self._requests):
                answers.append(send(method, path, **options))
        assert told(answers[0]) == told(answers[1])
        return answers[0]

    def exchange(self, scope: dict[str, Any], *received: dict[str, Any]) -> list[dict[str, Any]]:
        """What is sent in answer to ASGI messages; scope: a part of one; after the last message the client leaves."""
        answers = []
        for app in (self.front, self.reference):
            messages = [*received, {"type": "http.disconnect"}]
            sent: list[dict[str, Any]] = []

            async def receive(messages: list[dict[str, Any]] = messages) -> dict[str, Any]:
                return messages.pop(0)

            async def send(message: dict[str, Any], sent: list[dict[str, Any]] = sent) -> None:
                sent.append(message)

            whole = {"type": "http", "headers": [], "query_string": b"", "root_path": "", **scope}
            with mock.patch.object(verbs.secrets, "randbits", return_value=1):
                self._portal.call(app, whole, receive, send)
            answers.append(sent)
        assert [unsigned(message) for message in answers[0]] == [unsigned(message) for message in answers[1]]
        return answers[0]

    def close(self) -> None:
        super().close()
        self._reference.close()
        self.engine.close()


def told(response: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body, the request's id apart."""
    request_id = response.headers["x-request-id"].encode()
    headers = [(name, value) for name, value in response.headers.raw if name != b"x-request-id"]
    return response.status_code, headers, response.content.replace(request_id, b"")


def unsigned(message: dict[str, Any]) -> dict[str, Any]:
    """The message, the request's id apart."""
    if message["type"] == "http.response.start":
        return {**message, "headers": [(name, value) for name, value in message["headers"] if name != b"x-request-id"]}
    body = bytes(message.get("body", b""))
    if body.startswith(b'{"type":"about:blank"'):
        return {**message, "body": {**orjson.loads(body), "request_id": ""}}
    return message


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
