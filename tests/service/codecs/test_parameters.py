"""Headers with parameters, as clients write them: quoted or not, in any case, with spaces, and with pieces left out."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from service.codecs.parameters import elements, parse


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("", "", []),
        ("Image/PNG", "image/png", []),
        (" image/png ;", "image/png", []),
        ("a;b=c", "a", [("b", "c")]),
        ("a ; B = C ;; d=E;", "a", [("b", "C"), ("d", "E")]),
        ('a; b="c;d=e"; f=g', "a", [("b", "c;d=e"), ("f", "g")]),
        (r'a; b="c\"; d=\\"; e=f', "a", [("b", 'c"; d=\\'), ("e", "f")]),
        ('a; b=""; c=', "a", [("b", ""), ("c", "")]),
        ("a; b='c'", "a", [("b", "'c'")]),
        ('a; b="c; d=e', "a", [("b", '"c'), ("d", "e")]),
        ('a; b="c"d; e=f', "a", [("b", '"c"d'), ("e", "f")]),
        ("a; b; =c; d=e=f", "a", [("d", "e=f")]),
        ("a; b=1; b=2", "a", [("b", "1"), ("b", "2")]),
    ],
)
def test_parameters_stand_behind_semicolons_outside_quotation_marks(
    text: str, value: str, found: list[tuple[str, str]]
) -> None:
    assert parse(text) == (value, found)


def test_no_more_than_16_parameters_are_read() -> None:
    assert parse("a" + "".join(f";k{i}={i}" for i in range(100)))[1] == [(f"k{i}", str(i)) for i in range(16)]


@given(st.text(st.sampled_from('a;,="\\ '), max_size=30))
def test_any_text_has_some_value_and_parameters(text: str) -> None:
    value, found = parse(text)
    assert value == text.partition(";")[0].strip()
    assert all(key and not set(key) & set(' ;="') for key, _ in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a, b", ["a", " b"]),
        ('a;x="1,2", b', ['a;x="1,2"', " b"]),
        (r'a;x="1\",2",b', [r'a;x="1\",2"', "b"]),
        ('a, "b, c', ["a", ' "b, c']),
    ],
)
def test_a_list_is_parted_by_commas_outside_quotation_marks(text: str, found: list[str]) -> None:
    assert elements(text) == found
