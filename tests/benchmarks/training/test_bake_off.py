"""Every candidate learns from as many digits as there is time for."""

from pathlib import Path

import pytest
import torch

from benchmarks.training.bake_off import candidates, drawn
from training import config
from training.data.mnist import Digits


def test_digits_come_again_only_once_all_have_been_drawn() -> None:
    digits = Digits(torch.zeros(5, 28, 28, dtype=torch.uint8), torch.arange(5))
    labels = drawn(digits, 12).labels.tolist()
    assert sorted(labels[:5]) == sorted(labels[5:10]) == [0, 1, 2, 3, 4]
    assert len(labels) == 12


def test_each_candidate_differs_from_the_configured_network() -> None:
    base = config.read(Path("training/configs/default.toml"))
    configured, *others = candidates(base).values()
    assert configured == base
    assert all(other != base for other in others)


def test_a_network_without_towers_is_refused() -> None:
    with pytest.raises(SystemExit, match="convolutional"):
        candidates(config.read(Path("training/configs/mlp_vae.toml")))
