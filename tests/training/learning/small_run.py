"""Two linear layers, two stages of training them, and a clock that is counted: a run of the loop in no time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.config import Schedule
from training.learning.journal import Journal, read_journal
from training.learning.loop import train
from training.learning.stage import Stage

ROWS = 23  # with batches of 4: five steps an epoch, three rows left out
SCHEDULE = Schedule(
    epochs=4, batch_rows=4, learning_rate=0.05, warmup_steps=3, weight_decay=0.1, ema=0.9, clip_norm=1.0
)
IDENTITY = {"config_sha256": "one"}


def new_module() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.ModuleDict({"first": nn.Linear(3, 4), "second": nn.Linear(4, 1)})


def step(
    module: Any, inputs: Tensor, targets: Tensor, progress: float, generator: torch.Generator
) -> dict[str, Tensor]:
    noise = 0.1 * torch.randn(inputs.shape, generator=generator)
    outputs = module["second"](torch.tanh(module["first"](inputs + noise)))
    return {"loss": (outputs - targets).square().mean(), "progress": torch.tensor(progress)}


def stages(**changes: Any) -> list[Stage]:
    inputs = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(2))
    shared: dict[str, Any] = {
        "rows": (inputs, inputs.sum(1, keepdim=True)),
        "step": step,
        "validate": lambda module: {"weight": module["first"].weight.sum().item()},
        "schedule": SCHEDULE,
    } | changes
    return [Stage("both", ("first", "second"), **shared), Stage("tail", ("second",), **shared)]


class Ticks:
    """A clock that a call moves on by a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def run(
    directory: Path,
    after_step: Callable[[str, int], None] = lambda stage, step: None,
    *,
    checkpoint_s: float = 0.0,
    identity: dict[str, str] = IDENTITY,
    work: list[Stage] | None = None,
) -> tuple[nn.Module, float]:
    """Train from whatever `directory` holds. Returns the module and the seconds spent."""
    directory.mkdir(exist_ok=True)
    module = new_module()
    journal = Journal(directory / "log.jsonl")
    try:
        seconds = train(
            module,
            work or stages(),
            journal,
            directory / "checkpoint.pt",
            generator=torch.Generator().manual_seed(3),
            checkpoint_s=checkpoint_s,
            identity=identity,
            clock=Ticks(),
            after_step=after_step,
        )
    finally:
        journal.close()
    return module, seconds


def lines(directory: Path) -> list[dict[str, Any]]:
    """The journal without what depends on the clock."""
    kept = read_journal(directory / "log.jsonl")
    return [{name: value for name, value in line.items() if name != "images_s"} for line in kept]


def equal(one: nn.Module, other: nn.Module) -> bool:
    state = other.state_dict()
    return all(torch.equal(weights, state[name]) for name, weights in one.state_dict().items())
