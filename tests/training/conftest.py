"""A small real MNIST and a configuration that trains on it in seconds."""

import json
from pathlib import Path

import pytest
import torch

from training import config as configuration
from training import data
from training.config import Config
from training.data import Mnist

SAMPLE = Path(__file__).parents[1] / "data"
SAMPLE_DIGESTS = json.loads((SAMPLE / "digests.json").read_text())
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
    """SHA-256 of the sample's files, as `data.load` takes them."""
    return SAMPLE_DIGESTS


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    """The sample, loaded."""
    return data.load(SAMPLE, digests=SAMPLE_DIGESTS)


@pytest.fixture(scope="session")
def small() -> Config:
    """The configuration `small.toml`."""
    return configuration.read(SMALL)


@pytest.fixture(scope="session")
def small_text() -> str:
    """The text of `small.toml`."""
    return SMALL.read_text()
