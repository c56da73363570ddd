"""The four verbs over HTTP: /encode, /decode, /reconstruct, /sample. Body in by Content-Type, answer out by Accept."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from service import inputs, noise, outputs
from service.engine import Engine, IndexArray, Model, Rejection
from service.errors import (
    InvalidParameter,
    MalformedBody,
    PayloadTooLarge,
    TooManyRows,
    UnsupportedMediaType,
)
from service.images import ImageLimits
from service.outputs import Answer, Rendering
from service.routes import documents
from service.routes.errors import parameter_error
from service.schemas import (
    ImageInputQuery,
    ImageOutputQuery,
    Limits,
    ReconstructQuery,
    SampleBody,
    SampleQuery,
)

# A larger body than that of one small PNG may hide a megapixel, more rows take about a millisecond to write or to draw
# noise for: all that is done off the event loop, at the price of a thread's 0.1 ms.
_THREAD_BYTES = 2 << 10
_THREAD_ROWS = 16
_SEED_BITS = 53  # a JSON reader that keeps numbers as doubles can send such a seed back unharmed

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Boundaries:
    """What a request may ask for, and how long it may wait."""

    limits: Limits
    images: ImageLimits
    request_timeout_s: float


def router(engine: Engine, boundaries: Boundaries, clock: Callable[[], float] = time.monotonic) -> APIRouter:
    """clock: the batchers', in seconds; deadlines are on it."""
    routes = APIRouter(tags=["autoencoder"])
    limits = boundaries.limits

    def deadline() -> float:
        return clock() + boundaries.request_timeout_s

    async def read_images(request: Request, query: ImageInputQuery) -> inputs.FloatArray:
        body = await _body(request, limits.max_body_bytes)
        options = inputs.ImageOptions(query.fit, query.invert, boundaries.images, limits.max_request_rows)
        content_type = request.headers.get("content-type", "")
        if len(body) <= _THREAD_BYTES:
            return inputs.read_images(body, content_type, options)
        return await run_in_threadpool(inputs.read_images, body, content_type, options)

    @routes.post("/encode", **documents.ENCODE)
    async def encode(request: Request, query: Annotated[ImageInputQuery, Query()]) -> Response:
        """The approximate posterior of each image: mean and, for a VAE, log-variance of a diagonal Gaussian."""
        media_type = outputs.negotiate(request.headers.get("accept"), outputs.LATENT_OFFERS)
        model = engine.model(query.model)
        posterior = await model.encode(await read_images(request, query), deadline())
        rows = {"mean": posterior.mean}
        if posterior.log_var is not None:
            rows["log_var"] = posterior.log_var
        return await _respond(Answer({"model": model.name}, rows, main="mean"), media_type)

    @routes.post("/decode", **documents.decode(engine.default.manifest.latent_dim))
    async def decode(request: Request, query: Annotated[ImageOutputQuery, Query()]) -> Response:
        """The mean image of each latent."""
        media_type = outputs.negotiate(request.headers.get("accept"), outputs.IMAGE_OFFERS)
        model = engine.model(query.model)
        body = await _body(request, limits.max_body_bytes)
        content_type = request.headers.get("content-type", "")
        latents = inputs.read_latents(body, content_type, model.manifest.latent_dim, limits.max_request_rows)
        images = await model.decode(latents, deadline())
        return await _respond(Answer({"model": model.name}, {"images": images}), media_type, query)

    @routes.post("/reconstruct", **documents.RECONSTRUCT)
    async def reconstruct(request: Request, query: Annotated[ReconstructQuery, Query()]) -> Response:
        """Each image after encoding and decoding, with its error and, for a VAE, its ELBO in two terms.

        Percentiles say where those scores lie among the scores of MNIST's test digits.
        """
        media_type = outputs.negotiate(request.headers.get("accept"), outputs.IMAGE_OFFERS)
        model = engine.model(query.model)
        metadata: dict[str, Any] = {"model": model.name}
        if query.draw and not model.is_probabilistic:
            raise InvalidParameter("draw: an autoencoder has no posterior to draw from; leave it out.")
        images = await read_images(request, query)
        epsilon = None
        if query.draw:
            metadata["seed"] = _seed(query.seed)
            page = (metadata["seed"], noise.POSTERIOR_STREAM, 0, len(images), model.manifest.latent_dim)
            epsilon = (await _work(len(images), noise.draw, *page))[1]
        found = await model.reconstruct(images, deadline(), epsilon)
        rows: dict[str, Any] = {"images": found.images, "mse": found.mse}
        if found.scores is not None:
            rows |= vars(found.scores)
        groups = {"percentiles": found.percentiles} if found.percentiles else {}
        return await _respond(Answer(metadata, rows, groups=groups), media_type, query)

    @routes.get("/sample", **documents.SAMPLE)
    async def sample(request: Request, query: Annotated[SampleQuery, Query()]) -> Response:
        """New digits from the prior. Sample i depends on seed, i, label, temperature and min_confidence alone."""
        return await answer_sample(request, query, query.body())

    @routes.post("/sample", **documents.SAMPLE_POST)
    async def sample_post(request: Request, query: Annotated[ImageOutputQuery, Query()]) -> Response:
        """The same, asked for in a JSON body."""
        body = await _body(request, limits.max_body_bytes)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != inputs.JSON_TYPE:
            raise UnsupportedMediaType(f"The body must be {inputs.JSON_TYPE}.")
        try:
            wish = SampleBody.model_validate_json(body)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            if problems[0]["type"] == "json_invalid":
                raise MalformedBody("The body is not valid JSON in UTF-8.", "invalid_json") from error
            raise parameter_error([dict(problem) for problem in problems]) from error
        return await answer_sample(request, query, wish)

    async def answer_sample(request: Request, query: ImageOutputQuery, wish: SampleBody) -> Response:
        media_type = outputs.negotiate(request.headers.get("accept"), outputs.IMAGE_OFFERS)
        model = engine.model(query.model)
        if wish.count > limits.max_sample_count:
            raise TooManyRows(
                f"count: at most {limits.max_sample_count} samples are given at once; use offset for more."
            )
        seed = _seed(wish.seed)

        async def draw(attempt: int, rows: Any = slice(None)) -> tuple[noise.Float64Array, inputs.FloatArray]:
            stream = noise.SAMPLE_STREAM + attempt * noise.STREAMS
            page = (seed, stream, wish.offset, wish.count, model.manifest.latent_dim)
            uniforms, epsilon = await _work(wish.count, noise.draw, *page, rows)
            return uniforms, epsilon * np.float32(wish.temperature)

        async def redraw(attempt: int, rows: IndexArray) -> inputs.FloatArray:
            return (await draw(attempt, rows))[1]

        metadata = {"model": model.name, "seed": seed, "offset": wish.offset, "temperature": wish.temperature}
        rejection = None
        if wish.min_confidence > 0:
            metadata["min_confidence"] = wish.min_confidence
            rejection = Rejection(wish.min_confidence, redraw)
        uniforms, epsilon = await draw(0)
        samples = await model.sample(epsilon, _labels(model, wish, uniforms), deadline(), rejection)
        rows = {name: values for name, values in vars(samples).items() if values is not None}
        answer = Answer(metadata, rows, first_index=wish.offset)
        return await _respond(answer, media_type, query)

    return routes


