"""What is put around every request, seen on applications of a few lines."""

import re
from typing import Any

import anyio
import pytest
from starlette.responses import Response

from service.api import problems
from service.api.middleware import ContextMiddleware
from service.metrics import Metrics


def sent(
    headers: list[tuple[bytes, bytes]], asked: list[tuple[bytes, bytes]] | None = None
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that the application gives with these."""
    messages: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": headers})

    async def send(message: Any) -> None:
        messages.append(message)

    context = ContextMiddleware(app, Metrics(), problems.bug)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": asked or []}
    anyio.run(context, scope, None, send)
    return list(messages[0]["headers"])


def test_an_answer_is_stored_nowhere_unless_it_says_so_itself() -> None:
    assert dict(sent([]))[b"cache-control"] == b"no-store"
    kept = [value for name, value in sent([(b"cache-control", b"max-age=60")]) if name == b"cache-control"]
    assert kept == [b"max-age=60"]


def test_an_answer_carries_one_id_and_forbids_sniffing_once() -> None:
    own = [(b"x-request-id", b"theirs"), (b"x-content-type-options", b"none"), (b"x-model", b"m")]
    found = sent(own, asked=[(b"x-request-id", b"mine"), (b"x-request-id", b"second")])
    assert sorted(found) == [
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-model", b"m"),
        (b"x-request-id", b"mine"),
    ]


def test_ids_are_never_the_same() -> None:
    ids = {dict(sent([]))[b"x-request-id"] for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(rb"[0-9a-f]{32}", given) for given in ids)


def test_the_headers_an_application_keeps_are_not_changed() -> None:
    shared = [(b"x-model", b"m")]
    sent(shared)
    assert shared == [(b"x-model", b"m")]


def test_a_bug_after_the_answer_began_cuts_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Response("half")(scope, receive, send)
        raise RuntimeError("late")

    async def send(message: Any) -> None:
        pass

    context = ContextMiddleware(app, Metrics(), problems.bug)
    with pytest.raises(RuntimeError, match="late"):
        anyio.run(context, {"type": "http", "method": "GET", "path": "/", "headers": []}, None, send)
