"""Trains the model that a configuration file describes."""

import argparse
from pathlib import Path

from training import config
from training.commands import add_data
from training.data.mnist import load_mnist
from training.learning.run import fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training fit`."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="TOML file, such as training/configs/default.toml")
    parser.add_argument("--run", type=Path, dest="directory", help="new directory (default: runs/<CONFIG's name>)")
    add_data(parser)


def run(arguments: argparse.Namespace) -> str:
    """Train from the start; returns where the run is and what comes next. Raises TrainingError."""
    settings = config.read(arguments.config)
    directory = arguments.directory or Path("runs") / arguments.config.stem
    fit(settings, load_mnist(arguments.data), directory)
    return f"{directory} is trained; next: python -m training export {directory}"
