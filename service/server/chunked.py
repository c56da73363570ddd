"""A chunked body's bytes → its content. RFC 9112, section 7.1."""

import re

from service.errors import MalformedRequest

_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?")
_MAX_LINE_BYTES = 4096
_MAX_TRAILER_BYTES = 16 << 10
_LINE_END = b"\r\n"


class Chunks:
    """Reads bytes as they come, and knows where the body ends."""

    __slots__ = ("_is_in_trailer", "_left", "_needs_line_end", "_trailer_bytes")

    def __init__(self) -> None:
        self._left = 0  # bytes of the chunk
        self._needs_line_end = False  # which stands behind a chunk
        self._is_in_trailer = False
        self._trailer_bytes = 0

    def read(self, data: bytes, at: int) -> tuple[list[bytes], int, bool]:
        """Content from `at` on, how far it was read, and whether the body ends there. What was not read is to be given
        again, with more behind it.

        Raises MalformedRequest.
        """
        content: list[bytes] = []
        while True:
            if self._left:
                piece = data[at : at + self._left]
                if not piece:
                    return content, at, False
                content.append(piece)
                self._left -= len(piece)
                at += len(piece)
                continue
            end = data.find(_LINE_END, at, at + _MAX_LINE_BYTES)
            if end < 0:
                if len(data) - at >= _MAX_LINE_BYTES:
                    raise MalformedRequest("A line of the chunked body is too long.")
                return content, at, False
            line, at = data[at:end], end + len(_LINE_END)
            if self._needs_line_end:
                if line:
                    raise MalformedRequest("A chunk of the body does not end where its size says.")
                self._needs_line_end = False
            elif not self._is_in_trailer:
                self._begin_chunk(line)
            elif not line:
                return content, at, True
            else:
                self._trailer_bytes += len(line)
                if self._trailer_bytes > _MAX_TRAILER_BYTES:
                    raise MalformedRequest("The trailer of the chunked body is too long.")

    def _begin_chunk(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if not size:
            raise MalformedRequest("A chunk of the body has no size.")
        self._left = int(size[1], 16)
        self._needs_line_end = self._left > 0
        self._is_in_trailer = self._left == 0
