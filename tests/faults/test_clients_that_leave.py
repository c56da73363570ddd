"""Clients that leave without a word: their work ends, nothing is reported as a bug, and the others go on."""

import pytest

from tests.faults.conftest import Served
from tests.support.sockets import Connection, ask
from tests.support.verbs import DOCS, ENCODE, GET_SAMPLE, LIVEZ, npy_samples
from tests.support.waiting import until

TIMES = 5
BODY = ENCODE.bytes()

# What is sent, and how many bytes of the answer's body are read, if its head is, before the client leaves.
MOMENTS: dict[str, tuple[bytes, int | None]] = {
    "in the headers": (BODY[:20], None),
    "in a body": (BODY[:-20], None),
    "in a long body": (BODY.replace(b"Content-Length: ", b"Content-Length: 1") + bytes(100_000), None),
    "in a body in chunks": (
        b"POST /decode HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n4\r\nab",
        None,
    ),
    "before a small answer": (BODY, None),
    "before a large answer": (npy_samples(5000), None),
    "before another route's answer": (DOCS.bytes(), None),
    "in a large answer": (npy_samples(5000), 1000),
    "before a stream": (npy_samples(500_000), None),
    "in a stream": (npy_samples(500_000), 1 << 20),
    "with requests behind": (npy_samples(3000) + LIVEZ.bytes() + BODY + npy_samples(500_000), None),
    "in an answer with requests behind": (npy_samples(3000) + LIVEZ.bytes() + BODY, 1000),
    "in a stream with requests behind": (npy_samples(500_000) + LIVEZ.bytes() + BODY, 1000),
}


@pytest.mark.parametrize(("sent", "read"), MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("farewell", ["reset", "close"])
def test_a_client_may_leave_at_any_time(served: Served, sent: bytes, read: int | None, farewell: str) -> None:
    with Connection(served.address) as other:
        for _ in range(TIMES):
            client = Connection(served.address)
            client.send(sent)
            if read is not None:
                assert client.head().status == 200
                assert len(client.body(read)) == read
            if farewell == "reset":
                client.reset()
            else:
                client.close()
            assert other.ask(GET_SAMPLE.bytes()).status == 200
        until(lambda: served.in_progress() == 0, 30, "requests of clients that left end")
    assert ask(served.address, BODY).status == 200
    log = served.log.read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log


@pytest.mark.parametrize("farewell", ["reset", "close"])
def test_the_rest_of_a_stream_is_not_computed_once_its_client_has_left(served: Served, farewell: str) -> None:
    before = served.decoded_rows()
    with Connection(served.address) as client:
        client.send(npy_samples(1_000_000))
        assert client.head().status == 200
        assert len(client.body(1 << 20)) == 1 << 20
        if farewell == "reset":
            client.reset()
    until(lambda: served.in_progress() == 0, 30, "the stream's request ends")
    assert served.decoded_rows() - before < 100_000


def test_many_clients_that_leave_at_once_leave_nothing_behind(served: Served) -> None:
    before = served.process.num_fds()
    for sent, _ in MOMENTS.values():
        clients = [Connection(served.address) for _ in range(TIMES)]
        for client in clients:
            client.send(sent)
        for client in clients:
            client.reset()
    until(lambda: served.in_progress() == 0, 30, "requests of clients that left end")
    until(lambda: served.process.num_fds() <= before + 1, 30, "connections of clients that left are closed")
    assert ask(served.address, BODY).status == 200
    assert "Traceback" not in served.log.read_text()
