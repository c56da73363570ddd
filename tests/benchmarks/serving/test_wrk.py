"""What wrk sends, and what it says → a turn."""

import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.serving import wrk
from benchmarks.serving.requests import Request
from benchmarks.serving.wrk import Load, Turn, parse

SAID = """\
Running 1s test @ http://127.0.0.1:8000/encode
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.22ms    1.02ms  10.10ms   71.00%
    Req/Sec    14.71k   511.00    15.01k    70.00%
  Latency Distribution
     50%    4.10ms
     99%    7.50ms
  14710 requests in 1.10s, 8.90MB read
  Non-2xx or 3xx responses: 10
Requests/sec:  13372.72
Transfer/sec:      8.09MB
turn requests=14710 duration_us=1100000 p50_us=4100 p99_us=7500 refused=10 broken=2
"""


def test_refused_requests_count_as_errors_and_not_as_work() -> None:
    assert parse(SAID) == Turn(requests_per_s=pytest.approx(14700 / 1.1), p50_ms=4.1, p99_ms=7.5, errors=12)


def test_a_server_that_is_not_there_is_reported() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:9 Connection refused\n")


def test_a_turn_without_an_answer_took_at_least_its_time() -> None:
    said = "turn requests=0 duration_us=4000000 p50_us=0 p99_us=0 refused=0 broken=0"
    assert parse(said) == Turn(requests_per_s=0.0, p50_ms=4000.0, p99_ms=4000.0)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
def test_requests_are_sent_in_turn_as_they_stand_in_their_files(tmp_path: Path) -> None:
    seen: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.command, self.path, body))
            self.send_response(503 if self.path == "/large" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        host = f"127.0.0.1:{server.server_port}"
        requests = [Request("/encode", b"one"), Request("/sample"), Request("/large", b"three")]
        files = [tmp_path / str(number) for number in range(3)]
        for file, request in zip(files, requests, strict=True):
            file.write_bytes(request.message(host))
        load, behind = (Load(f"http://{host}", part, 1) for part in (files[:2], files[2:]))
        measured = wrk.turn(load, seconds=1, core=min(os.sched_getaffinity(0)), behind=behind)
    finally:
        server.shutdown()
        server.server_close()
    small = [each for each in seen if each[1] != "/large"]
    assert sorted(small[:2]) == [("GET", "/sample", b""), ("POST", "/encode", b"one")]
    assert small[2:4] == small[:2]
    assert ("POST", "/large", b"three") in seen
    assert measured.requests_per_s > 0 == measured.errors == measured.others_per_s
    assert measured.others_refused_per_s > 0
