"""Where the four verbs are found: listed for the front, and declared for FastAPI, which documents them."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from service.api import body, client, openapi
from service.api.front import Route, Verb
from service.api.schemas import ImageInputQuery, ImageOutputQuery, ReconstructQuery, SampleQuery
from service.api.verbs import Verbs


def listed(verbs: Verbs) -> Mapping[tuple[bytes, bytes], Route]:
    """By method and path, all that `router` declares."""
    routes = (
        Route("POST", "/encode", ImageInputQuery, verbs.encode),
        Route("POST", "/decode", ImageOutputQuery, verbs.decode),
        Route("POST", "/reconstruct", ReconstructQuery, verbs.reconstruct),
        Route("GET", "/sample", SampleQuery, verbs.sample),
        Route("POST", "/sample", ImageOutputQuery, verbs.sample_post),
    )
    return {(route.method.encode(), route.path.encode()): route for route in routes}


def router(verbs: Verbs, latent_dim: int, max_body_bytes: int) -> APIRouter:
    """latent_dim: the default model's."""
    routes = APIRouter(tags=["autoencoder"])

    async def answer(verb: Verb, query: Any, request: Request) -> Response:
        headers = dict(reversed(request.scope["headers"]))  # of one given twice the first value
        content = await body.read(headers, request.receive, max_body_bytes)
        return await client.while_there(request.receive, verb(query, headers, content))

    @routes.post("/encode", **openapi.ENCODE)
    async def encode(request: Request, query: Annotated[ImageInputQuery, Query()]) -> Response:
        """The approximate posterior of each image: mean and, for a VAE, log-variance of a diagonal Gaussian."""
        return await answer(verbs.encode, query, request)

    @routes.post("/decode", **openapi.decode(latent_dim))
    async def decode(request: Request, query: Annotated[ImageOutputQuery, Query()]) -> Response:
        """The mean image of each latent."""
        return await answer(verbs.decode, query, request)

    @routes.post("/reconstruct", **openapi.RECONSTRUCT)
    async def reconstruct(request: Request, query: Annotated[ReconstructQuery, Query()]) -> Response:
        """Each image after encoding and decoding, with its error and, for a VAE, its ELBO in two terms.

        Percentiles say where those scores lie among the scores of MNIST's test digits.
        """
        return await answer(verbs.reconstruct, query, request)

    @routes.get("/sample", **openapi.SAMPLE)
    async def sample(request: Request, query: Annotated[SampleQuery, Query()]) -> Response:
        """New digits from the prior. Sample i depends on seed, i, label, temperature and min_confidence alone."""
        return await answer(verbs.sample, query, request)

    @routes.post("/sample", **openapi.SAMPLE_POST)
    async def sample_post(request: Request, query: Annotated[ImageOutputQuery, Query()]) -> Response:
        """The same, asked for in a JSON body."""
        return await answer(verbs.sample_post, query, request)

    return routes
