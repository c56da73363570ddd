"""A group of jobs of one verb: what all need is done once, in arrays; each gets its own rows, or its own error."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from service.api.reply import Reply
from service.api.request import Request
from service.api.schemas import ImageOutputQuery, Query
from service.codecs import accept, outputs
from service.codecs.outputs import Answer, RenderOptions
from service.engine.model import Model
from service.errors import ServiceError

AnyArray = npt.NDArray[Any]
Rows = Mapping[str, AnyArray]


@dataclass(frozen=True, slots=True)
class Item:
    """One job: the model, the answer's form and facts, and what is read or drawn for it.

    source: a body to read, or a page of samples. seed: of a draw from the posterior.
    """

    model: Model
    query: Query
    media_type: str
    metadata: Mapping[str, Any]
    source: Any
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a run gives, row i of each array belonging to row i of what went in. groups: as Answer's."""

    rows: Rows
    main: str = "images"
    groups: Mapping[str, Rows] = field(default_factory=dict)


def answer(
    items: Sequence[Item],
    read: Callable[[Sequence[Any]], Sequence[AnyArray | ServiceError]],
    run: Callable[[AnyArray, Sequence[Item], Sequence[int]], Found],
) -> list[Reply | ServiceError]:
    """read: sources → an array or an error for each. run: all rows that were read, the items they belong to, and how
    many rows each has → outputs.
    """
    results: list[Any] = list(read([item.source for item in items]))
    good = [i for i, result in enumerate(results) if not isinstance(result, ServiceError)]
    if not good:
        return results
    arrays = [results[i] for i in good]
    counts = [len(array) for array in arrays]
    whole = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    found = run(whole, [items[i] for i in good], counts)
    for i, reply in zip(good, replies([items[i] for i in good], counts, found), strict=True):
        results[i] = reply
    return results


def replies(items: Sequence[Item], counts: Sequence[int], found: Found) -> list[Reply]:
    """Each item's rows of what was found, in its form."""
    answers, end = [], 0
    for item, count in zip(items, counts, strict=True):
        part = slice(end, end := end + count)
        rows, groups = found.rows, found.groups
        if len(items) > 1:
            rows = {name: values[part] for name, values in rows.items()}
            groups = {
                group: {name: values[part] for name, values in members.items()} for group, members in groups.items()
            }
        query = item.query
        options = RenderOptions(query.pixels, query.columns) if isinstance(query, ImageOutputQuery) else RenderOptions()
        first = item.metadata.get("offset", 0)
        answers.append(Answer(item.media_type, item.metadata, rows, found.main, options, first, groups))
    return [
        Reply(
            200,
            rendered.media_type,
            rendered.body,
            [*fact_headers(item.metadata), *fact_headers(rendered.headers, "")],
        )
        for item, rendered in zip(items, outputs.render(answers), strict=True)
    ]


def negotiate(request: Request, offers: tuple[str, ...]) -> str:
    return accept.negotiate(request.text(b"accept"), offers)


def metadata(model: Model, query: Query) -> dict[str, Any]:
    """Whose answer it is; of a deterministic one also all that its bits depend on besides the request."""
    if not query.deterministic:
        return {"model": model.name}
    return {"model": model.name, "model_digest": model.digest, "runtime": model.runtime}


def fact_headers(facts: Mapping[str, Any], prefix: str = "x-") -> Iterator[tuple[bytes, bytes]]:
    """The facts of every answer are in its headers too, also where its body has no room for them."""
    return ((_header_name(prefix + name), str(value).encode("latin-1")) for name, value in facts.items())


@functools.cache
def _header_name(name: str) -> bytes:
    return name.lower().replace("_", "-").encode("ascii")
