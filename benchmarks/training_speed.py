"""Images a second that training learns, by threads, memory layout, precision, batch and compilation.

Every candidate is visited in turn, round after round, so that a machine that slows down slows them all; told are
medians of the ratio to the first candidate within a round. `python -m benchmarks.training_speed`
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Generator, nn

from training import autoencoder, config, data
from training.config import Config

STEPS = 12  # a turn, 1 to 4 seconds
ROUNDS = 5  # after one that warms up


def main() -> None:
    """Print a table: candidate, images a second, ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("training/configs/default.toml"))
    parser.add_argument("--data", type=Path, help="directory of the MNIST files (default: $MNIST_DIR, else ./data)")
    arguments = parser.parse_args()
    chosen = config.read(arguments.config)
    digits = data.load(arguments.data).train
    turns = dict(candidates(chosen, digits.images, digits.labels))
    rates: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(1 + ROUNDS):
        for name, turn in turns.items():
            rates[name].append(turn())
    first = next(iter(rates))
    print(f"{'candidate':<44} {'images/s':>9} {'ratio':>6}")
    for name, values in rates.items():
        ratios = [value / base for value, base in zip(values[1:], rates[first][1:], strict=True)]
        print(f"{name:<44} {statistics.median(values[1:]):>9.0f} {statistics.median(ratios):>6.2f}")


def candidates(chosen: Config, images: torch.Tensor, labels: torch.Tensor) -> Iterator[tuple[str, Callable[[], float]]]:
    """Name and one turn of each; a turn returns its images a second."""
    cores = torch.get_num_threads()

    def candidate(
        threads: int = cores,
        batch_rows: int = chosen.training.batch_rows,
        layout: torch.memory_format = torch.channels_last,
        compiled: bool = False,
        **network: object,
    ) -> Callable[[], float]:
        return _turn(
            chosen.model_copy(update={"network": chosen.network.model_copy(update=network)}),
            images, labels, threads=threads, batch_rows=batch_rows, layout=layout, compiled=compiled,
        )  # fmt: skip

    yield f"as configured, {cores} threads", candidate()
    yield "1 thread", candidate(threads=1)
    yield "channels first", candidate(layout=torch.contiguous_format)
    yield "twice the batch", candidate(batch_rows=2 * chosen.training.batch_rows)
    yield "half the batch", candidate(batch_rows=chosen.training.batch_rows // 2)
    yield "bfloat16", candidate(precision="bfloat16")
    yield "torch.compile", candidate(compiled=True)


def _turn(
    chosen: Config,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    threads: int,
    batch_rows: int,
    layout: torch.memory_format,
    compiled: bool,
) -> Callable[[], float]:
    model = autoencoder.build(chosen).to(memory_format=layout)
    if compiled:
        model.encoder.compile()
        model.decoder.compile()
    step = autoencoder.evidence_step(chosen.objective, joint_prior=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    generator = Generator().manual_seed(1)

    def turn() -> float:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for _ in range(STEPS):
            rows = torch.randint(len(labels), (batch_rows,), generator=generator)
            optimiser.zero_grad()
            step(model, images[rows], labels[rows], 1.0, generator)["loss"].backward()
            nn.utils.clip_grad_norm_(model.parameters(), 200.0)
            optimiser.step()
        return STEPS * batch_rows / (time.perf_counter() - start)

    return turn


if __name__ == "__main__":
    main()
