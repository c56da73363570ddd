"""The training loop: a module is trained in stages over rows in memory, by steps that can be killed and repeated.

It knows nothing of images. Everything random comes from one generator; its state, the optimiser's, the averaged
weights and the order of the current epoch are in the checkpoint, so a resumed run equals an uninterrupted one to the
last bit (on a CPU, with the same number of threads).
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Generator, nn
from tqdm import tqdm

from training.errors import Interrupted, ResumeError
from training.learning.journal import Journal, replace_file
from training.learning.stage import Stage, State, learning_rate

LOG_STEPS = 100  # a line of training metrics, each a mean over so many steps, and a chance for a checkpoint
BAR_S = 0.5 if sys.stderr.isatty() else 30  # between redraws of the progress bar; a log file needs few


def train(
    module: nn.Module,
    stages: list[Stage],
    journal: Journal,
    checkpoint: Path,
    *,
    generator: Generator,
    checkpoint_s: float,
    identity: Mapping[str, str],
    clock: Callable[[], float] = time.monotonic,
    after_step: Callable[[str, int], None] = lambda stage, step: None,
) -> float:
    """Run all stages, from the checkpoint if there is one; leave the averaged weights in `module`.

    generator: on the module's device. checkpoint_s: a checkpoint is written when so much time has passed since the
    last, and at the end of a stage. identity: what a checkpoint must agree on with this run. after_step: called
    with the stage's name and the steps done. Returns the seconds spent, over all resumes. Raises TrainingError if the
    loss diverges, ResumeError for a checkpoint that is damaged or of another run, Interrupted after SIGINT or SIGTERM
    once the checkpoint is written.
    """
    saved = _load(checkpoint, identity, generator.device)
    journal.cut(saved["log_bytes"] if saved else 0)
    seconds = 0.0
    first = saved["stage"] if saved else 0
    with _stop_requests() as stop:
        for number, stage in enumerate(stages[first:], start=first):
            if saved is None:
                stage.begin(module)
            state = State(module, stage, generator, seconds)
            if saved is not None:
                state.restore(saved)
                saved = None
            tick = saved_at = clock()
            for may_save in _steps(stage, state, journal, clock, after_step):
                now = clock()
                finished = state.step == stage.steps
                if stop.is_set() or (may_save and (finished or now - saved_at >= checkpoint_s)):
                    state.seconds += now - tick
                    content = {"stage": number, "log_bytes": journal.size_bytes(), "identity": dict(identity)}
                    content |= state.to_dict()
                    replace_file(checkpoint, partial(torch.save, content))
                    tick = saved_at = now
                if stop.is_set() and not (finished and number == len(stages) - 1):
                    where = f"step {state.step:,} of {stage.steps:,} of the stage {stage.name!r}"
                    raise Interrupted(f"stopped after {where}")
            module.load_state_dict(state.average.state_dict())
            seconds = state.seconds
    return seconds


def _steps(
    stage: Stage,
    state: State,
    journal: Journal,
    clock: Callable[[], float],
    after_step: Callable[[str, int], None],
) -> Iterator[bool]:
    """Advance to the stage's end, keeping the journal; after each step, yield whether the journal is up to date."""
    images = stage.schedule.batch_rows
    shown: dict[str, float] = {}
    lap_step, lap_start = state.step, clock()
    with tqdm(
        desc=stage.name,
        total=stage.steps * images,
        initial=state.step * images,
        unit="img",
        unit_scale=True,
        mininterval=BAR_S,
    ) as bar:
        while state.step < stage.steps:
            state.advance(stage)
            bar.update(images)
            after_step(stage.name, state.step)
            epoch_ends = state.step % stage.epoch_steps == 0
            logs = epoch_ends or state.step % LOG_STEPS == 0
            if logs:
                means = state.means()
                rate = (state.step - lap_step) * images / max(clock() - lap_start, 1e-9)
                lr = learning_rate(stage.schedule, state.step - 1, stage.steps)
                epoch = state.step / stage.epoch_steps
                journal.write(stage.name, "train", state.step, epoch=epoch, **means, learning_rate=lr, images_s=rate)
                shown |= {name: value for name, value in means.items() if name != "loss" or len(means) == 1}
            if epoch_ends:
                figures = stage.validate(state.average)
                journal.write(stage.name, "validation", state.step, epoch=epoch, **figures)
                shown |= {f"val_{name}": value for name, value in figures.items() if name in ("loss", "active_units")}
            if logs:
                bar.set_postfix({name: f"{value:.4g}" for name, value in shown.items()}, refresh=False)
                lap_step, lap_start = state.step, clock()
            yield logs


def _load(checkpoint: Path, identity: Mapping[str, str], device: torch.device) -> dict[str, Any] | None:
    if not checkpoint.exists():
        return None
    try:
        saved: dict[str, Any] = torch.load(checkpoint, map_location=device, weights_only=True)
        found = saved["identity"]
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, UnpicklingError) as error:
        raise ResumeError(f"{checkpoint} is damaged: it cannot be resumed from") from error
    for name, expected in identity.items():
        if found.get(name) != expected:
            raise ResumeError(f"{checkpoint} was made with {name} {found.get(name)}, this run has {expected}")
    return saved


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one acts as it did before."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(number: int, frame: object) -> None:
        requested.set()
        restore()

    for number in before:
        signal.signal(number, request)
    try:
        yield requested
    finally:
        restore()
