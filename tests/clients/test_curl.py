"""curl, as people call it, and ApacheBench."""

import re
from pathlib import Path

import pytest

from tests.clients.conftest import program, run
from tests.support.sockets import Answer

PICTURE = ("-H", "Content-Type: image/png")


def curl(*arguments: str) -> str:
    return run(program("curl"), "-sS", "--max-time", "30", *arguments)


POSTS = {
    "a body": (*PICTURE, "--data-binary", "@{picture}"),
    "a form": ("-F", "file=@{picture}"),
    "chunks": (*PICTURE, "-X", "POST", "-H", "Transfer-Encoding: chunked", "-T", "{picture}"),
    "an offer of HTTP/2": ("--http2", *PICTURE, "--data-binary", "@{picture}"),
    "a form and an offer of HTTP/2": ("--http2", "-F", "file=@{picture}"),
    "HTTP/1.0": ("--http1.0", *PICTURE, "--data-binary", "@{picture}"),
    "a question first": (*PICTURE, "-H", "Expect: 100-continue", "--data-binary", "@{picture}"),
    "a prefix": ("--path-as-is", *PICTURE, "--data-binary", "@{picture}"),
}


@pytest.mark.parametrize("arguments", POSTS.values(), ids=POSTS)
def test_curl_posts(address: str, encoded: Answer, picture: Path, arguments: tuple[str, ...]) -> None:
    given = [argument.format(picture=picture) for argument in arguments]
    assert curl(*given, f"{address}/encode").encode() == encoded.body
    assert curl(*given, f"{address}/digits/encode").encode() == encoded.body


@pytest.mark.parametrize("path", ["/readyz", "/docs", "/sample", "/metrics"])
def test_curl_reads_a_head(address: str, path: str) -> None:
    head = curl("-I", f"{address}{path}")
    assert head.startswith("HTTP/1.1 200 OK")
    length = re.search(r"^content-length: (\d+)", head, re.M)
    assert length
    assert int(length[1]) > 0


@pytest.mark.parametrize("path", ["/encode", "/models"])
def test_curl_reads_the_refusal_of_a_body_that_is_too_large(address: str, huge: Path, path: str) -> None:
    for sending in (("--data-binary", f"@{huge}"), ("-T", str(huge), "-H", "Transfer-Encoding: chunked")):
        for question in ("Expect:", "Expect: 100-continue"):
            given = ("-X", "POST", *PICTURE, "-H", question, *sending)
            assert '"code":"body_too_large"' in curl(*given, f"{address}{path}")


@pytest.mark.parametrize(
    "arguments",
    [("-p", "{picture}", "-T", "image/png", "{address}/encode"), ("{address}/livez",), ("-i", "{address}/readyz")],
    ids=["POST", "GET", "HEAD"],
)
def test_apachebench_keeps_its_connections(address: str, picture: Path, arguments: tuple[str, ...]) -> None:
    given = [argument.format(picture=picture, address=address) for argument in arguments]
    report = run(program("ab"), "-k", "-q", "-n", "200", "-c", "5", *given)
    counts = {name: int(count) for name, count in re.findall(r"^(.+?): +(\d+)$", report, re.M)}
    assert (counts["Complete requests"], counts["Keep-Alive requests"], counts["Failed requests"]) == (200, 200, 0)
    assert "Non-2xx responses" not in counts
