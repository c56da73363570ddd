"""Bodies that are wrong: each gets the right status and a problem document, and harms nobody after it."""

import base64
import io
import json
import struct
import zlib
from collections.abc import AsyncIterator
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from service.api.problems import MEDIA_TYPE
from tests.conftest import Client
from tests.support import digits

DIGIT = digits.images()[0]
PNG = digits.png(DIGIT)
JPEG = digits.saved(DIGIT, "JPEG")
RAW = "application/octet-stream"
NPY = "application/x-npy"
JSON = "application/json"
FORM = "multipart/form-data; boundary=frontier"


class Case(NamedTuple):
    route: str
    content_type: str
    body: bytes
    status: int
    code: str


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def png_of(width: int, height: int, *extra: bytes) -> bytes:
    data = zlib.compress(b"".join(b"\0" * (width + 1) for _ in range(min(height, 64))))
    body = [header(width, height), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def npy_header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode() + data


def images_json(*rows: object) -> bytes:
    return json.dumps({"images": list(rows)}).encode()


def latents_json(*rows: object) -> bytes:
    return json.dumps({"latents": list(rows)}).encode()


def with_pixel(value: object) -> list[object]:
    return [value, *[0.0] * 783]


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


TIFF = digits.saved(DIGIT, "TIFF")

CASES = {
    # images as files
    "empty png": Case("encode", "image/png", b"", 422, "empty_body"),
    "png signature alone": Case("encode", "image/png", PNG[:8], 422, "bad_image"),
    "png cut in half": Case("encode", "image/png", PNG[: len(PNG) // 2], 422, "bad_image"),
    "png without its last byte": Case("encode", "image/png", PNG[:-1], 422, "bad_image"),
    "png with a bad checksum": Case("encode", "image/png", PNG[:30] + b"\0" + PNG[31:], 422, "bad_image"),
    "png of 20000x20000": Case("encode", "image/png", png_of(20_000, 20_000), 413, "image_too_large"),
    "png of 13000x13000": Case("encode", "image/png", png_of(13_000, 13_000), 413, "image_too_large"),
    "png 1 x 2^31-1": Case("encode", "image/png", png_of(1, 2**31 - 1), 413, "image_too_large"),
    "png of no size": Case("encode", "image/png", png_of(0, 0), 422, "bad_image"),
    "png wider than 16384": Case("encode", "image/png", png_of(16_385, 28), 413, "image_too_large"),
    "png with 70,000 small chunks": Case(
        "encode", "image/png", png_of(28, 28, *[chunk(b"teSt", b"")] * 70_000), 422, "bad_image"
    ),
    "png with two headers": Case("encode", "image/png", png_of(28, 28, header(28, 28)), 422, "bad_image"),
    "png with an unknown critical chunk": Case(
        "encode", "image/png", png_of(28, 28, chunk(b"TEST", b"")), 422, "bad_image"
    ),
    "jpeg cut in half": Case("encode", "image/jpeg", JPEG[: len(JPEG) // 2], 422, "bad_image"),
    "jpeg start alone": Case("encode", "image/jpeg", JPEG[:2], 422, "bad_image"),
    "tiff": Case("encode", "image/png", TIFF, 415, "unsupported_image_format"),
    "webp without a picture": Case("encode", "image/png", b"RIFF\x1a\0\0\0WEBPVP8L", 422, "bad_image"),
    "svg": Case("encode", "image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_image_format"),
    "pdf": Case("encode", "image/png", b"%PDF-1.7", 415, "unsupported_image_format"),
    "text as png": Case("reconstruct", "image/png", b"not a picture", 415, "unsupported_image_format"),
    # forms
    "form without boundary": Case("encode", "multipart/form-data", digits.form(PNG), 400, "bad_multipart"),
    "form with a huge boundary": Case(
        "encode", "multipart/form-data; boundary=" + "b" * 200, digits.form(PNG), 400, "bad_multipart"
    ),
    "form with another boundary": Case(
        "encode", "multipart/form-data; boundary=other", digits.form(PNG), 400, "bad_multipart"
    ),
    "form without its end": Case("encode", FORM, digits.form(PNG)[:-20], 400, "bad_multipart"),
    "empty form": Case("encode", FORM, b"", 400, "bad_multipart"),
    "form without files": Case("encode", FORM, digits.form(), 422, "no_rows"),
    "form with 65 files": Case("encode", FORM, digits.form(*[PNG] * 65), 413, "too_many_rows"),
    "form with one bad file": Case("encode", FORM, digits.form(PNG, b"x" * 9, PNG), 415, "unsupported_image_format"),
    "form with an empty file": Case("encode", FORM, digits.form(PNG, b""), 422, "empty_body"),
    # JSON
    "empty json": Case("encode", JSON, b"", 400, "invalid_json"),
    "json cut": Case("encode", JSON, b'{"images": [', 400, "invalid_json"),
    "json 100,000 deep": Case("encode", JSON, b'{"images": ' + b"[" * 100_000, 400, "invalid_json"),
    "json object 100,000 deep": Case("encode", JSON, b'{"images":' * 100_000, 400, "invalid_json"),
    "json in utf-16": Case("encode", JSON, '{"images": []}'.encode("utf-16"), 400, "invalid_json"),
    "json with two byte order marks": Case(
        "encode", JSON, b"\xef\xbb\xbf" * 2 + images_json(text(PNG)), 400, "invalid_json"
    ),
    "json with invalid utf-8": Case("encode", JSON, b'{"images": ["\xff"]}', 400, "invalid_json"),
    "json charset utf-16": Case(
        "encode", JSON + "; charset=utf-16", images_json(text(PNG)), 415, "unsupported_media_type"
    ),
    "json list": Case("encode", JSON, b"[]", 422, "wrong_shape"),
    "json null": Case("encode", JSON, b"null", 422, "wrong_shape"),
    "json without images": Case("encode", JSON, b"{}", 422, "wrong_shape"),
    "json with another key": Case("encode", JSON, b'{"images": [], "x": 1}', 422, "wrong_shape"),
    "json key in capitals": Case("encode", JSON, b'{"Images": []}', 422, "wrong_shape"),
    "json images no list": Case("encode", JSON, b'{"images": "x"}', 422, "wrong_shape"),
    "json no images": Case("encode", JSON, images_json(), 422, "no_rows"),
    "json 65 images": Case("encode", JSON, images_json(*[text(PNG)] * 65), 413, "too_many_rows"),
    "json second image bad": Case("encode", JSON, images_json(text(PNG), text(b"zz")), 415, "unsupported_image_format"),
    "json image null": Case("encode", JSON, images_json(None), 422, "wrong_shape"),
    "json image a number": Case("encode", JSON, images_json(7), 422, "wrong_shape"),
    "json image an object": Case("encode", JSON, images_json({}), 422, "wrong_shape"),
    "json 783 numbers": Case("encode", JSON, images_json([0.0] * 783), 422, "wrong_shape"),
    "json 785 numbers": Case("encode", JSON, images_json([0.0] * 785), 422, "wrong_shape"),
    "json ragged rows": Case("encode", JSON, images_json([[0.0] * 28] * 27 + [[0.0] * 27]), 422, "wrong_shape"),
    "json deeper rows": Case("encode", JSON, images_json([[[0.0, 0.0]] * 28] * 28), 422, "not_a_number"),
    "json NaN": Case("encode", JSON, images_json(with_pixel(float("nan"))), 400, "invalid_json"),
    "json Infinity": Case("encode", JSON, images_json(with_pixel(float("inf"))), 400, "invalid_json"),
    "json 1e400": Case("encode", JSON, images_json(with_pixel(0)).replace(b"[0,", b"[1e400,"), 400, "invalid_json"),
    "json pixel 1e308": Case("encode", JSON, images_json(with_pixel(1e308)), 422, "out_of_range"),
    "json pixel 1.01": Case("encode", JSON, images_json(with_pixel(1.01)), 422, "out_of_range"),
    "json pixel -0.01": Case("encode", JSON, images_json(with_pixel(-0.01)), 422, "out_of_range"),
    "json pixel 255": Case("encode", JSON, images_json(with_pixel(255)), 422, "out_of_range"),
    "json pixel true": Case("encode", JSON, images_json(with_pixel(True)), 422, "not_a_number"),
    "json pixel a text": Case("encode", JSON, images_json(with_pixel("0.5")), 422, "not_a_number"),
    "json pixel null": Case("encode", JSON, images_json(with_pixel(None)), 422, "not_a_number"),
    "json bad base64": Case("encode", JSON, images_json("%%%"), 422, "bad_base64"),
    "json base64 with a space": Case(
        "encode", JSON, images_json(text(PNG)[:10] + " " + text(PNG)[10:]), 422, "bad_base64"
    ),
    "json lone surrogate": Case("encode", JSON, b'{"images": ["\\ud800"]}', 400, "invalid_json"),
    "json not ascii": Case("encode", JSON, '{"images": ["é"]}'.encode(), 422, "bad_base64"),
    "json data uri of a tiff": Case(
        "encode", JSON, images_json("data:image/png;base64," + text(TIFF)), 415, "unsupported_image_format"
    ),
    # arrays
    "raw 783 bytes": Case("encode", RAW, bytes(783), 422, "wrong_size"),
    "raw 785 bytes": Case("encode", RAW, bytes(785), 422, "wrong_size"),
    "raw empty": Case("encode", RAW, b"", 422, "no_rows"),
    "raw 65 images": Case("encode", RAW, bytes(784 * 65), 413, "too_many_rows"),
    "npy empty": Case("encode", NPY, b"", 400, "bad_npy"),
    "npy cut": Case("encode", NPY, digits.npy(DIGIT)[:-1], 400, "bad_npy"),
    "npy with junk behind": Case("encode", NPY, digits.npy(DIGIT) + b"x", 400, "bad_npy"),
    "npy version 9": Case("encode", NPY, npy_header("{}", version=b"\x09\x00"), 400, "bad_npy"),
    "npy header no dict": Case("encode", NPY, npy_header("[1, 2]\n"), 400, "bad_npy"),
    "npy header code": Case("encode", NPY, npy_header("__import__('os')\n"), 400, "bad_npy"),
    "npy header deep": Case("encode", NPY, npy_header("(" * 3000), 400, "bad_npy"),
    "npy header 60 KB": Case("encode", NPY, npy_header(" " * 60_000), 400, "bad_npy"),
    "npy negative shape": Case(
        "encode", NPY, npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 784)}\n"), 400, "bad_npy"
    ),
    "npy enormous shape": Case(
        "encode",
        NPY,
        npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 784)}\n"),
        400,
        "bad_npy",
    ),
    "npy of objects": Case(
        "encode", NPY, npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n", b"x"), 422, "wrong_type"
    ),
    "npy of complex numbers": Case("encode", NPY, digits.npy(DIGIT.astype(np.complex64)), 422, "wrong_type"),
    "npy 0..255 as double": Case("encode", NPY, digits.npy(DIGIT.astype(np.float64)), 422, "out_of_range"),
    "npy of whole numbers beyond 255": Case("encode", NPY, digits.npy(DIGIT.astype(np.int64) + 1), 422, "out_of_range"),
    "raw float32 without its headers": Case(
        "encode", RAW, (DIGIT / 255).astype(np.float32).tobytes(), 422, "wrong_type"
    ),
    "tiff as octet-stream": Case("encode", RAW, digits.saved(DIGIT, "TIFF"), 415, "unsupported_image_format"),
    "npz as octet-stream": Case("encode", RAW, b"PK\3\4" + bytes(780), 415, "unsupported_image_format"),
    "urlencoded form": Case("encode", "application/x-www-form-urlencoded", b"fit=mnist", 415, "unsupported_media_type"),
    "cut json as text": Case("encode", "text/plain", b'{"images": [', 400, "invalid_json"),
    "npy of another shape": Case("encode", NPY, digits.npy(np.zeros((28, 27), np.uint8)), 422, "wrong_shape"),
    "npy without dimensions": Case("encode", NPY, digits.npy(np.array(1, np.uint8)), 422, "wrong_shape"),
    "npy of no rows": Case("encode", NPY, digits.npy(np.zeros((0, 784), np.uint8)), 422, "no_rows"),
    "npy NaN": Case("encode", NPY, digits.npy(np.full((28, 28), np.nan, np.float32)), 422, "out_of_range"),
    "npy 0..255 as float": Case("encode", NPY, digits.npy(DIGIT.astype(np.float32)), 422, "out_of_range"),
    # latents
    "latent too short": Case("decode", JSON, latents_json([0.0]), 422, "wrong_shape"),
    "latent too long": Case("decode", JSON, latents_json([0.0] * 3), 422, "wrong_shape"),
    "latents ragged": Case("decode", JSON, latents_json([0.0, 0.0], [0.0]), 422, "wrong_shape"),
    "latents not nested": Case("decode", JSON, latents_json(0.0, 0.0), 422, "wrong_shape"),
    "no latents": Case("decode", JSON, latents_json(), 422, "no_rows"),
    "latent 1e308": Case("decode", JSON, latents_json([1e308, 0.0]), 422, "out_of_range"),
    "latent 1e30": Case("decode", JSON, latents_json([0.0, -1e30]), 422, "out_of_range"),
    "latent NaN": Case("decode", JSON, latents_json([float("nan"), 0.0]), 400, "invalid_json"),
    "latent a text": Case("decode", JSON, latents_json(["0", 0.0]), 422, "not_a_number"),
    "raw latents of 9 bytes": Case("decode", RAW, bytes(9), 422, "wrong_size"),
    "raw latents NaN": Case("decode", RAW, np.full(2, np.nan, np.float32).tobytes(), 422, "out_of_range"),
    "raw latents infinite": Case("decode", RAW, np.full(2, np.inf, np.float32).tobytes(), 422, "out_of_range"),
    "npy latents of bools": Case("decode", NPY, digits.npy(np.zeros((1, 2), bool)), 422, "wrong_shape"),
    "picture as raw latent": Case("decode", RAW, PNG, 415, "unsupported_media_type"),
    "npy latents of another shape": Case("decode", NPY, digits.npy(np.zeros((1, 3), np.float32)), 422, "wrong_shape"),
    "65 latents": Case("decode", JSON, latents_json(*[[0.0, 0.0]] * 65), 413, "too_many_rows"),
    "picture as latent": Case("decode", "image/png", PNG, 415, "unsupported_media_type"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_body_is_refused_and_the_next_good_one_is_not(client: Client, name: str) -> None:
    case = CASES[name]
    response = client.post(f"/{case.route}", content=case.body, headers={"Content-Type": case.content_type})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (case.status, case.code), problem
    assert response.headers["content-type"] == MEDIA_TYPE
    assert problem["request_id"] == response.headers["x-request-id"]
    assert set(problem) == {"type", "title", "status", "code", "detail", "request_id"}
    assert len(response.content) < 4096
    good = client.post("/encode", content=PNG, headers={"Content-Type": "image/png"})
    assert good.status_code == 200
    assert good.json()["mean"][0][0] == pytest.approx(DIGIT.mean() / 255, abs=1e-6)


def test_a_bad_row_among_several_is_named(client: Client) -> None:
    body = images_json(text(PNG), [0.0] * 7)
    detail = client.post("/encode", content=body, headers={"Content-Type": JSON}).json()["detail"]
    assert detail.startswith("Row 1: ")


def test_a_flood_of_wrong_values_gets_a_short_answer(client: Client) -> None:
    body = json.dumps({"latents": [["x"] * 2] * 60}).encode()
    response = client.post("/decode", content=body, headers={"Content-Type": JSON})
    assert response.status_code == 422
    assert len(response.content) < 1024


def test_a_body_over_the_limit_is_refused_by_its_announced_length(client: Client) -> None:
    response = client.post("/encode", content=bytes(5 << 20), headers={"Content-Type": RAW})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["connection"] == "close"


def test_a_body_over_the_limit_is_refused_when_its_length_is_not_announced(client: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield bytes(1024)

    response = client.post("/encode", content=chunks(), headers={"Content-Type": RAW})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-unknown"])
def test_a_compressed_body_is_refused_unopened(client: Client, encoding: str) -> None:
    headers = {"Content-Type": RAW, "Content-Encoding": encoding}
    response = client.post("/encode", content=zlib.compress(bytes(10 << 20)), headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_encoding")


def test_a_picture_is_known_by_its_bytes_and_not_by_its_content_type(client: Client) -> None:
    as_labelled = client.post("/encode", content=JPEG, headers={"Content-Type": "image/jpeg"}).json()
    assert client.post("/encode", content=JPEG, headers={"Content-Type": "image/png"}).json() == as_labelled


def test_fit_exact_refuses_another_size(client: Client) -> None:
    large = io.BytesIO()
    Image.fromarray(DIGIT).resize((56, 56)).save(large, "PNG")
    body = {"content": large.getvalue(), "headers": {"Content-Type": "image/png"}}
    response = client.post("/encode?fit=exact", **body)
    assert (response.status_code, response.json()["code"]) == (422, "wrong_size")
    assert client.post("/encode", **body).status_code == 200
