"""Model: each verb by the tiny bundles' formulas; and that deterministic answers have the same bits in any company."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import bundle
from models.manifest import GraphName
from service.engine import sampling
from service.engine.model import Model
from service.engine.sampling import SamplePage, SampleSpec
from service.errors import BundleError, InferenceFailed
from service.runtime.session import Session
from tests.support import bundles

ROWS = 21  # two whole fixed batches and a part of one
COMMITTED = bundle.find(Path("models"))
NAMES = [path.parent.name for path in COMMITTED]


class Observed:
    """Which graphs ran, and with how many rows."""

    def __init__(self) -> None:
        self.batches: list[tuple[GraphName, int]] = []

    def __call__(self, graph: GraphName, rows: int) -> None:
        self.batches.append((graph, rows))

    @property
    def graphs(self) -> set[GraphName]:
        return {graph for graph, _ in self.batches}


def load(directory: Path, *, max_batch_rows: int = 64, **options: Any) -> Model:
    return Model(bundle.load(directory), device="cpu", threads=1, max_batch_rows=max_batch_rows, **options)


@pytest.fixture(scope="module")
def tiny_vae(tiny_models: Path) -> Model:
    return load(tiny_models / "tiny-vae" / "1")


@pytest.fixture(scope="module")
def tiny_ae(tiny_models: Path) -> Model:
    return load(tiny_models / "tiny-ae" / "1")


def images(rows: int = 3) -> Any:
    return np.random.default_rng(1).random((rows, 1, 28, 28), np.float32)


# What it is


def test_a_model_says_what_it_is_and_what_computes_it(tiny_vae: Model, tiny_ae: Model) -> None:
    assert (tiny_vae.name, tiny_ae.name) == ("tiny-vae/1", "tiny-ae/1")
    assert (tiny_vae.is_probabilistic, tiny_ae.is_probabilistic) == (True, False)
    assert tiny_vae.digest != tiny_ae.digest
    assert tiny_vae.provider == "CPUExecutionProvider"
    assert tiny_vae.runtime.split()[0] == "onnxruntime"
    assert tiny_vae.runtime.split()[2] == tiny_vae.provider


def test_a_row_costs_the_sum_of_the_graphs_on_its_way(tiny_vae: Model) -> None:
    encoder, decoder = tiny_vae.row_s("encoder"), tiny_vae.row_s("decoder")
    assert encoder > 0
    assert decoder > 0
    assert tiny_vae.row_s("encoder", "decoder") == pytest.approx(encoder + decoder)


def test_no_graph_gets_more_rows_at_once_than_it_may(tiny_models: Path) -> None:
    observed = Observed()
    model = load(tiny_models / "tiny-vae" / "1", max_batch_rows=2, observe=observed)
    assert not observed.batches
    model.reconstruct(images(7))
    for graph in ("encoder", "decoder", "density"):
        batches = [rows for name, rows in observed.batches if name == graph]
        assert sum(batches) == 7
        assert max(batches) <= 2


def test_a_large_answer_lies_in_what_allocate_gives(tiny_models: Path) -> None:
    allocated: list[Any] = []

    def allocate(shape: tuple[int, ...], dtype: Any) -> Any:
        allocated.append(np.empty(shape, dtype))
        return allocated[-1]

    model = load(tiny_models / "tiny-vae" / "1", max_batch_rows=2, allocate=allocate)
    found = model.decode(np.ones((5, 2), np.float32))
    assert [found is array for array in allocated] == [True]


def test_a_model_whose_golden_vectors_are_not_reproduced_is_refused(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Callable[..., dict[str, Any]] = Session.run

    def wrong(self: Session, inputs: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Any]:
        return {name: values + np.float32(0.01) for name, values in run(self, inputs, outputs).items()}

    monkeypatch.setattr(Session, "run", wrong)
    with pytest.raises(bundle.BundleError):
        load(tiny_models / "tiny-vae" / "1")


def test_a_graph_that_cannot_be_loaded_is_a_fault_of_the_bundle(tmp_path: Path) -> None:
    directory = bundles.write(tmp_path)
    (directory / "density.onnx").write_bytes(b"no graph")
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))
    with pytest.raises(BundleError, match="cannot load"):
        load(directory)


# The verbs


@pytest.mark.parametrize("deterministic", [False, True])
def test_encode_gives_the_posterior(tiny_vae: Model, tiny_ae: Model, deterministic: bool) -> None:
    given = images()
    posterior = tiny_vae.encode(given, deterministic=deterministic)
    assert posterior.log_var is not None
    np.testing.assert_allclose(posterior.mean, bundles.mean(given), rtol=1e-5)
    np.testing.assert_allclose(posterior.log_var, np.tile(bundles.LOG_VAR, (3, 1)))
    without = tiny_ae.encode(given, deterministic=deterministic)
    np.testing.assert_allclose(without.mean, bundles.mean(given), rtol=1e-5)
    assert without.log_var is None


def test_decode_gives_the_mean_image(tiny_vae: Model) -> None:
    latents = np.array([[0, 0], [1, -2], [3, 4]], np.float32)
    np.testing.assert_allclose(tiny_vae.decode(latents), bundles.image(latents), rtol=1e-5)


def test_reconstruct_decodes_the_posteriors_mean(tiny_vae: Model) -> None:
    given = images()
    found = tiny_vae.reconstruct(given)
    np.testing.assert_allclose(found.latents, bundles.mean(given), rtol=1e-5)
    np.testing.assert_allclose(found.images, bundles.image(bundles.mean(given)), rtol=1e-5)


def test_reconstruct_with_noise_decodes_a_draw(tiny_vae: Model) -> None:
    given, noise = images(), np.array([[0, 0], [1, -1], [2, 0.5]], np.float32)
    found = tiny_vae.reconstruct(given, noise)
    latents = bundles.mean(given) + np.exp(bundles.LOG_VAR / 2) * noise
    assert found.latents.dtype == np.float32
    np.testing.assert_allclose(found.latents, latents, rtol=1e-5)
    np.testing.assert_allclose(found.images, bundles.image(latents), rtol=1e-5)


@pytest.mark.parametrize("noise", [None, np.array([[0.5, 0], [1, -1], [2, 0.5]], np.float32)])
def test_a_vaes_reconstruction_is_scored_by_its_elbo(tiny_vae: Model, noise: Any) -> None:
    given = images()
    found = tiny_vae.reconstruct(given, noise)
    assert found.mse is not None
    mean = bundles.mean(given).astype(np.float64)
    latents = mean if noise is None else mean + np.exp(bundles.LOG_VAR / 2) * noise
    logits = bundles.logit(latents)
    log_likelihood = (given * logits - np.log1p(np.exp(logits))).sum(axis=(1, 2, 3))
    joint = bundles.log_pz_y(latents) + np.log(tiny_vae.manifest.class_weights)
    epsilon = np.zeros_like(latents) if noise is None else noise
    log_q = -0.5 * (math.log(2 * math.pi) + bundles.LOG_VAR + np.square(epsilon)).sum(axis=1)
    kl = log_q - np.log(np.exp(joint).sum(axis=1))
    np.testing.assert_allclose(found.scores.log_likelihood, log_likelihood, rtol=1e-5)
    np.testing.assert_allclose(found.scores.kl, kl, rtol=1e-4)
    np.testing.assert_allclose(found.scores.elbo, log_likelihood - kl, rtol=1e-5)
    mse = np.square(bundles.image(latents) - given).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found.mse, mse, rtol=1e-5)


def test_scores_at_the_mean_have_their_places_among_the_calibrations(tiny_vae: Model, tiny_ae: Model) -> None:
    found = tiny_vae.reconstruct(images())
    assert found.percentiles.keys() == {"mse", "elbo", "log_likelihood", "kl"}
    np.testing.assert_allclose(found.percentiles["mse"], 200 * found.mse)
    assert tiny_ae.reconstruct(images()).percentiles.keys() == {"mse"}


def test_a_draw_and_a_bundle_without_calibration_have_no_percentiles(tiny_vae: Model, tmp_path: Path) -> None:
    assert tiny_vae.reconstruct(images(), np.zeros((3, 2), np.float32)).percentiles == {}
    bare = load(bundles.write(tmp_path, calibrated=False)).reconstruct(images())
    assert bare.percentiles == {}
    assert bare.scores is not None


def test_an_autoencoders_reconstruction_is_scored_by_its_error_alone(tiny_models: Path) -> None:
    observed = Observed()
    found = load(tiny_models / "tiny-ae" / "1", observe=observed).reconstruct(images())
    assert found.mse is not None
    assert found.scores is None
    assert observed.graphs == {"encoder", "decoder"}


def test_the_prior_gives_the_latent_of_noise_and_label(tiny_vae: Model) -> None:
    noise, labels = np.array([[0, 1], [2, 3], [4, 5]], np.float32), np.array([2, 0, 1])
    assert tiny_vae.latents(noise, labels).tolist() == [[2, 3], [2, 3], [5, 6]]


def test_confidence_is_the_share_of_the_label_in_the_latents_density(tiny_vae: Model) -> None:
    latents = np.array([[0, 0], [1, 1], [2, 2], [2, 2], [-40, -40]], np.float32)
    labels = np.array([0, 1, 2, 0, 2])
    joint = np.exp(bundles.log_pz_y(latents.astype(np.float64))[:4]) * [0.5, 0.25, 0.25]
    share = joint[range(4), labels[:4]] / joint.sum(axis=1)
    found = tiny_vae.confidence(latents, labels)
    np.testing.assert_allclose(found[:4], share, rtol=1e-5)
    assert found[4] == pytest.approx(0.0, abs=1e-30)  # far from all, it is still a number


@pytest.mark.parametrize(
    ("uniform", "label"), [(1e-12, 0), (0.499, 0), (0.501, 1), (0.749, 1), (0.751, 2), (1 - 1e-16, 2)]
)
def test_labels_are_drawn_by_the_class_weights(tiny_vae: Model, uniform: float, label: int) -> None:
    assert tiny_vae.draw_labels(np.array([0.1, uniform])).tolist() == [0, label]


def test_a_failure_of_the_runtime_is_ours(tiny_vae: Model) -> None:
    with pytest.raises(InferenceFailed):
        tiny_vae.decode(np.zeros((1, 3), np.float32))


@pytest.mark.parametrize("directory", COMMITTED, ids=NAMES)
def test_a_reconstruction_that_is_not_scored_is_the_same_image_without_the_density(directory: Path) -> None:
    observed = Observed()
    model = load(directory, observe=observed)
    scored = model.reconstruct(images(ROWS), deterministic=True)
    observed.batches.clear()
    bare = model.reconstruct(images(ROWS), scored=False, deterministic=True)
    assert observed.graphs == {"encoder", "decoder"}
    assert np.array_equal(bare.images, scored.images)
    assert np.array_equal(bare.latents, scored.latents)
    assert (bare.mse, bare.scores, bare.percentiles) == (None, None, {})


# Deterministic answers


class Inputs:
    """The same 21 rows for every model of a latent_dim, or some of them by their indices."""

    def __init__(self, model: Model) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.random((ROWS, 1, 28, 28), np.float32)
        self.noise = rng.standard_normal((ROWS, model.manifest.latent_dim), np.float32)
        self.pages = [SamplePage(SampleSpec(seed=1, min_confidence=0.9), i, 1) for i in range(ROWS)]

    def answers(self, model: Model, rows: Sequence[int], deterministic: bool = True) -> dict[str, Any]:
        """Everything that the four verbs give."""
        pick = list(rows)
        answers: dict[str, Any] = {
            "encode": model.encode(self.images[pick], deterministic=deterministic),
            "mean": model.reconstruct(self.images[pick], deterministic=deterministic),
            "draw": model.reconstruct(self.images[pick], self.noise[pick], deterministic=deterministic),
            "sample": sampling.sample(model, [self.pages[i] for i in pick], deterministic=deterministic),
        }
        found: dict[str, Any] = {"decode": model.decode(self.noise[pick], deterministic=deterministic)}
        for verb, answer in answers.items():
            parts = vars(answer) | getattr(answer, "percentiles", {})
            if getattr(answer, "scores", None):
                parts |= {f"score {name}": values for name, values in vars(answer.scores).items()}
            found |= {f"{verb} {name}": values for name, values in parts.items() if isinstance(values, np.ndarray)}
        return found


def differing(found: Mapping[str, Any], whole: Mapping[str, Any], rows: Sequence[int]) -> list[str]:
    assert found.keys() == whole.keys()
    return [name for name in whole if not np.array_equal(found[name], whole[name][list(rows)])]


COMPANIES: tuple[Sequence[int], ...] = ((0,), (5,), (7, 0), range(4, 13), range(ROWS - 1, -1, -1))


@pytest.mark.parametrize("directory", COMMITTED, ids=NAMES)
def test_a_deterministic_row_is_the_same_bits_in_any_company_and_session(directory: Path) -> None:
    model = load(directory)
    inputs = Inputs(model)
    whole = inputs.answers(model, range(ROWS))
    assert {"sample confidence", "sample tries"} <= whole.keys()
    for other in (model, load(directory)):
        for rows in COMPANIES:
            assert not differing(inputs.answers(other, rows), whole, rows), rows


@pytest.mark.parametrize("directory", COMMITTED, ids=NAMES)
def test_a_deterministic_row_is_the_same_bits_beside_other_threads(directory: Path) -> None:
    model = load(directory)
    inputs = Inputs(model)
    whole = inputs.answers(model, range(ROWS))
    with ThreadPoolExecutor(4) as threads:
        found = [threads.submit(inputs.answers, model, rows) for rows in COMPANIES]
        beside = [threads.submit(inputs.answers, model, [i], deterministic=False) for i in range(9)]
        for rows, answers in zip(COMPANIES, found, strict=True):
            assert not differing(answers.result(), whole, rows), rows
    assert all(answers.result().keys() == whole.keys() for answers in beside)


@pytest.fixture
def varying_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions whose answers depend a little on the batch's size."""
    run: Callable[..., dict[str, Any]] = Session.run

    def varying(self: Session, inputs: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Any]:
        rows = len(next(iter(inputs.values())))
        return {name: values + np.float32(1e-5 * rows) for name, values in run(self, inputs, outputs).items()}

    monkeypatch.setattr(Session, "run", varying)


@pytest.mark.usefixtures("varying_graphs")
@pytest.mark.parametrize(("deterministic", "agrees"), [(True, True), (False, False)])
def test_bits_that_vary_with_the_batch_do_not_reach_deterministic_answers(
    tiny_models: Path, deterministic: bool, agrees: bool
) -> None:
    model = load(tiny_models / "tiny-vae" / "1")
    inputs = Inputs(model)
    whole = inputs.answers(model, range(ROWS), deterministic)
    for rows in COMPANIES[:-1]:
        assert bool(differing(inputs.answers(model, rows, deterministic), whole, rows)) is not agrees, rows