def _labels(model: Model, wish: SampleBody, uniforms: noise.Float64Array) -> Any:
    """(count,) int64: drawn by the class weights, or those asked for, in turn by index."""
    if wish.label == "any":
        return model.draw_labels(uniforms)
    classes = len(model.manifest.classes)
    asked = np.arange(classes) if wish.label == "balanced" else np.atleast_1d(np.array(wish.label, np.int64))
    if asked.max() >= classes:
        raise InvalidParameter(f"label: a class is a number from 0 to {classes - 1}.", "unknown_label")
    return asked[(wish.offset + np.arange(wish.count)) % len(asked)]


def _seed(asked: int | None) -> int:
    return secrets.randbits(_SEED_BITS) if asked is None else asked


async def _body(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises PayloadTooLarge as soon as that is known, UnsupportedMediaType for a compressed one."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("A compressed body is not accepted; send it as it is.", "unsupported_encoding")
    too_large = PayloadTooLarge(f"The body is larger than {max_bytes} bytes.")
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > max_bytes:
        raise too_large
    chunks = []
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > max_bytes:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


async def _work(rows: int, function: Callable[..., _Result], *arguments: Any) -> _Result:
    """The function's answer, off the event loop where it works on many rows."""
    if rows <= _THREAD_ROWS:
        return function(*arguments)
    return await run_in_threadpool(function, *arguments)


async def _respond(answer: Answer, media_type: str, query: ImageOutputQuery | None = None) -> Response:
    rendering = Rendering(query.pixels, query.columns) if query else Rendering()
    rendered = await _work(len(answer.rows[answer.main]), outputs.render, answer, media_type, rendering)
    return Response(
        rendered.body,
        media_type=rendered.media_type,
        headers={**_headers(answer.metadata), **rendered.headers},
    )


def _headers(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The facts of every answer, also where its body has no room for them."""
    return {f"X-{name.replace('_', '-').title()}": str(value) for name, value in metadata.items()}
