"""Forms: the content of their files, byte for byte, and no form that is not whole."""

import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from service.codecs.multipart import files
from service.errors import MalformedBody, TooManyRows
from tests.support import digits

TYPE = b"multipart/form-data; boundary=frontier"


def part(content: bytes, disposition: str = 'form-data; name="f"; filename="f.png"', *headers: str) -> bytes:
    lines = [f"Content-Disposition: {disposition}", *headers]
    return b"--frontier\r\n" + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + content + b"\r\n"


END = b"--frontier--\r\n"


@given(st.lists(st.binary(max_size=200).filter(lambda content: b"--frontier" not in content), max_size=8))
def test_files_come_out_in_order_byte_for_byte(contents: list[bytes]) -> None:
    assert files(digits.form(*contents), TYPE, 8) == contents


@pytest.mark.parametrize(
    "content", [b"\r\n", b"\r\n--front", b"--frontie", b"\r\n--\r\n", b"\r\n\r\n--", b"\r", bytes(100_000)]
)
def test_a_file_may_hold_what_looks_like_the_beginning_of_a_boundary(content: bytes) -> None:
    assert files(digits.form(content, b"next"), TYPE, 2) == [content, b"next"]


def test_parts_without_a_file_name_are_passed_over() -> None:
    body = part(b"text", 'form-data; name="note"') + part(b"picture") + part(b"", 'form-data; name="end"') + END
    assert files(body, TYPE, 2) == [b"picture"]


@pytest.mark.parametrize(
    "disposition",
    [
        'form-data; filename="a"',
        "form-data; filename=a",
        'FORM-DATA; NAME=f; FILENAME="a;b.png"',
        'form-data; filename=""',
    ],
)
def test_a_file_is_known_by_the_name_of_its_part(disposition: str) -> None:
    assert files(part(b"picture", disposition, "Content-Type: image/png") + END, TYPE, 1) == [b"picture"]


def test_headers_of_a_part_are_named_in_any_case() -> None:
    body = part(b"picture").replace(b"Content-Disposition", b"content-DISPOSITION") + END
    assert files(body, TYPE, 1) == [b"picture"]


def test_what_stands_behind_the_last_boundary_is_ignored() -> None:
    assert files(digits.form(b"a") + b"epilogue", TYPE, 1) == [b"a"]


@pytest.mark.parametrize("boundary", ["b", "b" * 70, "'()+_,-./:=?"], ids=len)
def test_a_boundary_has_1_to_70_bytes(boundary: str) -> None:
    content_type = f'multipart/form-data; boundary="{boundary}"'.encode()
    assert files(digits.form(b"a", boundary=boundary), content_type, 1) == [b"a"]


@pytest.mark.parametrize("content_type", [b"multipart/form-data", b"multipart/form-data; boundary=", TYPE + b"r" * 70])
def test_a_type_without_such_a_boundary_is_refused(content_type: bytes) -> None:
    with pytest.raises(MalformedBody, match="1 to 70") as refusal:
        files(digits.form(b"a"), content_type, 1)
    assert refusal.value.code == "bad_multipart"


def test_a_form_cut_at_any_byte_is_refused() -> None:
    whole = digits.form(b"a", b"b").removesuffix(b"\r\n")
    assert files(whole, TYPE, 2) == [b"a", b"b"]
    for length in range(len(whole)):
        with pytest.raises(MalformedBody) as refusal:
            files(whole[:length], TYPE, 2)
        assert refusal.value.code == "bad_multipart"


@pytest.mark.parametrize(
    "body",
    [
        b"junk" + digits.form(b"a"),
        digits.form(b"a", boundary="other"),
        b"--frontier\r\nno colon\r\n\r\na\r\n" + END,
        b"--frontier\r\n\0: x\r\n\r\na\r\n" + END,
    ],
)  # fmt: skip
def test_a_form_that_is_not_well_formed_is_refused_without_the_parsers_words(body: bytes) -> None:
    with pytest.raises(
        MalformedBody, match=r"^The multipart body (is not well-formed|ends before its last boundary)\.$"
    ):
        files(body, TYPE, 1)


def test_as_many_files_as_may_be_pass_and_one_more_does_not() -> None:
    assert len(files(digits.form(b"a", b"b", b"c"), TYPE, 3)) == 3
    with pytest.raises(TooManyRows, match="3 files"):
        files(digits.form(b"a", b"b", b"c", b"d"), TYPE, 3)


def test_a_flood_of_parts_that_are_no_files_is_refused() -> None:
    field = part(b"x", 'form-data; name="x"')
    assert files(field * 6 + END, TYPE, 3) == []
    with pytest.raises(TooManyRows):
        files(field * 7 + END, TYPE, 3)


@given(
    st.lists(
        st.sampled_from([b"--frontier", b"--", b"\r\n", b":", b"a", b"\0", b"Content-Disposition", b'filename="x']),
        max_size=20,
    )
)
def test_any_pieces_give_files_or_an_error_of_ours(pieces: list[bytes]) -> None:
    with contextlib.suppress(MalformedBody, TooManyRows):
        assert len(files(b"".join(pieces), TYPE, 2)) <= 2
