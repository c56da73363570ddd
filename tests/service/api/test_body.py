"""A body as it comes in: whole and within its limit, or refused as soon as that is known."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.request import Body
from service.errors import PayloadTooLarge, UnsupportedMediaType


@given(st.lists(st.binary(max_size=5), max_size=20))
def test_a_body_is_what_came_in_however_it_was_cut(chunks: list[bytes]) -> None:
    body = Body({}, 100)
    for chunk in chunks:
        body.add(chunk)
    assert bytes(body.content) == b"".join(chunks)


def test_many_small_chunks_make_one_body() -> None:
    body = Body({}, 100_000)
    for number in range(100_000):
        body.add(b"%d" % (number % 10))
    assert body.content == b"0123456789" * 10_000


def test_a_body_in_one_piece_is_not_copied() -> None:
    whole = bytes(1000)
    body = Body({}, 1000)
    body.add(whole)
    assert body.content is whole


def test_an_empty_piece_changes_nothing() -> None:
    body = Body({}, 10)
    for piece in (b"", b"a", b"", b"b", b""):
        body.add(piece)
    assert body.content == b"ab"


def test_a_chunk_that_the_caller_goes_on_using_is_not_changed() -> None:
    first = b"first"
    body = Body({}, 100)
    body.add(first)
    body.add(b"second")
    assert first == b"first"


def test_a_body_may_reach_its_limit_and_is_refused_beyond() -> None:
    body = Body({}, 10)
    body.add(bytes(9))
    body.add(b"x")
    assert (body.refusal, body.is_too_large) == (None, False)
    body.add(b"x")
    refusal = body.refusal
    assert body.is_too_large
    assert isinstance(refusal, PayloadTooLarge)
    assert "10 bytes" in refusal.detail
    for piece in (b"", b"x"):
        body.add(piece)
        assert (body.refusal, body.content) == (refusal, b"")


def test_what_came_of_a_refused_body_is_kept_no_longer() -> None:
    first = bytes(10)
    references = sys.getrefcount(first)
    body = Body({}, 10)
    body.add(first)
    assert sys.getrefcount(first) == references + 1
    body.add(b"x")
    assert sys.getrefcount(first) == references


@pytest.mark.parametrize("length", [b"", b"8", b"4194304", b"-1", b"\xb2", b"1e9", b" 9999999", b"+9999999"])
def test_an_announced_length_within_the_limit_or_that_is_no_number_refuses_nothing(length: bytes) -> None:
    assert Body({b"content-length": length}, 4 << 20).refusal is None


@pytest.mark.parametrize("length", [b"4194305", b"9" * 20, b"9" * 5000])
def test_an_announced_length_beyond_the_limit_is_refused_before_the_body_comes(length: bytes) -> None:
    body = Body({b"content-length": length}, 4 << 20)
    assert isinstance(body.refusal, PayloadTooLarge)
    assert body.is_too_large
    body.add(b"x")
    assert body.content == b""  # what comes all the same is not kept


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip", b"x-unknown", b""])
def test_a_compressed_body_is_refused_before_it_comes(encoding: bytes) -> None:
    body = Body({b"content-encoding": encoding}, 100)
    assert not body.is_too_large
    body.add(b"x")
    assert isinstance(body.refusal, UnsupportedMediaType)
    assert body.refusal.code == "unsupported_encoding"
    assert body.content == b""


@pytest.mark.parametrize("encoding", [b"identity", b"Identity"])
def test_a_body_sent_as_it_is_may_say_so(encoding: bytes) -> None:
    assert Body({b"content-encoding": encoding}, 100).refusal is None


def test_a_compressed_body_is_still_counted() -> None:
    """The first refusal stays, but the connection must know that the client sends too much."""
    body = Body({b"content-encoding": b"gzip"}, 10)
    body.add(bytes(11))
    assert body.is_too_large
    assert isinstance(body.refusal, UnsupportedMediaType)
