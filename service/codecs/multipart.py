"""multipart/form-data bytes → the content of its files (RFC 7578). Only home of python-multipart."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import MalformedBody, TooManyRows

_CODE = "bad_multipart"
_MAX_BOUNDARY_BYTES = 70  # RFC 2046, section 5.1.1


def files(body: bytes, content_type: bytes, max_files: int) -> list[bytes]:
    """Content of every part that names a file, in order; parts without a filename are passed over.

    Raises MalformedBody, TooManyRows.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= _MAX_BOUNDARY_BYTES:
        raise MalformedBody("The multipart content type needs a boundary of 1 to 70 bytes.", _CODE)
    form = _Form(max_files)
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise MalformedBody("The multipart body is not well-formed.", _CODE) from error
    if not form.ended:
        raise MalformedBody("The multipart body ends before its last boundary.", _CODE)
    return form.files


class _Form:
    """Collects the parts as the parser reports them."""

    def __init__(self, max_files: int) -> None:
        self.files: list[bytes] = []
        self.ended = False
        self._max_files = max_files
        self._parts = 0
        self._field = b""
        self._value = b""
        self._is_file = False
        self._content = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > 2 * self._max_files:
            raise TooManyRows(f"A form may hold at most {self._max_files} files.")
        self._is_file = False
        self._content = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._is_file = b"filename" in parse_options_header(self._value)[1]
        self._field = self._value = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._content += data[start:end]

    def _part_end(self) -> None:
        if not self._is_file:
            return
        if len(self.files) == self._max_files:
            raise TooManyRows(f"A form may hold at most {self._max_files} files.")
        self.files.append(bytes(self._content))

    def _end(self) -> None:
        self.ended = True
