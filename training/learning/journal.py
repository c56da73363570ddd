"""A run's record of its metrics, one JSON object a line and, if asked, TensorBoard; and how files are replaced."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from training.errors import ConfigError


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all: `write` fills a neighbour that is flushed to disk and then takes its name."""
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


class Journal:
    """Appends to `path`. After a resume, what the lost steps wrote is cut off, so that no line stands twice."""

    def __init__(self, path: Path, tensorboard: bool = False) -> None:
        """Raises ConfigError if TensorBoard is asked for and not installed."""
        self._board = _summary_writer(path.parent / "tensorboard") if tensorboard else None
        self._file = path.open("ab")

    def cut(self, size_bytes: int) -> None:
        """Forget what was written after the first `size_bytes`."""
        self._file.truncate(size_bytes)

    def write(self, stage: str, split: str, step: int, **values: float) -> None:
        """One line: which stage, "train" or "validation", the stage's step, and named values."""
        line = json.dumps({"stage": stage, "split": split, "step": step, **values})
        self._file.write(f"{line}\n".encode())
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{stage}/{split}/{name}", value, step)

    def size_bytes(self) -> int:
        """How much stands in the file, safely on disk."""
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file and the board."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_journal(path: Path) -> list[Mapping[str, float | str]]:
    """All lines of a journal, oldest first."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _summary_writer(directory: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        message = "run.tensorboard is true, but TensorBoard is missing: pip install 'digit-vae-service[tensorboard]'"
        raise ConfigError(message) from error
    return SummaryWriter(directory)
