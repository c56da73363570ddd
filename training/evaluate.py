"""Measures a run before it is exported: few figures, quick to get, from torch. The whole report is of a bundle."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from models.manifest import Metric
from training import data, fit
from training.data import to_pixels
from training.evaluation.findings import Findings
from training.evaluation.latents import label_accuracy
from training.evaluation.measurement import parity
from training.evaluation.protocol import FULL, QUICK, strided
from training.journal import replace_file
from training.model import of_torch

METRICS_FILE = "metrics.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training evaluate`."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="directory of a finished run")
    parser.add_argument("--data", type=Path, help="directory of the MNIST files (default: $MNIST_DIR, else ./data)")
    parser.add_argument("--quick", action="store_true", help="measure on few images; for trying things out")


def run(arguments: argparse.Namespace) -> str:
    """Measure a run, keep its figures in metrics.json beside it; returns them as a table. Raises TrainingError."""
    _, autoencoder, _ = fit.load_run(arguments.directory)
    model, mnist = of_torch(autoencoder), data.load(arguments.data)
    protocol = QUICK if arguments.quick else FULL
    test = strided(mnist.test, protocol.test_images)
    accuracy = label_accuracy(model, to_pixels(test.images).numpy(), test.labels.numpy())
    metrics = Findings.merged((parity(model, mnist, protocol), accuracy)).metrics
    content = json.dumps({name: metric.model_dump() for name, metric in metrics.items()}, indent=2, ensure_ascii=False)
    replace_file(arguments.directory / METRICS_FILE, lambda file: file.write(content.encode()))
    return table(metrics)


def table(metrics: Mapping[str, Metric]) -> str:
    """Name, value to four significant digits and unit, one metric a line."""
    width = max(map(len, metrics))
    return "\n".join(f"{name:<{width}}  {metric.value:>10.4g}  {metric.unit}" for name, metric in metrics.items())
