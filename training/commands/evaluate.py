"""Measures a run before it is exported: few figures, quick to get, from torch. The whole report is of a bundle."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from models.manifest import Metric
from training.commands import add_data
from training.data.mnist import load_mnist, to_pixels
from training.evaluation.latents import label_accuracy
from training.evaluation.measurement import quick_figures
from training.evaluation.metrics import Measurements
from training.evaluation.protocol import FULL, QUICK, strided
from training.learning.journal import replace_file
from training.learning.run import load_run
from training.model.functions import of_torch

METRICS_FILE = "metrics.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training evaluate`."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="directory of a finished run")
    add_data(parser)
    parser.add_argument("--quick", action="store_true", help="measure on few images; for trying things out")


def run(arguments: argparse.Namespace) -> str:
    """Measure a run, keep its figures in metrics.json beside it; returns them as a table. Raises TrainingError."""
    _, autoencoder, _ = load_run(arguments.directory)
    model, mnist = of_torch(autoencoder), load_mnist(arguments.data)
    protocol = QUICK if arguments.quick else FULL
    test = strided(mnist.test, protocol.test_images)
    accuracy = label_accuracy(model, to_pixels(test.images).numpy(), test.labels.numpy())
    metrics = Measurements.merged((quick_figures(model, mnist, protocol), accuracy)).metrics
    content = json.dumps({name: metric.model_dump() for name, metric in metrics.items()}, indent=2, ensure_ascii=False)
    replace_file(arguments.directory / METRICS_FILE, lambda file: file.write(content.encode()))
    return table(metrics)


def table(metrics: Mapping[str, Metric]) -> str:
    """Name, value to four significant digits and unit, one metric a line."""
    width = max(map(len, metrics))
    return "\n".join(f"{name:<{width}}  {metric.value:>10.4g}  {metric.unit}" for name, metric in metrics.items())
