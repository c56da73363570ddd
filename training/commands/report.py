"""Measures a bundle through its own graphs, holds the figures against its manifest's, and writes what describes it."""

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch

from models.bundle import file_records
from models.manifest import CALIBRATION_FILE, GOLDEN_FILE, MANIFEST_FILE, Manifest, Metric, graph_file
from training import figures
from training.bundle.card import account, card
from training.bundle.files import open_bundle, publish
from training.bundle.latency import latency
from training.commands import add_data
from training.data.mnist import Mnist, load_mnist, to_pixels
from training.errors import ExportError
from training.evaluation import classifier, collapse, memorisation
from training.evaluation.calibration import calibration
from training.evaluation.measurement import measure
from training.evaluation.metrics import Measurements, Table
from training.evaluation.protocol import FULL, QUICK, Protocol, strided
from training.learning.journal import read_journal
from training.learning.run import LOG_FILE, load_run, machine
from training.model.functions import Model

CARD_FILE, REPORT_FILE, LOSSES_FILE = "CARD.md", "report.json", "figures/losses.png"
AGREEMENT = 5e-4  # relative: four significant digits
# Figures of classifiers that the report itself trains: to the bit on one kind of machine, elsewhere nearly.
TRAINED, TRAINED_AGREEMENT = ("tstr_", "probe_"), 0.002


