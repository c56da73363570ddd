"""One picture of a model into one file: what `docs/` shows, and how to see it for a model of your own."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training import data, figures, fit
from training.data import Digits
from training.errors import ExportError
from training.figures import Figure
from training.journal import read_journal
from training.model import Model
from training.report import open_bundle


@dataclass(frozen=True)
class Picture:
    """meaning: for --help; draw: the figure of one bundle's model and the test digits."""

    meaning: str
    draw: Callable[[Model, Digits], Figure]


PICTURES = {
    "hero": Picture("digit → latent → reconstruction → samples, one wide strip", figures.hero),
    "latents": Picture("where test digits lie in latent space, by class", figures.latents),
    "reconstructions": Picture("test digits over their reconstructions", figures.reconstructions),
    "samples": Picture("a row of samples for every label", lambda model, _: figures.samples(model)),
    "traversal": Picture("one latent dimension moved at a time", figures.traversal),
    "prior": Picture(
        "random points decoded without the prior and through it",
        lambda model, digits: figures.random_points(figures.with_and_without_prior(model, digits)),
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training draw`."""
    meanings = "; ".join(f"{name}: {picture.meaning}" for name, picture in PICTURES.items())
    parser.add_argument(
        "picture",
        choices=[*PICTURES, "losses", "random"],
        help=f"{meanings}; losses: of a run; random: random points of several bundles decoded without a prior",
    )
    parser.add_argument("sources", nargs="+", type=Path, help="a bundle; for losses a run; for random, bundles")
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--data", type=Path, help="directory of the MNIST files (default: $MNIST_DIR, else ./data)")


def run(arguments: argparse.Namespace) -> str:
    """Draw the picture asked for; returns where it is. Raises TrainingError."""
    figures.save(_figure(arguments.picture, arguments.sources, arguments.data), arguments.out)
    return str(arguments.out)


def _figure(picture: str, sources: list[Path], directory: Path | None) -> Figure:
    if picture != "random" and len(sources) > 1:
        raise ExportError(f"{picture} is a picture of one model, not of {len(sources)}")
    if picture == "losses":
        fit.load_run(sources[0])
        return figures.losses(read_journal(sources[0] / fit.LOG_FILE))
    test = data.load(directory).test
    bundles = [open_bundle(source) for source in sources]
    if picture in PICTURES:
        return PICTURES[picture].draw(bundles[0][1], test)
    panels = []
    for manifest, model in bundles:
        panels.append((f"{manifest.name}: N(0, I), decoded", figures.decoded_normal(model)))
        if model.kind == "ae":
            panels.append((f"{manifest.name}: uniform among its codes", figures.decoded_box(model, test)))
    return figures.random_points(panels)
