"""Headers have an end: 16 KB for one, 64 KB for all of a request, told before the rest has come."""

import contextlib
import select

import pytest

from tests.faults.conftest import Served
from tests.support.sockets import Answer, Connection, ask, request
from tests.support.verbs import DECODE, GET_SAMPLE, LIVEZ, Ask

KB = 1 << 10
ROUTES = {"livez": LIVEZ, "sample": GET_SAMPLE, "decode": DECODE}
ONE = (f"X-Filler: {'a' * 15 * KB}",)
ONE_TOO_LONG = (f"X-Filler: {'a' * 17 * KB}",)
LONG_NAME = (f"X-{'a' * 17 * KB}: 1",)
ALL = tuple(f"X-Filler-{number}: {'a' * 6 * KB}" for number in range(10))
ALL_TOO_LONG = tuple(f"X-Filler-{number}: {'a' * 7 * KB}" for number in range(10))
TOO_MANY = tuple(f"X-{number}: 1" for number in range(10_000))
FLOOD = 8 << 20  # bytes after which a server that still listens keeps them all

routes = pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)


def assert_problem(answer: Answer, *statuses: int) -> None:
    assert answer.status in statuses
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    assert answer.json["code"]
    assert answer.headers["connection"] == "close"


@routes
@pytest.mark.parametrize("headers", [ONE, ALL], ids=["one", "all"])
def test_headers_within_the_limit_are_taken(served: Served, route: Ask, headers: tuple[str, ...]) -> None:
    with Connection(served.address) as connection:
        assert connection.ask(route.bytes(*headers)).status == 200
        assert connection.ask(route.bytes(*headers)).status == 200  # each request has a limit of its own


@routes
@pytest.mark.parametrize(
    "headers",
    [ONE_TOO_LONG, LONG_NAME, ALL_TOO_LONG, TOO_MANY],
    ids=["one value", "one name", "all", "many"],
)
def test_headers_beyond_the_limit_are_refused_and_the_connection_closed(
    served: Served, route: Ask, headers: tuple[str, ...]
) -> None:
    with Connection(served.address) as connection:
        assert_problem(connection.ask(route.bytes(*headers)), 431)
        assert connection.is_ended()
    assert ask(served.address, route.bytes()).status == 200


def test_an_endless_wish_for_types_is_refused_and_holds_up_nobody(served: Served) -> None:
    wish = ", ".join(f"image/x-{number};q=0.{number % 1000:03}" for number in range(110_000))
    assert len(wish) > 2_500_000
    with Connection(served.address) as greedy, Connection(served.address) as other:
        answer = flooded(greedy, request("/sample", headers=[f"Accept: {wish}"]))
        assert_problem(answer, 431)
        assert other.ask(GET_SAMPLE.bytes()).status == 200


ENDLESS = {
    "a target": (b"GET /livez?", b"a" * KB, (414, 431)),
    "a name": (b"GET /livez HTTP/1.1\r\nHost: test\r\nX-", b"a" * KB, (431,)),
    "a value": (b"GET /livez HTTP/1.1\r\nHost: test\r\nX-Filler: ", b"a" * KB, (431,)),
    "headers": (b"GET /livez HTTP/1.1\r\nHost: test\r\n", b"X-Filler: " + b"a" * KB + b"\r\n", (431,)),
    "headers of a verb": (b"GET /sample HTTP/1.1\r\nHost: test\r\n", b"X-Filler: " + b"a" * KB + b"\r\n", (431,)),
    "small headers": (b"GET /livez HTTP/1.1\r\nHost: test\r\n", b"X: 1\r\n" * 200, (431,)),
    "trailers": (
        b"POST /decode HTTP/1.1\r\nHost: test\r\nContent-Type: application/octet-stream\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n8\r\n" + DECODE.bytes()[-8:] + b"\r\n0\r\n",
        b"X-Filler: " + b"a" * KB + b"\r\n",
        (400, 431),
    ),
}


@pytest.mark.parametrize(("head", "more", "statuses"), ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_cut_off(served: Served, head: bytes, more: bytes, statuses: tuple[int, ...]) -> None:
    with Connection(served.address) as connection:
        answer = flooded(connection, head + more * (FLOOD // len(more)))
        assert_problem(answer, *statuses)
    assert ask(served.address, LIVEZ.bytes()).status == 200


def flooded(connection: Connection, data: bytes) -> Answer:
    """The answer that comes while the data still does, or the error of a connection that takes all of it."""
    step = 16 * KB
    for start in range(0, len(data), step):
        if select.select([connection], [], [], 0)[0]:
            break
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(data[start : start + step])
        ask(connection.address, LIVEZ.bytes())  # so what was sent has been read
    return connection.answer()
