"""Python's clients: httpx, requests, aiohttp, and urllib of the standard library."""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.clients.conftest import DIGIT, HUGE_BYTES, package, run
from tests.support.sockets import Answer

PICTURE = {"Content-Type": "image/png"}
HALVES = (DIGIT[:40], DIGIT[40:])
TIMES = 4  # a refusal must never be lost


async def halves() -> AsyncIterator[bytes]:
    for half in HALVES:
        yield half


def zeros() -> Iterator[bytes]:
    for _ in range(HUGE_BYTES >> 16):
        yield bytes(1 << 16)


# httpx


def test_httpx_posts_a_picture_a_form_and_chunks_over_one_connection(address: str, encoded: Answer) -> None:
    with httpx.Client(base_url=address) as client:
        for _ in range(2):
            assert client.post("/encode", content=DIGIT, headers=PICTURE).content == encoded.body
            assert client.post("/encode", files={"file": ("a.png", DIGIT, "image/png")}).content == encoded.body
            assert client.post("/encode", content=iter(HALVES), headers=PICTURE).content == encoded.body
        assert client.head("/sample").headers["content-length"] > "0"
        assert client.options("/sample").headers["allow"] == "GET, POST, HEAD, OPTIONS"


def test_httpx_reads_the_refusal_of_a_body_that_is_too_large(address: str) -> None:
    for _ in range(TIMES):
        answer = httpx.post(f"{address}/encode", content=bytes(HUGE_BYTES), headers=PICTURE, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


# requests


def test_requests_posts_a_picture_a_form_and_chunks_over_one_connection(address: str, encoded: Answer) -> None:
    requests = package("requests")
    with requests.Session() as session:
        for _ in range(2):
            posts: list[dict[str, Any]] = [
                {"data": DIGIT, "headers": PICTURE},
                {"files": {"file": ("a.png", DIGIT, "image/png")}},
                {"data": iter(HALVES), "headers": PICTURE},
            ]
            for options in posts:
                assert session.post(f"{address}/encode", **options).content == encoded.body
        assert session.head(f"{address}/readyz").status_code == 200


def test_requests_reads_the_refusal_of_a_body_that_is_too_large(address: str) -> None:
    requests = package("requests")
    for body in (bytes(HUGE_BYTES), zeros()):
        answer = requests.post(f"{address}/encode", data=body, headers=PICTURE, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


# aiohttp


def test_aiohttp_posts_a_picture_a_form_and_chunks_over_one_connection(address: str, encoded: Answer) -> None:
    aiohttp = package("aiohttp")

    async def main() -> None:
        async with aiohttp.ClientSession(address) as session:
            for _ in range(2):
                form = aiohttp.FormData()
                form.add_field("file", DIGIT, filename="a.png", content_type="image/png")
                posts: list[dict[str, Any]] = [
                    {"data": DIGIT, "headers": PICTURE},
                    {"data": form},
                    {"data": halves(), "headers": PICTURE},
                    {"data": DIGIT, "headers": PICTURE, "expect100": True},
                ]
                for options in posts:
                    async with session.post("/encode", **options) as answer:
                        assert await answer.read() == encoded.body
            async with session.head("/readyz") as answer:
                assert answer.status == 200

    asyncio.run(main())


REFUSED = """
import asyncio, sys, aiohttp

async def zeros():
    for _ in range(int(sys.argv[2]) >> 16):
        yield bytes(1 << 16)

async def main():
    async with aiohttp.ClientSession(sys.argv[1]) as session:
        async with session.post("/encode", data=zeros(), headers={"Content-Type": "image/png"}) as answer:
            print(answer.status, (await answer.json(content_type=None))["code"])

asyncio.run(main())
"""


def test_aiohttp_reads_the_refusal_of_a_body_that_is_too_large(address: str) -> None:
    """In a process of its own, because aiohttp leaves its socket open where a body was not sent whole."""
    package("aiohttp")
    assert run(sys.executable, "-c", REFUSED, address, str(HUGE_BYTES)) == "413 body_too_large\n"


# urllib


def asked(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_urllib_posts_a_picture_and_chunks(address: str, encoded: Answer) -> None:
    for data in (DIGIT, iter(HALVES)):
        post = urllib.request.Request(f"{address}/encode", data, PICTURE)
        assert asked(post) == (200, encoded.body)
    assert asked(urllib.request.Request(f"{address}/readyz", method="HEAD")) == (200, b"")


@pytest.mark.parametrize("path", ["/encode", "/models", "/nothing"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "in chunks"])
def test_urllib_reads_the_refusal_of_a_body_that_is_too_large(address: str, path: str, is_chunked: bool) -> None:
    for _ in range(TIMES):
        body = zeros() if is_chunked else bytes(HUGE_BYTES)
        status, answer = asked(urllib.request.Request(f"{address}{path}", body, PICTURE))
        assert (status, json.loads(answer)["code"]) == (413, "body_too_large")
