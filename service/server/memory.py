"""The process's heap, where glibc keeps it; elsewhere nothing is done."""

import contextlib
import ctypes

_M_ARENA_MAX = -8  # mallopt(3)


def use_one_arena() -> None:
    """Threads share a heap instead of leaving holes in one each. Most of them wait for Python's lock anyway."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def trim() -> None:
    """Gives the system what was taken and freed; a few milliseconds."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
