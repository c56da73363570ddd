"""/sample: new digits from the prior, as a page or as a stream of pages."""

import functools
from collections.abc import AsyncGenerator, Hashable, Sequence
from typing import Any

from pydantic import ValidationError

from service.api import problems
from service.api.backend import Backend
from service.api.reply import Reply, StreamReply
from service.api.request import Request
from service.api.schemas import ImageOutputQuery, SampleBody, SampleQuery
from service.api.verbs import group
from service.api.verbs.form import Form, fact_headers, form
from service.api.verbs.group import Found, Item
from service.codecs import content_type, npy, outputs
from service.codecs.rows import json_text
from service.engine import noise, sampling
from service.engine.job import Answer, Job
from service.engine.sampling import SamplePage, Samples, SampleSpec
from service.errors import MalformedBody, PayloadTooLarge, TooManyRows, UnsupportedMediaType

_STREAM_ROWS = 1024  # 3 MB of images; more are made and sent page by page
_PAGE_ROWS = 128  # 0.4 MB: the first byte leaves after some 30 ms, and small requests find a turn between two pages
_NOISE_ROW_S = 3e-6
_BODY_BYTES = 64 << 10  # parsed at once; 1,024 labels, one a line, take 10 kB


def prepare(query: ImageOutputQuery, accepted: str, backend: Backend) -> Form:
    common = form(query, accepted, outputs.IMAGE_OFFERS, backend)
    return common._replace(
        key=None if query.deterministic else (answer, common.model),
        row_s=common.model.row_s("prior", "decoder") + outputs.row_s(common.media_type) + _NOISE_ROW_S,
    )


def plan(form: Form, request: Request, backend: Backend) -> Job:
    """By the query; a body is not looked at. Raises TooManyRows, InvalidParameter."""
    query: SampleQuery = form.query
    return _plan(form, query.body, backend)


def plan_post(form: Form, request: Request, backend: Backend) -> Job:
    """By a JSON body. Raises PayloadTooLarge, UnsupportedMediaType, MalformedBody, InvalidParameter, TooManyRows."""
    content = bytes(request.body.content)
    if len(content) > _BODY_BYTES:
        raise PayloadTooLarge(f"The body of /sample has at most {_BODY_BYTES} bytes.")
    if content_type.of(request.headers, content) != content_type.JSON:
        raise UnsupportedMediaType(f"The body must be {content_type.JSON}.")
    try:
        return _plan(form, SampleBody.model_validate_json(json_text(content)), backend)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            raise MalformedBody("The body is not valid JSON in UTF-8.", "invalid_json") from error
        raise problems.parameter_error(found) from error


def _plan(form: Form, body: SampleBody, backend: Backend) -> Job:
    limits = backend.limits.limits
    is_streamable = form.media_type in outputs.STREAMED
    if body.count > (limits.max_stream_count if is_streamable else limits.max_sample_count):
        raise TooManyRows(
            f"count: at most {limits.max_sample_count} samples are given at once, or "
            f"{limits.max_stream_count} as {' or '.join(outputs.STREAMED)}; use offset for more."
        )
    spec = SampleSpec(noise.seed(body.seed), body.label, body.temperature, body.min_confidence)
    sampling.check_label(spec, len(form.model.manifest.classes))
    facts = {"seed": spec.seed, "offset": body.offset, "temperature": spec.temperature}
    if spec.min_confidence > 0:
        facts["min_confidence"] = spec.min_confidence
    item = Item(form, SamplePage(spec, body.offset, body.count), facts)
    if is_streamable and body.count > min(_STREAM_ROWS, limits.max_sample_count):
        rows = min(_PAGE_ROWS, limits.max_sample_count)
        stream = _Stream(item, backend, rows)
        return _job(item, backend, rows, lambda items: [stream.reply()], None)
    return _job(item, backend, body.count, answer, form.key and (form.key, spec.min_confidence > 0))


def answer(items: Sequence[Item]) -> list[Reply]:
    samples = _sample(items[0].form, [item.source for item in items])
    rows = {name: values for name, values in vars(samples).items() if values is not None}
    return group.replies(items, [item.source.count for item in items], Found(rows))


def _job(item: Item, backend: Backend, rows: int, answer: Answer, key: Hashable | None) -> Job:
    row_s = item.form.row_s
    if item.source.spec.min_confidence > 0:
        row_s += 2 * item.form.model.row_s("prior", "density")
    return Job(answer, key, item, rows=rows, cost_s=rows * row_s, timeout_s=backend.limits.timeout_s)


def _sample(form: Form, pages: Sequence[SamplePage]) -> Samples:
    return sampling.sample(form.model, pages, deterministic=form.query.deterministic)


class _Stream:
    """The images of one long series, page by page. A failure of the first page is still answered as an error."""

    def __init__(self, item: Item, backend: Backend, page_rows: int) -> None:
        self._item = item
        self._backend = backend
        self._page_rows = page_rows

    def reply(self) -> Reply:
        """Made with the first page, in the group of its job."""
        form, whole, facts = self._item
        first = self._images(0)
        head = outputs.stream_head(form.media_type, (whole.count, *first.shape[1:]), first.dtype)
        length = len(head.body) + whole.count * first[0].nbytes
        headers = (*form.headers, *fact_headers(facts), *fact_headers(head.headers, ""))
        return StreamReply(200, head.media_type, b"", headers, self._chunks(head.body, first), length)

    async def _chunks(self, head: bytes | memoryview, first: Any) -> AsyncGenerator[bytes | memoryview, None]:
        """Each further page is a job of its own, which waits for room."""
        yield head
        yield npy.write_raw(first)
        for start in range(self._page_rows, self._item.source.count, self._page_rows):
            job = _job(self._item, self._backend, self._page_rows, functools.partial(self._page, start), None)
            yield npy.write_raw(await self._backend.door.ask(job))

    def _page(self, start: int, items: Sequence[Item]) -> list[Any]:
        return [self._images(start)]

    def _images(self, start: int) -> Any:
        whole: SamplePage = self._item.source
        page = SamplePage(whole.spec, whole.first + start, min(self._page_rows, whole.count - start))
        return _sample(self._item.form, [page]).images
