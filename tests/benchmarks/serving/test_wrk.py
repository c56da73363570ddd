"""What wrk says → a turn."""

import pytest

from benchmarks.serving.wrk import Turn, parse

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


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:9 Connection refused\n")
