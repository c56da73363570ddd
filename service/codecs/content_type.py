"""What a body is: by its Content-Type, or by its first bytes where that says no more than bytes or text."""

import functools
import re
from collections.abc import Mapping
from typing import Final

from service.codecs import npy, parameters
from service.errors import UnsupportedMediaType

IMAGE: Final = "image/*"  # a file, whose first bytes say which; what clients call it is often wrong
IMAGES: Final = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")  # that are read
ARRAY: Final = "application/x-npy"
RAW: Final = "application/octet-stream"
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"

Headers = Mapping[bytes, bytes]  # by names in lower case

_SAME = {"application/npy": ARRAY, "binary/octet-stream": RAW, "text/json": JSON}
# What clients send that do not know what they send: curl -d names a form, fetch() calls a string plain text.
_VAGUE = frozenset({"", "*/*", RAW, "text/plain", "application/x-www-form-urlencoded"})
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
# Files that are known by how they begin, also those that are then refused: PNG, JPEG, GIF, WebP, BMP, TIFF, HEIF and
# AVIF, PDF, ZIP (npz) and gzip. No raw tensor of pixels begins so but by chance, and none of latents in range.
_FILE = re.compile(
    rb"\x89PNG|\xff\xd8\xff[\xc4\xdb\xdd-\xef\xfe]|GIF8[79]a|RIFF.{4}WEBP|BM.{4}\0{4}.{4}[\x0c-\x7c]\0{3}|II\*\0|MM\0\*"
    rb"|\0\0\0.ftyp|%PDF-|PK\x03\x04|\x1f\x8b\x08[\0-\x1f]",
    re.DOTALL,
)
_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*["}]')  # of JSON, perhaps behind a byte order mark


@functools.lru_cache(maxsize=64)  # clients send the same few, again and again
def media_type(header: bytes) -> str:
    """One of the names above, or another in lower case. header: Content-Type.

    Any image is `image/*`, and what is structured as JSON is JSON (RFC 6839). Raises UnsupportedMediaType for JSON in
    another charset than UTF-8 and its subset.
    """
    name, given = parameters.parse(header.decode("latin-1"))
    name = _SAME.get(name, name)
    if name.startswith("image/"):
        return IMAGE
    if name == JSON or name.endswith("+json"):
        if any(key == "charset" and value.strip("'\" ").lower() not in _CHARSETS for key, value in given):
            raise UnsupportedMediaType("The only charset accepted of JSON is utf-8.")
        return JSON
    return name


def of(headers: Headers, body: bytes) -> str:
    """The media type of a body: its header's, or where that is vague what the first bytes show.

    Raises UnsupportedMediaType as `media_type` does.
    """
    named = media_type(headers.get(b"content-type", b""))
    if named not in _VAGUE:
        return named
    if npy.is_described(headers):
        return RAW
    if body.startswith(npy.NPY_MAGIC):
        return ARRAY
    if _FILE.match(body):
        return IMAGE
    return JSON if _OBJECT.match(body) else named


def unsupported(media_type: str, accepted: tuple[str, ...]) -> UnsupportedMediaType:
    known = {"": "A body without a content type", IMAGE: "A picture", FORM: "A form", ARRAY: "An array"}
    return UnsupportedMediaType(
        f"{known.get(media_type, 'That content type')} is not accepted here; accepted are {', '.join(accepted)}."
    )
