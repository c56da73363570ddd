"""/decode: latents → the mean image of each."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.api.backend import Backend
from service.api.reply import Reply
from service.api.request import Request
from service.api.schemas import ImageOutputQuery
from service.api.verbs import group
from service.api.verbs.group import Found, Item
from service.codecs import outputs
from service.codecs.latent_body import LatentBody, read_latents
from service.engine.job import Job
from service.errors import ServiceError


def plan(request: Request, query: ImageOutputQuery, backend: Backend) -> Job:
    """Raises what the request's caller is to blame for."""
    media_type = group.negotiate(request, outputs.IMAGE_OFFERS)
    model = backend.registry.model(query.model)
    body = LatentBody(
        request.body.take(),
        request.text(b"content-type"),
        model.manifest.latent_dim,
        backend.limits.limits.max_request_rows,
    )
    return Job(
        answer,
        None if query.deterministic else (answer, model),
        Item(model, query, media_type, group.metadata(model, query), body),
        rows=body.rows,
        cost_s=body.cost_s + body.rows * (model.row_s("decoder") + outputs.row_s(media_type)),
        timeout_s=backend.limits.timeout_s,
    )


def answer(items: Sequence[Item]) -> list[Reply | ServiceError]:
    return group.answer(items, read_latents, _run)


def _run(latents: npt.NDArray[np.float32], items: Sequence[Item], counts: Sequence[int]) -> Found:
    return Found({"images": items[0].model.decode(latents, deterministic=items[0].query.deterministic)})
