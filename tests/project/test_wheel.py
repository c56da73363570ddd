"""The wheel: installed anywhere, it serves the models that travel inside it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.server import serving


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds what the wheel installs."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", directory], check=True, timeout=120)
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "site")
    return directory / "site"


def test_the_default_model_travels_inside(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    with serving(cwd=tmp_path) as address:
        assert httpx.get(f"{address}/sample?count=2").status_code == 200
        served = {model["name"] for model in httpx.get(f"{address}/models").json()["models"]}
    assert served == {path.parents[1].name for path in Path("models").glob("*/*/manifest.json")}


def test_nothing_but_the_three_packages_is_installed(installed: Path) -> None:
    names = {entry.name for entry in os.scandir(installed) if not entry.name.endswith(".dist-info")}
    assert names == {"models", "service", "training"}
