"""Whether the process lives, whether it can serve, and what it counts. Never queued."""

from fastapi import APIRouter, Response

from service.api.schemas import Readiness
from service.engine.model import Engine
from service.errors import NotReady
from service.metrics import CONTENT_TYPE, Metrics


def router(engine: Engine, metrics: Metrics) -> APIRouter:
    routes = APIRouter(tags=["operation"])

    @routes.get("/livez", summary="Whether the process answers")
    async def livez() -> dict[str, bool]:
        return {"live": True}

    @routes.get("/readyz", summary="Whether requests should be sent here, and if not why")
    async def readyz() -> Readiness:
        """Ready once every model reproduced its golden vectors and was warmed up, until the service stops."""
        if engine.is_closed:
            raise NotReady("The service is stopping.")
        return Readiness(ready=True, models={model.name: f"ready on {model.provider}" for model in engine.models})

    @routes.get("/metrics", summary="Counts and times in Prometheus' text format", response_class=Response)
    async def scrape() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return routes
