"""base64 as command lines, mail libraries and browsers write it."""

import base64
import textwrap

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.codecs.base64_text import decode


@given(st.binary(max_size=200), st.sampled_from([64, 76]), st.sampled_from(["\n", "\r\n", "\n    "]))
@example(b"\xfb\xff\xfe" * 40, 64, "\n")
def test_every_way_to_write_it_gives_the_same_bytes(content: bytes, width: int, line_end: str) -> None:
    text = base64.b64encode(content).decode()
    url_safe = base64.urlsafe_b64encode(content).decode()
    wrapped = line_end.join(textwrap.wrap(text, width))
    for written in (text, wrapped, wrapped + line_end, f" {text}\n", url_safe, url_safe.rstrip("="), text.rstrip("=")):
        assert decode(written) == content


@pytest.mark.parametrize(
    "head",
    ["data:image/png;base64,", "DATA:image/png;BASE64,", "data:;base64,", "data:,", " data:image/png;name=a;base64,\n"],
)
def test_a_data_url_holds_it_behind_a_comma(head: str) -> None:
    assert decode(head + "+/+/AA==") == decode(head + "-_-_AA") == decode(head + "%2B/+/AA%3D%3D") == b"\xfb\xff\xbf\0"


@pytest.mark.parametrize(
    "text",
    [
        "%%%",
        "A",
        "AAAAA",
        "AA=",
        "AA===",
        "AA==AA==",
        "=AAA",
        "AA AA",
        "data:image/png;base64,%",
        "é",
        "AA.A",
        "\ud800",
    ],
)
def test_what_is_not_base64_gives_nothing(text: str) -> None:
    assert decode(text) is None
