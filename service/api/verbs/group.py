"""A group of jobs of one verb: what all need is done once, in arrays; each gets its own rows, or its own error."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.api.backend import Backend
from service.api.reply import Reply
from service.api.request import Request
from service.api.verbs.form import Form, fact_headers
from service.codecs import image_body, outputs
from service.codecs.image_body import ImageBody
from service.codecs.outputs import Answer
from service.engine.job import Answer as JobAnswer
from service.engine.job import Job
from service.errors import ServiceError

AnyArray = npt.NDArray[Any]
Rows = Mapping[str, AnyArray]


class Item(NamedTuple):
    """One job. source: a body to read, or a page of samples. facts: about this answer alone, such as a seed."""

    form: Form
    source: Any
    facts: Mapping[str, Any] = {}


class Found(NamedTuple):
    """What a run gives, row i of each array belonging to row i of what went in. groups: as Answer's."""

    rows: Rows
    main: str = "images"
    groups: Mapping[str, Rows] = {}


def answer(
    read: Callable[[Sequence[Any]], Sequence[AnyArray | ServiceError]],
    run: Callable[[AnyArray, Sequence[Item], Sequence[int]], Found],
    items: Sequence[Item],
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


def image_job(
    answer: JobAnswer, form: Form, request: Request, backend: Backend, facts: Mapping[str, Any] = MappingProxyType({})
) -> Job:
    """Of a body that holds images. Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows."""
    body = ImageBody(bytes(request.body.content), request.headers, form.reading, request.body.files)
    return Job(
        answer,
        form.key,
        Item(form, body, facts),
        rows=body.rows,
        cost_s=body.cost_s + body.rows * form.row_s,
        timeout_s=backend.limits.timeout_s,
    )


def found_on(items: Sequence[Item]) -> dict[str, Rows]:
    """What was found on the images of all, as a group; none where it was not asked for."""
    facts = image_body.found([item.source for item in items])
    return {"found": facts} if facts else {}


def replies(items: Sequence[Item], counts: Sequence[int], found: Found) -> list[Reply]:
    """Each item's rows of what was found, in its form."""
    answers = []
    end = 0
    for (form, _, facts), count in zip(items, counts, strict=True):
        rows, groups = found.rows, found.groups
        if len(items) > 1:
            part = slice(end, end := end + count)
            rows = {name: values[part] for name, values in rows.items()}
            groups = {
                group: {name: values[part] for name, values in members.items()} for group, members in groups.items()
            }
        metadata = {**form.metadata, **facts} if facts else form.metadata
        first_index = facts.get("offset", 0)
        answers.append(Answer(form.media_type, metadata, rows, found.main, form.options, first_index, groups))
    made = []
    for item, rendered in zip(items, outputs.render(answers), strict=True):
        headers = item.form.headers
        if item.facts:
            headers += fact_headers(item.facts)
        if rendered.headers:
            headers += fact_headers(rendered.headers, "")
        made.append(Reply(200, rendered.media_type, rendered.body, headers))
    return made
