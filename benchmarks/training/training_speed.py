"""Images a second that training learns, by threads, memory layout, precision, batch and compilation.

Every candidate is visited in turn, round after round, so that a machine that slows down slows them all; the table
gives medians of the ratio to the first candidate within a round. `python -m benchmarks.training.training_speed`
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Generator

from training import config
from training.config import Config
from training.data.mnist import Digits, load_mnist
from training.learning import run
from training.learning.stage import State
from training.model import autoencoder

STEPS = 12  # a turn, 1 to 4 seconds
ROUNDS = 5  # after one that warms up


def main() -> None:
    """Print a table: candidate, images a second, ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("training/configs/default.toml"))
    parser.add_argument("--data", type=Path, help="directory of the MNIST files (default: $MNIST_DIR, else ./data)")
    arguments = parser.parse_args()
    chosen = config.read(arguments.config)
    digits = load_mnist(arguments.data).train
    turns = dict(candidates(chosen, digits))
    rates: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(1 + ROUNDS):
        for name, turn in turns.items():
            rates[name].append(turn())
    first = next(iter(rates))
    print(f"{'candidate':<44} {'images/s':>9} {'ratio':>6}")
    for name, values in rates.items():
        ratios = [value / base for value, base in zip(values[1:], rates[first][1:], strict=True)]
        print(f"{name:<44} {statistics.median(values[1:]):>9.0f} {statistics.median(ratios):>6.2f}")


def candidates(chosen: Config, digits: Digits) -> Iterator[tuple[str, Callable[[], float]]]:
    """Name and one turn of each; a turn returns its images a second."""
    cores = torch.get_num_threads()

    def batch(rows: int) -> Config:
        return chosen.model_copy(update={"training": chosen.training.model_copy(update={"batch_rows": rows})})

    bfloat16 = chosen.model_copy(update={"network": chosen.network.model_copy(update={"precision": "bfloat16"})})
    rows = chosen.training.batch_rows
    yield f"as configured, {cores} threads", steps(chosen, digits, threads=cores)
    yield "1 thread", steps(chosen, digits, threads=1)
    yield "channels first", steps(chosen, digits, threads=cores, layout=torch.contiguous_format)
    yield "twice the batch", steps(batch(2 * rows), digits, threads=cores)
    yield "half the batch", steps(batch(rows // 2), digits, threads=cores)
    yield "bfloat16", steps(bfloat16, digits, threads=cores)
    yield "torch.compile", steps(chosen, digits, threads=cores, compiled=True)


def steps(
    chosen: Config,
    digits: Digits,
    *,
    threads: int,
    layout: torch.memory_format = torch.channels_last,
    compiled: bool = False,
) -> Callable[[], float]:
    """Training steps as a run takes them, a turn at a time."""
    model = autoencoder.build(chosen).to(memory_format=layout)  # type: ignore[call-overload]  # torch documents it
    if compiled:
        model.encoder.compile()
        model.decoder.compile()
    stage = run.stages(chosen, digits, digits)[0]
    state = State(model, stage, Generator().manual_seed(chosen.run.seed), 0.0)

    def turn() -> float:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for _ in range(STEPS):
            state.advance(stage)
        return STEPS * chosen.training.batch_rows / (time.perf_counter() - start)

    return turn


if __name__ == "__main__":
    main()
