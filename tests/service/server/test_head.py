"""A request's head: what RFC 9112 lets through, what it refuses, and where a head ends however its bytes come."""

import contextlib
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import HeadersTooLarge, MalformedRequest, ServiceError, UnsupportedTransferCoding
from service.server.head import MAX_BYTES, Head, end_of_head, parse

KB = 1 << 10


def head(first: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join((first, *lines)) + b"\r\n\r\n"


GET = b"GET / HTTP/1.1"
POST = b"POST / HTTP/1.1"
HOST = b"Host: test"


def test_a_head_is_read_into_its_parts() -> None:
    read = parse(head(b"POST /decode?a=b&c HTTP/1.1", HOST, b"X-A:  1 ", b"Content-Length: 007", b"x-a: 2"))
    assert (read.method, read.path, read.query_string, read.version) == (b"POST", b"/decode", b"a=b&c", "1.1")
    assert read.headers == [(b"host", b"test"), (b"x-a", b"1 "), (b"content-length", b"007"), (b"x-a", b"2")]
    assert read.fields[b"x-a"] == b"1 "
    assert (read.length, read.keep_alive, read.expects_continue) == (7, True, False)


def test_a_head_leaves_nothing_to_the_garbage_collector() -> None:
    """Its parser refers to it, and the service seldom collects cycles."""
    while gc.collect():  # what other tests left, whose ends may leave more
        pass
    Head(head(GET, HOST))
    assert gc.collect() == 0


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/sample?seed=1", b"/sample", b"seed=1"),
        (b"/sample?a=b?c", b"/sample", b"a=b?c"),
        (b"/where?q=now", b"/where", b"q=now"),  # RFC 9112, 3.2.1
        (b"http://www.example.org/pub/WWW/TheProject.html", b"/pub/WWW/TheProject.html", b""),  # 3.2.2
        (b"http://test", b"/", b""),
        (b"http://test?q=now", b"/", b"q=now"),
        (b"*", b"*", b""),  # 3.2.4
        (b"/a#b?c", b"/a", b""),
        (b"/%2F%zz%ff", b"/%2F%zz%ff", b""),
        (b"//two", b"//two", b""),
    ],
)
def test_a_target_is_a_path_and_a_query(target: bytes, path: bytes, query: bytes) -> None:
    read = parse(head(b"OPTIONS " + target + b" HTTP/1.1", HOST))
    assert (read.path, read.query_string) == (path, query)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /",
        b"GET / HTTP/0.9",
        b"GET / HTTP/1.2",
        b"GET / HTTP/2.0",
        b"PRI * HTTP/2.0",
        b"GET / http/1.1",
        b"GET / ICY/1.0",
        b"SOURCE / ICE/2.0",
        b"GET / HTTP/1.1 extra",
        b"get / HTTP/1.1",
        b"BREW / HTTP/1.1",
        b"GET sample HTTP/1.1",
        b"GET ?a=b HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\0 HTTP/1.1",
        b"GET",
        b"CONNECT example.com:443 HTTP/1.1",  # 3.2.3: this is no proxy
    ],
)
def test_a_request_line_that_is_none_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse(head(line, HOST))


@pytest.mark.parametrize(
    "lines",
    [
        (b"nonsense",),
        (b": x",),
        (b"Host : other",),  # 5.1: no white space before the colon
        (b" X: 1",),
        (b"X: a", b" folded"),  # 5.2
        (b"X Y: 1",),
        (b"X\0: 1",),
        (b"X: \0",),
        (b"X: \x01",),
        (b"X: a\rb",),
        (b"X: a\nY: b",),
        (b"X(): 1",),
    ],
)
def test_a_header_that_is_none_is_refused(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedRequest):
        parse(head(GET, HOST, *lines))


@pytest.mark.parametrize(
    ("version", "lines", "fits"),
    [
        (b"1.1", (b"Host: a",), True),
        (b"1.1", (b"host:",), True),
        (b"1.1", (), False),
        (b"1.1", (b"Host: a", b"HOST: a"), False),
        (b"1.0", (), True),
        (b"1.0", (b"Host: a",), True),
        (b"1.0", (b"Host: a", b"Host: b"), False),
    ],
)
def test_a_request_has_one_host_and_only_http_1_0_has_none(
    version: bytes, lines: tuple[bytes, ...], fits: bool
) -> None:
    data = head(b"GET / HTTP/" + version, *lines)
    if fits:
        assert parse(data).version == version.decode()
    else:
        with pytest.raises(MalformedRequest, match="Host"):
            parse(data)


