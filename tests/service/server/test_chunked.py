"""A chunked body: its content and its end, whatever the chunks and however the bytes are cut. RFC 9112, section 7.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MalformedRequest
from service.server.chunked import Chunks

BEHIND = b"GET / HTTP/1.1\r\n\r\n"


def read(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    """Content and what stands behind the body; None where that has not come."""
    chunks, content, left = Chunks(), b"", b""
    for number, piece in enumerate(pieces):
        left += piece
        found, at, is_whole = chunks.read(b"before" + left, len(b"before"))
        content += b"".join(found)
        left = left[at - len(b"before") :]
        if is_whole:
            return content, left + b"".join(pieces[number + 1 :])
    return content, None


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


VALID = {
    "one chunk": (b"4\r\nWiki\r\n0\r\n\r\n", b"Wiki"),
    "several": (b"4\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\n\r\n", b"Wikipedia in \r\n\r\nchunks."),
    "none": (b"0\r\n\r\n", b""),
    "leading zeros": (b"0004\r\nWiki\r\n000\r\n\r\n", b"Wiki"),
    "either case": (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    "extension": (b"4;name\r\nWiki\r\n0;a=b\r\n\r\n", b"Wiki"),
    "quoted extension": (b'4;a="b; c";d\r\nWiki\r\n0\r\n\r\n', b"Wiki"),
    "white space before an extension": (b"4 \t;a=b\r\nWiki\r\n0\r\n\r\n", b"Wiki"),
    "trailer": (b"4\r\nWiki\r\n0\r\nExpires: never\r\nX: 1\r\n\r\n", b"Wiki"),
    "a size in the content": (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
}
valid = pytest.mark.parametrize(("data", "content"), VALID.values(), ids=VALID)


@valid
@pytest.mark.parametrize("behind", [b"", BEHIND, b"\r\n"])
def test_chunks_are_one_body_and_what_is_behind_them_is_left(data: bytes, content: bytes, behind: bytes) -> None:
    assert read([data + behind]) == (content, behind)
    assert read(bytewise(data + behind)) == (content, behind)


@valid
def test_a_body_that_has_not_come_whole_goes_on(data: bytes, content: bytes) -> None:
    for size in range(len(data)):
        begun, behind = read([data[:size]])
        assert behind is None
        assert content.startswith(begun)


def test_content_is_there_as_soon_as_its_bytes_are() -> None:
    found, at, is_whole = Chunks().read(b"4\r\nWi", 0)
    assert (found, at, is_whole) == ([b"Wi"], 5, False)


INVALID = {
    "no size": b"\r\nWiki\r\n",
    "a word": b"wiki\r\n",
    "a sign": b"+4\r\nWiki\r\n",
    "minus": b"-1\r\n",
    "0x": b"0x4\r\nWiki\r\n",
    "underscore": b"1_0\r\n",
    "not ASCII": "４\r\nWiki\r\n".encode(),
    "white space before": b" 4\r\nWiki\r\n",
    "two sizes": b"4 4\r\nWiki\r\n",
    "bare LF in a size": b"4\nWiki\r\n0\r\n\r\n",
    "bare CR in a size": b"4\rWiki\r\n0\r\n\r\n",
    "bare LF in an extension": b"4;a\nWiki\r\n0\r\n\r\n",
    "bare CR in an extension": b"4;a\rb\r\nWiki\r\n0\r\n\r\n",
    "more than 4 GB": b"100000000\r\n",
    "too short a size": b"3\r\nWiki\r\n",
    "too long a size": b"5\r\nWiki\r\n0\r\n\r\n",
    "no line end behind a chunk": b"4\r\nWiki0\r\n\r\n",
    "LF behind a chunk": b"4\r\nWiki\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", INVALID.values(), ids=INVALID)
def test_what_is_no_chunk_is_refused(data: bytes) -> None:
    for pieces in ([data + BEHIND], bytewise(data + BEHIND)):
        with pytest.raises(MalformedRequest):
            read(pieces)


def test_a_line_has_an_end() -> None:
    fits = b"4;" + b"a" * 4000 + b"\r\nWiki\r\n0\r\n\r\n"
    assert read([fits]) == read(bytewise(fits)) == (b"Wiki", b"")
    for endless in (b"4;" + b"a" * 5000, b"0" * 5000, b"0\r\n" + b"a" * 5000, b"4\r\nWiki" + b"a" * 5000):
        with pytest.raises(MalformedRequest):
            read([endless])
        with pytest.raises(MalformedRequest):
            read(bytewise(endless))


def test_a_trailer_has_an_end() -> None:
    line = b"X: " + b"a" * 1000 + b"\r\n"
    assert read([b"0\r\n" + line * 16 + b"\r\n"]) == (b"", b"")
    with pytest.raises(MalformedRequest):
        read([b"0\r\n" + line * 17])


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.sampled_from([b"", b";ext=1"]),
    st.sampled_from([b"", b"X: 1\r\nY: 2\r\n"]),
    st.binary(max_size=10),
    st.lists(st.integers(1, 20), max_size=40),
)
def test_any_cutting_of_the_bytes_gives_the_same_content_and_the_same_rest(
    chunks: list[bytes], extension: bytes, trailer: bytes, behind: bytes, sizes: list[int]
) -> None:
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    data = body + b"0\r\n" + trailer + b"\r\n" + behind
    assert read(cut(data, sizes)) == (b"".join(chunks), behind)


def outcome(pieces: list[bytes]) -> tuple[bytes, bytes | None] | None:
    try:
        return read(pieces)
    except MalformedRequest:
        return None


@given(
    st.lists(
        st.sampled_from([b"0", b"1", b"5", b"a", b"\r\n", b"\r", b"\n", b";", b" ", b"x", b"\r\n\r\n", b"0\r\n"]),
        max_size=20,
    ).map(b"".join),
    st.lists(st.integers(1, 10), max_size=20),
)
def test_any_cutting_of_any_bytes_has_the_same_outcome(data: bytes, sizes: list[int]) -> None:
    assert outcome(cut(data, sizes)) == outcome([data])
