"""Head: a request line and its headers, parsed by httptools and held to RFC 9112. Only home of httptools."""

import httptools

from service.api.request import fields
from service.errors import HeadersTooLarge, MalformedRequest, UnsupportedTransferCoding

MAX_BYTES = 64 << 10
_MAX_HEADER_BYTES = 16 << 10
_CACHED_BYTES, _CACHED_HEADS = 512, 256  # so they stay below 1 MB
_SECRETS = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"x-api-key"})
_FRAMING = frozenset({b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade"})

RawHeaders = list[tuple[bytes, bytes]]


def parse(data: bytes) -> "Head":
    """The head of these bytes, up to and with the empty line.

    Raises MalformedRequest, HeadersTooLarge, UnsupportedTransferCoding.
    """
    head = _parsed.get(data)
    if head is None:
        head = Head(data)
        if len(data) <= _CACHED_BYTES and _SECRETS.isdisjoint(head.fields):  # no secret outlives its request
            if len(_parsed) >= _CACHED_HEADS:
                del _parsed[next(iter(_parsed))]
            _parsed[data] = head
    return head


class Head:
    """headers: names in lower case, in their order. length: of the body, in bytes; None where it is chunked.

    keep_alive: whether the client wants to go on after the answer. version: "1.0" or "1.1".
    fields: the headers by name, as `request.fields` gives them. A head is shared, so nothing of it changes.
    An offer to upgrade is ignored, as RFC 9110, section 7.8, allows.
    """

    __slots__ = (
        "_parser",
        "_url",
        "expects_continue",
        "fields",
        "headers",
        "keep_alive",
        "length",
        "method",
        "method_name",
        "path",
        "query_string",
        "version",
    )

    def __init__(self, data: bytes) -> None:
        """As `parse`."""
        self._url = b""
        self.headers: RawHeaders = []
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            raise MalformedRequest("The request is not well-formed HTTP/1.1.") from error
        del self._parser  # it refers to this
        self._read_url()
        self._read_headers()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Read here, because a message without a body is over, and forgotten, when the parser returns."""
        self.method: bytes = self._parser.get_method()
        self.method_name = self.method.decode("ascii")
        self.version: str = self._parser.get_http_version()
        self.keep_alive: bool = self._parser.should_keep_alive()

    def alone(self, body: bytes, keep_alive: bool) -> bytes:
        """This head and a body as one plain message, without what concerned the connection it came on.

        One that keeps its connection is HTTP/1.1, because uvicorn keeps none of HTTP/1.0; answers have a length anyway.
        """
        target = self.path + b"?" + self.query_string if self.query_string else self.path
        version = b"1.1" if keep_alive else self.version.encode()
        lines = [b"%b %b HTTP/%b\r\n" % (self.method, target, version)]
        lines += [b"%b: %b\r\n" % header for header in self.headers if header[0] not in _FRAMING]
        if not keep_alive:
            lines.append(b"connection: close\r\n")
        if body:
            lines.append(b"content-length: %d\r\n" % len(body))
        return b"".join((*lines, b"\r\n", body))

    def _read_url(self) -> None:
        try:
            url = httptools.parse_url(self._url)
        except httptools.HttpParserInvalidURLError as error:
            raise MalformedRequest("The request's target is not a URL.") from error
        self.path: bytes = url.path or b"/"
        self.query_string: bytes = url.query or b""

    def _read_headers(self) -> None:
        if self.version not in ("1.0", "1.1"):
            raise MalformedRequest("The request must be HTTP/1.1 or HTTP/1.0.")
        self.fields = fields(self.headers)
        hosts = 0
        coding = b""
        self.length: int | None = 0
        self.expects_continue = False
        for name, value in self.headers:
            if len(name) + len(value) > _MAX_HEADER_BYTES:
                raise HeadersTooLarge(f"A header has more than {_MAX_HEADER_BYTES} bytes.")
            if name == b"host":
                hosts += 1
            elif name == b"content-length":
                self.length = int(value)
            elif name == b"transfer-encoding":
                coding = coding + b"," + value if coding else value
            elif name == b"expect":
                self.expects_continue = value.lower() == b"100-continue" and self.version != "1.0"
        if hosts != 1 and (hosts or self.version == "1.1"):
            raise MalformedRequest("An HTTP/1.1 request has one Host header.")
        if coding:
            if coding.strip().lower() != b"chunked":
                raise UnsupportedTransferCoding("The only transfer coding accepted is chunked.")
            self.length = None
            self.keep_alive = self.keep_alive and self.version != "1.0"  # RFC 9112, section 6.1


_parsed: dict[bytes, Head] = {}  # clients send the same few, again and again


def end_of_head(data: bytes, start: int, scanned: int) -> int | None:
    """Index behind the empty line; None where it has not come.

    start: of the head. scanned: how far it was looked for before.

    Raises MalformedRequest as soon as what has come cannot be a request, HeadersTooLarge where it is too long.
    """
    end = data.find(b"\r\n\r\n", max(start, scanned - 3))
    if (end if end >= 0 else len(data)) - start > MAX_BYTES:
        raise HeadersTooLarge(f"The request's head has more than {MAX_BYTES} bytes.")
    if end >= 0:
        return end + 4
    head = data[start:].lstrip(b"\r\n")
    if (head and not head[:1].isalpha()) or b"\n\n" in head or b"\n\r\n" in head:
        raise MalformedRequest("The request is not well-formed HTTP/1.1.")
    return None
