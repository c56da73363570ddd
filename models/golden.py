"""Golden vectors: what each graph must answer to which arrays, and how near. `models/README.md` describes them."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle, BundleError
from models.manifest import GraphName, GraphSpec

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
# A graph, its inputs by name and the names of the outputs to compute → those outputs by name.
Run = Callable[[GraphName, Arrays, Sequence[str]], Arrays]

# Largest absolute and relative difference; they leave room for another runtime or device.
IMAGE_TOLERANCE = (1e-4, 0.0)
TOLERANCE = (1e-3, 1e-3)


class Case(NamedTuple):
    """One run of a graph. inputs, outputs: the name of each of its tensors → the golden array that belongs there."""

    graph: GraphName
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


# In this order each case finds its inputs among the digits, the noise and the outputs of earlier cases.
CASES = (
    Case("encoder", {"image": "image"}, {"mean": "mean", "log_var": "log_var"}),
    Case("decoder", {"latent": "mean"}, {"image": "reconstruction", "logit": "logit"}),
    Case("prior", {"noise": "noise", "label": "label"}, {"latent": "latent"}),
    Case("decoder", {"latent": "latent"}, {"image": "sample"}),
    Case("density", {"latent": "mean"}, {"log_pz_y": "log_pz_y"}),
)


def check(bundle: Bundle, run: Run) -> None:
    """Raises BundleError unless every graph, as `run` computes it, gives the golden outputs for the golden inputs."""
    golden, name = bundle.golden, bundle.manifest.name
    for graph, inputs, outputs in _cases(bundle.manifest.graphs):
        if missing := {*inputs.values(), *outputs.values()} - golden.keys():
            raise BundleError(f"The golden vectors of {name} lack {', '.join(sorted(missing))}.")
        found = run(graph, {own: golden[theirs] for own, theirs in inputs.items()}, list(outputs))
        for own, theirs in outputs.items():
            if not agrees(own, found[own], golden[theirs]):
                raise BundleError(f"{name}: the {graph} does not reproduce the golden {theirs}.")


def agrees(output: str, found: Array, expected: Array) -> bool:
    """Whether values of a graph's output of this name are near enough to the expected ones, and of the same shape."""
    atol, rtol = IMAGE_TOLERANCE if output == "image" else TOLERANCE
    return found.shape == expected.shape and np.allclose(found, expected, atol=atol, rtol=rtol)


def complete(given: Arrays, graphs: Mapping[GraphName, GraphSpec], run: Run) -> dict[str, Array]:
    """All golden arrays: those given (image, label and noise, a row for each digit) and what the graphs answer."""
    golden = dict(given)
    for graph, inputs, outputs in _cases(graphs):
        found = run(graph, {own: golden[theirs] for own, theirs in inputs.items()}, list(outputs))
        golden |= {theirs: found[own] for own, theirs in outputs.items()}
    return golden


def npz(arrays: Arrays) -> bytes:
    """Arrays as the bytes of a NumPy archive: stored, not compressed, all dated 1980, so that equal is equal."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(array), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return archive.getvalue()


def _cases(graphs: Mapping[GraphName, GraphSpec]) -> list[Case]:
    """The cases without the outputs that only other kinds of bundles have."""
    names = {graph: {tensor.name for tensor in spec.outputs} for graph, spec in graphs.items()}
    return [
        case._replace(outputs={own: theirs for own, theirs in case.outputs.items() if own in names[case.graph]})
        for case in CASES
    ]
