"""A small real MNIST and a configuration that trains on it in seconds."""

import json
from pathlib import Path

import pytest
import torch

from training import config as configuration
from training.config import Config
from training.data import idx
from training.data.mnist import Mnist, load_mnist

SAMPLE = Path(__file__).parents[1] / "data"
SAMPLE_DIGESTS: dict[str, str] = json.loads((SAMPLE / "digests.json").read_text())
SMALL = Path(__file__).parent / "small.toml"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny networks gain nothing from more, and lose much where tests run side by side."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sample_directory() -> Path:
    """300 training and 300 test digits as IDX files."""
    return SAMPLE


@pytest.fixture(scope="session")
def sample_digests() -> dict[str, str]:
    """SHA-256 of the sample's files, as `load_mnist` takes them."""
    return SAMPLE_DIGESTS


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    """The sample, loaded."""
    return load_mnist(SAMPLE, digests=SAMPLE_DIGESTS)


@pytest.fixture(scope="session")
def small() -> Config:
    """The configuration `small.toml`."""
    return configuration.read(SMALL)


@pytest.fixture(scope="session")
def small_text() -> str:
    """The text of `small.toml`."""
    return SMALL.read_text()


@pytest.fixture
def moment(small_text: str, tmp_path: Path) -> Path:
    """The file of a configuration that trains for a moment."""
    path = tmp_path / "moment.toml"
    path.write_text(small_text.replace("epochs = 40", "epochs = 2").replace("epochs = 10", "epochs = 1"))
    return path


@pytest.fixture
def _sample_is_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the sample where they look for MNIST."""
    monkeypatch.setenv("MNIST_DIR", str(SAMPLE))
    monkeypatch.setattr(idx, "DIGESTS", SAMPLE_DIGESTS)
