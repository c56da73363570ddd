"""/reconstruct: images → each by way of its latent, with its scores and their percentiles."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service.api.backend import Backend
from service.api.request import Request
from service.api.schemas import ReconstructQuery
from service.api.verbs import group
from service.api.verbs.form import Form, form, reading
from service.api.verbs.group import Found, Item, found_on, image_job
from service.codecs import outputs
from service.codecs.image_body import read_images
from service.engine import noise
from service.engine.job import Job
from service.errors import InvalidParameter

_SCORE_ROW_S = 20e-6  # float64 sums over a row's pixels


def prepare(query: ReconstructQuery, accepted: str, backend: Backend) -> Form:
    """Raises InvalidParameter for a draw from an autoencoder."""
    common = form(query, accepted, outputs.IMAGE_OFFERS, backend)
    model = common.model
    if query.draw and not model.is_probabilistic:
        raise InvalidParameter("draw: an autoencoder has no posterior to draw from; leave it out.")
    row_s = model.row_s("encoder", "decoder") + outputs.row_s(common.media_type)
    if is_scored := common.media_type in outputs.DETAILED:
        row_s += model.row_s("density") + _SCORE_ROW_S
    key = None if query.deterministic else (answer, model, is_scored, query.draw, query.found)
    return common._replace(key=key, row_s=row_s, reading=reading(query, backend, found=query.found))


def plan(form: Form, request: Request, backend: Backend) -> Job:
    """Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows."""
    facts = {"seed": noise.seed(form.query.seed)} if form.query.draw else {}
    return image_job(answer, form, request, backend, facts)


def _run(images: npt.NDArray[np.float32], items: Sequence[Item], counts: Sequence[int]) -> Found:
    """All items are scored or none, and all are drawn or none."""
    model, query, media_type, *_ = items[0].form
    epsilon = None
    if query.draw:
        pages = [
            noise.Page(item.facts["seed"], noise.POSTERIOR_STREAM, 0, count, model.manifest.latent_dim)
            for item, count in zip(items, counts, strict=True)
        ]
        epsilon = np.concatenate([draw.normals for draw in noise.draw(pages)])  # (n, d)
    found = model.reconstruct(images, epsilon, scored=media_type in outputs.DETAILED, deterministic=query.deterministic)
    rows: dict[str, Any] = {"images": found.images}
    if found.mse is not None:
        rows["mse"] = found.mse
    if found.scores is not None:
        rows |= vars(found.scores)
    groups = {"percentiles": found.percentiles} if found.percentiles else {}
    return Found(rows, groups={**groups, **found_on(items)})


answer = functools.partial(group.answer, read_images, _run)
