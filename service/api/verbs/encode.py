"""/encode: images → the mean and, of a VAE, the log-variance of each one's posterior."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.api.backend import Backend
from service.api.reply import Reply
from service.api.request import Request
from service.api.schemas import ImageInputQuery
from service.api.verbs import group
from service.api.verbs.group import Found, Item
from service.codecs import outputs
from service.codecs.image_body import ImageBody, ImageOptions, read_images
from service.engine.job import Job
from service.errors import ServiceError


def plan(request: Request, query: ImageInputQuery, backend: Backend) -> Job:
    """Raises what the request's caller is to blame for."""
    media_type = group.negotiate(request, outputs.LATENT_OFFERS)
    model = backend.registry.model(query.model)
    body = image_body(request, query, backend)
    return Job(
        answer,
        None if query.deterministic else (answer, model),
        Item(model, query, media_type, group.metadata(model, query), body),
        rows=body.rows,
        cost_s=body.cost_s + body.rows * (model.row_s("encoder") + outputs.row_s(media_type, has_images=False)),
        timeout_s=backend.limits.timeout_s,
    )


def answer(items: Sequence[Item]) -> list[Reply | ServiceError]:
    return group.answer(items, read_images, _run)


def image_body(request: Request, query: ImageInputQuery, backend: Backend) -> ImageBody:
    options = ImageOptions(query.fit, query.invert, backend.limits.images, backend.limits.limits.max_request_rows)
    return ImageBody(request.body.take(), request.text(b"content-type"), options)


def _run(images: npt.NDArray[np.float32], items: Sequence[Item], counts: Sequence[int]) -> Found:
    posterior = items[0].model.encode(images, deterministic=items[0].query.deterministic)
    rows = {"mean": posterior.mean}
    if posterior.log_var is not None:
        rows["log_var"] = posterior.log_var
    return Found(rows, main="mean")
