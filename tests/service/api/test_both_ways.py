"""The two ways in, the server's connections and FastAPI: nobody can tell them apart by the answer."""

import logging
from collections.abc import AsyncIterator
from urllib.parse import quote_from_bytes

import anyio.from_thread
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import errors
from service.errors import ServiceError
from service.metrics import Metrics
from service.server import wire
from service.settings import Settings
from tests.service.api.conftest import VERBS, BothWays
from tests.support import digits

PNG = digits.png(digits.images()[0])
LATENT = np.array([0.5, 1.0], np.float32).tobytes()
PICTURE = {"Content-Type": "image/png"}
RAW = (b"content-type", b"application/octet-stream")
NAMES = ["model", "pixels", "columns", "fit", "invert", "draw", "seed", "count", "offset", "temperature", "label", "x"]
VALUES = [
    *("", "0", "1", "7", "-1", "1.5", "1e3", " 1", "1_0", "true", "on", "TRUE", "nan", "inf", "18446744073709551616"),
    *("tiny-ae", "tiny-vae/1", "exact", "auto", "any", "balanced", "1,2", "٣", "\0", "é", "a" * 300),
]


def counted(metrics: Metrics) -> dict[tuple[str, str, str], float]:
    """Requests for the verbs by method, route and status."""
    metrics.refresh()
    samples = next(family for family in metrics.registry.collect() if family.name == "vae_http_requests").samples
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for sample in samples
        if sample.name.endswith("_total") and sample.labels["route"] in VERBS
    }


