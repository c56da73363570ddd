"""HEAD is wherever GET is, and OPTIONS tells what there is, by both ways in."""

import pytest

from tests.service.api.conftest import BothWays

HIDDEN = {b"x-request-id", b"content-length"}
GETS = {
    "/livez": b"",
    "/readyz": b"",
    "/models": b"",
    "/models/tiny-vae": b"",
    "/docs": b"",
    "/openapi.json": b"",
    "/static-offline-docs/swagger-ui.css": b"",
    "/sample": b"seed=1&count=3",
    "/nothing": b"",
    "/models/none": b"",
}


@pytest.mark.parametrize(("path", "query"), GETS.items())
def test_head_is_get_without_its_body(client: BothWays, path: str, query: bytes) -> None:
    got, head = client.ask("GET", path, query), client.ask("HEAD", path, query)
    assert head[0] == got[0]
    assert [header for header in head[1] if header[0] not in HIDDEN] == [h for h in got[1] if h[0] not in HIDDEN]
    assert int(dict(head[1])[b"content-length"]) == len(got[2])
    assert (head[2], bool(got[2])) == (b"", True)


def test_head_of_metrics_is_answered(client: BothWays) -> None:
    answer = client.request("HEAD", "/metrics")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 1000


@pytest.mark.parametrize("accept", [b"image/png", b"application/x-npy"])
def test_head_of_a_verb_has_the_length_of_the_type_asked_for(client: BothWays, accept: bytes) -> None:
    answers = [client.ask(method, "/sample", b"seed=1&count=60", [(b"accept", accept)]) for method in ("GET", "HEAD")]
    assert dict(answers[1][1])[b"content-length"] == b"%d" % len(answers[0][2])
    assert dict(answers[1][1])[b"content-type"] == accept


def test_head_of_a_stream_makes_no_stream(client: BothWays) -> None:
    """Equal answers of both ways are BothWays' matter."""
    query, headers = b"seed=1&count=250", [(b"accept", b"application/x-npy")]
    whole = client.ask("GET", "/sample", query, headers)[2]
    status, found, body = client.ask("HEAD", "/sample", query, headers)
    assert (status, body) == (200, b"")
    assert dict(found)[b"content-length"] == b"%d" % len(whole)


def test_head_of_a_wrong_request_has_the_error_s_status(client: BothWays) -> None:
    assert client.ask("HEAD", "/sample", b"count=x")[0] == 422


@pytest.mark.parametrize("path", ["/encode", "/decode", "/reconstruct"])
def test_head_is_not_where_get_is_not(client: BothWays, path: str) -> None:
    status, headers, body = client.ask("HEAD", path)
    assert (status, body) == (405, b"")
    assert (b"allow", b"POST, OPTIONS") in headers


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/encode", b"POST, OPTIONS"),
        ("/sample", b"GET, POST, HEAD, OPTIONS"),
        ("/models/tiny-vae/1", b"GET, HEAD, OPTIONS"),
        ("/docs", b"GET, HEAD, OPTIONS"),
        ("/openapi.json", b"GET, HEAD, OPTIONS"),
        ("/static-offline-docs/swagger-ui.css", b"GET, HEAD, OPTIONS"),
    ],
)
def test_options_tells_the_methods_of_a_path_as_405_does(client: BothWays, path: str, allowed: bytes) -> None:
    status, headers, body = client.ask("OPTIONS", path)
    assert (status, body, dict(headers)[b"allow"]) == (204, b"", allowed)
    assert b"content-length" not in dict(headers)  # RFC 9110, section 8.6
    status, headers, _ = client.ask("PATCH", path)
    assert (status, dict(headers)[b"allow"]) == (405, allowed)


def test_options_of_nothing_is_404(client: BothWays) -> None:
    assert client.ask("OPTIONS", "/nothing")[0] == 404
