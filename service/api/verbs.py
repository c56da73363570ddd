"""The four verbs: a checked query, headers and a body → a Reply. By whichever way a request comes."""

import functools
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from service.api.problems import parameter_error
from service.api.reply import Reply, StreamReply
from service.api.schemas import (
    ImageInputQuery,
    ImageOutputQuery,
    Limits,
    Query,
    ReconstructQuery,
    SampleBody,
    SampleQuery,
)
from service.codecs import inputs, npy, outputs
from service.codecs.images import ImageLimits
from service.codecs.inputs import Picture
from service.codecs.outputs import Answer, Rendering
from service.engine import noise
from service.engine.model import Engine, Model
from service.engine.noise import Page
from service.engine.sampling import NoiseSource, Series
from service.errors import InvalidParameter, MalformedBody, TooManyRows, UnsupportedMediaType
from service.together import Together

# A larger body than that of one small PNG may hide a megapixel, and larger arrays take more than half a millisecond:
# they are read off the event loop, at the price of a thread's 0.1 ms.
_THREAD_BYTES = 2 << 10
_THREAD_ARRAY_BYTES = 512 << 10
_STREAM_ROWS = 1024  # 3 MB of images; more are made and sent page by page
_PAGE_ROWS = 128  # 0.4 MB: the first byte leaves after some 30 ms, and small requests find a turn between two pages
_SEED_BITS = 53  # a JSON reader that keeps numbers as doubles can send such a seed back unharmed

_Headers = Mapping[bytes, bytes]  # by names in lower case; of one given twice the first value


@dataclass(frozen=True)
class Boundaries:
    """What a request may ask for, and how long it may wait."""

    limits: Limits
    images: ImageLimits
    request_timeout_s: float


