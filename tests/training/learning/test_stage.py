"""A stage does what its schedule says."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.learning.small_run import ROWS, SCHEDULE, new_module, run, stages
from training.learning.journal import Journal
from training.learning.loop import train
from training.learning.stage import averaging_weight, learning_rate


def test_rate_rises_linearly_then_falls_as_a_cosine_to_one_percent() -> None:
    rates = [learning_rate(SCHEDULE, step, steps=24) / SCHEDULE.learning_rate for step in range(24)]
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert rates[3] == 1
    assert rates[13] == pytest.approx(0.01 + 0.99 / 2)
    assert rates[23] == pytest.approx(0.01)
    assert rates[3:] == sorted(rates[3:], reverse=True)


def test_average_forgets_the_start_and_then_keeps_its_share() -> None:
    assert averaging_weight(SCHEDULE, 0) == 0.9
    assert averaging_weight(SCHEDULE, 10_000) == pytest.approx(0.1)


def test_stage_trains_only_its_own_children(tmp_path: Path) -> None:
    before = new_module().state_dict()
    module, _ = run(tmp_path, work=stages()[1:])
    assert torch.equal(module["first"].weight, before["first.weight"])
    assert not torch.equal(module["second"].weight, before["second.weight"])


def test_each_epoch_takes_rows_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    taken: list[int] = []

    def remember(module: Any, row: Tensor, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        taken.extend(row.tolist())
        return {"loss": module["first"].weight.square().sum()}

    work = stages(rows=(torch.arange(ROWS),), step=remember)[:1]
    run(tmp_path, work=work)
    epochs = [taken[start : start + 20] for start in range(0, 80, 20)]
    assert len(taken) == 80
    assert all(len(set(epoch)) == 20 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert set(taken) == set(range(ROWS))


def test_gradients_are_clipped(tmp_path: Path) -> None:
    norms = []

    def steep(module: Any, inputs: Tensor, targets: Tensor, progress: float, generator: Any) -> dict[str, Tensor]:
        return {"loss": 1e6 * module["first"].weight.sum()}

    def look(stage: str, step: int) -> None:
        norms.append(module["first"].weight.grad.norm().item())

    module = new_module()
    journal = Journal(tmp_path / "log.jsonl")
    work = stages(step=steep)[:1]
    train(
        module,
        work,
        journal,
        tmp_path / "checkpoint.pt",
        generator=torch.Generator(),
        checkpoint_s=1e9,
        identity={},
        after_step=look,
    )
    journal.close()
    assert norms == pytest.approx([1.0] * 20, rel=1e-4)
