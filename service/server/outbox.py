"""Outbox: what is ready to leave, leaves together.

To write to a client that sleeps is to wake it, an interrupt to another core. Answers of one batch that leave one right
after the other wake it once, or find it awake; between two of them there would be time to fall asleep.
"""

import asyncio
import logging
from collections.abc import Callable

_logger = logging.getLogger("service")


class Outbox:
    """For the event loop's thread."""

    def __init__(self) -> None:
        self._ready: list[Callable[[], None]] = []

    def put(self, send: Callable[[], None], *, is_alone: bool = False) -> None:
        """It is called in the loop's next turn; now if nothing else is ready or, as the caller knows, will be soon."""
        if is_alone and not self._ready:
            send()
            return
        if not self._ready:
            asyncio.get_running_loop().call_soon(self.flush)
        self._ready.append(send)

    def flush(self) -> None:
        """Sends all that is ready now."""
        ready, self._ready = self._ready, []
        for send in ready:
            try:
                send()
            except Exception:  # a bug's: the others must not wait for ever
                _logger.exception("an answer could not be sent")
