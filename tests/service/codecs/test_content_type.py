"""What a body is, by its Content-Type and, where that says little, by its first bytes."""

import numpy as np
import pytest

from service.codecs.content_type import ARRAY, FORM, IMAGE, JSON, RAW, media_type, of, unsupported
from service.codecs.npy import write_npy
from service.errors import UnsupportedMediaType
from tests.support import digits

DIGIT = digits.images()[0]
VAGUE = ["", "application/octet-stream", "binary/octet-stream", "text/plain;charset=UTF-8", "*/*",
         "application/x-www-form-urlencoded"]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", ""),
        ("text/HTML; charset=latin-1", "text/html"),
        ("IMAGE/PNG", IMAGE),
        ("image/jpg", IMAGE),
        ("image/pjpeg", IMAGE),
        ("image/x-png", IMAGE),
        ("image/*", IMAGE),
        ("image/png; charset=binary", IMAGE),
        ("application/npy", ARRAY),
        ("binary/octet-stream", RAW),
        ("application/octet-stream; charset=binary", RAW),
        (" application/json ; charset=utf-8", JSON),
        ('application/json;charset="UTF-8"', JSON),
        ("application/json; charset='utf-8'", JSON),
        ("application/json; charset=utf8", JSON),
        ("application/json; charset=us-ascii", JSON),
        ("application/json; Charset=UTF-8; version=1", JSON),
        ("application/json; charset=utf-8;", JSON),
        ("application/json; charset=", JSON),
        ("text/json", JSON),
        ("application/vnd.digits+json; charset=utf-8", JSON),
        ("multipart/form-data; boundary=x", FORM),
        ("multipart/form-data;charset=ISO-8859-1;boundary=x", FORM),
        ("multipart/form-data; boundary=charset=latin-1", FORM),
    ],
)
def test_a_type_is_known_in_every_way_that_clients_write_it(header: str, found: str) -> None:
    assert media_type(header.encode()) == found


@pytest.mark.parametrize(
    "parameters",
    ["charset=utf-16", "CHARSET = latin-1", 'v=1; charset="utf-32"', "charset=utf-8x", "charset=utf-8; charset=utf-16"],
)
@pytest.mark.parametrize("name", ["application/json", "text/json", "application/problem+json"])
def test_json_in_another_charset_than_utf_8_is_refused_each_time(name: str, parameters: str) -> None:
    for _ in range(2):
        with pytest.raises(UnsupportedMediaType, match="utf-8"):
            media_type(f"{name}; {parameters}".encode())


@pytest.mark.parametrize("header", [b"\xe9", b"\0", b";;;", b"=", b"text/png; \xff=\x80"])
def test_any_bytes_are_some_media_type(header: bytes) -> None:
    assert media_type(header) not in (IMAGE, ARRAY, RAW, JSON, FORM)


FILES = {
    **{kind: digits.saved(DIGIT, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF")},
    "big-endian TIFF": b"MM\0*\0\0\0\x08",
    "WebP": b"RIFF\x1a\0\0\0WEBPVP8L",
    "HEIF": b"\0\0\0\x18ftypheic",
    "npz": b"PK\3\4\x14\0",
    "gzip": b"\x1f\x8b\x08\0\0",
    "PDF": b"%PDF-1.7",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("header", VAGUE)
def test_a_file_without_a_type_of_its_own_is_known_by_its_first_bytes(header: str, name: str) -> None:
    assert of({b"content-type": header.encode()}, FILES[name]) == IMAGE


@pytest.mark.parametrize("header", VAGUE)
def test_so_are_npy_and_json(header: str) -> None:
    headers = {b"content-type": header.encode()}
    assert of(headers, bytes(write_npy(DIGIT))) == ARRAY
    for text in (b'{"images": [', b' \r\n\t{ "images"', b'\xef\xbb\xbf{"images"', b"{}"):
        assert of(headers, text) == JSON


def test_a_body_without_a_header_is_one_without_a_type() -> None:
    assert of({}, FILES["PNG"]) == IMAGE
    assert of({}, b"anything") == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"{1", b"BMW", b"\xff\xd8", b"\x93NUMP", b"GIF", bytes(784)])
def test_what_is_not_known_stays_what_its_header_says(content: bytes) -> None:
    assert of({b"content-type": RAW.encode()}, content) == RAW
    assert of({b"content-type": b"text/plain"}, content) == "text/plain"


@pytest.mark.parametrize("value", range(256))
def test_a_page_of_one_shade_is_no_file(value: int) -> None:
    assert of({b"content-type": RAW.encode()}, bytes([value]) * 784) == RAW


def test_a_clear_type_is_believed() -> None:
    assert of({b"content-type": b"application/json"}, FILES["PNG"]) == JSON
    assert of({b"content-type": b"text/html"}, FILES["PNG"]) == "text/html"


@pytest.mark.parametrize("name", [b"x-tensor-dtype", b"x-tensor-shape"])
def test_what_is_described_as_a_tensor_is_one_whatever_its_first_bytes(name: bytes) -> None:
    for header in (RAW.encode(), b"", b"text/plain"):
        assert of({b"content-type": header, name: b"1"}, FILES["PNG"]) == RAW
    assert of({b"content-type": b"image/png", name: b"1"}, FILES["PNG"]) == IMAGE


def test_no_latent_within_its_range_begins_like_a_file_or_json() -> None:
    for content in (*FILES.values(), bytes(write_npy(DIGIT)), b'{"la', b"{}  "):
        first, second = np.frombuffer(content[:4].ljust(4, b"\0") + content[4:8].ljust(4, b"\0"), "<f4")
        assert not 1e-9 < abs(first) <= 1000 or not 1e-9 < abs(second) <= 1000


def test_a_refusal_names_what_is_accepted_and_not_what_was_sent() -> None:
    detail = unsupported("text/canary", ("image/png", "image/jpeg")).detail
    assert "image/png, image/jpeg" in detail
    assert "canary" not in detail
    assert "without a content type" in unsupported("", ("image/png",)).detail
    assert unsupported(IMAGE, (JSON,)).detail == "A picture is not accepted here; accepted are application/json."
