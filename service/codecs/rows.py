"""Rows of a body: how many there may be, those of a JSON document, and the array that they make together."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from service.errors import InvalidInput, MalformedBody, ServiceError, TooManyRows

_QUICK_BYTES = 1 << 20  # of JSON that cannot take much memory
_ROW_VALUES = 1024  # at most; an image has 784, in no base64 is a comma

_Row = TypeVar("_Row")
_Read = TypeVar("_Read")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def check(rows: int, max_rows: int) -> None:
    """Raises InvalidInput where there are none, TooManyRows."""
    if rows == 0:
        raise InvalidInput("The body holds no rows; at least one is needed.", "no_rows")
    if rows > max_rows:
        raise TooManyRows(f"The body holds {rows} rows; at most {max_rows} are accepted at once.")


def of_json(body: bytes, key: str, max_rows: int) -> list[Any]:
    """The list under the document's one key. Raises MalformedBody, InvalidInput, TooManyRows."""
    if len(body) > _QUICK_BYTES and body.count(b",") > max_rows * _ROW_VALUES:  # each may become 80 bytes
        raise TooManyRows(
            f"The body holds more than {max_rows} rows of {_ROW_VALUES} values; fewer are accepted at once."
        )
    try:
        document = orjson.loads(json_text(body))
    except orjson.JSONDecodeError as error:
        raise MalformedBody("The body is not valid JSON in UTF-8.", "invalid_json") from error
    if not isinstance(document, dict) or list(document) != [key] or not isinstance(document[key], list):
        raise InvalidInput(f'The JSON body is one object with one key, "{key}", a list.', "wrong_shape")
    rows: list[Any] = document[key]
    check(len(rows), max_rows)
    return rows


def json_text(body: bytes) -> bytes:
    """A JSON document without its byte order mark. Raises MalformedBody for UTF-16 and UTF-32."""
    if b"\0" in body[:4] or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise MalformedBody("The JSON is in UTF-16 or UTF-32; send UTF-8.", "invalid_json")
    return body.removeprefix(_BYTE_ORDER_MARK)


def numbers(row: Any, *shapes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """A list of numbers, or of lists of them, of exactly one of these shapes, flat.

    float64, so that nothing overflows unseen. Raises InvalidInput.
    """
    shape = next((shape for shape in shapes if _has_shape(row, shape)), None)
    if shape is None:
        sizes = " or ".join(" × ".join(map(str, shape)) for shape in shapes)
        raise InvalidInput(f"A list of exactly {sizes} numbers is needed.", "wrong_shape")
    if len(shape) == 2:
        row = list(itertools.chain.from_iterable(row))
    if not set(map(type, row)) <= {int, float}:  # a bool is an int to isinstance
        raise InvalidInput("Every value must be a number.", "not_a_number")
    return np.fromiter(row, np.float64, len(row))


def _has_shape(row: Any, shape: tuple[int, ...]) -> bool:
    """Whatever its innermost elements are."""
    length, *rest = shape
    is_so_long = isinstance(row, list) and len(row) == length
    return is_so_long and (not rest or all(_has_shape(line, tuple(rest)) for line in row))


def stacked(rows: Sequence[_Row], read: Callable[[_Row], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """What `read` makes of each row, as one array; an error of one row of several says which row it was."""
    return np.stack(each(rows, read))


def each(rows: Sequence[_Row], read: Callable[[_Row], _Read]) -> list[_Read]:
    """What `read` makes of each row; an error of one row of several says which row it was."""
    if len(rows) == 1:
        return [read(rows[0])]
    read_rows = []
    for index, row in enumerate(rows):
        try:
            read_rows.append(read(row))
        except ServiceError as error:
            raise type(error)(f"Row {index}: {error.detail}", error.code) from error
    return read_rows
