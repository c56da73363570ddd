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
from typing import Any, Final, NamedTuple, TypeVar

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
PLAIN_TYPES: Final = (*ARRAY_TYPES, RAW_TYPE)  # numbers as they lie in memory
MAX_LATENT: Final = 1000.0  # far outside any prior, far inside float32

_PIXELS = 28 * 28

FloatArray = npt.NDArray[np.float32]
_T = TypeVar("_T")


@dataclass(frozen=True)
class ImageOptions:
    """How pictures become pixels, and how many may come at once."""

    fit: images.Fit
    invert: images.Invert
    limits: images.ImageLimits
    max_rows: int


class Picture(NamedTuple):
    """A file, PNG or JPEG, and how it is to be read."""

    file: bytes
    options: ImageOptions


def read_images(body: bytes, content_type: str, options: ImageOptions) -> FloatArray:
    """float32 (n, 1, 28, 28) in [0, 1], 1 is ink; n from 1 to options.max_rows.

    Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooLarge; of several images it names the first bad one.
    """
    media_type = _media_type(content_type)
    if media_type in IMAGE_TYPES:
        return _decoded([body], options)
    if media_type == FORM_TYPE:
        return _decoded(multipart.files(body, content_type, options.max_rows), options)
    if media_type == JSON_TYPE:
        rows = _json_rows(body, "images", options.max_rows)
        return _stacked(rows, functools.partial(_json_image, options=options))
    if media_type in ARRAY_TYPES or (media_type == RAW_TYPE and body.startswith(npy.NPY_MAGIC)):
        return _array_images(npy.read_npy(body), options)
    if media_type == RAW_TYPE:
        if len(body) % _PIXELS:
            raise InvalidInput(
                f"Raw images are n × {_PIXELS} bytes, one byte a pixel; the body holds {len(body)}.",
                "wrong_size",
            )
        return _array_images(np.frombuffer(body, np.uint8).reshape(-1, _PIXELS), options)
    raise _unsupported(media_type, (*IMAGE_TYPES, FORM_TYPE, JSON_TYPE, ARRAY_TYPES[0], RAW_TYPE))


def read_pictures(pictures: Sequence[Picture]) -> Sequence[FloatArray | ServiceError]:
    """What read_images gives or raises for each, many of them in less time than one by one."""
    read: dict[int, FloatArray] = {}
    for options in {id(picture.options): picture.options for picture in pictures}.values():
        alike = [i for i, picture in enumerate(pictures) if picture.options is options]
        if len(alike) > 1 and options.fit != "mnist":
            usual, samples = images.digits([pictures[i].file for i in alike], options.limits)
            read |= zip((alike[i] for i in usual), _framed(samples, options)[:, np.newaxis], strict=True)
    return [read[i] if i in read else _picture(*picture) for i, picture in enumerate(pictures)]


def _picture(file: bytes, options: ImageOptions) -> FloatArray | ServiceError:
    try:
        return _decoded([file], options)
    except ServiceError as error:
        return error


def read_latents(body: bytes, content_type: str, latent_dim: int, max_rows: int) -> FloatArray:
    """float32 (n, latent_dim), finite and at most MAX_LATENT in size; n from 1 to max_rows.

    Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows.
    """
    media_type = _media_type(content_type)
    values: npt.NDArray[Any]
    if media_type == JSON_TYPE:
        rows = _json_rows(body, "latents", max_rows)
        values = _stacked(rows, functools.partial(_numbers, shape=(latent_dim,)))
    elif media_type in ARRAY_TYPES or (media_type == RAW_TYPE and body.startswith(npy.NPY_MAGIC)):
        values = npy.read_npy(body)
        if values.dtype == np.uint8 or values.ndim not in (1, 2) or values.shape[-1] != latent_dim:
            raise InvalidInput(f"Latents are float32 of shape (n, {latent_dim}).", "wrong_shape")
        values = np.atleast_2d(values)
    elif media_type == RAW_TYPE:
        if len(body) % (4 * latent_dim):
            raise InvalidInput(
                f"Raw latents are n × {latent_dim} little-endian float32, {4 * latent_dim} bytes each; "
                f"the body holds {len(body)}.",
                "wrong_size",
            )
        values = np.frombuffer(body, "<f4").reshape(-1, latent_dim)
    else:
        raise _unsupported(media_type, (JSON_TYPE, ARRAY_TYPES[0], RAW_TYPE))
    _check_rows(len(values), max_rows)
    if not (np.abs(values) <= MAX_LATENT).all():  # false for NaN too
        raise InvalidInput(f"Latents must be finite and within ±{MAX_LATENT:g}.", "out_of_range")
    return np.ascontiguousarray(values, np.float32)


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


def _decoded(files: list[bytes], options: ImageOptions) -> FloatArray:
    _check_rows(len(files), options.max_rows)
    return _stacked(files, functools.partial(_image, options=options))


def _image(data: bytes, options: ImageOptions) -> FloatArray:
    pixels = images.decode(data, fit=options.fit, invert=options.invert, limits=options.limits)
    framed: FloatArray = pixels[np.newaxis]  # (1, 28, 28)
    return framed


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


def _json_image(row: Any, options: ImageOptions) -> FloatArray:
    if isinstance(row, str):
        encoded = row.partition(",")[2] if row.startswith("data:") else row
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidImage("The text is not base64.", "bad_base64") from error
        return _image(data, options)
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


def _array_images(values: npt.NDArray[Any], options: ImageOptions) -> FloatArray:
    if values.shape in ((28, 28), (_PIXELS,)):
        values = values[np.newaxis]
    if values.shape[1:] not in ((28, 28), (1, 28, 28), (_PIXELS,)):
        raise InvalidInput("An array of images has shape (28,28), (n,28,28), (n,1,28,28) or (n,784).", "wrong_shape")
    _check_rows(len(values), options.max_rows)
    values = values.reshape(-1, 28, 28)
    return _framed(values if values.dtype == np.uint8 else _checked_pixels(values), options)


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
