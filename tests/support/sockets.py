"""A client that decides byte by byte what it sends, how much it reads and how it leaves."""

import contextlib
import json
import socket
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple

_PATIENCE_S = 20  # until a read or a write that goes nowhere fails; nothing is measured by it
_LEAVE_AT_ONCE = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: what was not sent is lost, and a RST tells the server


class Answer(NamedTuple):
    """Names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection to a server, closed at the end of its `with`."""

    def __init__(self, address: str, receive_buffer: int | None = None) -> None:
        """address: as a URL. receive_buffer: bytes that the system takes for a client that does not read."""
        self.address = address
        host, port = address.removeprefix("http://").rsplit(":", 1)
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(_PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.connect((host, int(port)))
        except OSError:
            self._socket.close()
            raise
        self._received = self._socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """For select(2)."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_what_fits(self, data: bytes) -> int:
        """As much as the system takes without waiting for the server; gives how much that was."""
        self._socket.setblocking(False)
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        finally:
            self._socket.settimeout(_PATIENCE_S)

    def send_no_more(self) -> None:
        """Half-closes: the server reads an end, the client still reads."""
        self._socket.shutdown(socket.SHUT_WR)

    def head(self) -> Answer:
        """The next answer without its body, which is left to be read."""
        status_line = self._received.readline()
        if not status_line:
            raise EOFError("the server closed the connection instead of answering")
        headers: dict[str, str] = {}
        while line := self._received.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        version, status, *_ = status_line.split()
        assert version == b"HTTP/1.1", status_line
        return Answer(int(status), headers, b"")

    def body(self, size: int) -> bytes:
        """So many bytes; fewer where the server ends early."""
        return self._received.read(size)

    def skip(self, size: int) -> int:
        """Reads and forgets so many bytes; gives how many there were."""
        left = size
        while left and (data := self._received.read(min(left, 1 << 20))):
            left -= len(data)
        return size - left

    def answer(self) -> Answer:
        """The next answer, whole. Raises EOFError where the connection ends first."""
        status, headers, body = self.head()
        if headers.get("transfer-encoding") == "chunked":
            while size := int(self._received.readline(), 16):
                body += self._whole(size)
                self._received.readline()
            self._received.readline()
        elif status >= 200 and status != 204:
            body = self._whole(int(headers["content-length"]))
        return Answer(status, headers, body)

    def ask(self, data: bytes) -> Answer:
        """The answer, also of a server that does not read all of it."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send(data)
        return self.answer()

    def is_ended(self) -> bool:
        """Waits until the server says something or ends; whether it ended."""
        try:
            return not self._received.read(1)
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Leaves without a farewell."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LEAVE_AT_ONCE)
        self.close()

    def close(self) -> None:
        self._received.close()
        self._socket.close()

    def _whole(self, size: int) -> bytes:
        data = self.body(size)
        if len(data) < size:
            raise EOFError(f"the body ends after {len(data)} of {size} bytes")
        return data


def request(
    target: str, body: bytes | None = None, headers: Iterable[str] = (), *, method: str = "", version: str = "1.1"
) -> bytes:
    """GET, or POST where there is a body, which may be empty; with Host and Content-Length.

    headers: lines as "name: value".
    """
    lines = [f"{method or ('GET' if body is None else 'POST')} {target} HTTP/{version}", "Host: test", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def ask(address: str, data: bytes) -> Answer:
    """The answer to a request on a connection of its own."""
    with Connection(address) as connection:
        return connection.ask(data)
