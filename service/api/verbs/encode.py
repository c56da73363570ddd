"""/encode: images → the mean and, of a VAE, the log-variance of each one's posterior."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.api.backend import Backend
from service.api.request import Request
from service.api.schemas import ImageInputQuery
from service.api.verbs import group
from service.api.verbs.form import Form, form, reading
from service.api.verbs.group import Found, Item, found_on, image_job
from service.codecs import outputs
from service.codecs.image_body import read_images
from service.engine.job import Job


def prepare(query: ImageInputQuery, accepted: str, backend: Backend) -> Form:
    common = form(query, accepted, outputs.LATENT_OFFERS, backend)
    row_s = common.model.row_s("encoder") + outputs.row_s(common.media_type, has_images=False)
    key = None if query.deterministic else (answer, common.model, query.found)
    return common._replace(key=key, row_s=row_s, reading=reading(query, backend, found=query.found))


def plan(form: Form, request: Request, backend: Backend) -> Job:
    """Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows."""
    return image_job(answer, form, request, backend)


def _run(images: npt.NDArray[np.float32], items: Sequence[Item], counts: Sequence[int]) -> Found:
    form = items[0].form
    posterior = form.model.encode(images, deterministic=form.query.deterministic)
    rows = {"mean": posterior.mean}
    if posterior.log_var is not None:
        rows["log_var"] = posterior.log_var
    return Found(rows, main="mean", groups=found_on(items))


answer = functools.partial(group.answer, read_images, _run)
