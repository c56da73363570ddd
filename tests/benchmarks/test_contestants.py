"""Who is compared with the service is compared fairly, and every check can tell a wrong answer."""

import ast
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import environments, jobs
from benchmarks.contestants import PEERS
from benchmarks.jobs import Examples, WrongAnswer

BUNDLE = Path("models/digits-mlp-vae/1")


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
    minimal = uvicorn_settings([Path("benchmarks/servers/minimal.py")])
    service = uvicorn_settings(sorted(Path("service").rglob("*.py")))
    assert minimal.pop("lifespan") == "'off'"
    assert "Protocol" in service.pop("http")
    assert minimal == service


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_is_pinned_without_torch(peer: str) -> None:
    pins = (environments.PEERS / peer / "requirements.txt").read_text()
    assert environments.version(peer)
    assert "\ntorch==" not in pins
    assert "nvidia-cu" not in pins


def test_an_encoding_is_compared_with_the_golden_one() -> None:
    examples = Examples(BUNDLE)
    answer = {name: examples.golden[name][[3]].tolist() for name in ("mean", "log_var")}
    examples.check("encode_png", 3, jobs.JSON, json.dumps(answer).encode(), jobs.own)
    for wrong in ({**answer, "mean": [[0.0] * 20]}, {"mean": answer["mean"]}, {}):
        with pytest.raises(WrongAnswer):
            examples.check("encode_png", 3, jobs.JSON, json.dumps(wrong).encode(), jobs.own)


def test_a_picture_is_compared_with_the_golden_one() -> None:
    examples = Examples(BUNDLE)

    def png(number: int) -> bytes:
        file = io.BytesIO()
        pixels = (examples.golden["reconstruction"][number, 0] * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    examples.check("reconstruct", 0, jobs.PNG, png(0), jobs.own)
    with pytest.raises(WrongAnswer):
        examples.check("reconstruct", 0, jobs.PNG, png(1), jobs.own)
    with pytest.raises(WrongAnswer):
        examples.check("sample_grid", 0, jobs.PNG, png(0), jobs.own)