class Verbs:
    """Each verb takes a query, headers and a body, and raises what the error table knows.

    It is cancelled where its client has left, which takes its rows out of the queues.
    """

    def __init__(
        self,
        engine: Engine,
        boundaries: Boundaries,
        is_alone: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """is_alone: whether there is but one request. clock: the batchers', in seconds; deadlines are on it."""
        self._engine = engine
        self._limits = boundaries.limits
        self._image_options = functools.cache(
            lambda fit, invert: inputs.ImageOptions(fit, invert, boundaries.images, self._limits.max_request_rows)
        )
        self._noise = NoiseSource(is_alone)
        self._pictures = Together(inputs.read_pictures, is_alone)
        self._drawings = Together(outputs.draw, is_alone)
        self._request_timeout_s = boundaries.request_timeout_s
        self._clock = clock

    async def encode(self, query: ImageInputQuery, headers: _Headers, body: bytes) -> Reply:
        """Images → the mean and, of a VAE, the log-variance of each one's posterior."""
        media_type = _negotiate(headers, outputs.LATENT_OFFERS)
        model = self._engine.model(query.model)
        images = await self._read_images(query, headers, body)
        posterior = await model.encode(images, self._deadline(), deterministic=query.deterministic)
        rows = {"mean": posterior.mean}
        if posterior.log_var is not None:
            rows["log_var"] = posterior.log_var
        return await self._respond(Answer(_metadata(model, query), rows, main="mean"), media_type)

    async def decode(self, query: ImageOutputQuery, headers: _Headers, body: bytes) -> Reply:
        """Latents → the mean image of each."""
        media_type = _negotiate(headers, outputs.IMAGE_OFFERS)
        model = self._engine.model(query.model)
        latents = inputs.read_latents(
            body,
            _text(headers, b"content-type"),
            model.manifest.latent_dim,
            self._limits.max_request_rows,
        )
        images = await model.decode(latents, self._deadline(), deterministic=query.deterministic)
        return await self._respond(Answer(_metadata(model, query), {"images": images}), media_type, query)

    async def reconstruct(self, query: ReconstructQuery, headers: _Headers, body: bytes) -> Reply:
        """Images → each by way of its latent, with its scores and their percentiles."""
        media_type = _negotiate(headers, outputs.IMAGE_OFFERS)
        model = self._engine.model(query.model)
        metadata = _metadata(model, query)
        if query.draw and not model.is_probabilistic:
            raise InvalidParameter("draw: an autoencoder has no posterior to draw from; leave it out.")
        images = await self._read_images(query, headers, body)
        epsilon = None
        if query.draw:
            metadata["seed"] = _seed(query.seed)
            page = Page(metadata["seed"], noise.POSTERIOR_STREAM, 0, len(images), model.manifest.latent_dim)
            epsilon = (await self._noise.draw(page)).normals
        scored = media_type in outputs.DETAILED
        found = await model.reconstruct(
            images, self._deadline(), epsilon, scored=scored, deterministic=query.deterministic
        )
        rows: dict[str, Any] = {"images": found.images}
        if found.mse is not None:
            rows["mse"] = found.mse
        if found.scores is not None:
            rows |= vars(found.scores)
        groups = {"percentiles": found.percentiles} if found.percentiles else {}
        return await self._respond(Answer(metadata, rows, groups=groups), media_type, query)

    async def sample(self, query: SampleQuery, headers: _Headers, body: bytes) -> Reply:
        """New digits, asked for in the query; a body is not looked at."""
        return await self._sample(query, query.wish, headers)

    async def sample_post(self, query: ImageOutputQuery, headers: _Headers, body: bytes) -> Reply:
        """New digits, asked for in a JSON body."""
        if _text(headers, b"content-type").partition(";")[0].strip().lower() != inputs.JSON_TYPE:
            raise UnsupportedMediaType(f"The body must be {inputs.JSON_TYPE}.")
        try:
            wish = SampleBody.model_validate_json(body)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            if problems[0]["type"] == "json_invalid":
                raise MalformedBody("The body is not valid JSON in UTF-8.", "invalid_json") from error
            raise parameter_error(problems) from error
        return await self._sample(query, wish, headers)

    async def _sample(self, query: ImageOutputQuery, wish: SampleBody, headers: _Headers) -> Reply:
        media_type = _negotiate(headers, outputs.IMAGE_OFFERS)
        model = self._engine.model(query.model)
        streamed = media_type in outputs.STREAMED
        if wish.count > (self._limits.max_stream_count if streamed else self._limits.max_sample_count):
            raise TooManyRows(
                f"count: at most {self._limits.max_sample_count} samples are given at once, or "
                f"{self._limits.max_stream_count} as {' or '.join(outputs.STREAMED)}; use offset for more."
            )
        seed = _seed(wish.seed)
        metadata = _metadata(model, query) | {"seed": seed, "offset": wish.offset, "temperature": wish.temperature}
        if wish.min_confidence > 0:
            metadata["min_confidence"] = wish.min_confidence
        series = Series(self._noise, model, wish, seed, query.deterministic, self._deadline)
        if streamed and wish.count > min(_STREAM_ROWS, self._limits.max_sample_count):
            return await self._stream(series, media_type, metadata)
        samples = await series.page(0, wish.count)
        rows = {name: values for name, values in vars(samples).items() if values is not None}
        return await self._respond(Answer(metadata, rows, first_index=wish.offset), media_type, query)

    async def _stream(self, series: Series, media_type: str, metadata: Mapping[str, Any]) -> Reply:
        """The images page by page. What goes wrong with the first page is still told as an error."""
        count, rows = series.wish.count, min(_PAGE_ROWS, self._limits.max_sample_count)
        first = (await series.page(0, rows)).images
        head = outputs.stream_head(media_type, (count, *first.shape[1:]), first.dtype)

        async def chunks() -> AsyncGenerator[bytes | memoryview, None]:
            yield head.body
            yield npy.write_raw(first)
            for start in range(rows, count, rows):
                yield npy.write_raw((await series.page(start, min(rows, count - start))).images)

        length = len(head.body) + count * first[0].nbytes
        return StreamReply(
            head.media_type, chunks(), length, [*_fact_headers(metadata), *_fact_headers(head.headers, "")]
        )

    async def _read_images(self, query: ImageInputQuery, headers: _Headers, body: bytes) -> inputs.FloatArray:
        options = self._image_options(query.fit, query.invert)
        content_type = _text(headers, b"content-type")
        is_array = content_type in inputs.PLAIN_TYPES and query.fit != "mnist"
        if content_type in inputs.IMAGE_TYPES and len(body) <= _THREAD_BYTES:
            return await self._pictures.ask(Picture(body, options))
        if len(body) <= (_THREAD_ARRAY_BYTES if is_array else _THREAD_BYTES):
            return inputs.read_images(body, content_type, options)
        return await run_in_threadpool(inputs.read_images, body, content_type, options)

    async def _respond(self, answer: Answer, media_type: str, query: ImageOutputQuery | None = None) -> Reply:
        """The facts of every answer are in its headers too, also where its body has no room for them."""
        rendering = Rendering(query.pixels, query.columns) if query else Rendering()
        if outputs.is_drawing(answer, media_type, rendering):
            rendered = await self._drawings.ask(answer)
        elif outputs.is_quick(answer, media_type):
            rendered = outputs.render(answer, media_type, rendering)
        else:
            rendered = await run_in_threadpool(outputs.render, answer, media_type, rendering)
        headers = [*_fact_headers(answer.metadata), *_fact_headers(rendered.headers, "")]
        return Reply(200, rendered.media_type, rendered.body, headers)

    def _deadline(self) -> float:
        return self._clock() + self._request_timeout_s


def _text(headers: _Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _negotiate(headers: _Headers, offers: tuple[str, ...]) -> str:
    return outputs.negotiate(_text(headers, b"accept"), offers)


def _metadata(model: Model, query: Query) -> dict[str, Any]:
    """Whose answer it is; of a deterministic one also all that its bits depend on besides the request."""
    if not query.deterministic:
        return {"model": model.name}
    return {"model": model.name, "model_digest": model.digest, "runtime": model.runtime}


def _seed(asked: int | None) -> int:
    return secrets.randbits(_SEED_BITS) if asked is None else asked


def _fact_headers(facts: Mapping[str, Any], prefix: str = "x-") -> Iterator[tuple[bytes, bytes]]:
    return ((_header_name(prefix + name), str(value).encode("latin-1")) for name, value in facts.items())


@functools.cache
def _header_name(name: str) -> bytes:
    return name.lower().replace("_", "-").encode("ascii")
