"""A request: its id, when it began, and the body that comes with it."""

import re
import time
from collections.abc import Mapping

import pytest

from service.api.request import Request
from service.errors import PayloadTooLarge, UnsupportedMediaType


def request(headers: Mapping[bytes, bytes] | None = None) -> Request:
    return Request("POST", b"seed=1", headers or {}, 10)


def test_a_request_is_what_its_head_says() -> None:
    asked = request({b"accept": b"caf\xe9"})
    assert (asked.method, asked.query_string, asked.headers[b"accept"]) == ("POST", b"seed=1", b"caf\xe9")


@pytest.mark.parametrize("given", [b"abc-123", b"A.b_c-9", b"A" * 64])
def test_a_sound_id_is_kept(given: bytes) -> None:
    assert request({b"x-request-id": given}).id == given.decode()


@pytest.mark.parametrize("given", [b"", b"A" * 65, b"../../x", b"a b", b"\x1b[31m", b"\xe9", b"a\n", b"a\r\nb: c"])
def test_another_id_is_replaced(given: bytes) -> None:
    assert re.fullmatch("[0-9a-f]{32}", request({b"x-request-id": given}).id)


def test_ids_are_never_the_same() -> None:
    assert len({request().id for _ in range(100)}) == 100


def test_a_request_begins_with_its_head() -> None:
    before = time.monotonic()
    asked = request()
    assert before <= asked.began <= time.monotonic()


def test_a_body_is_held_to_the_limit_and_to_what_the_head_says() -> None:
    asked = request()
    asked.body.add(bytes(10))
    assert asked.body.refusal is None
    asked.body.add(b"x")
    assert isinstance(asked.body.refusal, PayloadTooLarge)
    assert isinstance(request({b"content-length": b"11"}).body.refusal, PayloadTooLarge)
    assert isinstance(request({b"content-encoding": b"gzip"}).body.refusal, UnsupportedMediaType)
