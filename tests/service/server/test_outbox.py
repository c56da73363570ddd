"""What is ready to leave, leaves together after the loop's turn."""

import asyncio

import pytest

from service.server.outbox import Outbox


def test_all_leaves_after_the_turn_in_its_order() -> None:
    order = []

    async def main() -> None:
        outbox = Outbox()
        for name in "ab":
            outbox.put(lambda name=name: order.append(name))  # type: ignore[misc]
            order.append("worked")
        await asyncio.sleep(0)
        outbox.put(lambda: order.append("c"))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert order == ["worked", "worked", "a", "b", "c"]


def test_what_is_put_while_others_leave_waits_for_the_next_turn() -> None:
    order = []

    async def main() -> None:
        outbox = Outbox()
        outbox.put(lambda: outbox.put(lambda: order.append("second")))
        outbox.put(lambda: order.append("first"))
        await asyncio.sleep(0)
        assert order == ["first"]
        await asyncio.sleep(0)

    asyncio.run(main())
    assert order == ["first", "second"]


def test_what_is_alone_does_not_wait() -> None:
    order = []

    async def main() -> None:
        outbox = Outbox()
        outbox.put(lambda: order.append("alone"), is_alone=True)
        assert order == ["alone"]
        outbox.put(lambda: order.append("first"))
        outbox.put(lambda: order.append("last"), is_alone=True)
        assert order == ["alone"]
        await asyncio.sleep(0)

    asyncio.run(main())
    assert order == ["alone", "first", "last"]


def test_one_that_can_not_be_sent_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    order = []

    def fail() -> None:
        raise RuntimeError("lost")

    async def main() -> None:
        outbox = Outbox()
        for send in (fail, lambda: order.append("second")):
            outbox.put(send)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert order == ["second"]
    assert "could not be sent" in caplog.text
