"""What several folders of tests share: tiny bundles, and a client that speaks to the app without a socket."""

import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads spin; tests run side by side

import anyio.from_thread
import httpx
import hypothesis
import pytest

from service.app import create_app, load_models
from service.engine.registry import Registry
from service.metrics import Metrics
from service.settings import Settings
from tests.support import bundles

# A busy machine is no reason to fail, and a run is to be repeatable.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("project")


class Client:
    """httpx over ASGI, called from plain tests; one event loop for its whole life, as a server has."""

    def __init__(
        self, portal: anyio.from_thread.BlockingPortal, app: Any, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._portal = portal
        transport = transport or httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._portal.call(lambda: self._client.request(method, path, **options))

    def call(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs it in the client's event loop."""
        self._portal.call(main)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def close(self) -> None:
        self._portal.call(self._client.aclose)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models directory with tiny-vae/1 and tiny-ae/1. Do not write to it."""
    directory = tmp_path_factory.mktemp("models")
    bundles.write(directory, "tiny-vae", kind="vae")
    bundles.write(directory, "tiny-ae", kind="ae")
    return directory


@pytest.fixture(scope="session")
def tiny_settings(tiny_models: Path) -> Settings:
    return Settings(
        models_dir=tiny_models,
        default_model="tiny-vae",
        max_batch_rows=8,
        max_request_rows=64,
        max_sample_count=100,
        max_body_bytes=4 << 20,
    )


@pytest.fixture(scope="session")
def tiny_registry(tiny_settings: Settings) -> Registry:
    return load_models(tiny_settings, Metrics())


@pytest.fixture(scope="session")
def portal() -> Iterator[anyio.from_thread.BlockingPortal]:
    with anyio.from_thread.start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def client(portal: anyio.from_thread.BlockingPortal, tiny_settings: Settings) -> Iterator[Client]:
    """The whole application on the tiny bundles."""
    app = create_app(tiny_settings)
    client = Client(portal, app)
    yield client
    client.close()
    app.state.door.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
