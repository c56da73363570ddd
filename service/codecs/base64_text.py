"""base64 as clients write it → bytes. RFC 4648, sections 4 and 5; data URLs: RFC 2397."""

import base64
import binascii
from urllib.parse import unquote

_FROM_URL_SAFE = str.maketrans("-_", "+/")


def decode(text: str) -> bytes | None:
    """The bytes of a text or a data URL; None where it is not base64.

    It may be wrapped into lines, of either alphabet, and without its padding. A space within a line is refused: it was
    a plus sign before it went through a form.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    text = text.strip()
    if text[:5].lower() == "data:":
        text = unquote(text.partition(",")[2])
    text = "".join(map(str.strip, text.split("\n"))).translate(_FROM_URL_SAFE)
    if "=" not in text:
        text += "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
