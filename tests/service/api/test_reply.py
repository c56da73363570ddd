"""An answer as data, and the headers that go with it."""

from collections.abc import AsyncGenerator

from service.api.reply import Reply, StreamReply, common_headers, headers_of

COMMON = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"), (b"x-request-id", b"mine")]


def test_a_reply_adds_its_length_its_type_and_what_every_answer_carries() -> None:
    reply = Reply(201, "image/png", b"12345", [(b"x-model", b"m")])
    own = [(b"x-model", b"m"), (b"content-length", b"5"), (b"content-type", b"image/png")]
    assert headers_of(reply, "mine") == [*own, *COMMON]


def test_the_length_of_a_view_is_that_of_its_bytes() -> None:
    assert (b"content-length", b"3") in headers_of(Reply(200, "a/b", memoryview(b"123")), "mine")


def test_the_headers_given_are_not_changed() -> None:
    given = [(b"x-model", b"m")]
    reply = Reply(200, "a/b", b"", given)
    headers_of(reply, "mine").append((b"more", b""))
    common_headers(given, "mine").append((b"more", b""))
    assert given == [(b"x-model", b"m")]
    assert headers_of(reply, "mine") == headers_of(reply, "mine")


def test_a_stream_announces_the_length_of_what_it_will_send() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"123"

    reply = StreamReply(200, "a/b", b"", [(b"x-model", b"m")], chunks(), 3)
    own = [(b"x-model", b"m"), (b"content-length", b"3"), (b"content-type", b"a/b")]
    assert headers_of(reply, "mine") == [*own, *COMMON]


def test_an_answer_is_stored_nowhere_unless_it_says_so_itself() -> None:
    assert dict(common_headers([], "mine"))[b"cache-control"] == b"no-store"
    for kept in (
        common_headers([(b"cache-control", b"max-age=60")], "mine"),
        headers_of(Reply(200, "a/b", b"", [(b"cache-control", b"max-age=60")]), "mine"),
    ):
        assert [value for name, value in kept if name == b"cache-control"] == [b"max-age=60"]


def test_an_answer_carries_one_id_and_forbids_sniffing_once() -> None:
    own = [(b"x-request-id", b"theirs"), (b"x-content-type-options", b"none"), (b"x-model", b"m")]
    assert sorted(common_headers(own, "mine")) == [*COMMON[:2], (b"x-model", b"m"), COMMON[2]]
