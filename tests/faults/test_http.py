"""HTTP/1.1 as RFC 9112 has it, where clients and proxies lean on it."""

import io

import numpy as np
import pytest

from tests.faults.conftest import Served
from tests.support import digits
from tests.support.sockets import Answer, Connection, ask, request
from tests.support.verbs import (
    DECODE,
    DOCS,
    ENCODE,
    GET_SAMPLE,
    GETS,
    LATENT,
    LIVEZ,
    NPY,
    POST_SAMPLE,
    POSTS,
    RAW,
    READYZ,
    Ask,
    npy_samples,
)

verbs = pytest.mark.parametrize("verb", [*POSTS.values(), *GETS.values()], ids=[*POSTS, *GETS])
either_way = pytest.mark.parametrize("good", [GET_SAMPLE, LIVEZ], ids=["verb", "livez"])

CHUNKED_DECODE = f"POST /decode HTTP/1.1\r\nHost: test\r\n{RAW}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
GARBAGE = {
    "words": b"hello, is it me you are looking for?\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "unknown method": b"BREW /sample HTTP/1.1\r\nHost: test\r\n\r\n",
    "no colon": b"GET /livez HTTP/1.1\r\nHost: test\r\nnonsense\r\n\r\n",
    "NUL in a header": b"GET /livez HTTP/1.1\r\nHost: test\r\nX: \0\r\n\r\n",
    "space in a name": b"GET /livez HTTP/1.1\r\nHost: test\r\nX Y: 1\r\n\r\n",
    "two lengths": b"POST /decode HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\n",
    "signed length": b"POST /decode HTTP/1.1\r\nHost: test\r\nContent-Length: +8\r\n\r\n",
    "length and chunks": CHUNKED_DECODE[:-2] + b"Content-Length: 8\r\n\r\n",
    "bad chunk": CHUNKED_DECODE + b"xyz\r\n",
}
garbage = pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)


def assert_refused(connection: Connection, answer: Answer, status: int = 400) -> None:
    """As every error is told; and nothing more is read from a client that cannot be understood."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json["status"], answer.headers["connection"]) == (status, "close")
    assert answer.json["code"]
    assert answer.json["request_id"]
    assert connection.is_ended()


@garbage
def test_what_is_not_http_is_refused_as_any_error_is_told(served: Served, garbage: bytes) -> None:
    with Connection(served.address) as connection:
        assert_refused(connection, connection.ask(garbage))


@either_way
@garbage
def test_a_good_request_before_garbage_is_answered_first(served: Served, good: Ask, garbage: bytes) -> None:
    with Connection(served.address) as connection:
        assert connection.ask(good.bytes() + garbage).body == ask(served.address, good.bytes()).body
        assert_refused(connection, connection.answer())


def test_a_long_request_before_garbage_is_answered_first(served: Served) -> None:
    with Connection(served.address) as connection:
        answer = connection.ask(npy_samples(5000) + GARBAGE["words"])
        assert (answer.status, np.load(io.BytesIO(answer.body)).shape) == (200, (5000, 1, 28, 28))
        assert_refused(connection, connection.answer())


@verbs
@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"], ids=["none", "two"])
def test_a_request_names_one_host(served: Served, verb: Ask, hosts: bytes) -> None:
    with Connection(served.address) as connection:
        assert_refused(connection, connection.ask(verb.bytes().replace(b"Host: test\r\n", hosts)))


def test_a_coding_of_the_transfer_that_is_not_known_is_refused(served: Served) -> None:
    with Connection(served.address) as connection:
        answer = connection.ask(chunked(LATENT).replace(b"chunked", b"gzip, chunked"))
        assert_refused(connection, answer, 501)


@verbs
def test_http_1_0_is_answered_and_closed(served: Served, verb: Ask) -> None:
    old = request(verb.target, verb.body, verb.headers, version="1.0").replace(b"Host: test\r\n", b"")
    with Connection(served.address) as connection:
        answer = connection.ask(old)
        assert (answer.status, answer.body) == (200, ask(served.address, verb.bytes()).body)
        assert "transfer-encoding" not in answer.headers
        assert connection.is_ended()


@verbs
def test_http_1_0_keeps_the_connection_where_it_is_asked_to(served: Served, verb: Ask) -> None:
    """ApacheBench and nginx's default upstream speak so."""
    old = request(verb.target, verb.body, (*verb.headers, "Connection: keep-alive"), version="1.0")
    with Connection(served.address) as connection:
        for _ in range(3):
            answer = connection.ask(old)
            assert (answer.status, answer.headers["connection"].lower()) == (200, "keep-alive")


@verbs
def test_a_connection_is_closed_where_the_client_asks_for_it(served: Served, verb: Ask) -> None:
    with Connection(served.address) as connection:
        answer = connection.ask(verb.bytes("Connection: close"))
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert connection.is_ended()


LONG = {
    **POSTS,
    **GETS,
    "many samples": Ask("/sample?count=3000&seed=1"),
    "a stream": Ask("/sample?count=20000&seed=1", None, (NPY,)),
    "many rows": Ask(
        "/reconstruct", digits.npy(np.resize(digits.images(), (500, 28, 28))), ("Content-Type: application/x-npy",)
    ),
    "a large picture": Ask(
        "/encode", digits.png(np.random.default_rng(1).integers(0, 256, (700, 700), np.uint8)), ENCODE.headers
    ),
}