def in_progress(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("vae_http_requests_in_progress")


def test_every_verb_that_is_documented_is_answered_without_fastapi(
    client: BothWays, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    documented = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if operation["tags"] == ["autoencoder"]
    }
    assert len(documented) == 6
    monkeypatch.delattr(wire, "Guest")
    for method, path in documented:
        answer = client.request(method, path, content=b"", headers=PICTURE)
        assert answer.status_code in (200, 415, 422)


@pytest.mark.parametrize(
    "path", [*VERBS, "/encode/", "/ENCODE", "//encode", "/sample/x", "/", "/encode%2f", "/encode;x", "/%"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_another_method_or_path_is_answered_alike(client: BothWays, method: str, path: str) -> None:
    client.ask(method, path, b"seed=1")


@pytest.mark.parametrize("target", ["/%73ample", "/sample#there", "http://elsewhere/sample"])
def test_a_path_may_be_written_in_other_ways(client: BothWays, target: str) -> None:
    assert (
        client.get("/sample?seed=1").content == client.wire("GET", target, b"seed=1" if "#" not in target else b"")[2]
    )


quoted = st.one_of(st.sampled_from(VALUES).map(str.encode), st.binary(max_size=6)).map(quote_from_bytes)
pairs = st.builds("{}{}{}".format, st.sampled_from(NAMES), st.sampled_from(["=", "=", "=", "", "=="]), quoted)
printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=24)
queries = st.one_of(st.lists(pairs, max_size=4).map("&".join), printable).map(str.encode)


@given(queries)
def test_a_query_string_is_read_as_fastapi_reads_it(client: BothWays, query: bytes) -> None:
    client.ask("POST", "/decode", query, [RAW], LATENT)
    client.ask("POST", "/reconstruct", query, [RAW], bytes(784))
    client.ask("GET", "/sample", query)


@pytest.mark.parametrize("name", ["count", "columns", "seed", "temperature", "pixels", "model", "deterministic"])
@pytest.mark.parametrize("values", [("1", "1"), ("1", "0"), ("x", "1"), ("1", "x"), ("", "")])
def test_a_name_given_twice_is_refused(client: BothWays, name: str, values: tuple[str, str]) -> None:
    problem = client.get(f"/sample?{name}={values[0]}&offset=1&{name}={values[1]}").json()
    assert (problem["status"], problem["code"]) == (422, "invalid_parameter")
    assert problem["detail"].startswith(f"{name}: ")


def test_an_unknown_name_given_twice_is_not_repeated(client: BothWays) -> None:
    problem = client.post("/encode?canary=1&canary=2", content=PNG, headers=PICTURE).json()
    assert (problem["status"], problem["code"]) == (422, "invalid_parameter")
    assert "canary" not in problem["detail"]


@pytest.mark.parametrize(
    "pieces",
    [
        [LATENT],
        [LATENT[:3], LATENT[3:]],
        [bytes([byte]) for byte in LATENT],
        [LATENT, b"x"],
        [],
        [bytes(3 << 20), bytes(2 << 20)],
        [bytes(5 << 20)],
    ],
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_is_the_same_however_it_is_cut(client: BothWays, pieces: list[bytes], announced: bool) -> None:
    content = b"".join(pieces)
    if announced:
        status, _, answer = client.ask("POST", "/decode", b"", [RAW], *pieces)
    else:
        headers = {"Content-Type": "application/octet-stream"}
        response = client.post("/decode", content=each(pieces), headers=headers)
        status, answer = response.status_code, response.content
    assert status == {8: 200, 9: 422, 0: 422}.get(len(content), 413)
    assert (b'"body_too_large"' in answer) == (status == 413)


async def each(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def test_of_a_header_given_twice_the_first_counts(client: BothWays) -> None:
    headers = [RAW, (b"content-type", b"text/plain"), (b"accept", b"application/x-npy")]
    headers += [(b"x-request-id", b"mine"), (b"x-request-id", b"second")]
    _, answered, _ = client.ask("POST", "/decode", b"", headers, LATENT)
    assert {(b"content-type", b"application/x-npy"), (b"x-request-id", b"mine")} <= set(answered)


@pytest.mark.parametrize(
    ("lines", "chosen"),
    [
        ([b"text/html", b"image/png"], b"image/png"),
        ([b"image/png;q=0.5", b"", b"application/x-npy"], b"application/x-npy"),
        ([b"text/html", b"text/plain"], b"application/problem+json"),
    ],
)
def test_several_lines_of_accept_are_one_list(client: BothWays, lines: list[bytes], chosen: bytes) -> None:
    _, answered, _ = client.ask("POST", "/decode", b"", [RAW, *((b"accept", line) for line in lines)], LATENT)
    assert (b"content-type", chosen) in answered


def test_several_lines_of_content_encoding_are_one_list(client: BothWays) -> None:
    lines = [(b"content-encoding", value) for value in (b"identity", b"gzip")]
    assert client.ask("POST", "/decode", b"", [RAW, *lines], LATENT)[0] == 415


@pytest.mark.parametrize("part", [b"", LATENT[:3]])
def test_a_client_that_leaves_before_its_body_ends_is_no_bug(
    client: BothWays, part: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    left = ("POST", "/decode", "499")
    before = [counted(metrics).get(left, 0) for metrics in client.metrics]
    with caplog.at_level(logging.DEBUG):
        client.leave("/decode", [RAW, (b"content-length", b"8")], part)
    assert [counted(metrics)[left] for metrics in client.metrics] == [count + 1 for count in before]
    assert [in_progress(metrics) for metrics in client.metrics] == [0, 0]
    assert not caplog.records


def kinds(kind: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    return [kind, *(leaf for below in kind.__subclasses__() for leaf in kinds(below))]


@pytest.mark.parametrize("kind", [*(k for k in kinds()[1:] if not issubclass(k, errors.StartError)), RuntimeError])
def test_each_error_of_the_engine_is_answered_alike(
    client: BothWays, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise kind("As it happens.")

    monkeypatch.setattr(client.registry.default, "encode", fail)
    answer = client.post("/encode", content=PNG, headers=PICTURE)
    assert answer.status_code >= 400
    assert answer.json()["detail"].startswith(
        "As it happens." if issubclass(kind, ServiceError) else "The service failed"
    )
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)


def test_what_waited_too_long_is_answered_alike(
    portal: anyio.from_thread.BlockingPortal, tiny_settings: Settings
) -> None:
    client = BothWays(portal, tiny_settings.model_copy(update={"request_timeout_s": 1e-9}))
    answer = client.post("/encode", content=PNG, headers=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    client.close()


def test_both_ways_count_alike(client: BothWays) -> None:
    before = [counted(metrics) for metrics in client.metrics]
    for query in ("", "?fit=exact", "?nothing=1", "?model=none"):
        client.post(f"/encode{query}", content=PNG, headers=PICTURE)
    client.request("PUT", "/encode")
    for metrics, earlier in zip(client.metrics, before, strict=True):
        now = counted(metrics)
        more = {series: now[series] - earlier.get(series, 0) for series in now if now[series] != earlier.get(series)}
        assert more == {("POST", "/encode", "200"): 2, ("POST", "/encode", "422"): 1, ("POST", "/encode", "404"): 1,
                        ("PUT", "/encode", "405"): 1}  # fmt: skip


def test_what_accept_asks_for_is_weighed_for_each_route_on_its_own(client: BothWays) -> None:
    for _ in range(2):
        pictures = {**PICTURE, "Accept": "image/png"}
        assert client.post("/reconstruct", content=PNG, headers=pictures).headers["content-type"] == "image/png"
        assert client.post("/encode", content=PNG, headers=pictures).status_code == 406
        assert client.get("/sample?seed=1", headers={"Accept": "text/html," * 100 + "image/png"}).status_code == 200
