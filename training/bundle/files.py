"""How training opens, makes and writes bundles, whose format and files are `models/`'s: its errors, its models."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import bundle as bundles
from models import golden
from models.bundle import BundleError
from models.manifest import GraphName, GraphSpec, Manifest, graph_specs
from training.bundle import graphs
from training.data.mnist import Digits, to_pixels
from training.errors import ExportError
from training.model.functions import Model

GOLDEN_SEED = 8


def open_bundle(directory: Path) -> tuple[Manifest, Model]:
    """Manifest and model of a bundle, every file and its golden vectors verified. Raises ExportError."""
    with _as_export_error():
        bundle = bundles.verify(directory)
        manifest = bundle.manifest
        model = graphs.as_model(bundle.graphs, manifest.kind, manifest.latent_dim, manifest.class_weights)
        golden.check(bundle, run_of(model))
    return manifest, model


def publish(target: Path, write: Callable[[Path], object], *, replace: bool = False) -> None:
    """Let `write` fill a bundle's directory, which appears whole or not at all. Raises ExportError if it exists."""
    with _as_export_error("raise bundle.version, or pass --replace"):
        bundles.publish(target, write, replace=replace)


def golden_vectors(model: Model, test: Digits) -> dict[str, NDArray[Any]]:
    """The arrays of golden.npz: the first eight test digits of different labels, noise, and the model's answers."""
    firsts = {int(label): row for row, label in reversed(list(enumerate(test.labels)))}
    rows = sorted(firsts.values())[:8]
    given = {
        "image": to_pixels(test.images[rows]).numpy(),  # (8, 1, 28, 28)
        "label": test.labels[rows].numpy(),
        "noise": standard_normal(len(rows), model.latent_dim),
    }
    return golden.complete(given, _specs(model), run_of(model))


def standard_normal(rows: int, latent_dim: int) -> NDArray[np.float32]:
    """The standard normal noise (rows, latent_dim) of parity and golden vectors; always the same."""
    return np.random.Generator(np.random.Philox(GOLDEN_SEED)).standard_normal((rows, latent_dim), np.float32)


def run_of(model: Model) -> golden.Run:
    """The model's functions, which go by position, called by the names of their tensors."""
    specs = _specs(model)

    def run(graph: GraphName, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        answers = model.functions[graph](*(inputs[tensor.name] for tensor in specs[graph].inputs))
        return {tensor.name: answer for tensor, answer in zip(specs[graph].outputs, answers, strict=True)}

    return run


def _specs(model: Model) -> dict[GraphName, GraphSpec]:
    return graph_specs(model.kind, model.latent_dim, len(model.class_weights))


@contextmanager
def _as_export_error(advice: str = "") -> Iterator[None]:
    try:
        yield
    except BundleError as error:
        raise ExportError(f"{error.detail} {advice}".strip()) from error
