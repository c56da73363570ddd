"""Form: what requests that differ in their bodies alone have in common; found once for those that come again."""

import functools
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from service.api.backend import Backend
from service.api.schemas import ModelQuery, Query, ReadingQuery, ShownQuery
from service.codecs import accept
from service.codecs.image_body import ImageOptions
from service.codecs.outputs import RenderOptions
from service.engine.model import Model


class Form(NamedTuple):
    """key: as a Job's. row_s: what a row costs once it is read, in seconds. headers: of every answer.

    reading: how the body is read.

    metadata: whose answer it is; of a deterministic one also all that its bits depend on besides the request.
    """

    model: Model
    query: Any
    media_type: str
    options: RenderOptions
    metadata: Mapping[str, Any]
    headers: tuple[tuple[bytes, bytes], ...]
    key: Hashable | None
    row_s: float
    reading: Any = None


def reading(query: ReadingQuery, backend: Backend, *, found: bool) -> ImageOptions:
    """How the images of a body are read."""
    return backend.limits.image_options(query.fit, query.invert, split=query.split, found=found)


def form(query: ModelQuery, accepted: str, offers: tuple[str, ...], backend: Backend) -> Form:
    """All of it but the key and the cost. accepted: the Accept header. Raises NotAcceptable, UnknownModel."""
    media_type = accept.negotiate(accepted, offers)
    model = backend.registry.model(query.model)
    metadata = {"model": model.name}
    if query.deterministic:
        metadata |= {"model_digest": model.digest, "runtime": model.runtime}
    return Form(model, query, media_type, render_options(query), metadata, fact_headers(metadata), None, 0.0)


def render_options(query: Query) -> RenderOptions:
    return RenderOptions(query.pixels, query.columns) if isinstance(query, ShownQuery) else RenderOptions()


def fact_headers(facts: Mapping[str, Any], prefix: str = "x-") -> tuple[tuple[bytes, bytes], ...]:
    """The facts of every answer are in its headers too, also where its body has no room for them."""
    return tuple((_header_name(prefix + name), str(value).encode("latin-1")) for name, value in facts.items())


@functools.cache
def _header_name(name: str) -> bytes:
    return name.lower().replace("_", "-").encode("ascii")