@pytest.mark.parametrize(
    ("version", "lines", "keep_alive"),
    [
        (b"1.1", (), True),
        (b"1.1", (b"Connection: keep-alive",), True),
        (b"1.1", (b"Connection: close",), False),
        (b"1.1", (b"CONNECTION: Close",), False),
        (b"1.1", (b"Connection: x, close",), False),
        (b"1.1", (b"Connection: keep-alive", b"Connection: close"), False),
        (b"1.1", (b"Connection: upgrade, close", b"Upgrade: h2c"), False),
        (b"1.1", (b"Connection: Upgrade", b"Upgrade: websocket"), True),
        (b"1.0", (), False),
        (b"1.0", (b"Connection: keep-alive",), True),
        (b"1.0", (b"Connection: Keep-Alive, x",), True),
        (b"1.0", (b"Connection: close",), False),
        (b"1.0", (b"Connection: keep-alive", b"Transfer-Encoding: chunked"), False),  # 6.1
    ],
)
@pytest.mark.parametrize("length", [b"0", b"5"])
def test_whether_the_connection_goes_on(
    version: bytes, lines: tuple[bytes, ...], keep_alive: bool, length: bytes
) -> None:
    framed = lines if any(line.startswith(b"Transfer") for line in lines) else (*lines, b"Content-Length: " + length)
    for headers in (lines, framed):
        assert parse(head(b"POST / HTTP/" + version, HOST, *headers)).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ((), 0),
        ((b"Content-Length: 0",), 0),
        ((b"Content-Length: 12",), 12),
        ((b"content-length:12 ",), 12),
        ((b"Content-Length: 4294967296",), 1 << 32),
        ((b"Transfer-Encoding: chunked",), None),
        ((b"transfer-encoding:  CHUNKED ",), None),
    ],
)
def test_how_long_the_body_is(lines: tuple[bytes, ...], length: int | None) -> None:
    assert parse(head(POST, HOST, *lines)).length == length


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: +1",),
        (b"Content-Length: -1",),
        (b"Content-Length: 0x10",),
        (b"Content-Length: 1_0",),
        (b"Content-Length: 1 0",),
        (b"Content-Length: ",),
        (b"Content-Length: 1, 1",),
        (b"Content-Length: 99999999999999999999",),
        (b"Content-Length: 1", b"Content-Length: 1"),
        (b"Content-Length: 1", b"Content-Length: 2"),
        (b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 1"),
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked, gzip",),
        (b"Transfer-Encoding: chunked, chunked",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: identity",),
        (b"Transfer-Encoding: xchunked",),
        (b"Transfer-Encoding: ",),
        (b"Transfer-Encoding: \x0bchunked",),
    ],
)
def test_a_length_that_could_be_read_in_two_ways_is_refused(lines: tuple[bytes, ...]) -> None:
    with pytest.raises((MalformedRequest, UnsupportedTransferCoding)):
        parse(head(POST, HOST, *lines))


@pytest.mark.parametrize(
    ("version", "value", "expects"),
    [
        (b"1.1", b"100-continue", True),
        (b"1.1", b"100-Continue", True),
        (b"1.1", b"something", False),
        (b"1.0", b"100-continue", False),  # RFC 9110, 10.1.1
    ],
)
def test_whether_the_client_waits_to_be_asked_for_its_body(version: bytes, value: bytes, expects: bool) -> None:
    read = parse(head(b"POST / HTTP/" + version, HOST, b"Expect: " + value, b"Content-Length: 1"))
    assert read.expects_continue is expects


def test_one_header_may_have_16_kb() -> None:
    fits = b"X: " + b"a" * (16 * KB - 1)
    assert parse(head(GET, HOST, fits)).fields[b"x"]
    with pytest.raises(HeadersTooLarge):
        parse(head(GET, HOST, fits + b"a"))


def test_a_short_head_that_comes_again_is_parsed_once() -> None:
    short, long = head(GET, HOST, b"X: once"), head(GET, HOST, b"X: " + b"a" * KB)
    assert parse(short) is parse(bytes(bytearray(short)))
    assert parse(long) is not parse(long)


@pytest.mark.parametrize("name", [b"Authorization", b"Cookie", b"Proxy-Authorization", b"X-API-Key"])
def test_a_secret_is_not_kept_for_a_head_that_may_come_again(name: bytes) -> None:
    secret = head(GET, HOST, name + b": Bearer of-a-secret")
    assert parse(secret) is not parse(secret)


