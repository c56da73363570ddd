"""Accept header → the offer that the client likes best. RFC 9110, section 12.5.1."""

import functools

from service.codecs import parameters
from service.errors import NotAcceptable

_MAX_CHARACTERS = 4096  # browsers send some 200
_MAX_CACHED_CHARACTERS = 256


def negotiate(accept: str, offers: tuple[str, ...]) -> str:
    """The first offer where the client has no preference. Raises NotAcceptable, which names the offers."""
    if not accept:
        return offers[0]
    if len(accept) > _MAX_CHARACTERS:
        raise NotAcceptable(f"An Accept header has at most {_MAX_CHARACTERS} characters.")
    return (_negotiate_cached if len(accept) <= _MAX_CACHED_CHARACTERS else _negotiate)(accept, offers)


def _negotiate(accept: str, offers: tuple[str, ...]) -> str:
    ranges = dict(map(_media_range, parameters.elements(accept)))
    qualities = [_quality(offer, ranges) for offer in offers]
    best = max(qualities)
    if best <= 0:
        raise NotAcceptable(f"This route answers with {', '.join(offers)}.")
    return offers[qualities.index(best)]


_negotiate_cached = functools.lru_cache(maxsize=64)(_negotiate)  # clients send the same few, again and again


def _quality(offer: str, ranges: dict[str, float]) -> float:
    """That of the most precise range which the offer matches; 0 where it matches none."""
    for media_range in (offer, offer.partition("/")[0] + "/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0


def _media_range(part: str) -> tuple[str, float]:
    name, given = parameters.parse(part)
    try:
        quality = float(next((value for key, value in given if key == "q"), "1"))
    except ValueError:
        return name, 0.0
    return name, quality if 0 <= quality <= 1 else 0.0  # NaN too
