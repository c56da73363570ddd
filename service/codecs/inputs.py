"""A request's body, by its content type → images or latents, checked: after this no input can be wrong.

image/png image/jpeg       one image
multipart/form-data        one image a file
application/json           {"images": [...]} or {"latents": [...]}
application/x-npy          an array; also octet-stream that begins with npy's magic bytes
application/octet-stream   raw tensor: uint8 pixels, or float32 latents, row after row
"""

import base64
import binascii
import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from service.codecs import images, multipart, npy
from service.errors import InvalidImage, InvalidInput, MalformedBody, ServiceError, TooManyRows, UnsupportedMediaType

IMAGE_TYPES: Final = ("image/png", "image/jpeg")
ARRAY_TYPES: Final = ("application/x-npy", "application/npy")
RAW_TYPE: Final = "application/octet-stream"
JSON_TYPE: Final = "application/json"
FORM_TYPE: Final = "multipart/form-data"
MAX_LATENT: Final = 1000.0  # far outside any prior, far inside float32

_PIXELS = 28 * 28
_QUICK_BYTES = 64 << 10  # of a form or of JSON that is parsed in half a millisecond
_UNKNOWN_S = 30e-3  # the least cost of one that is longer, whose pictures are not measured yet
_ROW_BYTES = 512  # a digit's PNG in a form or as base64
_ROW_S, _BYTE_S, _PIXEL_S = 60e-6, 2e-9, 15e-9  # of reading a picture, a byte of a body, a pixel before it is scaled

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]
_T = TypeVar("_T")


@dataclass(frozen=True)
class ImageOptions:
    """How pictures become pixels, and how many may come at once."""

    fit: images.Fit
    invert: images.Invert
    limits: images.ImageLimits
    max_rows: int


class ImageBody:
    """A body that holds images, parsed as far as is quick: enough to know what reading it will cost.

    rows: images it holds; an estimate where it is long and its content type does not say. cost_s: of reading it, in
    seconds of one core, an estimate.
    """

    __slots__ = ("_body", "_content_type", "_media_type", "_parsed", "cost_s", "options", "rows")

    def __init__(self, body: bytes, content_type: str, options: ImageOptions) -> None:
        """Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows."""
        self.options = options
        self._body = body
        self._content_type = content_type
        self._media_type = _media_type(content_type)
        self._parsed: list[Any] | AnyArray | None = None
        if self._media_type in (FORM_TYPE, JSON_TYPE) and len(body) > _QUICK_BYTES:
            self.rows = min(options.max_rows, 1 + len(body) // _ROW_BYTES)
            self.cost_s = max(_UNKNOWN_S, self.rows * _ROW_S)
            return
        self._parsed = parsed = self._parse()
        self.rows = len(parsed)
        self.cost_s = len(body) * _BYTE_S
        if isinstance(parsed, list):
            self.cost_s += sum(_pixels(row, options) for row in parsed) * _PIXEL_S
        elif options.fit == "mnist":
            self.cost_s += len(parsed) * _PIXELS * _PIXEL_S

    @property
    def picture(self) -> bytes | None:
        """The file, if the body is a single one."""
        return self._body if self._media_type in IMAGE_TYPES else None

    def read(self) -> FloatArray:
        """float32 (n, 1, 28, 28) in [0, 1], 1 is ink; n from 1 to options.max_rows.

        Raises MalformedBody, InvalidInput, TooLarge; of several images it names the first bad one.
        """
        parsed = self._parse() if self._parsed is None else self._parsed
        if isinstance(parsed, list):
            return _stacked(parsed, functools.partial(_image, options=self.options))
        return _framed(parsed if parsed.dtype == np.uint8 else _checked_pixels(parsed), self.options)

    def _parse(self) -> list[Any] | AnyArray:
        """Files, lists of numbers, and texts that are not base64; or an array (n, 28, 28)."""
        body, max_rows = self._body, self.options.max_rows
        if self._media_type in IMAGE_TYPES:
            return [body]
        if self._media_type == FORM_TYPE:
            files = multipart.files(body, self._content_type, max_rows)
            _check_rows(len(files), max_rows)
            return files
        if self._media_type == JSON_TYPE:
            return [_decoded(row) for row in _json_rows(body, "images", max_rows)]
        if _is_npy(self._media_type, body):
            return _array_images(npy.read_npy(body), max_rows)
        if self._media_type == RAW_TYPE:
            if len(body) % _PIXELS:
                raise InvalidInput(
                    f"Raw images are n × {_PIXELS} bytes, one byte a pixel; the body holds {len(body)}.",
                    "wrong_size",
                )
            return _array_images(np.frombuffer(body, np.uint8).reshape(-1, _PIXELS), max_rows)
        raise _unsupported(self._media_type, (*IMAGE_TYPES, FORM_TYPE, JSON_TYPE, ARRAY_TYPES[0], RAW_TYPE))


def read_images(bodies: Sequence[ImageBody]) -> list[FloatArray | ServiceError]:
    """What each body's `read` gives or raises, many of them in less time than one by one."""
    read: dict[int, FloatArray] = {}
    if len(bodies) > 1:
        alike: dict[ImageOptions, list[int]] = {}
        for i, body in enumerate(bodies):
            if body.picture and body.options.fit != "mnist":
                alike.setdefault(body.options, []).append(i)
        for options, indices in alike.items():
            usual, samples = images.digits([bodies[i].picture or b"" for i in indices], options.limits)
            read |= zip((indices[i] for i in usual), _framed(samples, options)[:, np.newaxis], strict=True)
    return [read[i] if i in read else _attempt(body) for i, body in enumerate(bodies)]


def _attempt(body: "ImageBody | LatentBody") -> FloatArray | ServiceError:
    try:
        return body.read()
    except ServiceError as error:
        return error


class LatentBody:
    """A body that holds latents. rows, cost_s: as of an ImageBody."""

    __slots__ = ("_body", "_latent_dim", "_max_rows", "_media_type", "cost_s", "rows")

    def __init__(self, body: bytes, content_type: str, latent_dim: int, max_rows: int) -> None:
        self._body = body
        self._media_type = _media_type(content_type)
        self._latent_dim = latent_dim
        self._max_rows = max_rows
        row_bytes = latent_dim * (8 if self._media_type == JSON_TYPE else 4)
        self.rows = max(1, min(max_rows, len(body) // row_bytes))
        self.cost_s = len(body) * _BYTE_S

    def read(self) -> FloatArray:
        """float32 (n, latent_dim), finite and at most MAX_LATENT in size; n from 1 to max_rows.

        Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows.
        """
        body, latent_dim = self._body, self._latent_dim
        values: AnyArray
        if self._media_type == JSON_TYPE:
            rows = _json_rows(body, "latents", self._max_rows)
            values = _stacked(rows, functools.partial(_numbers, shape=(latent_dim,)))
        elif _is_npy(self._media_type, body):
            values = npy.read_npy(body)
            if values.dtype == np.uint8 or values.ndim not in (1, 2) or values.shape[-1] != latent_dim:
                raise InvalidInput(f"Latents are float32 of shape (n, {latent_dim}).", "wrong_shape")
            values = np.atleast_2d(values)
        elif self._media_type == RAW_TYPE:
            if len(body) % (4 * latent_dim):
                raise InvalidInput(
                    f"Raw latents are n × {latent_dim} little-endian float32, {4 * latent_dim} bytes each; "
                    f"the body holds {len(body)}.",
                    "wrong_size",
                )
            values = np.frombuffer(body, "<f4").reshape(-1, latent_dim)
        else:
            raise _unsupported(self._media_type, (JSON_TYPE, ARRAY_TYPES[0], RAW_TYPE))
        _check_rows(len(values), self._max_rows)
        if not (np.abs(values) <= MAX_LATENT).all():  # false for NaN too
            raise InvalidInput(f"Latents must be finite and within ±{MAX_LATENT:g}.", "out_of_range")
        return np.ascontiguousarray(values, np.float32)


def read_latents(bodies: Sequence[LatentBody]) -> list[FloatArray | ServiceError]:
    """What each body's `read` gives or raises."""
    return [_attempt(body) for body in bodies]


def is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == JSON_TYPE


def _is_npy(media_type: str, body: bytes) -> bool:
    return media_type in ARRAY_TYPES or (media_type == RAW_TYPE and body.startswith(npy.NPY_MAGIC))


def _pixels(row: Any, options: ImageOptions) -> int:
    """Pixels that reading this row decodes, 0 for numbers; a picture beyond the limits is refused undecoded."""
    pixels = images.pixels(row) if isinstance(row, bytes) else 0
    return pixels if pixels <= options.limits.max_pixels else 0


def _decoded(row: Any) -> Any:
    """The file of a base64 text; anything else as it is, for `_image` to read or refuse."""
    if not isinstance(row, str):
        return row
    try:
        return base64.b64decode(row.partition(",")[2] if row.startswith("data:") else row, validate=True)
    except (binascii.Error, ValueError):
        return row


@functools.lru_cache(maxsize=64)  # clients send the same few, again and again
def _media_type(content_type: str) -> str:
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.partition("charset=")[2].strip(' "').lower()
    if charset not in ("", "utf-8"):
        raise UnsupportedMediaType("The only charset accepted is utf-8.")
    return media_type.strip().lower()


def _unsupported(media_type: str, accepted: tuple[str, ...]) -> UnsupportedMediaType:
    got = "That content type" if media_type else "A body without a content type"
    return UnsupportedMediaType(f"{got} is not accepted here; accepted are {', '.join(accepted)}.")


def _check_rows(rows: int, max_rows: int) -> None:
    if rows == 0:
        raise InvalidInput("The body holds no rows; at least one is needed.", "no_rows")
    if rows > max_rows:
        raise TooManyRows(f"The body holds {rows} rows; at most {max_rows} are accepted at once.")


def _json_rows(body: bytes, key: str, max_rows: int) -> list[Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBody("The body is not valid JSON in UTF-8.", "invalid_json") from error
    if not isinstance(document, dict) or list(document) != [key] or not isinstance(document[key], list):
        raise InvalidInput(f'The JSON body is one object with one key, "{key}", a list.', "wrong_shape")
    rows: list[Any] = document[key]
    _check_rows(len(rows), max_rows)
    return rows


def _image(row: Any, options: ImageOptions) -> FloatArray:
    """(1, 28, 28) of a file or of a list of numbers."""
    if isinstance(row, str):
        raise InvalidImage("The text is not base64.", "bad_base64")
    if isinstance(row, bytes):
        pixels = images.decode(row, fit=options.fit, invert=options.invert, limits=options.limits)
        return pixels[np.newaxis]
    nested = isinstance(row, list) and len(row) == 28
    values = _numbers(row, (28, 28) if nested else (_PIXELS,)).reshape(1, 28, 28)
    framed: FloatArray = _framed(_checked_pixels(values), options)[0]
    return framed


def _numbers(row: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """A list of numbers, or of lists of them, of exactly this shape; float64, so that nothing overflows unseen."""
    is_shaped = isinstance(row, list) and len(row) == shape[0]
    if is_shaped and len(shape) == 2:
        is_shaped = all(isinstance(line, list) and len(line) == shape[1] for line in row)
        row = list(itertools.chain.from_iterable(row)) if is_shaped else row
    if not is_shaped:
        size = " × ".join(str(length) for length in shape)
        raise InvalidInput(f"A list of exactly {size} numbers is needed.", "wrong_shape")
    if not set(map(type, row)) <= {int, float}:  # a bool is an int to isinstance
        raise InvalidInput("Every value must be a number.", "not_a_number")
    return np.fromiter(row, np.float64, len(row))


def _array_images(values: AnyArray, max_rows: int) -> AnyArray:
    """(n, 28, 28)"""
    if values.shape in ((28, 28), (_PIXELS,)):
        values = values[np.newaxis]
    if values.shape[1:] not in ((28, 28), (1, 28, 28), (_PIXELS,)):
        raise InvalidInput("An array of images has shape (28,28), (n,28,28), (n,1,28,28) or (n,784).", "wrong_shape")
    _check_rows(len(values), max_rows)
    return values.reshape(-1, 28, 28)


def _checked_pixels(values: npt.NDArray[Any]) -> FloatArray:
    if not (values.min() >= 0 and values.max() <= 1):  # false for NaN too
        raise InvalidInput("Pixels must be numbers in [0, 1]: 0 is paper and 1 is ink.", "out_of_range")
    return np.require(values, np.float32, "A")


def _framed(values: npt.NDArray[Any], options: ImageOptions) -> FloatArray:
    """The same rules for arrays as for pictures, so that one digit gives one answer in every format.

    values: (n, 28, 28), uint8 or float32 in [0, 1]. Returns (n, 1, 28, 28).
    """
    dark_ink = _is_paper_light(values) if options.invert == "auto" else np.full(len(values), options.invert == "true")
    if dark_ink.any():
        white = values.dtype.type(255 if values.dtype == np.uint8 else 1)
        values = np.where(dark_ink[:, np.newaxis, np.newaxis], white - values, values)
    pixels = images.unit(values) if values.dtype == np.uint8 else values
    if options.fit == "mnist":
        pixels = np.stack([images.frame(image, options.fit) for image in pixels])
    return np.ascontiguousarray(pixels[:, np.newaxis], np.float32)


def _is_paper_light(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether the outermost ring of pixels is lighter than half in the median: (n, 28, 28) to (n,).

    Counting the lighter ones tells, in a fraction of a median's time, but where half lies between the middle two.
    """
    ring = values.reshape(len(values), _PIXELS).take(images.RING, axis=1)  # (n, 108)
    half, white = (127, 255) if ring.dtype == np.uint8 else (0.5, 1)
    lighter = (ring > half).view(np.uint8).sum(axis=1, dtype=np.uint8)
    is_light: npt.NDArray[np.bool_] = lighter > len(images.RING) // 2
    tied = lighter == len(images.RING) // 2
    if tied.any():
        is_light[tied] = np.median(ring[tied], axis=1) > white / 2
    return is_light


def _stacked(rows: Sequence[_T], read: Callable[[_T], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """What `read` makes of each row, as one array; an error of one row of several says which row it was."""
    if len(rows) == 1:
        return read(rows[0])[np.newaxis]
    read_rows = []
    for index, row in enumerate(rows):
        try:
            read_rows.append(read(row))
        except ServiceError as error:
            raise type(error)(f"Row {index}: {error.detail}", error.code) from error
    return np.stack(read_rows)