def test_heads_without_end_push_out_those_that_came_first() -> None:
    first = parse(head(GET, HOST, b"X-Number: first"))
    for number in range(256):
        parse(head(GET, HOST, b"X-Number: %d" % number))
    assert parse(head(GET, HOST, b"X-Number: first")) is not first


def test_a_head_alone_is_a_plain_message_with_its_body() -> None:
    offers = (b"Connection: Upgrade", b"Upgrade: h2c", b"Expect: 100-continue", b"Transfer-Encoding: chunked")
    read = parse(head(b"POST http://test/nothing?a=b#c HTTP/1.1", HOST, b"X: \xff", *offers))
    alone = read.alone(b"body", keep_alive=True)
    assert alone == b"POST /nothing?a=b HTTP/1.1\r\nhost: test\r\nx: \xff\r\ncontent-length: 4\r\n\r\nbody"
    again = parse(alone.removesuffix(b"body"))
    assert (again.path, again.query_string, again.length, again.keep_alive) == (b"/nothing", b"a=b", 4, True)
    assert parse(read.alone(b"", keep_alive=False)).keep_alive is False
    old = parse(head(b"GET / HTTP/1.0", b"Connection: keep-alive"))
    assert [old.alone(b"", keep).splitlines()[0] for keep in (True, False)] == [b"GET / HTTP/1.1", b"GET / HTTP/1.0"]


# Where it ends


def found(pieces: list[bytes]) -> tuple[int | type[ServiceError] | None, int]:
    """What end_of_head says of bytes that come in pieces, and how many came until it knew."""
    data, scanned = b"", 0
    for piece in pieces:
        data += piece
        try:
            end = end_of_head(data, 0, scanned)
        except ServiceError as error:
            return type(error), len(data)
        if end is not None:
            return end, len(data)
        scanned = len(data)
    return None, len(data)


COMPLETE = {
    "one line": head(GET),
    "several": head(POST, HOST, b"Content-Length: 4"),
    "a blank line before": b"\r\n" + head(GET, HOST),  # 2.2
    "carriage returns": head(GET, b"X: \r\r"),
}


@pytest.mark.parametrize("data", COMPLETE.values(), ids=COMPLETE)
@pytest.mark.parametrize("behind", [b"", b"body", head(GET, HOST)])
def test_a_head_ends_behind_its_empty_line(data: bytes, behind: bytes) -> None:
    whole = data + behind
    assert found([whole]) == (len(data), len(whole))
    assert found([whole[i : i + 1] for i in range(len(whole))]) == (len(data), len(data))
    assert end_of_head(b"before" + whole, 6, 6) == 6 + len(data)


@given(st.sampled_from([*COMPLETE.values()]), st.binary(max_size=20), st.lists(st.integers(1, 30), max_size=20))
def test_the_end_is_the_same_however_the_bytes_are_cut(data: bytes, behind: bytes, cuts: list[int]) -> None:
    whole, pieces, at = data + behind, [], 0
    for size in cuts:
        pieces.append(whole[at : at + size])
        at += size
    assert found([*pieces, whole[at:]])[0] == len(data)


@pytest.mark.parametrize(
    ("data", "known_after"),
    [
        (b"\x16\x03\x01\x02\x00", 1),  # TLS
        (b"\r\n{", 3),
        (b" GET / HTTP/1.1\r\n", 1),
        (b"GET / HTTP/1.1\n\n", 16),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 26),
    ],
)
def test_what_cannot_become_a_request_is_refused_as_soon_as_that_is_known(data: bytes, known_after: int) -> None:
    assert found([data[i : i + 1] for i in range(len(data))]) == (MalformedRequest, known_after)
    assert found([data])[0] is MalformedRequest


def test_a_head_may_have_64_kb() -> None:
    fits = b"GET /" + b"a" * (MAX_BYTES - 5) + b"\r\n\r\n"
    assert end_of_head(b"xx" + fits, 2, 2) == 2 + len(fits)
    with pytest.raises(HeadersTooLarge):
        end_of_head(fits.replace(b"/", b"/a"), 0, 0)
    with pytest.raises(HeadersTooLarge):
        end_of_head(b"GET /" + b"a" * MAX_BYTES, 0, 0)
    assert end_of_head(fits[:MAX_BYTES], 0, 0) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(data: bytes) -> None:
    for candidate in (data, b"GET / HTTP/1.1\r\nHost: a\r\n" + data):
        with contextlib.suppress(MalformedRequest, HeadersTooLarge, UnsupportedTransferCoding):
            assert Head(candidate + b"\r\n\r\n").version in ("1.0", "1.1")
