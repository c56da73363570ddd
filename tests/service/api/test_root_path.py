"""Behind a proxy's prefix every path is found and every link right, whether the proxy takes the prefix off or not."""

import re
from collections.abc import Iterator

import anyio.from_thread
import httpx
import pytest

from service.app import create_app
from service.engine.registry import Registry
from service.errors import SettingsError
from service.settings import Settings
from tests.conftest import Client
from tests.service.api.conftest import BothWays

ROOT = "/apps/digits"
both = pytest.mark.parametrize("prefix", ["", ROOT], ids=["taken off", "left"])


@pytest.fixture(scope="module")
def client(portal: anyio.from_thread.BlockingPortal, tiny_settings: Settings) -> Iterator[BothWays]:
    client = BothWays(portal, tiny_settings.model_copy(update={"root_path": ROOT}))
    yield client
    client.close()


@both
@pytest.mark.parametrize("path", ["/sample", "/livez", "/models/tiny-ae", "/openapi.json", "/docs"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_path_is_found(client: BothWays, prefix: str, path: str, method: str) -> None:
    assert client.ask(method, prefix + path)[0] == 200


@both
def test_a_verb_is_answered_without_fastapi(client: BothWays, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("service.server.wire.Guest")
    assert client.wire("GET", f"{prefix}/sample")[0] == 200


@both
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "", 404), ("PUT", "/sample", 405), ("OPTIONS", "/sample", 204)],
)
def test_what_is_not_there_is_not_there_under_the_prefix(
    client: BothWays, prefix: str, method: str, path: str, status: int
) -> None:
    answered, headers, body = client.ask(method, prefix + path or "/")
    assert answered == status
    if status == 404:
        assert f"{ROOT}/docs lists".encode() in body
    else:
        assert (b"allow", b"GET, POST, HEAD, OPTIONS") in headers


@pytest.mark.parametrize("path", ["/apps/digits2/livez", "/apps/livez", "/apps", "/apps/digits/apps/digits/livez"])
def test_what_only_looks_like_the_prefix_is_none(client: BothWays, path: str) -> None:
    assert client.ask("GET", path)[0] == 404


@both
def test_the_page_and_all_that_it_names_are_below_the_prefix(client: BothWays, prefix: str) -> None:
    page = client.ask("GET", f"{prefix}/docs")[2].decode()
    named = re.findall(r"(?:href|src)=\"([^\"]+)\"|url: '([^']+)'", page)
    links = [one or other for one, other in named]
    assert len(links) == 4
    for link in links:
        assert link.startswith(f"{ROOT}/")
        for path in (link, link.removeprefix(ROOT)):  # as it comes through either kind of proxy
            assert client.get(path).status_code == 200


@both
def test_the_document_says_where_the_service_is(client: BothWays, prefix: str) -> None:
    assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": ROOT}]


@both
def test_a_request_is_counted_under_its_path_alone(client: BothWays, prefix: str) -> None:
    client.ask("GET", f"{prefix}/sample")
    text = client.get("/metrics").text
    assert 'route="/sample"' in text
    assert 'route="/apps' not in text


@pytest.mark.parametrize("path", [f"{ROOT}/livez", f"{ROOT}{ROOT}/livez"], ids=["taken off", "left"])
def test_a_server_may_know_the_prefix_too(
    portal: anyio.from_thread.BlockingPortal, client: BothWays, path: str
) -> None:
    """Those of ASGI with a root path of their own put it before what has come."""
    knowing = Client(portal, client.reference, httpx.ASGITransport(client.reference, root_path=ROOT))
    assert knowing.get(path).json() == {"live": True}
    knowing.close()


@pytest.mark.parametrize("path", ["/models", "/models/x", "/encode", "/docs", "/static-offline-docs"])
def test_a_prefix_that_is_a_path_of_the_service_stops_the_start(
    tiny_settings: Settings, tiny_registry: Registry, path: str
) -> None:
    with pytest.raises(SettingsError, match=f"VAE_ROOT_PATH: {path} is a path of the service itself"):
        create_app(tiny_settings.model_copy(update={"root_path": path}), tiny_registry)
