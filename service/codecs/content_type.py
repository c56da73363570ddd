"""Content-Type header → media type, and the names of those that a body may have."""

import functools
from typing import Final

from service.codecs import npy
from service.errors import UnsupportedMediaType

IMAGE: Final = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")
ARRAY: Final = ("application/x-npy", "application/npy")
RAW: Final = "application/octet-stream"
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"


@functools.lru_cache(maxsize=64)  # clients send the same few, again and again
def media_type(content_type: bytes) -> str:
    """In lower case, without parameters. Raises UnsupportedMediaType for a charset other than UTF-8."""
    name, *parameters = (piece.strip() for piece in content_type.decode("latin-1").lower().split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "charset" and value.strip('"') not in ("", "utf-8"):
            raise UnsupportedMediaType("The only charset accepted is utf-8.")
    return name


def is_npy(media_type: str, body: bytes) -> bool:
    return media_type in ARRAY or (media_type == RAW and body.startswith(npy.NPY_MAGIC))


def unsupported(media_type: str, accepted: tuple[str, ...]) -> UnsupportedMediaType:
    got = "That content type" if media_type else "A body without a content type"
    return UnsupportedMediaType(f"{got} is not accepted here; accepted are {', '.join(accepted)}.")
