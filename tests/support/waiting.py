"""To wait for what a process does on its own, for a bounded time."""

import time
from collections.abc import Callable

_PAUSE_S = 0.02


def until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns once it is so; fails after that many seconds, saying what did not happen."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(_PAUSE_S)
