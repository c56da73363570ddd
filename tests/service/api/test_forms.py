"""Forms as browsers and curl -F send them: files are pictures, and fields are parameters as in the query."""

from typing import Any

import httpx
import numpy as np
import pytest

from tests.conftest import Client
from tests.support import bundles, digits

DIGITS = digits.images()[:2]
FILES = [digits.png(digit) for digit in DIGITS]
MOVED = [digits.png(np.roll(digit, 3, axis=0)) for digit in DIGITS]  # which fit=mnist moves back
LARGE = digits.png(np.kron(DIGITS[0], np.ones((2, 2), np.uint8)))


def post(client: Client, path: str, fields: Any = None, files: list[bytes] = FILES, **headers: str) -> httpx.Response:
    parts = [("image", (f"{i}.png", content, "image/png")) for i, content in enumerate(files)]
    return client.post(path, files=parts, data=fields or {}, headers=headers)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/encode", {"fit": "mnist"}),
        ("/encode", {"invert": "true", "model": "tiny-ae"}),
        ("/encode", {"deterministic": "true"}),
        ("/reconstruct", {"draw": "true", "seed": "3", "pixels": "true"}),
        ("/reconstruct", {"columns": "1"}),
    ],
)
def test_fields_are_parameters(client: Client, path: str, fields: dict[str, str]) -> None:
    accept = "image/png" if "columns" in fields else "application/json"
    by_form = post(client, path, fields, MOVED, Accept=accept)
    assert by_form.status_code == 200, by_form.text
    assert by_form.content == post(client, f"{path}?{httpx.QueryParams(fields)}", None, MOVED, Accept=accept).content
    assert by_form.content != post(client, path, None, MOVED, Accept=accept).content


def test_fields_and_query_go_together(client: Client) -> None:
    both = post(client, "/encode?invert=true", {"fit": "mnist"})
    assert both.json() == post(client, "/encode?invert=true&fit=mnist").json()


def test_each_form_has_its_own_fields(client: Client) -> None:
    models = [post(client, "/encode", {"model": name} if name else None).json()["model"] for name in ("tiny-ae", "")]
    assert models == ["tiny-ae/1", "tiny-vae/1"]


@pytest.mark.parametrize(
    ("path", "fields", "status", "code"),
    [
        ("/encode", {"fit": "stretch"}, 422, "invalid_parameter"),
        ("/encode", {"canary": "1"}, 422, "invalid_parameter"),
        ("/encode", {"": "1"}, 422, "invalid_parameter"),
        ("/encode", {"fit": ""}, 422, "invalid_parameter"),
        ("/encode", {"seed": "1"}, 422, "invalid_parameter"),
        ("/encode", {"model": "none"}, 404, "unknown_model"),
        ("/encode", {"fit": ["mnist", "mnist"]}, 422, "invalid_parameter"),
        ("/encode?fit=mnist", {"fit": "mnist"}, 422, "invalid_parameter"),
        ("/encode?fit=mnist", {"fit": "exact"}, 422, "invalid_parameter"),
        ("/encode?fit=x", {"fit": "mnist"}, 422, "invalid_parameter"),
        ("/encode", {"fit": "m" * 3000}, 422, "invalid_parameter"),
        ("/encode", {"model": "é&fit=mnist"}, 404, "unknown_model"),
        ("/encode", {"fit": "exact"}, 422, "wrong_size"),
        ("/decode", {"model": "tiny-ae"}, 415, "unsupported_media_type"),
        ("/sample", {"count": "2"}, 415, "unsupported_media_type"),
    ],
)
def test_fields_that_are_not_accepted_are_refused(
    client: Client, path: str, fields: Any, status: int, code: str
) -> None:
    problem = post(client, path, fields, [LARGE]).json()
    assert (problem["status"], problem["code"]) == (status, code), problem
    assert "canary" not in problem["detail"]


def test_a_file_input_that_was_left_empty_is_skipped(client: Client) -> None:
    body = digits.form(FILES[0]).removesuffix(b"--frontier--\r\n")
    body += b'--frontier\r\nContent-Disposition: form-data; name="b"; filename=""\r\n'
    body += b"Content-Type: application/octet-stream\r\n\r\n\r\n"
    body += b'--frontier\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nutf-8\r\n--frontier--\r\n'
    headers = {"Content-Type": "multipart/form-data;charset=UTF-8;boundary=frontier"}
    response = client.post("/encode", content=body, headers=headers)
    np.testing.assert_allclose(response.json()["mean"], bundles.mean(DIGITS[:1] / 255), atol=1e-6)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Disposition: form-data; name=f; filename*=UTF-8''%C3%A9.png",
        b'Content-Disposition: form-data; name="f"\r\nContent-Type: image/png',
    ],
)
def test_a_part_may_be_a_file_without_a_plain_name(client: Client, head: bytes) -> None:
    body = b"--b\r\n" + head + b"\r\n\r\n" + FILES[0] + b"\r\n--b--"
    response = client.post("/encode", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    np.testing.assert_allclose(response.json()["mean"], bundles.mean(DIGITS[:1] / 255), atol=1e-6)


def test_a_form_without_a_file_is_refused(client: Client) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="fit"\r\n\r\nmnist\r\n--b--'
    response = client.post("/encode", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert (response.status_code, response.json()["code"]) == (422, "no_rows")
