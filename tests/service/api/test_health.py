"""Whether the process lives, and whether requests should be sent to it."""

from collections.abc import Iterator

import anyio.from_thread
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.engine.registry import Registry
from service.settings import Settings
from tests.conftest import Client


@pytest.fixture
def app(tiny_settings: Settings, tiny_registry: Registry) -> Iterator[FastAPI]:
    app = create_app(tiny_settings, tiny_registry)
    yield app
    app.state.door.close()


@pytest.fixture
def visitor(portal: anyio.from_thread.BlockingPortal, app: FastAPI) -> Iterator[Client]:
    client = Client(portal, app)
    yield client
    client.close()


def test_a_service_whose_models_are_warm_is_live_and_ready(visitor: Client) -> None:
    assert visitor.get("/livez").json() == {"live": True}
    ready = visitor.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "ready": True,
        "models": {"tiny-ae/1": "ready on CPUExecutionProvider", "tiny-vae/1": "ready on CPUExecutionProvider"},
    }


def test_a_service_that_stops_is_live_but_not_ready(app: FastAPI, visitor: Client) -> None:
    app.state.routes.is_stopping = True
    answer = visitor.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "stopping" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "1"
    assert visitor.get("/livez").status_code == 200


def test_a_service_that_stops_still_answers(app: FastAPI, visitor: Client) -> None:
    app.state.routes.is_stopping = True
    assert visitor.get("/sample?seed=1").status_code == 200


def test_a_service_is_not_ready_while_a_model_hangs(
    app: FastAPI, visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.door, "is_stuck", lambda: True)
    answer = visitor.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "model" in answer.json()["detail"]
    assert visitor.get("/livez").status_code == 200
    monkeypatch.undo()
    assert visitor.get("/readyz").status_code == 200
