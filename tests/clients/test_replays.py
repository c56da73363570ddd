"""What programs that are not here send, byte by byte: Apache's HttpClient, Go, .NET, HAProxy, and probes."""

import pytest

from tests.clients.conftest import DIGIT, FORM
from tests.support.sockets import Answer, Connection, ask
from tests.support.verbs import LIVEZ

LENGTH = b"Content-Length: %d\r\n" % len(DIGIT)
TYPE = b"Content-Type: image/png\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(DIGIT), DIGIT)
POSTS = {
    "Apache's HttpClient 5.4": (
        b"POST /encode HTTP/1.1\r\nAccept-Encoding: gzip, x-gzip, deflate\r\n" + LENGTH + TYPE
        + b"Host: 127.0.0.1:8000\r\nConnection: keep-alive\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n"
        b"User-Agent: Apache-HttpClient/5.4 (Java/17.0.15)\r\n\r\n",
        DIGIT,
    ),
    "Apache's HttpClient 5.4, of unknown length": (
        b"POST /encode HTTP/1.1\r\nAccept-Encoding: gzip, x-gzip, deflate\r\nTransfer-Encoding: chunked\r\n" + TYPE
        + b"Host: 127.0.0.1:8000\r\nConnection: keep-alive\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n\r\n",
        CHUNKS,
    ),
    "Java's HttpClient": (
        b"POST /encode HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n" + LENGTH + b"Host: 127.0.0.1:8000\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n"
        b"User-Agent: Java-http-client/17.0.15\r\n" + TYPE + b"\r\n",
        DIGIT,
    ),
    "Go's net/http": (
        b"POST /encode HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: Go-http-client/1.1\r\n" + LENGTH + TYPE
        + b"Accept-Encoding: gzip\r\n\r\n",
        DIGIT,
    ),
    "Go's net/http, of a reader": (
        b"POST /encode HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: Go-http-client/1.1\r\n"
        b"Transfer-Encoding: chunked\r\n" + TYPE + b"Accept-Encoding: gzip\r\n\r\n",
        CHUNKS,
    ),
    ".NET's HttpClient": (
        b"POST /encode HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n" + TYPE + LENGTH
        + b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\r\n",
        DIGIT,
    ),
    "HAProxy": (
        b"POST /encode HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n" + LENGTH.lower() + TYPE.lower()
        + b"x-forwarded-for: 10.0.0.1\r\n\r\n",
        DIGIT,
    ),
    "nginx's default upstream": (
        b"POST /encode HTTP/1.0\r\nHost: digits\r\nConnection: close\r\n" + LENGTH + TYPE + b"\r\n",
        DIGIT,
    ),
    "a form": (FORM.bytes()[: -len(FORM.body or b"")], FORM.body or b""),
}  # fmt: skip
posts = pytest.mark.parametrize(("head", "body"), POSTS.values(), ids=POSTS)


@posts
def test_a_request_is_answered(address: str, encoded: Answer, head: bytes, body: bytes) -> None:
    answer = ask(address, head + body)
    assert (answer.status, answer.body) == (200, encoded.body)


@posts
def test_a_request_whose_body_comes_later_is_answered_and_its_connection_goes_on(
    address: str, encoded: Answer, head: bytes, body: bytes
) -> None:
    with Connection(address) as connection:
        for _ in range(2):
            connection.send(head)
            assert ask(address, LIVEZ.bytes()).status == 200  # so the head has been read
            answer = connection.ask(body)
            assert (answer.status, answer.body) == (200, encoded.body)
            if b"Connection: close" in head:
                assert connection.is_ended()
                break


PROBES = {
    "HAProxy's option httpchk": b"HEAD /readyz HTTP/1.0\r\n\r\n",
    "HAProxy's with a host": b"HEAD /readyz HTTP/1.1\r\nhost: digits\r\n\r\n",
    "HAProxy's default method": b"OPTIONS /livez HTTP/1.0\r\n\r\n",
    "Kubernetes": (
        b"GET /readyz HTTP/1.1\r\nHost: 10.0.0.7:8000\r\nUser-Agent: kube-probe/1.33\r\nAccept: */*\r\n"
        b"Connection: close\r\n\r\n"
    ),
    "wget --spider": b"HEAD /readyz HTTP/1.1\r\nHost: digits\r\nUser-Agent: Wget\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_a_probe_finds_the_service_well(address: str, probe: bytes) -> None:
    with Connection(address) as connection:
        connection.send(probe)
        status, headers, _ = connection.head()
        assert status in (200, 204)
        is_head = probe.startswith(b"HEAD")
        assert (int(headers.get("content-length", "0")) > 0) == (not probe.startswith(b"OPTIONS"))
        if is_head and b"1.0" in probe:
            assert connection.is_ended()  # and not a byte behind the head


def test_a_list_of_types_in_several_lines_is_one(address: str) -> None:
    lines = b"GET /sample HTTP/1.1\r\nHost: digits\r\nAccept: text/html\r\nAccept: image/png\r\n\r\n"
    answer = ask(address, lines)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
