"""Whether the process lives, whether it can serve, and what it counts. Never queued."""

from fastapi import APIRouter, Response

from service.api.routes import Routes
from service.api.schemas import Readiness
from service.engine.door import Door
from service.engine.registry import Registry
from service.errors import NotReady
from service.metrics import CONTENT_TYPE, Metrics


def router(registry: Registry, door: Door, routes: Routes, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/livez", summary="Whether the process answers")
    async def livez() -> dict[str, bool]:
        return {"live": True}

    @router.get("/readyz", summary="Whether requests should be sent here, and if not why")
    async def readyz() -> Readiness:
        """Not before every model is verified and warm, nor while the service stops or a model hangs."""
        if routes.is_stopping:
            raise NotReady("The service is stopping.")
        if door.is_stuck():
            raise NotReady("A model has not answered for longer than it can take.")
        return Readiness(ready=True, models={model.name: f"ready on {model.provider}" for model in registry.models})

    @router.get("/metrics", summary="Counts and times in Prometheus' text format", response_class=Response)
    async def scrape() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return router
