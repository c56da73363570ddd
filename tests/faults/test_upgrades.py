"""Requests that offer to change the protocol: RFC 9110, 7.8 lets a server ignore that, and so does this one."""

import pytest

from tests.faults.conftest import Served
from tests.support.sockets import Answer, Connection, ask
from tests.support.verbs import GETS, LIVEZ, POSTS, Ask

OFFERS = {
    "h2c, as Java's HttpClient and curl --http2": (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    ),
    "TLS, as Apache's HttpClient": ("Upgrade: TLS/1.2", "Connection: Upgrade"),
    "websocket": ("Connection: Upgrade", "Upgrade: websocket"),
    "websocket, whole": (
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    "Upgrade in Connection alone": ("Connection: upgrade",),
}

offers = pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
posts = pytest.mark.parametrize("post", POSTS.values(), ids=POSTS)


def assert_ignored(served: Served, plain: Ask, answer: Answer, connection: Connection) -> None:
    """The answer is that to the plain request, and the connection serves the next."""
    expected = ask(served.address, plain.bytes())
    assert expected.status == 200
    assert (answer.status, answer.body) == (200, expected.body)
    assert "upgrade" not in answer.headers
    assert connection.ask(plain.bytes()).body == expected.body
    assert connection.ask(LIVEZ.bytes()).json == {"live": True}


@offers
@pytest.mark.parametrize("plain", [*POSTS.values(), *GETS.values()], ids=[*POSTS, *GETS])
def test_an_offered_upgrade_changes_nothing(served: Served, plain: Ask, offer: tuple[str, ...]) -> None:
    with Connection(served.address) as connection:
        answer = connection.ask(plain.bytes(*offer))
        assert_ignored(served, plain, answer, connection)


@offers
@posts
def test_a_body_that_comes_behind_the_offer_belongs_to_it(served: Served, post: Ask, offer: tuple[str, ...]) -> None:
    assert post.body
    with Connection(served.address) as connection:
        connection.send(post.bytes(*offer)[: -len(post.body)])
        assert ask(served.address, LIVEZ.bytes()).status == 200  # so the head has been read
        answer = connection.ask(post.body)
        assert_ignored(served, post, answer, connection)


@offers
def test_requests_behind_the_offer_are_answered_in_order(served: Served, offer: tuple[str, ...]) -> None:
    asks = [ask_.bytes(*offer) for ask_ in (*POSTS.values(), *GETS.values())]
    with Connection(served.address) as connection:
        connection.send(b"".join(asks))
        for one in asks:
            answer = connection.answer()
            assert (answer.status, answer.body) == (200, ask(served.address, one).body)
        assert connection.ask(LIVEZ.bytes()).status == 200
