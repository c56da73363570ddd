"""HeldBytes: how much of all bodies a process holds at once, whichever way they came in."""


class HeldBytes:
    """A count with a limit. For the event loop's thread."""

    __slots__ = ("_max", "now")

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self.now = 0

    def has_room(self, size: int) -> bool:
        """size: in bytes, as every number here."""
        return self.now + size <= self._max

    def take(self, size: int) -> bool:
        """Whether there was room for it; only then it is counted."""
        if not self.has_room(size):
            return False
        self.now += size
        return True

    def give_back(self, size: int) -> None:
        self.now -= size
