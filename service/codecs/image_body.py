"""A body that holds images → checked pixels: after this no image can be wrong.

image/*                    one file
multipart/form-data        one file an image
application/json           {"images": [...]}
application/x-npy          an array
application/octet-stream   raw tensor

What the type leaves open, the first bytes decide: `content_type.of`.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.codecs import base64_text, content_type, digits, image_array, rows
from service.codecs.digits import Digits
from service.codecs.files import digit_png, formats, images
from service.codecs.files.header import ImageLimits
from service.codecs.framing import SIDE, Fit, FloatArray
from service.codecs.ink import Invert, as_ink, is_ink_dark
from service.errors import InvalidImage, ServiceError

_QUICK_BYTES = 64 << 10  # of JSON that is parsed, or of files whose headers are read, in half a millisecond
_UNKNOWN_S = 30e-3  # the least cost of a body that is longer, whose pictures are not measured yet
_ROW_BYTES = 512  # a digit's PNG as base64
_ROW_S, _BYTE_S, _PIXEL_S = 60e-6, 2e-9, 15e-9  # of reading a picture, a byte of a body, a pixel before it is scaled
_FINDING_S, _SPLITTING_S = 3e-3, 15e-3  # of finding the digit on a picture, or all digits
_SPLIT_ROWS = 4  # digits on a picture that may hold several
_UNASKED = np.zeros(0, np.bool_)

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class ImageOptions:
    """How pictures become pixels, and how many may come at once.

    split: each digit of a picture is a row. found: what is found is kept beside the pixels.
    """

    fit: Fit
    invert: Invert
    limits: ImageLimits
    max_rows: int
    split: bool = False
    found: bool = False


class ImageBody:
    """A body that holds images, parsed as far as is quick: enough to know what reading it will cost.

    picture: the file, if the body is a single one. rows: that it will give; an estimate where it is long and its type
    does not say, and where digits are still to be found. cost_s: of reading it, in seconds of one core, an estimate.
    found: once it is read, and if it was asked for, facts about each row by name, (n,).
    """

    __slots__ = ("_body", "_headers", "_media_type", "_parsed", "cost_s", "found", "options", "picture", "rows")

    def __init__(
        self, body: bytes, headers: Mapping[bytes, bytes], options: ImageOptions, files: Sequence[bytes] | None = None
    ) -> None:
        """headers: by names in lower case. files: those of a form, in place of a body.

        Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows.
        """
        self.options = options
        self.found: Mapping[str, AnyArray] = {}
        self.picture: bytes | None = None
        self._body = body
        self._headers = headers
        self._media_type = content_type.of(headers, body)
        self._parsed: Sequence[Any] | AnyArray | None = None
        if self._media_type == content_type.IMAGE:
            self.picture, self._parsed, self.rows = body, [body], _SPLIT_ROWS if options.split else 1
            is_digit = len(body) <= digit_png.MAX_BYTES and body.startswith(digit_png.HEAD)
            self.cost_s = len(body) * _BYTE_S + (0 if is_digit else _picture_s(body, options))
            return
        if self._media_type == content_type.JSON and len(body) > _QUICK_BYTES:
            self.rows = min(options.max_rows, 1 + len(body) // _ROW_BYTES)
        else:
            self._parsed = self._parse() if files is None else files
            self.rows = len(self._parsed)
            rows.check(self.rows, options.max_rows)
        self.cost_s = self._estimate_s()
        if options.split:
            self.rows = min(options.max_rows, self.rows * _SPLIT_ROWS)

    def read(self) -> FloatArray:
        """float32 (n, 1, 28, 28) in [0, 1], 1 is ink; n from 1 to options.max_rows.

        Raises MalformedBody, InvalidInput, TooLarge; of several images it names the first bad one.
        """
        parsed, options = self._parse() if self._parsed is None else self._parsed, self.options
        if isinstance(parsed, np.ndarray):
            images = [_of_array(image_array.pixels(parsed), options)]
            numbers = np.arange(len(parsed))
        else:
            images = rows.each(parsed, functools.partial(_image, options=options))
            numbers = np.arange(len(images)).repeat([len(image.pixels) for image in images])
            rows.check(len(numbers), options.max_rows)
        if options.found:
            self.found = _facts(images, numbers)
        pixels = [image.pixels for image in images]
        return (pixels[0] if len(pixels) == 1 else np.concatenate(pixels))[:, np.newaxis]

    def _estimate_s(self) -> float:
        """What reading any body costs but a single picture."""
        parsed, options = self._parsed, self.options
        if isinstance(parsed, np.ndarray):
            return len(self._body) * _BYTE_S + (parsed.size * _PIXEL_S if options.fit == "mnist" else 0)
        size = len(self._body) if self._media_type != content_type.FORM else sum(map(len, parsed or ()))
        if size > _QUICK_BYTES:
            return max(_UNKNOWN_S, self.rows * _ROW_S)
        assert parsed is not None
        return size * _BYTE_S + sum(_picture_s(row, options) for row in parsed)

    def _parse(self) -> list[Any] | AnyArray:
        """Files, lists of numbers, and texts that are not base64; or an array (n, 28, 28)."""
        body, max_rows = self._body, self.options.max_rows
        if self._media_type == content_type.JSON:
            return [_decoded(row) for row in rows.of_json(body, "images", max_rows)]
        if self._media_type == content_type.ARRAY:
            return image_array.of_npy(body, max_rows)
        if self._media_type == content_type.RAW:
            return image_array.of_raw(body, self._headers, max_rows)
        raise content_type.unsupported(
            self._media_type,
            (*content_type.IMAGES, content_type.FORM, content_type.JSON, content_type.ARRAY, content_type.RAW),
        )


def read_images(bodies: Sequence[ImageBody]) -> list[FloatArray | ServiceError]:
    """What each body's `read` gives or raises, many of them in less time than one by one."""
    read: dict[int, FloatArray | ServiceError] = {}
    alike: dict[ImageOptions, list[int]] = {}
    for i, body in enumerate(bodies):
        if body.picture and body.options.fit != "mnist" and not body.options.found:
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


