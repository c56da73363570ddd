"""Which models there are, and what each was measured to do."""

from typing import Any

from fastapi import APIRouter

from service.api.schemas import Limits, ModelDetail, ModelList, ModelSummary, Problem
from service.engine.model import Model
from service.engine.registry import Registry


def router(registry: Registry, limits: Limits) -> APIRouter:
    routes = APIRouter(prefix="/models", tags=["models"])
    not_found: dict[int | str, dict[str, Any]] = {
        404: {"model": Problem, "description": "No such model."},
        422: {"model": Problem, "description": "A parameter is not accepted."},
    }

    @routes.get("", summary="All models")
    async def list_models() -> ModelList:
        return ModelList(
            models=[
                ModelSummary(**model.manifest.model_dump(include=_SUMMARY), is_default=model is registry.default)
                for model in registry.models
            ]
        )

    @routes.get("/{name}", summary="The current version of a model: manifest, metrics, limits", responses=not_found)
    async def current(name: str) -> ModelDetail:
        return detail(registry.model(name))

    @routes.get("/{name}/{version}", summary="One version of a model", responses=not_found)
    async def exact(name: str, version: str) -> ModelDetail:
        return detail(registry.model(f"{name}/{version}"))

    def detail(model: Model) -> ModelDetail:
        return ModelDetail(
            manifest=model.manifest.model_dump(mode="json", exclude={"files"}),
            digest=model.digest,
            provider=model.provider,
            is_default=model is registry.default,
            limits=limits,
        )

    return routes


_SUMMARY = {"name", "version", "kind", "description", "latent_dim"}
