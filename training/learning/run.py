"""From a configuration and MNIST to a run directory: what is composed here is all decided elsewhere.

config.json     the effective configuration, canonical
log.jsonl       metrics, one object a line
checkpoint.pt   the latest state; `resume` continues from it
model.pt        averaged weights of a finished run
meta.json       digests, seed, machine, time: what a bundle says about its origin
"""

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from training.config import Config, Schedule, parse
from training.data.mnist import Digits, Mnist, split, to_pixels
from training.errors import ConfigError, Interrupted, ResumeError
from training.learning.journal import Journal, replace_file
from training.learning.loop import train
from training.learning.stage import Stage
from training.model.autoencoder import (
    ACTIVE_VARIANCE,
    Autoencoder,
    Posterior,
    Step,
    build,
    evidence_step,
    prior_step,
    squared_error_step,
    tightening_step,
)
from training.model.flow import ConditionalFlow

CONFIG_FILE, LOG_FILE, CHECKPOINT_FILE, MODEL_FILE, META_FILE = (
    "config.json",
    "log.jsonl",
    "checkpoint.pt",
    "model.pt",
    "meta.json",
)
# Validation repeats its draws, so that its curve shows the model move and not the dice.
VALIDATION_SEED = 1
VALIDATION_ROWS = 1000  # at once

AfterStep = Callable[[str, int], None]


def fit(config: Config, mnist: Mnist, run: Path, after_step: AfterStep = lambda stage, step: None) -> None:
    """Train a model from the start into a new directory `run`. Raises ResumeError if one is there, and as `resume`."""
    if (run / CONFIG_FILE).exists():
        raise ResumeError(f"{run} holds a run already: continue it with `resume {run}`, or name another directory")
    run.mkdir(parents=True, exist_ok=True)
    replace_file(run / CONFIG_FILE, lambda file: file.write(config.canonical()))
    resume(run, mnist, after_step)


def resume(run: Path, mnist: Mnist, after_step: AfterStep = lambda stage, step: None) -> None:
    """Continue the run in the directory `run` to its end. A finished run is left as it is.

    Raises ResumeError if there is no run or not of this data, ConfigError if the device or the data don't fit the
    configuration, Interrupted if asked to stop, TrainingError if the loss diverges.
    """
    config = _config(run)
    if (run / MODEL_FILE).exists():
        return
    device = _device(config.run.device)
    train_digits, held_out = split(mnist.train, config.data.validation_rows, config.run.seed)
    plan = stages(config, _to(device, train_digits), _to(device, held_out))
    for stage in plan:
        if stage.epoch_steps == 0:
            raise ConfigError(f"a batch of {stage.schedule.batch_rows:,} rows asked, of {len(stage.rows[0]):,} in all")
    model = build(config).to(device)
    journal = Journal(run / LOG_FILE, config.run.tensorboard)
    try:
        seconds = train(
            model,
            plan,
            journal,
            run / CHECKPOINT_FILE,
            generator=Generator(device).manual_seed(config.run.seed),
            checkpoint_s=config.run.checkpoint_s,
            identity={"config_sha256": config.sha256(), "data_sha256": mnist.sha256},
            after_step=after_step,
        )
    except Interrupted as error:
        raise Interrupted(f"{error}; continue with `python -m training resume {run}`") from None
    finally:
        journal.close()
    meta = {
        "seed": config.run.seed,
        "config_sha256": config.sha256(),
        "data_sha256": mnist.sha256,
        "train_rows": len(train_digits.labels),
        "validation_rows": len(held_out.labels),
        "epochs": {stage.name: stage.schedule.epochs for stage in plan},
        "wall_seconds": round(seconds, 1),
        "machine": machine(device),
        "torch": torch.__version__,
    }
    replace_file(run / META_FILE, lambda file: file.write(json.dumps(meta, indent=2).encode()))
    replace_file(run / MODEL_FILE, lambda file: torch.save(model.cpu().state_dict(), file))


