"""Forms: their files, byte for byte, and their fields; and no form that is not whole."""

import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from service.codecs.multipart import MAX_FIELD_BYTES, MAX_FIELDS, parse
from service.errors import InvalidParameter, MalformedBody, TooManyRows
from tests.support import digits

TYPE = b"multipart/form-data; boundary=frontier"


def files(body: bytes, content_type: bytes, max_files: int) -> list[bytes]:
    return parse(body, content_type, max_files).files


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


def test_parts_without_a_file_name_are_fields_in_order() -> None:
    body = part(b"mnist", 'form-data; name="fit"') + part(b"picture") + part(b"", "form-data; name=invert") + END
    assert parse(body, TYPE, 2) == ([b"picture"], [(b"fit", b"mnist"), (b"invert", b"")])


def test_a_fields_name_and_value_are_bytes_as_they_came() -> None:
    body = part("été\r\n&=".encode(), 'form-data; name="a\\\\b é"') + END
    assert parse(body, TYPE, 1).fields == [("a\\b é".encode(), "été\r\n&=".encode())]


def test_a_browsers_note_of_its_charset_is_no_field() -> None:
    assert parse(part(b"utf-8", 'form-data; name="_charset_"') + END, TYPE, 1) == ([], [])


def test_a_file_input_that_was_left_empty_is_no_file() -> None:
    left_empty = part(b"", 'form-data; name="b"; filename=""', "Content-Type: application/octet-stream")
    assert parse(left_empty + part(b"picture") + left_empty + END, TYPE, 1) == ([b"picture"], [])
    assert files(part(b"") + END, TYPE, 1) == [b""]  # it has a name: the file is empty


@pytest.mark.parametrize(
    "header", ["Content-Type: image/png", "content-type:IMAGE/*;a=b", "Content-Type: application/octet-stream"]
)
def test_a_part_of_a_files_type_is_a_file_without_a_name(header: str) -> None:
    assert parse(part(b"picture", 'form-data; name="f"', header) + END, TYPE, 1) == ([b"picture"], [])


def test_a_part_of_another_type_is_a_field() -> None:
    body = part(b"mnist", 'form-data; name="fit"', "Content-Type: text/plain; charset=utf-8") + END
    assert parse(body, TYPE, 1).fields == [(b"fit", b"mnist")]


@pytest.mark.parametrize(
    "disposition",
    [
        'form-data; filename="a"',
        "form-data; filename=a",
        'FORM-DATA; NAME=f; FILENAME="a;b.png"',
        'form-data; filename=""',
        "form-data; name=f; filename*=UTF-8''%C3%A9.png",
        'form-data; name="a\\"b; c"; filename="a\\"b; c"',
        'form-data ;name="f" ; filename = "a" ; ',
    ],
)
def test_a_file_is_known_by_the_name_of_its_part(disposition: str) -> None:
    assert files(part(b"picture", disposition, "Content-Type: image/png") + END, TYPE, 1) == [b"picture"]


def test_headers_of_a_part_are_named_in_any_case() -> None:
    body = part(b"picture").replace(b"Content-Disposition", b"content-DISPOSITION") + END
    assert files(body, TYPE, 1) == [b"picture"]


def test_what_stands_behind_the_last_boundary_is_ignored() -> None:
    assert files(digits.form(b"a") + b"epilogue", TYPE, 1) == [b"a"]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data;charset=UTF-8;boundary=frontier",
        'multipart/form-data; boundary="frontier"',
        "Multipart/Form-Data; BOUNDARY=frontier;",
        "multipart/form-data ; boundary = frontier ; charset=utf-8",
        r'multipart/form-data; x="; boundary=other"; boundary="fron\tier"',
    ],
)
def test_the_boundary_is_a_parameter_like_others(content_type: str) -> None:
    assert files(digits.form(b"a"), content_type.encode(), 1) == [b"a"]


def test_a_boundary_may_be_followed_by_spaces() -> None:
    assert files(digits.form(b"a").replace(b"--frontier\r\n", b"--frontier \t\r\n"), TYPE, 1) == [b"a"]


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


def test_a_form_has_at_most_32_fields_of_2_kib() -> None:
    field = part(b"x", 'form-data; name="x"')
    assert len(parse(field * MAX_FIELDS + END, TYPE, 1).fields) == MAX_FIELDS
    with pytest.raises(InvalidParameter, match="32 fields"):
        parse(field * (MAX_FIELDS + 1) + END, TYPE, 1)
    longest = bytes(MAX_FIELD_BYTES - 1)
    assert parse(part(longest, "form-data; name=x") + END, TYPE, 1).fields == [(b"x", longest)]
    with pytest.raises(InvalidParameter, match="2048 bytes"):
        parse(part(longest + b"x", "form-data; name=x") + END, TYPE, 1)


def test_a_flood_of_parts_that_are_nothing_is_refused() -> None:
    left_empty = part(b"", 'form-data; name="f"; filename=""')
    assert files(left_empty * (2 * 3 + MAX_FIELDS) + END, TYPE, 3) == []
    with pytest.raises(TooManyRows):
        files(left_empty * (2 * 3 + MAX_FIELDS + 1) + END, TYPE, 3)


def test_a_part_has_a_head_of_at_most_2_kib() -> None:
    assert files(part(b"a", 'form-data; filename="' + "x" * 1900 + '"') + END, TYPE, 1) == [b"a"]
    with pytest.raises(MalformedBody):
        files(part(b"a", 'form-data; filename="' + "x" * 2048 + '"') + END, TYPE, 1)


@given(
    st.lists(
        st.sampled_from([b"--frontier", b"--", b"\r\n", b":", b"a", b"\0", b"Content-Disposition", b'filename="x']),
        max_size=20,
    )
)
def test_any_pieces_give_files_or_an_error_of_ours(pieces: list[bytes]) -> None:
    with contextlib.suppress(MalformedBody, TooManyRows, InvalidParameter):
        assert len(files(b"".join(pieces), TYPE, 2)) <= 2
