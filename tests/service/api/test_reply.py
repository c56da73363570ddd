"""An answer as data."""

from collections.abc import AsyncGenerator

from service.api.reply import Reply, StreamReply


def test_a_reply_adds_its_length_and_type_to_the_headers_given() -> None:
    reply = Reply(201, "image/png", b"12345", [(b"x-model", b"m")])
    assert (reply.status, reply.body) == (201, b"12345")
    assert reply.headers == [(b"x-model", b"m"), (b"content-length", b"5"), (b"content-type", b"image/png")]


def test_the_length_of_a_view_is_that_of_its_bytes() -> None:
    assert (b"content-length", b"3") in Reply(200, "a/b", memoryview(b"123")).headers


def test_the_headers_given_are_not_changed() -> None:
    given = [(b"x-model", b"m")]
    Reply(200, "a/b", b"", given).headers.append((b"more", b""))
    assert given == [(b"x-model", b"m")]


def test_a_stream_announces_the_length_of_what_it_will_send() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"123"

    reply = StreamReply("a/b", chunks(), 3, [(b"x-model", b"m")])
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers == [(b"x-model", b"m"), (b"content-length", b"3"), (b"content-type", b"a/b")]
