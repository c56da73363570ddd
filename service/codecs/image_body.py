"""A body that holds images, by its content type → checked pixels: after this no image can be wrong.

image/png image/jpeg …     one image
multipart/form-data        one image a file
application/json           {"images": [...]}
application/x-npy          an array; also octet-stream that begins with npy's magic bytes
application/octet-stream   raw tensor: uint8 pixels, row after row
"""

import base64
import binascii
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.codecs import content_type, multipart, npy, rows
from service.codecs.files import digit_png, formats, images
from service.codecs.files.header import ImageLimits
from service.codecs.framing import Fit, FloatArray
from service.codecs.ink import Invert, as_ink
from service.errors import InvalidImage, InvalidInput, ServiceError

_PIXELS = 28 * 28
_QUICK_BYTES = 64 << 10  # of a form or of JSON that is parsed in half a millisecond
_UNKNOWN_S = 30e-3  # the least cost of one that is longer, whose pictures are not measured yet
_ROW_BYTES = 512  # a digit's PNG in a form or as base64
_ROW_S, _BYTE_S, _PIXEL_S = 60e-6, 2e-9, 15e-9  # of reading a picture, a byte of a body, a pixel before it is scaled

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class ImageOptions:
    """How pictures become pixels, and how many may come at once."""

    fit: Fit
    invert: Invert
    limits: ImageLimits
    max_rows: int


