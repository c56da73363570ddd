"""The loop learns, and a run that was stopped anywhere ends in the bits of one that was not."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.learning.small_run import IDENTITY, equal, lines, new_module, run, stages
from training.errors import Interrupted, ResumeError, TrainingError
from training.learning.journal import Journal
from training.learning.loop import train


class Crash(Exception):
    """Stands for whatever ends a process."""


def at(stage: str, step: int, action: Callable[[], None]) -> Callable[[str, int], None]:
    return lambda *now: action() if now == (stage, step) else None


def crash() -> None:
    raise Crash


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """An uninterrupted run: its module and its directory."""
    directory = tmp_path_factory.mktemp("whole")
    return run(directory)[0], directory


def test_training_learns_and_leaves_averaged_weights(whole: tuple[nn.Module, Path]) -> None:
    module, directory = whole
    losses = [line["loss"] for line in lines(directory) if line["split"] == "train"]
    assert losses[-1] < losses[0] / 2
    saved = torch.load(directory / "checkpoint.pt", weights_only=True)
    assert all(torch.equal(weights, saved["average"][name]) for name, weights in module.state_dict().items())
    assert not torch.equal(saved["module"]["second.weight"], saved["average"]["second.weight"])


def test_stage_begins_with_the_averages_of_the_one_before(tmp_path: Path) -> None:
    seen: dict[str, Tensor] = {}
    first, second = stages(begin=lambda module: seen.update(first=module["first"].weight.clone()))
    module, _ = run(tmp_path, work=[first, second])
    assert torch.equal(seen["first"], module["first"].weight)


def test_progress_runs_from_0_to_1_once_a_stage(whole: tuple[nn.Module, Path]) -> None:
    means = [line["progress"] for line in lines(whole[1]) if line["split"] == "train"]
    expected = [sum(range(first, first + 5)) / 5 / 20 for first in (0, 5, 10, 15)]
    assert means == pytest.approx(expected * 2)


def test_journal_tells_training_and_validation_apart(whole: tuple[nn.Module, Path]) -> None:
    found = [(line["stage"], line["split"], line["step"], line["epoch"]) for line in lines(whole[1])]
    expected = [
        (stage, split, 5 * epoch, float(epoch))
        for stage in ("both", "tail")
        for epoch in (1, 2, 3, 4)
        for split in ("train", "validation")
    ]
    assert found == expected


@pytest.mark.parametrize("checkpoint_s", [0, 17, 1e9], ids=["often", "seldom", "per stage"])
@pytest.mark.parametrize(("stage", "step"), [("both", 1), ("both", 13), ("both", 20), ("tail", 1), ("tail", 13)])
def test_crashed_run_resumes_to_the_same_bits(
    stage: str, step: int, checkpoint_s: float, whole: tuple[nn.Module, Path], tmp_path: Path
) -> None:
    with pytest.raises(Crash):
        run(tmp_path, at(stage, step, crash), checkpoint_s=checkpoint_s)
    module, _ = run(tmp_path, checkpoint_s=checkpoint_s)
    assert equal(module, whole[0])
    assert lines(tmp_path) == lines(whole[1])


def test_run_crashed_again_and_again_resumes_to_the_same_bits(whole: tuple[nn.Module, Path], tmp_path: Path) -> None:
    for stage, step in [("both", 3), ("both", 8), ("both", 9), ("both", 20), ("tail", 11)]:
        with pytest.raises(Crash):
            run(tmp_path, at(stage, step, crash))
    assert equal(run(tmp_path)[0], whole[0])
    assert lines(tmp_path) == lines(whole[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("stage", "step"), [("both", 7), ("both", 20), ("tail", 10)])
def test_stopping_leaves_a_checkpoint_of_that_very_step(
    stage: str, step: int, number: signal.Signals, whole: tuple[nn.Module, Path], tmp_path: Path
) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"after step {step} of 20 of the stage '{stage}'"):
        run(tmp_path, at(stage, step, lambda: signal.raise_signal(number)), checkpoint_s=1e9)
    assert signal.getsignal(number) == before
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == step
    assert equal(run(tmp_path)[0], whole[0])
    assert lines(tmp_path) == lines(whole[1])


def test_second_request_to_stop_is_not_held_back(tmp_path: Path) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job begins with it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, at("both", 2, twice))
    finally:
        signal.signal(signal.SIGINT, before)


def test_finished_run_resumes_to_itself(whole: tuple[nn.Module, Path], tmp_path: Path) -> None:
    run(tmp_path)
    again, _ = run(tmp_path, lambda stage, step: crash())
    assert equal(again, whole[0])


def test_time_is_added_up_over_resumes(tmp_path: Path) -> None:
    _, whole_s = run(tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(tmp_path / "parts", at("both", 15, lambda: signal.raise_signal(signal.SIGINT)))
    _, parts_s = run(tmp_path / "parts")
    assert whole_s == pytest.approx(parts_s, abs=5)


def test_other_seeds_give_other_weights(whole: tuple[nn.Module, Path], tmp_path: Path) -> None:
    module = new_module()
    journal = Journal(tmp_path / "log.jsonl")
    where = tmp_path / "checkpoint.pt"
    train(module, stages(), journal, where, generator=torch.Generator().manual_seed(4), checkpoint_s=0, identity={})
    journal.close()
    assert not equal(module, whole[0])


def test_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(ResumeError, match="made with config_sha256 one, this run has two"):
        run(tmp_path, identity={"config_sha256": "two"})


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"words"])
def test_damaged_checkpoint_is_refused(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    run(tmp_path)
    where = tmp_path / "checkpoint.pt"
    where.write_bytes(damage(where.read_bytes()))
    with pytest.raises(ResumeError, match=r"checkpoint.pt is damaged"):
        run(tmp_path)


def test_checkpoint_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save({"identity": IDENTITY, "stage": print}, tmp_path / "checkpoint.pt")
    with pytest.raises(ResumeError, match="damaged"):
        run(tmp_path)


def test_unfinished_checkpoint_leaves_the_last_one_whole(
    whole: tuple[nn.Module, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(content: object, file: Any) -> None:
        file.write(b"half")
        raise Crash

    with pytest.raises(Crash):
        run(tmp_path, at("both", 12, lambda: monkeypatch.setattr(torch, "save", fail)))
    monkeypatch.undo()
    assert equal(run(tmp_path)[0], whole[0])


def test_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    def diverge(module: Any, inputs: Tensor, targets: Tensor, progress: float, generator: Any) -> dict[str, Tensor]:
        return {"loss": module["first"].weight.sum() * float("nan")}

    with pytest.raises(TrainingError, match="loss became nan before step 5: lower the learning rate"):
        run(tmp_path, work=stages(step=diverge))
