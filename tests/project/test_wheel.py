"""The wheel: installed anywhere, it serves the models that travel inside it."""

import configparser
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.server import serving

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]


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


def test_the_service_is_a_command(installed: Path, tmp_path: Path) -> None:
    (points,) = installed.glob("*.dist-info/entry_points.txt")
    scripts = configparser.ConfigParser()
    scripts.read(points)
    module, _, function = scripts["console_scripts"]["digit-vae-service"].partition(":")
    program = f"import sys; from {module} import {function}; sys.exit({function}())"
    with serving(cwd=tmp_path, program=("-c", program), environment={"PYTHONPATH": str(installed)}) as address:
        assert httpx.get(f"{address}/livez").status_code == 200


@pytest.fixture(scope="module")
def base(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the wheel installs and its own dependencies alone, without those of any extra."""
    directory = tmp_path_factory.mktemp("base")
    needed = ["digit-vae-service"]
    for name in needed:
        distribution = importlib.metadata.distribution(name) if name != needed[0] else None
        requires = (distribution.requires or []) if distribution else PROJECT["dependencies"]
        found = [re.match(r"[A-Za-z0-9_.-]+", line) for line in requires if "extra ==" not in line]
        needed += [match[0] for match in found if match and match[0] not in needed]
        for file in (distribution.files or []) if distribution else []:
            top = directory / file.parts[0]
            if file.parts[0] not in ("..", "__pycache__") and not top.exists():
                top.symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / file.parts[0])
    for package in installed.iterdir():
        (directory / package.name).symlink_to(package)
    return directory


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("service", "--workers", "1"), "[service]"),
        (("service.server.worker", "0", "."), "[service]"),
        (("training", "fit", "x.toml"), "[training]"),
        (("training", "evaluate", "runs/x"), "[training]"),
    ],
)
def test_without_its_extra_a_program_says_in_one_line_what_to_install(
    base: Path, tmp_path: Path, arguments: tuple[str, ...], extra: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(base), "PATH": os.environ["PATH"], "VAE_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (2, 3)
    (line,) = (done.stdout + done.stderr).splitlines()
    assert re.search(rf"the package \w+ is missing: pip install 'digit-vae-service\{extra}'", line), line


def test_nothing_but_the_three_packages_is_installed(installed: Path) -> None:
    names = {entry.name for entry in os.scandir(installed) if not entry.name.endswith(".dist-info")}
    assert names == {"models", "service", "training"}
