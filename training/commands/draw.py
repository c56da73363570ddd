"""One picture of a model into one file: what `docs/` shows, and how to see it for a model of your own."""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.manifest import Manifest
from training import figures
from training.bundle.files import open_bundle
from training.commands import add_data
from training.data.mnist import Digits, load_mnist
from training.errors import ExportError
from training.figures import Figure
from training.figures.published import PUBLISHED
from training.learning.journal import read_journal
from training.learning.run import LOG_FILE, load_run
from training.model.functions import Model


@dataclass(frozen=True)
class Picture:
    """meaning: for --help; draw: the figure of one bundle's model and the test digits."""

    meaning: str
    draw: Callable[[Model, Digits], Figure]


PICTURES = {
    "doubtful": Picture("the samples whose label the model itself doubts", lambda model, _: figures.doubtful(model)),
    "hero": Picture("digit → latent → reconstruction → samples, one wide strip", figures.hero),
    "interpolation": Picture("straight lines between the latents of two digits", figures.interpolation),
    "latents": Picture("where test digits lie in latent space, by class", figures.latents),
    "reconstructions": Picture("test digits over their reconstructions", figures.reconstructions),
    "samples": Picture("a row of samples for every label", lambda model, _: figures.samples(model)),
    "temperatures": Picture("the same noise at several temperatures", lambda model, _: figures.temperatures(model)),
    "traversal": Picture("one latent dimension moved at a time", figures.traversal),
    "prior": Picture(
        "random points decoded without the prior and through it",
        lambda model, digits: figures.random_points(figures.with_and_without_prior(model, digits)),
    ),
    "worst": Picture("the test digits with the worst reconstructions", figures.worst),
}


OF_SEVERAL = ("random", "anchors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training draw`."""
    meanings = "; ".join(f"{name}: {picture.meaning}" for name, picture in PICTURES.items())
    parser.add_argument(
        "picture",
        choices=[*PICTURES, *OF_SEVERAL, "losses"],
        help=f"{meanings}; losses: of a run; random: random points of several bundles decoded without a prior; "
        "anchors: likelihoods of several bundles beside published ones",
    )
    parser.add_argument(
        "sources", nargs="+", type=Path, help="a bundle; for losses a run; for random and anchors several"
    )
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    add_data(parser)


def run(arguments: argparse.Namespace) -> str:
    """Draw the picture asked for; returns where it is. Raises TrainingError."""
    figures.save(_figure(arguments.picture, arguments.sources, arguments.data), arguments.out)
    return str(arguments.out)


def _figure(picture: str, sources: list[Path], directory: Path | None) -> Figure:
    if picture not in OF_SEVERAL and len(sources) > 1:
        raise ExportError(f"{picture} is a picture of one model, not of {len(sources)}")
    if picture == "losses":
        load_run(sources[0])
        return figures.losses(read_journal(sources[0] / LOG_FILE))
    bundles = [open_bundle(source) for source in sources]
    if picture == "anchors":
        ours = [(manifest.name, _nll(manifest), "ours") for manifest, _ in bundles]
        return figures.anchors([*ours, *((name, nats, "published") for name, nats in PUBLISHED)])
    test = load_mnist(directory).test
    if picture in PICTURES:
        return PICTURES[picture].draw(bundles[0][1], test)
    panels = []
    for manifest, model in bundles:
        panels.append((f"{manifest.name}: N(0, I), decoded", figures.decoded_normal(model)))
        if model.kind == "ae":
            panels.append((f"{manifest.name}: uniform among its codes", figures.decoded_box(model, test)))
    return figures.random_points(panels)


def _nll(manifest: Manifest) -> float:
    """The importance-weighted bound with the most draws, nats per image."""
    bounds = {int(found[1]): name for name in manifest.metrics if (found := re.fullmatch(r"nll_iw(\d+)", name))}
    if not bounds:
        raise ExportError(f"{manifest.name} states no likelihood")
    return manifest.metrics[bounds[max(bounds)]].value