class Measured(NamedTuple):
    """What was found of a model, by heading, as `measure` finds it; on which digits, and how much of them."""

    model: Model
    mnist: Mnist
    protocol: Protocol
    found: Mapping[str, Measurements]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training report`."""
    parser.add_argument("bundle", type=Path, help="directory of a bundle, such as models/digits-vae/2")
    add_data(parser)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="measure on few images; compares nothing")
    extent.add_argument(
        "--write",
        action="store_true",
        help="put what was measured in the bundle: its card, report, calibration, pictures, and manifest's figures",
    )
    parser.add_argument(
        "--run",
        dest="origin",
        type=Path,
        help="with --write: the run it came from, for the account of its training (default: keep the bundle's)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Verify and measure a bundle; returns its figures beside those that it states.

    Raises ExportError where they differ and are not to be written, CollapseError where they tell of a collapse.
    """
    manifest, model = open_bundle(arguments.bundle)
    mnist = load_mnist(arguments.data)
    protocol = QUICK if arguments.quick else FULL
    found = measure(model, mnist, classifier.load(), protocol)
    metrics = Measurements.merged(found.values()).metrics
    text, differing = comparison(metrics, manifest.metrics)
    if arguments.quick:
        return text
    collapse.check(metrics, manifest.latent_dim)
    if arguments.write:
        rewrite(arguments.bundle, manifest, Measured(model, mnist, protocol, found), arguments.origin)
    elif differing:
        raise ExportError(f"{arguments.bundle / MANIFEST_FILE} states other figures than were measured (≠):\n{text}")
    return text


def comparison(measured: Mapping[str, Metric], stated: Mapping[str, Metric]) -> tuple[str, list[str]]:
    """A table of measured and stated figures, and the names of those that differ in four significant digits."""
    names = list(dict.fromkeys([*measured, *stated]))
    differing = [
        name for name in names if name in measured and name in stated and not _agree(name, measured[name], stated[name])
    ]
    width = max(map(len, names))
    lines = [f"{'figure':<{width}}  {'measured':>10}  {'manifest':>10}  unit"]
    for name in names:
        unit = (measured.get(name) or stated[name]).unit
        mark = "  ≠" if name in differing else ""
        lines.append(f"{name:<{width}}  {_written(measured.get(name))}  {_written(stated.get(name))}  {unit}{mark}")
    return "\n".join(lines), differing


def rewrite(directory: Path, manifest: Manifest, measured: Measured, origin: Path | None) -> None:
    """Replace a bundle by one of the same graphs and golden vectors, and a fresh report, at once or not at all.

    origin: the run it came from; without it the account of the training stays. Raises ExportError, ResumeError.
    """
    kept = [GOLDEN_FILE, *map(graph_file, manifest.graphs)]
    if origin is None and LOSSES_FILE in manifest.files:
        kept.append(LOSSES_FILE)

    def write(partial: Path) -> None:
        for name in kept:
            (partial / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(directory / name, partial / name)
        training = _training(directory) if origin is None else write_losses(partial, origin)
        write_report(partial, manifest, measured, training)

    publish(directory, write, replace=True)


def write_losses(directory: Path, origin: Path) -> list[str]:
    """Draw the loss curves of a run into a bundle; returns the account of its training. Raises ResumeError."""
    config, _, meta = load_run(origin)
    figures.save(figures.losses(read_journal(origin / LOG_FILE)), directory / LOSSES_FILE)
    return account(config, meta)


def write_report(directory: Path, manifest: Manifest, measured: Measured, training: Sequence[str]) -> Manifest:
    """All that describes a bundle, beside its graphs and golden vectors; the manifest, which is returned, comes last.

    The cost is measured here. training: its account, a line each.
    """
    model, mnist, protocol, found = measured
    found = {**found, "Cost": latency(directory, manifest.graphs)}
    whole = Measurements.merged(found.values())
    test = strided(mnist.test, protocol.test_images)
    (directory / CALIBRATION_FILE).write_text(
        calibration(model, to_pixels(test.images).numpy()).model_dump_json(indent=2) + "\n", encoding="utf-8"
    )
    report = {
        "protocol": asdict(protocol),
        "judge": {
            "architecture": classifier.ARCHITECTURE,
            "sha256": classifier.SHA256,
            "test_accuracy": whole.metrics["judge_accuracy"].value,
        },
        "machine": machine(torch.device("cpu")),
        "training": list(training),
        "metrics": {name: metric.model_dump() for name, metric in whole.metrics.items()},
        "tables": {name: asdict(table) for name, table in whole.tables.items()},
    }
    content = json.dumps(report, indent=2, ensure_ascii=False)
    (directory / REPORT_FILE).write_text(content + "\n", encoding="utf-8")
    manifest = manifest.model_copy(update={"metrics": whole.metrics})
    pictures = draw(directory, model, mnist, whole.tables)
    text = card(manifest, found, training, pictures)
    (directory / CARD_FILE).write_text(text, encoding="utf-8")
    manifest = manifest.model_copy(update={"files": file_records(directory)})
    (directory / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def draw(directory: Path, model: Model, mnist: Mnist, tables: Mapping[str, Table]) -> list[str]:
    """Draw every picture of a model below figures/; returns their names, and that of the losses if it is there.

    tables: of what was measured; two of them are drawn.
    """
    test = mnist.test
    pictures = {
        "samples.png": figures.samples(model),
        "doubtful.png": figures.doubtful(model),
        "temperatures.png": figures.temperatures(model),
        "random.png": figures.random_points(figures.with_and_without_prior(model, test)),
        "pairs.png": figures.pairs(*memorisation.pairs(model, mnist.train, tables["closest_pairs"])),
        "reconstructions.png": figures.reconstructions(model, test),
        "worst.png": figures.worst(model, test),
        "latents.png": figures.latents(model, test),
        "interpolation.png": figures.interpolation(model, test),
        "traversal.png": figures.traversal(model, test),
    }
    if "nll_curve" in tables:
        pictures["curve.png"] = figures.curve(tables["nll_curve"])
    for name, picture in pictures.items():
        figures.save(picture, directory / "figures" / name)
    losses = [Path(LOSSES_FILE).name] if (directory / LOSSES_FILE).exists() else []
    return [*pictures, *losses]


def _training(directory: Path) -> list[str]:
    try:
        lines: list[str] = json.loads((directory / REPORT_FILE).read_text(encoding="utf-8"))["training"]
    except OSError as error:
        raise ExportError(
            f"{directory} has no {REPORT_FILE} with an account of the training: name the --run"
        ) from error
    return lines


def _agree(name: str, one: Metric, other: Metric) -> bool:
    allowed = TRAINED_AGREEMENT if name.startswith(TRAINED) else AGREEMENT * abs(other.value)
    return abs(one.value - other.value) <= allowed


def _written(metric: Metric | None) -> str:
    return f"{'–':>10}" if metric is None else f"{metric.value:>10.4g}"
