"""Whether there is CUDA, as far as it can be seen from the installed packages and the driver's files."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest

from service.runtime.device import has_cuda

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes these distributions, and no others, be installed."""

    def install(*names: str) -> None:
        def version(name: str) -> str:
            if name not in names:
                raise importlib.metadata.PackageNotFoundError(name)
            return "1.30.1"

        monkeypatch.setattr(importlib.metadata, "version", version)

    return install


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "null").touch()
    return tmp_path


@pytest.mark.parametrize("node", ["nvidiactl", "dxg"])
def test_cuda_needs_the_build_for_it_and_a_driver(install: Install, root: Path, node: str) -> None:
    install("onnxruntime-gpu")
    (root / "dev" / node).touch()
    assert has_cuda(root)


def test_without_a_driver_there_is_no_cuda(install: Install, root: Path) -> None:
    install("onnxruntime-gpu")
    assert not has_cuda(root)


@pytest.mark.parametrize("others", [(), ("onnxruntime",), ("onnxruntime", "torch")])
def test_without_the_build_for_it_there_is_no_cuda(install: Install, root: Path, others: tuple[str, ...]) -> None:
    install(*others)
    (root / "dev" / "nvidiactl").touch()
    assert not has_cuda(root)


def test_a_root_that_does_not_exist_has_no_driver(install: Install, tmp_path: Path) -> None:
    install("onnxruntime-gpu")
    assert not has_cuda(tmp_path / "nowhere")
