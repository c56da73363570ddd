"""Command line of `training`: from MNIST to a bundle, one command a step. Nothing is decided here."""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

# NumPy's threads spin while they wait, and torch does all that is heavy. Read when NumPy is imported, so set before.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from training import config, data, fit
from training.errors import ConfigError, DataError, Interrupted, ResumeError, TrainingError

# What each of these declares and does stands in the module of its name: `add_arguments` and `run`.
MEASURING = {
    "evaluate": "measure a finished run on the test digits, the few figures that are quick to get",
    "export": "write a finished run as a bundle: graphs, manifest, and all that report writes",
    "report": "measure a bundle through its graphs; compare with what it claims, or write that anew",
    "draw": "draw one picture of a run or a bundle into a PNG file",
    "judge": "learn the classifier that looks at samples, from real digits",
}
MODULES = {"judge": "evaluation.judge"}  # where it is not the command's name
DATA_HELP = "directory of the MNIST files (default: $MNIST_DIR, else ./data, fetched if missing)"


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 failed, 2 bad input, 130 stopped on request."""
    chosen = _parser().parse_args(arguments)
    try:
        if said := chosen.run(chosen):
            print(said)
    except TrainingError as error:
        print(f"python -m training {chosen.command}: {error}", file=sys.stderr)
        if isinstance(error, Interrupted):
            return 130
        return 2 if isinstance(error, ConfigError | DataError | ResumeError) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Learn autoencoders of MNIST digits, measure them, and write them as bundles.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = _add(commands, "data", "fetch MNIST, or verify the copy that is there", _data)
    command.add_argument("--data", type=Path, help=DATA_HELP)

    command = _add(commands, "fit", "train the model that a configuration file describes", _fit)
    command.add_argument("config", type=Path, metavar="CONFIG", help="TOML file, such as training/configs/default.toml")
    command.add_argument("--run", type=Path, dest="directory", help="new directory (default: runs/<CONFIG's name>)")
    command.add_argument("--data", type=Path, help=DATA_HELP)

    command = _add(commands, "resume", "continue a run that was stopped or killed", _resume)
    command.add_argument("directory", type=Path, metavar="RUN", help="directory of the run")
    command.add_argument("--data", type=Path, help=DATA_HELP)

    for name, summary in MEASURING.items():
        module = import_module(f"training.{MODULES.get(name, name)}")
        module.add_arguments(_add(commands, name, summary, module.run))
    return parser


def _add(commands: argparse._SubParsersAction, name: str, summary: str, run: object) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    command.set_defaults(run=run)
    return command


def _data(chosen: argparse.Namespace) -> None:
    mnist = data.load(chosen.data)
    print(f"MNIST is complete: {len(mnist.train.labels):,} + {len(mnist.test.labels):,} digits, SHA-256 {mnist.sha256}")


def _fit(chosen: argparse.Namespace) -> None:
    settings = config.read(chosen.config)
    run = chosen.directory or Path("runs") / chosen.config.stem
    fit.fit(settings, data.load(chosen.data), run)
    print(f"{run} is trained; next: python -m training export {run}")


def _resume(chosen: argparse.Namespace) -> None:
    fit.resume(chosen.directory, data.load(chosen.data))
    print(f"{chosen.directory} is trained; next: python -m training export {chosen.directory}")


if __name__ == "__main__":
    sys.exit(main())
