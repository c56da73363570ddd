"""A finished run → a bundle (models/README.md), complete, verified and measured, or nothing at all."""

import argparse
import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.manifest import (
    GOLDEN_FILE,
    IMAGE_SHAPE,
    MANIFEST_FILE,
    SCHEMA_VERSION,
    FileRecord,
    GraphName,
    Manifest,
    Metric,
    graph_file,
    graph_specs,
)
from training import data, fit, graphs, report
from training.autoencoder import Autoencoder
from training.config import Config
from training.data import CLASSES, Digits, Mnist, to_pixels
from training.errors import ExportError, ParityError
from training.evaluate import FULL, QUICK, Protocol, measure, strided
from training.model import Model, modules, of_torch
from training.parity import check_parity

LICENCE = "weights and pictures: MIT; the digits in golden.npz and in the pictures: MNIST, CC BY-SA 3.0"
GOLDEN_SEED = 8
PARITY_IMAGES = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `python -m training export`."""
    parser.add_argument("directory", type=Path, metavar="RUN", help="directory of a finished run")
    parser.add_argument("--models", type=Path, default=Path("models"), help="where bundles lie (default: models)")
    parser.add_argument("--data", type=Path, help="directory of the MNIST files (default: $MNIST_DIR, else ./data)")
    parser.add_argument("--quick", action="store_true", help="measure on few images; for trying things out")
    parser.add_argument("--replace", action="store_true", help="overwrite a bundle that nobody relies on yet")


def run(arguments: argparse.Namespace) -> str:
    """Write the bundle of a run; returns where it is. Raises TrainingError."""
    protocol = QUICK if arguments.quick else FULL
    mnist = data.load(arguments.data)
    directory = export(arguments.directory, arguments.models, mnist, protocol, replace=arguments.replace)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return f"{directory} is written, {size / 1e6:.2f} MB"


def export(run: Path, models: Path, mnist: Mnist, protocol: Protocol = FULL, *, replace: bool = False) -> Path:
    """Write models/<name>/<version>/ for a finished run, and return it.

    Raises ExportError where the bundle exists, or where a graph is not fit to be served; ParityError where the graphs
    do not compute, or do not score, what torch does. Whatever is raised, and whenever the process is killed, no
    part of a bundle is left under its name.
    """
    config, autoencoder, meta = fit.load_run(run)
    if meta["data_sha256"] != mnist.sha256:
        raise ExportError(f"{run} was trained on other data than this, of SHA-256 {mnist.sha256}")
    target = models / config.bundle.name / str(config.bundle.version)

    def write(directory: Path) -> None:
        write_bundle(directory, autoencoder, config, mnist, protocol, run)

    publish(target, write, replace=replace)
    return target


def publish(target: Path, write: Callable[[Path], None], *, replace: bool = False) -> None:
    """Let `write` fill a hidden sibling of `target`, bring it to disk, and only then give it its name.

    A killed process may leave the hidden directory `.<version>-<pid>`, which no reader of bundles looks at. With
    `replace`, the old bundle is moved aside just before; a kill between the two renames leaves none of the name.
    Raises ExportError where `target` exists and is not to be replaced.
    """
    refusal = ExportError(f"{target} exists, and a bundle is never changed: raise bundle.version, or pass --replace")
    if target.exists() and not replace:
        raise refusal
    partial = target.with_name(f".{target.name}-{os.getpid()}")
    aside = target.with_name(f"{partial.name}-old")
    try:
        partial.mkdir(parents=True)
        write(partial)
        for path in (*partial.rglob("*"), partial):
            _fsync(path)
        if replace and target.exists():
            target.rename(aside)
        try:
            partial.rename(target)
        except OSError as error:  # somebody else was faster
            raise refusal from error
        _fsync(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


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
    for graph, module in modules(autoencoder).items():
        serialised = graphs.to_onnx(module, examples[graph], specs[graph], metadata | {"graph": graph})
        graphs.check(serialised, specs[graph])
        (directory / graph_file(graph)).write_bytes(serialised)
    got = graphs.of_files(directory, wanted.kind, wanted.latent_dim, wanted.class_weights)

    digits = strided(mnist.test, PARITY_IMAGES)
    noise = standard_normal(len(digits.labels), wanted.latent_dim)
    check_parity(wanted, got, to_pixels(digits.images).numpy(), noise, digits.labels.numpy())
    metrics = measure(got, mnist, protocol)
    check_metrics(measure(wanted, mnist, protocol), metrics)

    (directory / GOLDEN_FILE).write_bytes(npz(golden(got, mnist.test)))
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
        metrics=metrics,
        licence=LICENCE,
        files=file_records(directory),
    )
    report.write_card(directory, manifest, got, mnist.test, run)
    manifest = manifest.model_copy(update={"files": file_records(directory)})
    (directory / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def file_records(directory: Path) -> dict[str, FileRecord]:
    """Size and SHA-256 of every file below a bundle but its manifest, in alphabetical order."""
    records = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != MANIFEST_FILE:
            content = path.read_bytes()
            record = FileRecord(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            records[path.relative_to(directory).as_posix()] = record
    return records


def check_metrics(wanted: Mapping[str, Metric], got: Mapping[str, Metric]) -> None:
    """Pass only if both have the same figures to four significant digits. Raises ParityError."""
    for name, metric in wanted.items():
        torch_value, onnx_value = metric.value, got[name].value
        if not abs(torch_value - onnx_value) <= 5e-4 * abs(torch_value):
            raise ParityError(f"{name} is {onnx_value:.6g} through ONNX and {torch_value:.6g} in torch")


def golden(model: Model, test: Digits) -> dict[str, NDArray]:
    """The arrays of golden.npz: the first eight test digits of different labels, noise, and the model's answers."""
    firsts = {int(label): row for row, label in reversed(list(enumerate(test.labels)))}
    rows = sorted(firsts.values())[:8]
    image = to_pixels(test.images[rows]).numpy()  # (8, 1, 28, 28)
    label = test.labels[rows].numpy()
    noise = standard_normal(len(rows), model.latent_dim)
    mean, log_var = model.encode(image)
    reconstruction, logit = model.decode(mean)
    latent = model.prior(noise, label)
    arrays = {"image": image, "label": label, "noise": noise, "mean": mean, "log_var": log_var}
    arrays |= {"reconstruction": reconstruction, "logit": logit, "latent": latent}
    arrays |= {"sample": model.decode(latent)[0], "log_pz_y": model.density(mean)}
    return {name: array for name, array in arrays.items() if array is not None}


def npz(arrays: Mapping[str, NDArray]) -> bytes:
    """Arrays as the bytes of a NumPy archive: stored, not compressed, all dated 1980, so that equal is equal."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(array), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return archive.getvalue()


def standard_normal(rows: int, latent_dim: int) -> NDArray[np.float32]:
    """The standard normal noise (rows, latent_dim) of parity and golden vectors; always the same."""
    return np.random.Generator(np.random.Philox(GOLDEN_SEED)).standard_normal((rows, latent_dim), np.float32)


def example_inputs(latent_dim: int) -> dict[GraphName, tuple[Tensor, ...]]:
    """Inputs to trace each graph with, of three rows: a batch of one would be taken for a constant."""
    generator = torch.Generator().manual_seed(GOLDEN_SEED)
    latents = torch.randn((3, latent_dim), generator=generator)
    images = torch.rand((3, *IMAGE_SHAPE), generator=generator)
    return {"encoder": (images,), "decoder": (latents,), "prior": (latents, torch.arange(3)), "density": (latents,)}


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
