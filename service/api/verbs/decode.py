"""/decode: latents → the mean image of each."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.api.backend import Backend
from service.api.request import Request
from service.api.schemas import ImageOutputQuery
from service.api.verbs import group
from service.api.verbs.form import Form, form
from service.api.verbs.group import Found, Item
from service.codecs import outputs
from service.codecs.latent_body import LatentBody, read_latents
from service.engine.job import Job


def prepare(query: ImageOutputQuery, accepted: str, backend: Backend) -> Form:
    common = form(query, accepted, outputs.IMAGE_OFFERS, backend)
    row_s = common.model.row_s("decoder") + outputs.row_s(common.media_type)
    return common._replace(key=None if query.deterministic else (answer, common.model), row_s=row_s)


def plan(form: Form, request: Request, backend: Backend) -> Job:
    """Raises UnsupportedMediaType; what else is wrong with the body is found when it is read."""
    body = LatentBody(
        bytes(request.body.content),
        request.headers,
        form.model.manifest.latent_dim,
        backend.limits.limits.max_request_rows,
    )
    cost_s = body.cost_s + body.rows * form.row_s
    return Job(answer, form.key, Item(form, body), rows=body.rows, cost_s=cost_s, timeout_s=backend.limits.timeout_s)


def _run(latents: npt.NDArray[np.float32], items: Sequence[Item], counts: Sequence[int]) -> Found:
    form = items[0].form
    return Found({"images": form.model.decode(latents, deterministic=form.query.deterministic)})


answer = functools.partial(group.answer, read_latents, _run)
