"""CORS: a browser is told which pages may read an answer, by both ways in, where the setting lets any."""

from collections.abc import Iterator

import anyio.from_thread
import pytest

from service.api.cors import Cors
from service.settings import Settings
from tests.service.api.conftest import BothWays

PAGE = b"https://page.example"
FROM_PAGE = (b"origin", PAGE)
RAW = (b"content-type", b"application/octet-stream")
LATENT = b"\0\0\0\x3f\0\0\x80\x3f"
ALLOWED = b"access-control-allow-origin"
PREFLIGHT = [
    FROM_PAGE,
    (b"access-control-request-method", b"POST"),
    (b"access-control-request-headers", b"content-type,x-request-id"),
]


@pytest.fixture(scope="module")
def some(portal: anyio.from_thread.BlockingPortal, tiny_settings: Settings) -> Iterator[BothWays]:
    """Lets two origins in."""
    settings = tiny_settings.model_copy(update={"cors_origins": f"{PAGE.decode()}, http://localhost:3000"})
    client = BothWays(portal, settings)
    yield client
    client.close()


@pytest.fixture(scope="module")
def everybody(portal: anyio.from_thread.BlockingPortal, tiny_settings: Settings) -> Iterator[BothWays]:
    client = BothWays(portal, tiny_settings.model_copy(update={"cors_origins": "*"}))
    yield client
    client.close()


ANSWERS = {
    "verb": ("POST", "/decode", [RAW], (LATENT,), 200),
    "sample": ("GET", "/sample", [], (), 200),
    "wrong body": ("POST", "/decode", [RAW], (b"x",), 422),
    "too large": ("POST", "/decode", [RAW], (bytes(5 << 20),), 413),
    "another method": ("PUT", "/decode", [], (), 405),
    "no path": ("GET", "/nothing", [], (), 404),
    "health": ("GET", "/livez", [], (), 200),
    "HEAD": ("HEAD", "/sample", [], (), 200),
}
answers = pytest.mark.parametrize(("method", "path", "headers", "body", "status"), ANSWERS.values(), ids=ANSWERS)


@answers
def test_every_answer_may_be_read_by_a_page_that_is_let_in(
    some: BothWays,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]],
    body: tuple[bytes, ...],
    status: int,
) -> None:
    answered, found, _ = some.ask(method, path, b"", [*headers, FROM_PAGE], *body)
    assert answered == status
    assert found.count((ALLOWED, PAGE)) == 1
    assert found.count((b"vary", b"Origin")) == 1
    exposed = dict(found)[b"access-control-expose-headers"].split(b", ")
    assert {name for name, _ in found if name.startswith(b"x-")} <= set(exposed)


@answers
def test_no_answer_may_be_read_by_another_page_and_caches_know_that_it_depends(
    some: BothWays,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]],
    body: tuple[bytes, ...],
    status: int,
) -> None:
    for origin in ([(b"origin", b"https://page.example.evil")], [(b"origin", b"null")], []):
        answered, found, _ = some.ask(method, path, b"", [*headers, *origin], *body)
        assert answered == status
        assert ALLOWED not in dict(found)
        assert (b"vary", b"Origin") in found


@answers
def test_every_answer_may_be_read_by_any_page_where_all_are_let_in(
    everybody: BothWays,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]],
    body: tuple[bytes, ...],
    status: int,
) -> None:
    for origin in ([FROM_PAGE], []):
        answered, found, _ = everybody.ask(method, path, b"", [*headers, *origin], *body)
        assert answered == status
        assert (ALLOWED, b"*") in found
        assert b"vary" not in dict(found)


@answers
def test_unless_it_is_set_no_answer_speaks_of_origins(
    client: BothWays,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]],
    body: tuple[bytes, ...],
    status: int,
) -> None:
    _, found, _ = client.ask(method, path, b"", [*headers, FROM_PAGE], *body)
    assert not [name for name, _ in found if name.startswith(b"access-control") or name == b"vary"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/encode", b"POST, OPTIONS"), ("/sample", b"GET, POST, HEAD, OPTIONS"), ("/models/x", b"GET, HEAD, OPTIONS")],
)
def test_a_preflight_learns_methods_and_may_send_the_headers_it_names(
    some: BothWays, path: str, methods: bytes
) -> None:
    status, found, body = some.ask("OPTIONS", path, b"", PREFLIGHT)
    told = dict(found)
    assert (status, body) == (204, b"")
    assert (told[b"allow"], told[b"access-control-allow-methods"]) == (methods, methods)
    assert told[b"access-control-allow-headers"] == b"content-type,x-request-id"
    assert told[b"access-control-max-age"] == b"7200"
    assert told[ALLOWED] == PAGE


def test_a_preflight_of_another_page_learns_nothing(some: BothWays) -> None:
    status, found, _ = some.ask("OPTIONS", "/encode", b"", [(b"origin", b"https://evil.example"), *PREFLIGHT[1:]])
    assert status == 204
    assert not [name for name, _ in found if name.startswith(b"access-control")]


def test_a_preflight_for_nothing_is_404_and_may_be_read(some: BothWays) -> None:
    status, found, _ = some.ask("OPTIONS", "/nothing", b"", PREFLIGHT)
    assert (status, dict(found)[ALLOWED]) == (404, PAGE)


@pytest.mark.parametrize("names", [b"", b"a\tb", b"(x)", b"a" * 5000])
def test_names_that_no_header_has_are_not_said_again(names: bytes) -> None:
    asked = {b"origin": PAGE, b"access-control-request-method": b"PUT", b"access-control-request-headers": names}
    told = dict(Cors([PAGE.decode()]).preflight(asked, "GET"))
    assert told[b"access-control-allow-methods"] == b"GET"
    assert b"access-control-allow-headers" not in told


def test_options_of_a_page_is_no_preflight_unless_it_names_a_method() -> None:
    assert not Cors(["*"]).preflight({b"origin": PAGE}, "GET")
