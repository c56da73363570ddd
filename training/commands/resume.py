"""Continues a run that was stopped or killed."""

import argparse
from pathlib import Path

from training.commands import add_data
from training.data.mnist import load_mnist
from training.learning.run import resume


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training resume`."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="directory of the run")
    add_data(parser)


def run(arguments: argparse.Namespace) -> str:
    """Train to the end; returns what comes next. Raises TrainingError."""
    resume(arguments.directory, load_mnist(arguments.data))
    return f"{arguments.directory} is trained; next: python -m training export {arguments.directory}"