def load_run(run: Path) -> tuple[Config, Autoencoder, dict[str, Any]]:
    """Configuration, model on the CPU in evaluation mode with averaged weights, and meta of a finished run.

    Raises ResumeError if there is no run or an unfinished one.
    """
    config = _config(run)
    if not (run / MODEL_FILE).exists():
        raise ResumeError(f"{run} is not finished: continue it with `python -m training resume {run}`")
    model = build(config)
    model.load_state_dict(torch.load(run / MODEL_FILE, map_location="cpu", weights_only=True))
    meta = json.loads((run / META_FILE).read_text(encoding="utf-8"))
    return config, model.eval().requires_grad_(False), meta


def machine(device: torch.device) -> str:
    """What the run ran on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} threads of {_processor()}, {os.cpu_count()} cores"


def stages(config: Config, digits: Digits, held_out: Digits) -> list[Stage]:
    """The networks first, with the prior or without; the same on a tighter bound; the prior by its own schedule."""
    objective, prior = config.objective, config.prior
    joint = prior.kind == "flow" and prior.fitted == "jointly"
    alone, together = ("encoder", "decoder"), ("encoder", "decoder", "prior")
    networks_step = squared_error_step if objective.kind == "ae" else evidence_step(objective, joint)

    def stage(name: str, trained: tuple[str, ...], step: Step, schedule: Schedule, **more: Any) -> Stage:
        def validate(model: Autoencoder) -> dict[str, float]:
            units = {} if trained == ("prior",) else _active_units(model, held_out)
            return _figures(model, step, held_out) | units

        return Stage(name, trained, (digits.images, digits.labels), step, validate, schedule, **more)

    plan = [stage("networks", together if joint else alone, networks_step, config.training)]
    if objective.kind == "vae" and objective.tightening is not None:
        step = tightening_step(objective, objective.tightening.draws)
        plan.append(stage("tightening", together, step, objective.tightening.training))
    if prior.kind == "flow" and prior.training is not None:
        first = {} if joint else {"begin": lambda model: _standardise(model, digits.images)}
        plan.append(stage("prior", ("prior",), prior_step(objective), prior.training, **first))
    return plan


@torch.no_grad()
def _figures(model: Autoencoder, step: Step, digits: Digits) -> dict[str, float]:
    """What the training step would report, with all of its terms at full weight, over all of `digits`."""
    generator = Generator(digits.images.device).manual_seed(VALIDATION_SEED)
    sums: dict[str, float] = {}
    for images, labels in zip(*(part.split(VALIDATION_ROWS) for part in digits), strict=True):
        for name, mean in step(model, images, labels, 1.0, generator).items():
            sums[name] = sums.get(name, 0.0) + float(mean) * len(labels)
    return {name: total / len(digits.labels) for name, total in sums.items()}


@torch.no_grad()
def _active_units(model: Autoencoder, digits: Digits) -> dict[str, float]:
    variance = _posteriors(model, digits.images).mean.var(0)
    return {"active_units": int((variance > ACTIVE_VARIANCE).sum())}


@torch.no_grad()
def _standardise(model: Autoencoder, images: Tensor) -> None:
    """Let the flow start from the mean and scale of all latents: those of an autoencoder may be of any size."""
    mean, log_var = _posteriors(model, images)
    variance = mean.var(0) if log_var is None else mean.var(0) + log_var.exp().mean(0)
    assert isinstance(model.prior, ConditionalFlow)
    model.prior.standardise(mean.mean(0), variance.sqrt())


def _posteriors(model: Autoencoder, images: Tensor) -> Posterior:
    """Posteriors of grey images (n, 28, 28), however many."""
    means, log_vars = zip(*(model.posterior(to_pixels(rows)) for rows in images.split(VALIDATION_ROWS)), strict=True)
    return Posterior(torch.cat(means), None if log_vars[0] is None else torch.cat(log_vars))


def _config(run: Path) -> Config:
    path = run / CONFIG_FILE
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ResumeError(f"{run} holds no run: {path} cannot be read") from error


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError('run.device is "cuda", but torch sees no CUDA device')
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _to(device: torch.device, digits: Digits) -> Digits:
    return Digits(*(part.to(device) for part in digits))


def _processor() -> str:
    """Name of the processor, where the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
