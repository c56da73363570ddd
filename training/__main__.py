"""Command line of `training`: from MNIST to a bundle, one command a step. Nothing is decided here."""

import argparse
import os
import sys
from importlib import import_module

# NumPy's threads spin while they wait, and torch does all that is heavy. Read when NumPy is imported, so set before.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from training.errors import ConfigError, DataError, Interrupted, ResumeError, TrainingError

# What each declares and does stands in the module of its name below `training.commands`.
COMMANDS = {
    "data": "fetch MNIST, or verify the copy that is there",
    "fit": "train the model that a configuration file describes",
    "resume": "continue a run that was stopped or killed",
    "evaluate": "measure a finished run on the test digits, the few figures that are quick to get",
    "export": "write a finished run as a bundle: graphs, manifest, and all that report writes",
    "report": "measure a bundle through its graphs; compare with what it claims, or write that anew",
    "draw": "draw one picture of a run or a bundle into a PNG file",
    "classifier": "learn the classifier that looks at samples, from real digits",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 failed, 2 bad input, 130 stopped on request."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        chosen = _parser(arguments).parse_args(arguments)
        print(chosen.run(chosen))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "models", "training"):
            raise
        print(
            f"python -m training: the package {package} is missing: pip install 'digit-vae-service[training]'.",
            file=sys.stderr,
        )
        return 2
    except TrainingError as error:
        print(f"python -m training {chosen.command}: {error}", file=sys.stderr)
        if isinstance(error, Interrupted):
            return 130
        return 2 if isinstance(error, ConfigError | DataError | ResumeError) else 1
    return 0


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser; only of the command that `arguments` name is the module imported, for some need torch for it."""
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Learn autoencoders of MNIST digits, measure them, and write them as bundles.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == named:
            module = import_module(f"training.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