@pytest.mark.parametrize("verb", LONG.values(), ids=LONG)
def test_a_client_that_sends_no_more_gets_its_whole_answer(served: Served, verb: Ask) -> None:
    with Connection(served.address) as connection:
        connection.send(verb.bytes())
        connection.send_no_more()
        answer = connection.answer()
        assert answer.status == 200
        assert len(answer.body) == len(ask(served.address, verb.bytes()).body)
        assert connection.is_ended()


def test_a_client_that_sends_no_more_gets_all_its_answers(served: Served) -> None:
    sent = [npy_samples(3000), LIVEZ.bytes(), ENCODE.bytes(), DOCS.bytes(), GET_SAMPLE.bytes()]
    with Connection(served.address) as connection:
        connection.send(b"".join(sent))
        connection.send_no_more()
        for one in sent:
            assert len(connection.answer().body) == len(ask(served.address, one).body)
        assert connection.is_ended()


def test_a_client_that_ends_within_its_body_is_not_waited_for(served: Served) -> None:
    with Connection(served.address) as connection:
        connection.send(ENCODE.bytes()[:-10])
        connection.send_no_more()
        connection.skip(1 << 20)
        assert connection.is_ended()


def test_fifty_requests_at_once_are_answered_in_order(served: Served) -> None:
    others = [LIVEZ, ENCODE, POST_SAMPLE, READYZ, DECODE]
    sent = [
        Ask(f"/sample?count=1&seed={number}") if number % 3 else others[number // 3 % len(others)]
        for number in range(50)
    ]
    with Connection(served.address) as connection:
        connection.send(b"".join(one.bytes() for one in sent))
        answers = [connection.answer() for _ in sent]
    for one, answer in zip(sent, answers, strict=True):
        assert answer.body == ask(served.address, one.bytes()).body


@pytest.mark.parametrize("pause", [False, True], ids=["one segment", "each alone"])
def test_verbs_between_other_routes_are_answered_in_order(served: Served, pause: bool) -> None:
    many = Ask("/sample?count=1000&seed=1", None, (NPY,))
    asks = [one.bytes() for one in (ENCODE, LIVEZ, many, READYZ, GET_SAMPLE, DOCS, LIVEZ, DECODE)]
    with Connection(served.address) as connection:
        if not pause:
            connection.send(b"".join(asks))
        for one in asks:
            answer = connection.ask(one if pause else b"")
            expected = ask(served.address, one)
            assert (answer.status, answer.headers["content-type"]) == (200, expected.headers["content-type"])
            assert len(answer.body) == len(expected.body)


def chunked(*chunks: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    parts = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    return CHUNKED_DECODE + b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


CHUNKED = {
    "one": chunked(LATENT),
    "a byte each": chunked(*(LATENT[i : i + 1] for i in range(8))),
    "extension": chunked(LATENT[:3], LATENT[3:], extension=b";name=value"),
    "trailer": chunked(LATENT, trailer=b"X-Check: 1\r\n"),
}


@pytest.mark.parametrize("sent", CHUNKED.values(), ids=CHUNKED)
def test_a_body_in_chunks_is_read_as_one(served: Served, sent: bytes) -> None:
    expected = ask(served.address, DECODE.bytes()).body
    with Connection(served.address) as connection:
        assert connection.ask(sent).body == expected
        connection.send(sent * 3 + LIVEZ.bytes())
        assert [connection.answer().body for _ in range(3)] == [expected] * 3
        assert connection.answer().json == {"live": True}


@pytest.mark.parametrize("post", POSTS.values(), ids=POSTS)
def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(served: Served, post: Ask) -> None:
    assert post.body
    with Connection(served.address) as connection:
        for _ in range(2):
            assert connection.ask(post.bytes("Expect: 100-continue")[: -len(post.body)]).status == 100
            answer = connection.ask(post.body)
            assert (answer.status, answer.body) == (200, ask(served.address, post.bytes()).body)


def test_a_body_that_will_not_be_read_is_not_asked_for(served: Served) -> None:
    head = request(
        "/encode", headers=[*ENCODE.headers, "Expect: 100-continue", "Content-Length: 99999999"], method="POST"
    )
    with Connection(served.address) as connection:
        assert connection.ask(head).status == 413


@verbs
def test_a_target_may_name_the_host_and_blank_lines_may_come_first(served: Served, verb: Ask) -> None:
    """RFC 9112, 3.2.2 and 2.2."""
    absolute = verb._replace(target=f"http://test{verb.target}")
    with Connection(served.address) as connection:
        answer = connection.ask(b"\r\n" + absolute.bytes())
        assert (answer.status, answer.body) == (200, ask(served.address, verb.bytes()).body)


@verbs
def test_a_request_that_comes_byte_by_byte_is_answered(served: Served, verb: Ask) -> None:
    data = verb.bytes()
    with Connection(served.address) as connection:
        for start in range(len(data)):
            connection.send(data[start : start + 1])
        assert connection.answer().body == ask(served.address, verb.bytes()).body
