"""Fetches MNIST, or verifies the copy that is there."""

import argparse

from training.commands import add_data
from training.data import idx


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training data`."""
    add_data(parser)


def run(arguments: argparse.Namespace) -> str:
    """Read and verify MNIST; returns how many digits it holds, and its digest. Raises DataError."""
    files = idx.read(arguments.data)
    counts = f"{len(files.train_labels):,} + {len(files.test_labels):,} digits"
    return f"MNIST is complete: {counts}, SHA-256 {files.sha256}"
