"""/read: images → the 28×28 pixels that a model would see of each, and what was found."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.api.backend import Backend
from service.api.request import Request
from service.api.schemas import ReadQuery
from service.api.verbs import group
from service.api.verbs.form import Form, reading, render_options
from service.api.verbs.group import Found, Item, found_on, image_job
from service.codecs import accept, outputs
from service.codecs.image_body import read_images
from service.engine.job import Job


def prepare(query: ReadQuery, accepted: str, backend: Backend) -> Form:
    """Of no model: the pixels are the same for all."""
    media_type = accept.negotiate(accepted, outputs.IMAGE_OFFERS)
    return Form(
        model=backend.registry.default,
        query=query,
        media_type=media_type,
        options=render_options(query),
        metadata={},
        headers=(),
        key=(answer,),
        row_s=outputs.row_s(media_type),
        reading=reading(query, backend, found=True),
    )


def plan(form: Form, request: Request, backend: Backend) -> Job:
    """Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows."""
    return image_job(answer, form, request, backend)


def _run(images: npt.NDArray[np.float32], items: Sequence[Item], counts: Sequence[int]) -> Found:
    return Found({"images": images}, groups=found_on(items))


answer = functools.partial(group.answer, read_images, _run)