def _image(row: Any, options: ImageOptions) -> Digits:
    """Of a file or of a list of numbers."""
    if isinstance(row, str):
        raise InvalidImage("The text is not base64.", "bad_base64")
    if isinstance(row, bytes):
        return images.read(row, fit=options.fit, invert=options.invert, limits=options.limits, split=options.split)
    values = rows.numbers(_squeezed(row), (SIDE, SIDE), (image_array.PIXELS,)).reshape(1, SIDE, SIDE)
    return _of_array(image_array.pixels(values), options)


def _of_array(values: AnyArray, options: ImageOptions) -> Digits:
    """values: (n, 28, 28), uint8 or float32."""
    pixels = as_ink(values, options.fit, options.invert)[:, 0]
    return digits.whole(pixels, is_ink_dark(values, options.invert) if options.found else _UNASKED)


def _facts(images: Sequence[Digits], numbers: AnyArray) -> dict[str, AnyArray]:
    """numbers: of the image that each row is of, (n,)."""
    facts = [image.facts() for image in images]
    return {"image": numbers, **{name: np.concatenate([each[name] for each in facts]) for name in facts[0]}}


def found(bodies: Sequence[ImageBody]) -> dict[str, AnyArray]:
    """Facts about the rows of all of them, in their order."""
    return {name: np.concatenate([body.found[name] for body in bodies]) for name in bodies[0].found}


def _squeezed(row: Any) -> Any:
    """A list without its axes of one: 28×28 of 1×28×28 and 28×28×1."""
    while isinstance(row, list) and len(row) == 1:
        row = row[0]
    if isinstance(row, list) and all(isinstance(line, list) and all(map(_is_single, line)) for line in row):
        return [[pixel for (pixel,) in line] for line in row]
    return row


def _is_single(pixel: Any) -> bool:
    return isinstance(pixel, list) and len(pixel) == 1


def _picture_s(row: Any, options: ImageOptions) -> float:
    """What a picture costs, in seconds; 0 for numbers. One beyond the limits is refused undecoded."""
    decoding_s = formats.decoding_s(row, options.limits) if isinstance(row, bytes) else 0.0
    if not decoding_s or options.fit != "auto":
        return decoding_s
    return decoding_s + (_SPLITTING_S if options.split else _FINDING_S)


def _decoded(row: Any) -> Any:
    """The file of a base64 text; anything else as it is, for `_image` to read or refuse."""
    if not isinstance(row, str):
        return row
    file = base64_text.decode(row)
    return row if file is None else file
