"""The composition: settings → engine → routes → middleware. The only reader of Settings."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from models import bundle
from models.manifest import GraphName
from service.engine import Engine, EngineLimits, Model
from service.errors import BundleError
from service.images import ImageLimits
from service.metrics import Metrics
from service.middleware import ContextMiddleware
from service.routes import autoencoder, errors, health, models
from service.routes.front import Front
from service.routes.verbs import Boundaries, Verbs
from service.schemas import Limits
from service.settings import Settings

_logger = logging.getLogger("service")

VERSION = "0.1.0"
DESCRIPTION = """
Autoencoders of handwritten digits. Post an image and get its **latent distribution** (`/encode`) or its
**reconstruction**; post latents and get **images** (`/decode`); or ask for **new digits** (`/sample`).

Bodies are read by `Content-Type`, answers are given by `Accept`. All requests are pure: the same request with the
same seed gives the same answer, so a proxy may retry it.
"""


def create_app(settings: Settings, engine: Engine | None = None, metrics: Metrics | None = None) -> FastAPI:
    """The ASGI application. Its state has `engine`, and `front`, which answers the verbs with less ado.

    engine: made from settings if not given. Raises StartError.
    """
    metrics = metrics or Metrics()
    engine = engine or load_engine(settings, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(_refresh(metrics)) if metrics.are_shared else None
        yield
        if refreshing:
            refreshing.cancel()
        engine.close()

    # The interactive documentation is served from here, so it also works in a closed network.
    app = FastAPIOffline(
        docs_url="/docs",
        redoc_url=None,
        title="Digit VAE service",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    limits = Limits(
        max_body_bytes=settings.max_body_bytes,
        max_request_rows=settings.max_request_rows,
        max_sample_count=settings.max_sample_count,
        max_stream_count=settings.max_stream_count,
    )
    boundaries = Boundaries(
        limits,
        ImageLimits(
            max_bytes=settings.max_body_bytes,
            max_pixels=settings.max_image_pixels,
            max_side=settings.max_image_side,
        ),
        settings.request_timeout_s,
    )
    verbs = Verbs(engine, boundaries, metrics.is_one_request)
    app.include_router(autoencoder.router(verbs, engine.default.manifest.latent_dim, settings.max_body_bytes))
    app.include_router(models.router(engine, limits))
    app.include_router(health.router(engine, metrics))
    errors.install(app)
    app.add_middleware(ContextMiddleware, metrics=metrics, on_bug=errors.bug)
    app.state.engine = engine
    app.state.front = Front(autoencoder.listed(verbs), metrics, settings.max_body_bytes)
    return app


async def _refresh(metrics: Metrics) -> None:
    """Whichever worker is scraped tells of all, so each says every second how long its queues are."""
    while True:
        metrics.refresh()
        await asyncio.sleep(1.0)


def load_engine(settings: Settings, metrics: Metrics) -> Engine:
    """The served bundles below models_dir, verified, self-checked and warmed up. Raises StartError."""
    wanted = [name.strip() for name in settings.served_models.split(",") if name.strip()]
    try:
        directories = bundle.find(settings.models_dir, wanted)
        loaded = [_load_model(bundle.load(directory), settings, metrics) for directory in directories]
    except bundle.BundleError as error:
        raise BundleError(error.detail) from error
    return Engine(loaded, settings.default_model)


def _load_model(verified: bundle.Bundle, settings: Settings, metrics: Metrics) -> Model:
    name = f"{verified.manifest.name}/{verified.manifest.version}"

    def observe(graph: GraphName, rows: int) -> None:
        metrics.batch(name, graph, rows)

    model = Model(
        verified,
        device=settings.device,
        threads=settings.threads,
        limits=EngineLimits(settings.max_batch_rows, settings.max_queue_rows),
        observe=observe,
        is_alone=metrics.is_one_request,
    )
    metrics.model(name, model.digest, model.provider)
    for graph, batcher in model.batchers.items():
        metrics.watch_queue(name, graph, lambda batcher=batcher: batcher.queued_rows)  # type: ignore[misc]
    _logger.info("%s is ready on %s", name, model.provider)
    return model
