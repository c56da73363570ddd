"""What is sent is a request that any server understands, and the mix holds all four verbs."""

from pathlib import Path

import httptools
import pytest

from benchmarks.serving.requests import MIX, ROWS, Examples, Request

EXAMPLES = Examples(Path("models/digits-mlp-vae/1"))


@pytest.mark.parametrize(
    "request_", [Request("/encode", b"digit\r\n", "image/png"), Request("/sample?count=2", accept="image/png")]
)
def test_a_message_is_the_whole_request(request_: Request) -> None:
    found: dict[bytes, bytes] = {}
    body: list[bytes] = []

    class Parts:
        def on_url(self, url: bytes) -> None:
            assert url.decode() == request_.path

        def on_header(self, name: bytes, value: bytes) -> None:
            found[name] = value

        def on_body(self, part: bytes) -> None:
            body.append(part)

        def on_message_complete(self) -> None:
            found[b"complete"] = parser.get_method()

    parser = httptools.HttpRequestParser(Parts())
    parser.feed_data(request_.message("127.0.0.1:8000"))
    assert found[b"complete"] == request_.method.encode()
    assert found[b"Host"] == b"127.0.0.1:8000"
    assert found.get(b"Content-Type", b"").decode() == request_.content_type
    assert b"".join(body) == request_.body


def test_the_mix_asks_for_the_four_verbs_in_turn_and_for_every_digit() -> None:
    for jobs in (EXAMPLES.jobs(), EXAMPLES.naive_jobs()):
        paths = [request.path for request in jobs["mix"]]
        assert paths[:4] == ["/encode", "/decode", "/reconstruct", "/sample"]
        assert paths == paths[:4] * 8
        assert set(jobs["mix"]) == {request for job in MIX for request in jobs[job]}


def test_every_job_has_its_count_of_rows() -> None:
    assert EXAMPLES.jobs().keys() == ROWS.keys()
    for job in ("encode_bulk", "reconstruct_bulk"):
        assert len(EXAMPLES.jobs()[job][0].body) == 784 * ROWS[job]


def test_the_naive_service_is_not_asked_for_what_it_does_not_do() -> None:
    assert EXAMPLES.jobs().keys() - EXAMPLES.naive_jobs().keys() == {"reconstruct_scores", "reconstruct_bulk"}
