"""Measures a bundle through its own graphs, holds the figures against its manifest's, and draws its card."""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from models.manifest import GOLDEN_FILE, MANIFEST_FILE, Manifest, Metric
from training import data, figures, fit, graphs
from training.card import account, card
from training.data import Digits
from training.errors import ExportError
from training.evaluate import FULL, QUICK, measure
from training.journal import read_journal
from training.model import Model

AGREEMENT = 5e-4  # relative: four significant digits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training report`."""
    parser.add_argument("bundle", type=Path, help="directory of a bundle, such as models/digits-mlp-vae/1")
    parser.add_argument("--data", type=Path, help="directory of the MNIST files (default: $MNIST_DIR, else ./data)")
    parser.add_argument("--quick", action="store_true", help="measure on few images; compares nothing")
    parser.add_argument("--out", type=Path, help="write CARD.md and figures/ here, from the manifest's figures")
    parser.add_argument(
        "--run", dest="origin", type=Path, help="the run it came from, for the card's account of the training"
    )


def run(arguments: argparse.Namespace) -> str:
    """Verify and measure a bundle; returns its figures. Raises ExportError where they differ from the manifest's."""
    manifest, model = open_bundle(arguments.bundle)
    mnist = data.load(arguments.data)
    if arguments.out:
        write_card(arguments.out, manifest, model, mnist.test, arguments.origin)
    measured = measure(model, mnist, QUICK if arguments.quick else FULL)
    text, differing = comparison(measured, manifest.metrics)
    if differing and not arguments.quick:
        raise ExportError(f"{arguments.bundle / MANIFEST_FILE} states other figures than were measured (≠):\n{text}")
    return text


def open_bundle(directory: Path) -> tuple[Manifest, Model]:
    """Manifest and model of a bundle, its digests and its golden vectors verified. Raises ExportError."""
    try:
        manifest = Manifest.model_validate_json((directory / MANIFEST_FILE).read_bytes())
        for name, record in manifest.files.items():
            if hashlib.sha256((directory / name).read_bytes()).hexdigest() != record.sha256:
                raise ExportError(f"{directory / name} is not the file that the manifest describes")
    except OSError as error:
        raise ExportError(f"{error.filename} can't be read: {error.strerror}") from error
    except ValidationError as error:
        raise ExportError(f"{directory / MANIFEST_FILE} is not a manifest: {error.errors()[0]['msg']}") from error
    model = graphs.of_files(directory, manifest.kind, manifest.latent_dim, manifest.class_weights)
    check_golden(model, directory / GOLDEN_FILE)
    return manifest, model


def check_golden(model: Model, path: Path) -> None:
    """Pass only if the model answers as golden.npz says: images to 1e-4, all else to 1e-3 and 1e-3 of the value.

    Raises ExportError.
    """
    with np.load(path, allow_pickle=False) as archive:
        golden = dict(archive)
    mean, log_var = model.encode(golden["image"])
    reconstruction, logit = model.decode(golden["mean"])
    answers = {
        "mean": mean,
        "log_var": log_var,
        "reconstruction": reconstruction,
        "logit": logit,
        "latent": model.prior(golden["noise"], golden["label"]),
        "sample": model.decode(golden["latent"])[0],
        "log_pz_y": model.density(golden["mean"]),
    }
    for name, answer in answers.items():
        tolerance = {"rtol": 0, "atol": 1e-4} if name in ("reconstruction", "sample") else {"rtol": 1e-3, "atol": 1e-3}
        if answer is not None and not np.allclose(answer, golden[name], **tolerance):
            raise ExportError(f"{path}: {name} does not come out")


def comparison(measured: dict[str, Metric], stated: dict[str, Metric]) -> tuple[str, list[str]]:
    """A table of measured and stated figures, and the names of those that differ in four significant digits."""
    names = list(dict.fromkeys([*measured, *stated]))
    differing = [
        name for name in names if name in measured and name in stated and not _agree(measured[name], stated[name])
    ]
    width = max(map(len, names))
    lines = [f"{'figure':<{width}}  {'measured':>10}  {'manifest':>10}  unit"]
    for name in names:
        unit = (measured.get(name) or stated[name]).unit
        mark = "  ≠" if name in differing else ""
        lines.append(f"{name:<{width}}  {_written(measured.get(name))}  {_written(stated.get(name))}  {unit}{mark}")
    return "\n".join(lines), differing


def write_card(directory: Path, manifest: Manifest, model: Model, test: Digits, run: Path | None) -> None:
    """CARD.md and figures/ of a bundle. run: adds the loss curves and an account of the training."""
    pictures = {
        "samples.png": figures.samples(model),
        "reconstructions.png": figures.reconstructions(model, test),
        "latents.png": figures.latents(model, test),
        "traversal.png": figures.traversal(model, test),
        "random.png": figures.random_points(figures.with_and_without_prior(model, test)),
    }
    training: Sequence[str] = ()
    if run is not None:
        config, _, meta = fit.load_run(run)
        pictures["losses.png"] = figures.losses(read_journal(run / fit.LOG_FILE))
        training = account(config, meta)
    for name, picture in pictures.items():
        figures.save(picture, directory / "figures" / name)
    (directory / "CARD.md").write_text(card(manifest, training, list(pictures)), encoding="utf-8")


def _agree(one: Metric, other: Metric) -> bool:
    return abs(one.value - other.value) <= AGREEMENT * abs(other.value)


def _written(metric: Metric | None) -> str:
    return f"{'–':>10}" if metric is None else f"{metric.value:>10.4g}"
