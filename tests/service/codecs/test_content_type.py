"""What a Content-Type header says a body is."""

import pytest

from service.codecs.content_type import ARRAY, RAW, is_npy, media_type, unsupported
from service.errors import UnsupportedMediaType


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("image/png", "image/png"),
        ("", ""),
        ("IMAGE/PNG", "image/png"),
        (" application/json ; charset=utf-8", "application/json"),
        ('application/json;charset="UTF-8"', "application/json"),
        ("application/json; Charset=UTF-8; version=1", "application/json"),
        ("application/json; version=1; charset=utf-8", "application/json"),
        ("application/json; charset=", "application/json"),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
        ("multipart/form-data; boundary=charset=latin-1", "multipart/form-data"),
    ],
)
def test_a_media_type_stands_in_lower_case_before_its_parameters(header: str, found: str) -> None:
    assert media_type(header.encode()) == found


@pytest.mark.parametrize("parameters", ["charset=utf-16", "CHARSET=latin-1", 'v=1; charset="ascii"', "charset=utf-8x"])
def test_another_charset_than_utf_8_is_refused_each_time(parameters: str) -> None:
    for _ in range(2):
        with pytest.raises(UnsupportedMediaType, match="utf-8"):
            media_type(f"application/json; {parameters}".encode())


@pytest.mark.parametrize("header", [b"\xe9", b"image/png; \xff=\x80", b"\0", b";;;", b"="])
def test_any_bytes_are_some_media_type(header: bytes) -> None:
    assert media_type(header) not in ("image/jpeg", RAW)


@pytest.mark.parametrize("name", ARRAY)
def test_an_npy_body_is_known_by_its_type(name: str) -> None:
    assert is_npy(name, b"")


def test_an_untyped_body_is_npy_where_it_begins_like_one() -> None:
    assert is_npy(RAW, b"\x93NUMPY\1\0")
    assert not is_npy(RAW, b"\x93NUMP")
    assert not is_npy("application/json", b"\x93NUMPY\1\0")


def test_a_refusal_names_what_is_accepted_and_not_what_was_sent() -> None:
    detail = unsupported("text/canary", ("image/png", "image/jpeg")).detail
    assert "image/png, image/jpeg" in detail
    assert "canary" not in detail
    assert "without a content type" in unsupported("", ("image/png",)).detail