class ImageBody:
    """A body that holds images, parsed as far as is quick: enough to know what reading it will cost.

    picture: the file, if the body is a single one. rows: images it holds; an estimate where it is long and its content
    type does not say. cost_s: of reading it, in seconds of one core, an estimate.
    """

    __slots__ = ("_body", "_header", "_media_type", "_parsed", "cost_s", "options", "picture", "rows")

    def __init__(self, body: bytes, header: bytes, options: ImageOptions) -> None:
        """header: Content-Type. Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows."""
        self.options = options
        self._body = body
        self._header = header
        self._media_type = content_type.media_type(header)
        self._parsed: list[Any] | AnyArray | None = None
        self.picture: bytes | None = None
        if self._media_type in (content_type.FORM, content_type.JSON) and len(body) > _QUICK_BYTES:
            self.rows = min(options.max_rows, 1 + len(body) // _ROW_BYTES)
            self.cost_s = max(_UNKNOWN_S, self.rows * _ROW_S)
            return
        if self._media_type in content_type.IMAGE:
            self.picture, self._parsed, self.rows = body, [body], 1
            is_digit = len(body) <= digit_png.MAX_BYTES and body.startswith(digit_png.HEAD)
            self.cost_s = len(body) * _BYTE_S + (0 if is_digit else _pixels(body, options) * _PIXEL_S)
            return
        self._parsed = parsed = self._parse()
        self.rows = len(parsed)
        self.cost_s = len(body) * _BYTE_S
        if isinstance(parsed, list):
            self.cost_s += sum(_pixels(row, options) for row in parsed) * _PIXEL_S
        elif options.fit == "mnist":
            self.cost_s += len(parsed) * _PIXELS * _PIXEL_S

    def read(self) -> FloatArray:
        """float32 (n, 1, 28, 28) in [0, 1], 1 is ink; n from 1 to options.max_rows.

        Raises MalformedBody, InvalidInput, TooLarge; of several images it names the first bad one.
        """
        parsed = self._parse() if self._parsed is None else self._parsed
        if isinstance(parsed, list):
            return rows.stacked(parsed, functools.partial(_image, options=self.options))
        return as_ink(
            parsed if parsed.dtype == np.uint8 else _checked_pixels(parsed), self.options.fit, self.options.invert
        )

    def _parse(self) -> list[Any] | AnyArray:
        """Files, lists of numbers, and texts that are not base64; or an array (n, 28, 28)."""
        body, max_rows = self._body, self.options.max_rows
        if self._media_type == content_type.FORM:
            files = multipart.files(body, self._header, max_rows)
            rows.check(len(files), max_rows)
            return files
        if self._media_type == content_type.JSON:
            return [_decoded(row) for row in rows.of_json(body, "images", max_rows)]
        if content_type.is_npy(self._media_type, body):
            return _array_images(npy.read_npy(body), max_rows)
        if self._media_type == content_type.RAW:
            if len(body) % _PIXELS:
                raise InvalidInput(
                    f"Raw images are n × {_PIXELS} bytes, one byte a pixel; the body holds {len(body)}.",
                    "wrong_size",
                )
            return _array_images(np.frombuffer(body, np.uint8).reshape(-1, _PIXELS), max_rows)
        raise content_type.unsupported(
            self._media_type,
            (*content_type.IMAGE, content_type.FORM, content_type.JSON, content_type.ARRAY[0], content_type.RAW),
        )


def read_images(bodies: Sequence[ImageBody]) -> list[FloatArray | ServiceError]:
    """What each body's `read` gives or raises, many of them in less time than one by one."""
    read: dict[int, FloatArray | ServiceError] = {}
    alike: dict[ImageOptions, list[int]] = {}
    for i, body in enumerate(bodies):
        if body.picture and body.options.fit != "mnist":
            alike.setdefault(body.options, []).append(i)
    for options, indices in alike.items():
        usual, samples = digit_png.read([bodies[i].picture or b"" for i in indices], options.limits)
        if usual:
            digits = as_ink(samples, options.fit, options.invert)[:, np.newaxis]
            read |= zip((indices[i] for i in usual), digits, strict=True)
    for i, body in enumerate(bodies):
        if i not in read:
            read[i] = _attempt(body)
    return list(map(read.__getitem__, range(len(bodies))))


def _attempt(body: ImageBody) -> FloatArray | ServiceError:
    try:
        return body.read()
    except ServiceError as error:
        return error


def _image(row: Any, options: ImageOptions) -> FloatArray:
    """(1, 28, 28) of a file or of a list of numbers."""
    if isinstance(row, str):
        raise InvalidImage("The text is not base64.", "bad_base64")
    if isinstance(row, bytes):
        pixels = images.decode(row, fit=options.fit, invert=options.invert, limits=options.limits)
        return pixels[np.newaxis]
    nested = isinstance(row, list) and len(row) == 28
    values = rows.numbers(row, (28, 28) if nested else (_PIXELS,)).reshape(1, 28, 28)
    framed: FloatArray = as_ink(_checked_pixels(values), options.fit, options.invert)[0]
    return framed


def _array_images(values: AnyArray, max_rows: int) -> AnyArray:
    """(n, 28, 28)"""
    if values.shape in ((28, 28), (_PIXELS,)):
        values = values[np.newaxis]
    if values.shape[1:] not in ((28, 28), (1, 28, 28), (_PIXELS,)):
        raise InvalidInput("An array of images has shape (28,28), (n,28,28), (n,1,28,28) or (n,784).", "wrong_shape")
    rows.check(len(values), max_rows)
    return values.reshape(-1, 28, 28)


def _checked_pixels(values: npt.NDArray[Any]) -> FloatArray:
    if not (values.min() >= 0 and values.max() <= 1):  # false for NaN too
        raise InvalidInput("Pixels must be numbers in [0, 1]: 0 is paper and 1 is ink.", "out_of_range")
    return np.require(values, np.float32, "A")


def _pixels(row: Any, options: ImageOptions) -> int:
    """Pixels that reading this row decodes, 0 for numbers; a picture beyond the limits is refused undecoded."""
    return formats.pixels(row, options.limits) if isinstance(row, bytes) else 0


def _decoded(row: Any) -> Any:
    """The file of a base64 text; anything else as it is, for `_image` to read or refuse."""
    if not isinstance(row, str):
        return row
    try:
        return base64.b64decode(row.partition(",")[2] if row.startswith("data:") else row, validate=True)
    except (binascii.Error, ValueError):
        return row
