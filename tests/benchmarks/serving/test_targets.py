"""Who is compared with the service is compared fairly."""

import ast
from pathlib import Path

import pytest

from benchmarks.serving import environments
from benchmarks.serving.targets import PEERS


def uvicorn_settings(paths: list[Path]) -> dict[str, str]:
    """Keywords of the one call of uvicorn.Config in these files."""
    (call,) = (
        node
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "uvicorn.Config"
    )
    return {str(keyword.arg): ast.unparse(keyword.value) for keyword in call.keywords}


def test_the_minimal_server_has_the_services_settings_of_uvicorn() -> None:
    minimal = uvicorn_settings([Path("benchmarks/serving/servers/minimal.py")])
    service = uvicorn_settings(sorted(Path("service").rglob("*.py")))
    assert minimal.pop("lifespan") == "'off'"
    assert service.pop("http") == "Connection"
    assert minimal == service


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_is_pinned_without_torch(peer: str) -> None:
    pins = (environments.PEERS / peer / "requirements.txt").read_text()
    assert environments.version(peer)
    assert "\ntorch==" not in pins
    assert "nvidia-cu" not in pins
