"""A chunked body's bytes → its content. RFC 9112, section 7.1."""

import re

from service.errors import MalformedRequest

_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?")
_MAX_LINE_BYTES = 4096
_MAX_TRAILER_BYTES = 16 << 10


class Chunks:
    """Takes bytes as they come; knows where the body ends."""

    __slots__ = ("_buffer", "_left", "_trailer_bytes")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0  # bytes of the chunk and of the line end behind it; 0 before a size; −1 in the trailer
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> tuple[list[bytes], bytes | None]:
        """Content that has come, and the bytes behind the body; None for those where the body goes on.

        Raises MalformedRequest.
        """
        data = self._buffer + data
        content: list[bytes] = []
        at = 0
        while True:
            if self._left > 0:
                piece = data[at : at + self._left]
                if self._left > 2 and piece:
                    content.append(piece[: self._left - 2])
                    self._left -= len(content[-1])
                    at += len(content[-1])
                    continue
                if len(piece) < 2:
                    break
                if piece != b"\r\n":
                    raise MalformedRequest("A chunk of the body does not end where its size says.")
                at += 2
                self._left = 0
                continue
            end = data.find(b"\r\n", at, at + _MAX_LINE_BYTES)
            if end < 0:
                if len(data) - at >= _MAX_LINE_BYTES:
                    raise MalformedRequest("A line of the chunked body is too long.")
                break
            line, at = data[at:end], end + 2
            if self._left < 0:
                self._trailer_bytes += len(line)
                if not line:
                    return content, data[at:]
                if self._trailer_bytes > _MAX_TRAILER_BYTES:
                    raise MalformedRequest("The trailer of the chunked body is too long.")
                continue
            size = _SIZE.fullmatch(line)
            if not size:
                raise MalformedRequest("A chunk of the body has no size.")
            self._left = int(size[1], 16) + 2 if int(size[1], 16) else -1
        self._buffer = data[at:]
        return content, None
