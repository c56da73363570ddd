"""A finished run → a bundle (models/README.md), complete, verified and measured, or nothing at all."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from models.bundle import file_records
from models.golden import npz
from models.manifest import (
    GOLDEN_FILE,
    IMAGE_SHAPE,
    SCHEMA_VERSION,
    GraphName,
    Manifest,
    Metric,
    graph_file,
    graph_specs,
)
from training.bundle import graphs
from training.bundle.files import GOLDEN_SEED, golden_vectors, publish, standard_normal
from training.bundle.parity import check_parity
from training.commands import add_data, report
from training.commands.report import Measured
from training.config import Config
from training.data.mnist import CLASSES, Mnist, load_mnist, to_pixels
from training.errors import ExportError, ParityError
from training.evaluation import classifier, collapse
from training.evaluation.measurement import measure, quick_figures
from training.evaluation.protocol import FULL, QUICK, Protocol, strided
from training.learning.run import load_run
from training.model.autoencoder import Autoencoder
from training.model.functions import modules, of_torch

LICENCE = "weights and pictures: MIT; the digits in golden.npz and in the pictures: MNIST, CC BY-SA 3.0"
PARITY_IMAGES = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training export`."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="directory of a finished run")
    parser.add_argument("--models", type=Path, default=Path("models"), help="where bundles lie (default: models)")
    add_data(parser)
    parser.add_argument("--quick", action="store_true", help="measure on few images; for trying things out")
    parser.add_argument("--replace", action="store_true", help="overwrite a bundle that nobody relies on yet")


def run(arguments: argparse.Namespace) -> str:
    """Write the bundle of a run; returns where it is. Raises TrainingError."""
    protocol = QUICK if arguments.quick else FULL
    mnist = load_mnist(arguments.data)
    directory = export(arguments.directory, arguments.models, mnist, protocol, replace=arguments.replace)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return f"{directory} is written, {size / 1e6:.2f} MB"


def export(run: Path, models: Path, mnist: Mnist, protocol: Protocol = FULL, *, replace: bool = False) -> Path:
    """Write models/<name>/<version>/ for a finished run, and return it.

    Raises ExportError where the bundle exists, or where a graph is not fit to be served; ParityError where the graphs
    do not compute, or do not score, what torch does; CollapseError where they have not learned to. Whatever is raised,
    and whenever the process is killed, no part of a bundle is left under its name.
    """
    config, autoencoder, meta = load_run(run)
    if meta["data_sha256"] != mnist.sha256:
        raise ExportError(f"{run} was trained on other data than this, of SHA-256 {mnist.sha256}")
    target = models / config.bundle.name / str(config.bundle.version)

    def write(directory: Path) -> None:
        manifest = write_bundle(directory, autoencoder, config, mnist, protocol, run)
        collapse.check(manifest.metrics, manifest.latent_dim)

    publish(target, write, replace=replace)
    return target


def write_bundle(
    directory: Path, autoencoder: Autoencoder, config: Config, mnist: Mnist, protocol: Protocol, run: Path | None = None
) -> Manifest:
    """All files of a bundle, its graphs checked against torch, into an empty directory. The manifest comes last.

    run: where the autoencoder comes from, for its card. Raises ExportError, ParityError.
    """
    wanted = of_torch(autoencoder)
    specs = graph_specs(wanted.kind, wanted.latent_dim, len(CLASSES))
    name, version = config.bundle.name, config.bundle.version
    metadata = {"name": name, "version": str(version), "schema_version": str(SCHEMA_VERSION)}
    examples = example_inputs(wanted.latent_dim)
    serialised = {
        graph: graphs.to_onnx(module, examples[graph], specs[graph], metadata | {"graph": graph})
        for graph, module in modules(autoencoder).items()
    }
    for graph, content in serialised.items():
        graphs.check(content, specs[graph])
        (directory / graph_file(graph)).write_bytes(content)
    got = graphs.as_model(serialised, wanted.kind, wanted.latent_dim, wanted.class_weights)

    digits = strided(mnist.test, PARITY_IMAGES)
    noise = standard_normal(len(digits.labels), wanted.latent_dim)
    check_parity(wanted, got, to_pixels(digits.images).numpy(), noise, digits.labels.numpy())
    check_metrics(quick_figures(wanted, mnist, protocol).metrics, quick_figures(got, mnist, protocol).metrics)
    (directory / GOLDEN_FILE).write_bytes(npz(golden_vectors(got, mnist.test)))

    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        version=version,
        description=config.bundle.description,
        kind=wanted.kind,
        likelihood="bernoulli" if wanted.kind == "vae" else None,
        latent_dim=wanted.latent_dim,
        classes=CLASSES,
        class_weights=wanted.class_weights,
        graphs=specs,
        opset=graphs.OPSET,
        producers=graphs.versions(),
        seed=config.run.seed,
        config_sha256=config.sha256(),
        data_sha256=mnist.sha256,
        metrics={},  # and more files: the report adds both
        licence=LICENCE,
        files=file_records(directory),
    )
    training = () if run is None else report.write_losses(directory, run)
    measured = Measured(got, mnist, protocol, measure(got, mnist, classifier.load(), protocol))
    return report.write_report(directory, manifest, measured, training)


def check_metrics(wanted: Mapping[str, Metric], got: Mapping[str, Metric]) -> None:
    """Pass only if both have the same figures to four significant digits. Raises ParityError."""
    for name, metric in wanted.items():
        torch_value, onnx_value = metric.value, got[name].value
        if not abs(torch_value - onnx_value) <= 5e-4 * abs(torch_value):
            raise ParityError(f"{name} is {onnx_value:.6g} through ONNX and {torch_value:.6g} in torch")


def example_inputs(latent_dim: int) -> dict[GraphName, tuple[Tensor, ...]]:
    """Inputs to trace each graph with, of three rows: a batch of one would be taken for a constant."""
    generator = torch.Generator().manual_seed(GOLDEN_SEED)
    latents = torch.randn((3, latent_dim), generator=generator)
    images = torch.rand((3, *IMAGE_SHAPE), generator=generator)
    return {"encoder": (images,), "decoder": (latents,), "prior": (latents, torch.arange(3)), "density": (latents,)}
