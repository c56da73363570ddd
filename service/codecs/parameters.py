"""Headers of the form `value; key=text; key="quoted text"`, and lists of them. RFC 9110, section 5.6."""

import itertools
import re

_MAX_PARAMETERS = 16
_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_PARAMETER = re.compile(rf';\s*([^\s;="]+)\s*=\s*(?:{_QUOTED}\s*(?=;|$)|([^;]*))', re.DOTALL)
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The value in lower case, and its first 16 parameters in order, keys in lower case.

    Raises nothing: what is no parameter is passed over.
    """
    value, semicolon, rest = text.partition(";")
    found = itertools.islice(_PARAMETER.finditer(semicolon + rest), _MAX_PARAMETERS) if rest else ()
    return value.strip().lower(), [(match[1].lower(), _text(match[2], match[3])) for match in found]


def elements(text: str) -> list[str]:
    """Of a list, which commas outside quoted text part."""
    return _ELEMENT.findall(text) if '"' in text else text.split(",")


def _text(quoted: str | None, bare: str | None) -> str:
    if quoted is None:
        return (bare or "").strip()
    return _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted
