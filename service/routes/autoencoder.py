"""Where the four verbs are found: declared for FastAPI, which documents them, and listed for the front."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.routes import documents
from service.routes.front import Route
from service.routes.verbs import Verbs
from service.schemas import ImageInputQuery, ImageOutputQuery, ReconstructQuery, SampleQuery


def hot_routes(verbs: Verbs) -> Mapping[tuple[str, str], Route]:
    """By method and path, all that `router` declares."""
    return {
        ("POST", "/encode"): Route("/encode", ImageInputQuery, verbs.encode),
        ("POST", "/decode"): Route("/decode", ImageOutputQuery, verbs.decode),
        ("POST", "/reconstruct"): Route("/reconstruct", ReconstructQuery, verbs.reconstruct),
        ("GET", "/sample"): Route("/sample", SampleQuery, verbs.sample),
        ("POST", "/sample"): Route("/sample", ImageOutputQuery, verbs.sample_post),
    }


def router(verbs: Verbs, latent_dim: int) -> APIRouter:
    """latent_dim: the default model's."""
    routes = APIRouter(tags=["autoencoder"])

    @routes.post("/encode", **documents.ENCODE)
    async def encode(request: Request, query: Annotated[ImageInputQuery, Query()]) -> Response:
        """The approximate posterior of each image: mean and, for a VAE, log-variance of a diagonal Gaussian."""
        return await verbs.encode(query, request.scope, request.receive)

    @routes.post("/decode", **documents.decode(latent_dim))
    async def decode(request: Request, query: Annotated[ImageOutputQuery, Query()]) -> Response:
        """The mean image of each latent."""
        return await verbs.decode(query, request.scope, request.receive)

    @routes.post("/reconstruct", **documents.RECONSTRUCT)
    async def reconstruct(request: Request, query: Annotated[ReconstructQuery, Query()]) -> Response:
        """Each image after encoding and decoding, with its error and, for a VAE, its ELBO in two terms.

        Percentiles say where those scores lie among the scores of MNIST's test digits.
        """
        return await verbs.reconstruct(query, request.scope, request.receive)

    @routes.get("/sample", **documents.SAMPLE)
    async def sample(request: Request, query: Annotated[SampleQuery, Query()]) -> Response:
        """New digits from the prior. Sample i depends on seed, i, label, temperature and min_confidence alone."""
        return await verbs.sample(query, request.scope, request.receive)

    @routes.post("/sample", **documents.SAMPLE_POST)
    async def sample_post(request: Request, query: Annotated[ImageOutputQuery, Query()]) -> Response:
        """The same, asked for in a JSON body."""
        return await verbs.sample_post(query, request.scope, request.receive)

    return routes
