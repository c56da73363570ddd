"""/reconstruct: images → each by way of its latent, with its scores and their percentiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service.api.backend import Backend
from service.api.reply import Reply
from service.api.request import Request
from service.api.schemas import ReconstructQuery
from service.api.verbs import group
from service.api.verbs.encode import image_body
from service.api.verbs.group import Found, Item
from service.codecs import outputs
from service.codecs.image_body import read_images
from service.engine import noise
from service.engine.job import Job
from service.errors import InvalidParameter, ServiceError

_SCORE_ROW_S = 20e-6  # float64 sums over a row's pixels


def plan(request: Request, query: ReconstructQuery, backend: Backend) -> Job:
    """Raises what the request's caller is to blame for."""
    media_type = group.negotiate(request, outputs.IMAGE_OFFERS)
    model = backend.registry.model(query.model)
    metadata = group.metadata(model, query)
    seed = None
    if query.draw:
        if not model.is_probabilistic:
            raise InvalidParameter("draw: an autoencoder has no posterior to draw from; leave it out.")
        metadata["seed"] = seed = noise.seed(query.seed)
    body = image_body(request, query, backend)
    row_s = model.row_s("encoder", "decoder") + outputs.row_s(media_type)
    if is_scored := media_type in outputs.DETAILED:
        row_s += model.row_s("density") + _SCORE_ROW_S
    return Job(
        answer,
        None if query.deterministic else (answer, model, is_scored, query.draw),
        Item(model, query, media_type, metadata, body, seed),
        rows=body.rows,
        cost_s=body.cost_s + body.rows * row_s,
        timeout_s=backend.limits.timeout_s,
    )


def answer(items: Sequence[Item]) -> list[Reply | ServiceError]:
    return group.answer(items, read_images, _run)


def _run(images: npt.NDArray[np.float32], items: Sequence[Item], counts: Sequence[int]) -> Found:
    """All items are scored or none, and all are drawn or none."""
    model, query = items[0].model, items[0].query
    epsilon = None
    if items[0].seed is not None:
        width = model.manifest.latent_dim
        pages = [
            noise.Page(item.seed or 0, noise.POSTERIOR_STREAM, 0, count, width)
            for item, count in zip(items, counts, strict=True)
        ]
        epsilon = np.concatenate([draw.normals for draw in noise.draw(pages)])  # (n, d)
    is_scored = items[0].media_type in outputs.DETAILED
    found = model.reconstruct(images, epsilon, scored=is_scored, deterministic=query.deterministic)
    rows: dict[str, Any] = {"images": found.images}
    if found.mse is not None:
        rows["mse"] = found.mse
    if found.scores is not None:
        rows |= vars(found.scores)
    return Found(rows, groups={"percentiles": found.percentiles} if found.percentiles else {})
