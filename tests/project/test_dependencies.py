"""What is installed is pinned, hashed, above every known advisory, and the same wherever it is named."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from service.app import VERSION

# Lowest version without a known hole, and the advisory or change that sets it.
FLOORS = {
    "starlette": ((1, 6), "CVE-2025-62727, CVE-2026-48710"),
    "h11": ((0, 16), "CVE-2025-43859"),
    "orjson": ((3, 11, 6), "CVE-2025-67221"),
    "pillow": ((12, 3), "decoder fixes of 2026"),
    "onnx": ((1, 21), "CVE-2026-27489"),
    "onnxruntime": ((1, 30, 1), "bounds checks at session creation"),
    "torch": ((2, 10), "CVE-2025-32434, CVE-2026-24747"),
    "uvicorn": ((0, 51), "linear body buffering"),
}
PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
LOCKS = sorted(Path("requirements").glob("*.txt"))


def pins(lock: Path) -> dict[str, tuple[int, ...]]:
    found = re.findall(r"^([a-z0-9_.-]+)==([0-9.]+)", lock.read_text(), re.M)
    return {name: tuple(map(int, version.strip(".").split("."))) for name, version in found}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_pins_stand_above_every_known_advisory(lock: Path) -> None:
    found = pins(lock)
    assert found
    assert not {name: FLOORS[name] for name in found.keys() & FLOORS if found[name] < FLOORS[name][0]}


@pytest.mark.parametrize("name", ["service.txt", "cuda.txt"])
def test_every_package_of_the_service_is_hashed(name: str) -> None:
    entries = re.split(r"\n(?=[a-z])", Path("requirements", name).read_text())
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_service_needs_no_training_library() -> None:
    found = pins(Path("requirements/service.txt"))
    assert not found.keys() & {"torch", "onnx", "matplotlib", "pytest"}
    assert "onnxruntime" in found
    assert "onnxruntime-gpu" in pins(Path("requirements/cuda.txt"))


@pytest.mark.parametrize("tests", ["test.txt", "dev.txt"])
def test_tests_run_on_the_versions_that_are_shipped(tests: str) -> None:
    shipped, tested = (pins(Path("requirements", name)) for name in ("service.txt", tests))
    assert not {name for name in shipped if tested[name] != shipped[name]}


def test_a_newcomers_tests_run_on_the_versions_of_a_developers() -> None:
    small, whole = (pins(Path("requirements", name)) for name in ("test.txt", "dev.txt"))
    assert not {name: pin for name, pin in small.items() if whole.get(name) != pin}


def test_a_commit_is_checked_by_the_ruff_that_checks_the_tree() -> None:
    hooks = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"]
    (revision,) = [repo["rev"] for repo in hooks if repo["repo"].endswith("/ruff-pre-commit")]
    assert f"\nruff=={revision.removeprefix('v')}\n" in Path("requirements/dev.txt").read_text()


def test_uvicorn_rises_only_with_what_leans_on_it() -> None:
    """A Guest leans on HttpToolsProtocol.on_response_complete, which uvicorn does not promise to keep.

    Whoever raises the bound runs tests/service/server on the new version first.
    """
    (uvicorn,) = [wanted for wanted in PROJECT["optional-dependencies"]["http"] if wanted.startswith("uvicorn")]
    assert uvicorn == "uvicorn>=0.54,<0.55"
    assert {pins(lock)["uvicorn"][:2] for lock in LOCKS if "uvicorn" in pins(lock)} == {(0, 54)}


def test_the_service_states_the_version_of_the_project() -> None:
    assert PROJECT["version"] == VERSION
