"""Body: a request's content as it comes in, whole and within its limit, or refused as soon as that is known."""

from collections.abc import Mapping

from service.errors import PayloadTooLarge, ServiceError, UnsupportedMediaType


class Body:
    """Grows until it is whole or too large."""

    __slots__ = ("_content", "_max_bytes", "_received", "is_too_large", "refusal")

    def __init__(self, headers: Mapping[bytes, bytes], max_bytes: int) -> None:
        """headers: by names in lower case."""
        self._content: bytes | bytearray = b""
        self._max_bytes = max_bytes
        self._received = 0
        self.is_too_large = False
        self.refusal: ServiceError | None = None
        announced = headers.get(b"content-length", b"0")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            self.refusal = UnsupportedMediaType(
                "A compressed body is not accepted; send it as it is.", "unsupported_encoding"
            )
        if announced.isdigit() and int(announced[:20]) > max_bytes:
            self._refuse()

    def add(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._max_bytes:
            self._refuse()
        elif self.refusal:
            pass  # nobody will read it
        elif not self._content:
            self._content = chunk
        else:  # one growing array, because a list of many small pieces takes twenty times their bytes
            if isinstance(self._content, bytes):
                self._content = bytearray(self._content)
            self._content += chunk

    def take(self) -> bytes:
        """All of it, which is then held here no longer. Raises PayloadTooLarge, UnsupportedMediaType."""
        if self.refusal:
            raise self.refusal
        content, self._content = self._content, b""
        return bytes(content)

    def _refuse(self) -> None:
        self._content = b""
        self.is_too_large = True
        self.refusal = self.refusal or PayloadTooLarge(f"The body is larger than {self._max_bytes} bytes.")
