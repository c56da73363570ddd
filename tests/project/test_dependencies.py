"""What is installed is pinned, hashed, and above every known advisory."""

import re
from pathlib import Path

import pytest

# Lowest version without a known hole, and the advisory or change that sets it.
FLOORS = {
    "starlette": ((1, 6), "CVE-2025-62727, CVE-2026-48710"),
    "python-multipart": ((0, 0, 31), "CVE-2026-40347"),
    "h11": ((0, 16), "CVE-2025-43859"),
    "orjson": ((3, 11, 6), "CVE-2025-67221"),
    "pillow": ((12, 3), "decoder fixes of 2026"),
    "onnx": ((1, 21), "CVE-2026-27489"),
    "onnxruntime": ((1, 30, 1), "bounds checks at session creation"),
    "torch": ((2, 10), "CVE-2025-32434, CVE-2026-24747"),
    "uvicorn": ((0, 51), "linear body buffering"),
}
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


def test_tests_run_on_the_versions_that_are_shipped() -> None:
    shipped, tested = (pins(Path("requirements", name)) for name in ("service.txt", "dev.txt"))
    assert not {name for name in shipped if tested[name] != shipped[name]}
