"""A stage of training as data, and its state: what one step of it does, and what brings it back after a kill."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from training.config import Schedule
from training.errors import TrainingError

FINAL_LEARNING_RATE = 0.01  # share of the peak at which the cosine ends


@dataclass(frozen=True)
class Stage:
    """One part of a run: which children of the module are trained, on what, by which step.

    rows: tensors of equal length, on the module's device. step: (module, *batch of rows, progress in [0, 1), generator)
    → means over the batch, of which `loss` is minimised. validate: figures of the averaged module. begin: changes the
    module before the first step.
    """

    name: str
    trained: tuple[str, ...]
    rows: tuple[Tensor, ...]
    step: Callable[..., dict[str, Tensor]]
    validate: Callable[[Any], Mapping[str, float]]
    schedule: Schedule
    begin: Callable[[Any], None] = lambda module: None

    @property
    def epoch_steps(self) -> int:
        """Steps in an epoch: whole batches only; which rows are left out changes every time."""
        return len(self.rows[0]) // self.schedule.batch_rows

    @property
    def steps(self) -> int:
        """Steps in the whole stage."""
        return self.epoch_steps * self.schedule.epochs


class State:
    """All that changes while a stage runs, and that a checkpoint brings back."""

    def __init__(self, module: nn.Module, stage: Stage, generator: Generator, seconds: float) -> None:
        self.step, self.seconds = 0, seconds
        self.sums: dict[str, Tensor] = {}
        self.summed_steps = 0
        self.generator = generator
        self.order = torch.empty(0, dtype=torch.long)
        self.module = module
        for name, child in module.named_children():
            child.requires_grad_(name in stage.trained)
        self.average = copy.deepcopy(module).requires_grad_(False)
        pairs = zip(module.parameters(), self.average.parameters(), strict=True)
        self.trained = [(weights, average) for weights, average in pairs if weights.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [weights for weights, _ in self.trained], weight_decay=stage.schedule.weight_decay, fused=True
        )

    def advance(self, stage: Stage) -> None:
        """One step of optimisation."""
        schedule, position = stage.schedule, self.step % stage.epoch_steps
        if position == 0:
            rows = len(stage.rows[0])
            self.order = torch.randperm(rows, generator=self.generator, device=self.generator.device)
        batch = self.order[position * schedule.batch_rows :][: schedule.batch_rows]
        rows_of_batch = [rows[batch] for rows in stage.rows]
        metrics = stage.step(self.module, *rows_of_batch, self.step / stage.steps, self.generator)
        self.optimiser.zero_grad()
        metrics["loss"].backward()
        nn.utils.clip_grad_norm_([weights for weights, _ in self.trained], schedule.clip_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(schedule, self.step, stage.steps)
        self.optimiser.step()
        with torch.no_grad():
            for weights, average in self.trained:
                average.lerp_(weights, averaging_weight(schedule, self.step))
            for name, value in metrics.items():
                self.sums[name] = self.sums.get(name, 0) + value.detach()
        self.summed_steps += 1
        self.step += 1

    def means(self) -> dict[str, float]:
        """Means of the metrics since the last call. Raises TrainingError if the loss is no longer a number."""
        means = {name: float(total) / self.summed_steps for name, total in self.sums.items()}
        self.sums, self.summed_steps = {}, 0
        if not math.isfinite(means["loss"]):
            raise TrainingError(f"the loss became {means['loss']} before step {self.step:,}: lower the learning rate")
        return means

    def to_dict(self) -> dict[str, Any]:
        """As `torch.load(weights_only=True)` can read it back."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "sums": self.sums,
            "summed_steps": self.summed_steps,
            "generator": self.generator.get_state(),
            "order": self.order,
            "module": self.module.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Undo the difference between now and when `saved` was made."""
        for name in ("step", "seconds", "sums", "summed_steps", "order"):
            setattr(self, name, saved[name])
        self.generator.set_state(saved["generator"].cpu())
        for name in ("module", "average", "optimiser"):
            getattr(self, name).load_state_dict(saved[name])


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """Rate of step 0 … steps − 1: linear over the warm-up steps, then a cosine to 1 % of the peak at the last step."""
    if step < schedule.warmup_steps:
        return schedule.learning_rate * (step + 1) / schedule.warmup_steps
    done = (step - schedule.warmup_steps) / max(1, steps - 1 - schedule.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return schedule.learning_rate * (FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * cosine)


def averaging_weight(schedule: Schedule, step: int) -> float:
    """Share of the newest weights in the average: large at first, so that the average forgets the random start."""
    return 1 - min(schedule.ema, (1 + step) / (10 + step))
