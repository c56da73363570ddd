"""Golden vectors are reproduced by what computes as the bundle's author did, and by nothing else."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import golden
from models.bundle import Bundle, BundleError, load
from models.golden import Arrays
from models.manifest import GraphName, Kind
from tests.support import bundles


def run(graph: GraphName, inputs: Arrays, outputs: Sequence[str]) -> dict[str, Any]:
    """The tiny bundles' graphs, computed by NumPy."""
    graphs: dict[GraphName, Callable[..., dict[str, Any]]] = {
        "encoder": lambda image: {"mean": bundles.mean(image), "log_var": np.tile(bundles.LOG_VAR, (len(image), 1))},
        "decoder": lambda latent: {"image": bundles.image(latent), "logit": bundles.logit(latent)},
        "prior": lambda noise, label: {"latent": noise + label[:, np.newaxis].astype(np.float32)},
        "density": lambda latent: {"log_pz_y": bundles.log_pz_y(latent)},
    }
    values = graphs[graph](**inputs)
    return {name: values[name] for name in outputs}


def altered(graph: str, output: str, change: Callable[[Any], Any]) -> golden.Run:
    """The same, but for one output of one graph."""

    def altered_run(name: GraphName, inputs: Arrays, outputs: Sequence[str]) -> dict[str, Any]:
        found = run(name, inputs, outputs)
        return found | {output: change(found[output])} if name == graph and output in found else found

    return altered_run


def tiny(directory: Path, kind: Kind = "vae") -> Bundle:
    return load(bundles.write(directory, f"tiny-{kind}", kind=kind))


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_the_same_computation_passes(kind: Kind, tmp_path: Path) -> None:
    golden.check(tiny(tmp_path, kind), run)


@pytest.mark.parametrize(
    ("graph", "output", "array", "room"),
    [
        ("encoder", "mean", "mean", 1e-3),
        ("encoder", "log_var", "log_var", 1e-3),
        ("decoder", "image", "reconstruction", 1e-4),
        ("decoder", "logit", "logit", 1e-3),
        ("prior", "latent", "latent", 1e-3),
        ("density", "log_pz_y", "log_pz_y", 1e-3),
    ],
)
def test_each_output_has_a_little_room_and_no_more(
    graph: str, output: str, array: str, room: float, tmp_path: Path
) -> None:
    bundle = tiny(tmp_path)
    golden.check(bundle, altered(graph, output, lambda values: values + np.float32(0.9 * room)))
    relative = room if output != "image" else 0.0
    largest = room + relative * np.abs(bundle.golden[array]).max()
    with pytest.raises(BundleError, match=f"the {graph} does not reproduce the golden {array}"):
        golden.check(bundle, altered(graph, output, lambda values: values + np.float32(1.1 * largest)))


def test_a_sample_is_compared_too(tmp_path: Path) -> None:
    bundle = tiny(tmp_path)
    sample = bundle.golden["sample"]
    shift = altered("decoder", "image", lambda image: image + np.float32(np.allclose(image, sample, atol=1e-6)) / 100)
    with pytest.raises(BundleError, match="does not reproduce the golden sample"):
        golden.check(bundle, shift)


@pytest.mark.parametrize("change", [lambda latent: latent[::-1], lambda latent: latent[:-1], lambda latent: latent[:1]])
def test_other_rows_are_found(change: Callable[[Any], Any], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="the prior does not reproduce"):
        golden.check(tiny(tmp_path), altered("prior", "latent", change))


@pytest.mark.parametrize("name", ["image", "noise", "log_pz_y", "logit"])
def test_golden_vectors_that_lack_an_array_are_refused(name: str, tmp_path: Path) -> None:
    directory = bundles.write(tmp_path)
    arrays = {key: array for key, array in load(directory).golden.items() if key != name}
    (directory / "golden.npz").write_bytes(golden.npz(arrays))
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))
    with pytest.raises(BundleError, match=f"lack {name}"):
        golden.check(load(directory), run)


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_digits_and_noise_are_completed_by_what_the_graphs_answer(kind: Kind, tmp_path: Path) -> None:
    bundle = tiny(tmp_path, kind)
    given = {name: bundle.golden[name] for name in ("image", "label", "noise")}
    found = golden.complete(given, bundle.manifest.graphs, run)
    assert found.keys() == bundle.golden.keys()
    for name, array in found.items():
        np.testing.assert_allclose(array, bundle.golden[name], rtol=1e-6, err_msg=name)


def test_an_archive_has_no_dates_and_numpy_reads_it(tmp_path: Path) -> None:
    arrays: dict[str, golden.Array] = {"one": np.arange(3), "two": np.ones((2, 2), np.float32)[:, ::-1]}
    (tmp_path / "a.npz").write_bytes(golden.npz(arrays))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert all(np.array_equal(archive[name], array) for name, array in arrays.items())
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        assert {entry.date_time[0] for entry in file.infolist()} == {1980}
