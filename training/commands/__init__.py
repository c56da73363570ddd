"""One module a command of `python -m training`, each with `add_arguments` and `run`; imported only when asked for."""

import argparse
from pathlib import Path


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare --data, which means the same in every command."""
    meaning = "directory of the MNIST files (default: $MNIST_DIR, else ./data, fetched if missing)"
    parser.add_argument("--data", type=Path, help=meaning)
