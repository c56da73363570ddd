"""The composition: settings → runtime → engine → api. The only reader of Settings."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.routing import Match

from models import bundle
from service.api import asgi, health, models
from service.api.backend import Backend, RequestLimits
from service.api.cors import Cors
from service.api.held import HeldBytes
from service.api.routes import ROUTES, Route, Routes
from service.api.schemas import Limits
from service.codecs import npy
from service.codecs.files.header import ImageLimits
from service.engine.door import Door
from service.engine.model import Model
from service.engine.registry import Registry
from service.errors import BundleError, SettingsError
from service.metrics import Metrics
from service.settings import Settings

_logger = logging.getLogger("service")

VERSION = "0.1.0"
DESCRIPTION = """
Autoencoders of handwritten digits. Post an image and get its **latent distribution** (`/encode`) or its
**reconstruction**; post latents and get **images** (`/decode`); or ask for **new digits** (`/sample`).

`Content-Type` says how a body is read, `Accept` the form of the answer. All requests are pure: the same request with
the same seed gives the same answer, so a proxy may retry it.
"""


def create_app(
    settings: Settings,
    registry: Registry | None = None,
    metrics: Metrics | None = None,
    table: Sequence[Route] = ROUTES,
) -> FastAPI:
    """The ASGI application. Its lifespan's state has `routes` and `metrics`, by which a server may pass ASGI by.

    registry: made from settings if not given. table: the verbs. Raises StartError.
    """
    metrics = metrics or Metrics()
    registry = registry or load_models(settings, metrics)
    door = Door(max_group_rows=settings.max_batch_rows, max_queue_rows=settings.max_queue_rows)
    metrics.watch_queue(lambda: door.queued_rows, lambda: door.queued_s)
    limits = Limits(
        max_body_bytes=settings.max_body_bytes,
        max_request_rows=settings.max_request_rows,
        max_sample_count=settings.max_sample_count,
        max_stream_count=settings.max_stream_count,
    )
    image_limits = ImageLimits(
        max_bytes=settings.max_body_bytes,
        max_pixels=settings.max_image_pixels,
        max_side=settings.max_image_side,
    )
    backend = Backend(registry, door, RequestLimits(limits, image_limits, settings.request_timeout_s))
    origins = settings.origins
    routes = Routes(
        table,
        backend,
        HeldBytes(settings.max_held_bytes),
        cors=Cors(origins) if origins else None,
        root_path=settings.root_path,
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        refreshing = asyncio.create_task(_refresh(metrics))
        yield {"routes": routes, "metrics": metrics}
        refreshing.cancel()
        door.close()

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
    asgi.install(app, routes, metrics, registry.default.manifest.latent_dim)
    app.include_router(models.router(registry, limits))
    app.include_router(health.router(registry, door, routes, metrics))
    _check_root_path(app, settings.root_path)
    app.state.routes = routes
    app.state.door = door
    app.state.metrics = metrics
    return app


def _check_root_path(app: FastAPI, root_path: str) -> None:
    """Raises SettingsError for a path of the service's own: nobody could tell whether the prefix was taken off."""
    paths = (root_path, f"{root_path}/") if root_path else ()
    scopes = [{"type": "http", "method": "GET", "path": path} for path in paths]
    if any(route.matches(scope)[0] is not Match.NONE for route in app.routes for scope in scopes):
        raise SettingsError(f"VAE_ROOT_PATH: {root_path} is a path of the service itself.")


async def _refresh(metrics: Metrics) -> None:
    """A scrape of any worker covers all, so each brings its metrics up to date every second."""
    while True:
        metrics.refresh()
        await asyncio.sleep(1.0)


def load_models(settings: Settings, metrics: Metrics) -> Registry:
    """The served bundles below models_dir, verified, self-checked and warmed up. Raises StartError."""
    wanted = [name.strip() for name in settings.served_models.split(",") if name.strip()]
    try:
        directories = bundle.find(settings.models_dir, wanted)
        loaded = [_load_model(bundle.load(directory), settings, metrics) for directory in directories]
    except bundle.BundleError as error:
        raise BundleError(error.detail) from error
    return Registry(loaded, settings.default_model)


def _load_model(verified: bundle.Bundle, settings: Settings, metrics: Metrics) -> Model:
    name = f"{verified.manifest.name}/{verified.manifest.version}"

    model = Model(
        verified,
        device=settings.device,
        threads=settings.threads,
        max_batch_rows=settings.max_batch_rows,
        observe=functools.partial(metrics.batch, name),
        allocate=npy.with_headroom,
    )
    metrics.model(name, model.digest, model.provider)
    _logger.info("%s is ready on %s", name, model.provider)
    return model
