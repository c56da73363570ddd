"""Sampling: a sample depends on its series and its index alone, and is redrawn until it is confident enough."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from models import bundle
from models.manifest import GraphName
from service.engine import noise
from service.engine.model import Model
from service.engine.sampling import MAX_TRIES, SamplePage, Samples, SampleSpec, check_label, sample
from service.errors import InvalidParameter
from tests.support import bundles

# In the tiny bundles z is noise + label, and the density around each label is the same, so far beyond label 0 it is
# certain, while label 1 between the others is never more than 0.58 sure.
SURE_OF_0, NEVER_SURE_OF_1 = 0.8, 0.9

Label = int | Sequence[int] | Literal["any", "balanced"]


@pytest.fixture(scope="module")
def rows_run() -> list[tuple[GraphName, int]]:
    return []


@pytest.fixture(scope="module")
def loaded(tiny_models: Path, rows_run: list[tuple[GraphName, int]]) -> Model:
    return Model(
        bundle.load(tiny_models / "tiny-vae" / "1"),
        device="cpu",
        threads=1,
        max_batch_rows=64,
        observe=lambda graph, rows: rows_run.append((graph, rows)),
    )


@pytest.fixture
def model(loaded: Model, rows_run: list[tuple[GraphName, int]]) -> Model:
    rows_run.clear()
    return loaded


def page(count: int = 12, first: int = 0, seed: int = 1, **spec: Any) -> SamplePage:
    return SamplePage(SampleSpec(seed, **spec), first, count)


def arrays(samples: Samples) -> dict[str, Any]:
    return {name: values for name, values in vars(samples).items() if values is not None}


def joined(parts: Sequence[Samples]) -> dict[str, Any]:
    return {name: np.concatenate([arrays(part)[name] for part in parts]) for name in arrays(parts[0])}


def assert_same(found: Samples, wanted: dict[str, Any]) -> None:
    assert arrays(found).keys() == wanted.keys()
    for name, values in arrays(found).items():
        np.testing.assert_array_equal(values, wanted[name], err_msg=name)


# A series


@pytest.mark.parametrize("min_confidence", [0.0, SURE_OF_0])
def test_pages_of_several_callers_are_each_what_they_are_alone(model: Model, min_confidence: float) -> None:
    pages = [
        page(5, seed=1, label="any", min_confidence=min_confidence),
        page(1, seed=2, label=0, temperature=0.5, min_confidence=min_confidence / 2),
        page(9, first=1000, seed=2**64 - 1, label="balanced", min_confidence=min_confidence),
        page(5, seed=1, label=1, min_confidence=min_confidence),
    ]
    alone = [sample(model, [each], deterministic=True) for each in pages]
    assert_same(sample(model, pages, deterministic=True), joined(alone))
    together = sample(model, pages)
    np.testing.assert_array_equal(together.latents, joined(alone)["latents"])
    np.testing.assert_allclose(together.images, joined(alone)["images"], rtol=1e-5)


@pytest.mark.parametrize("min_confidence", [0.0, SURE_OF_0])
@pytest.mark.parametrize("label", [0, (2, 0), "any", "balanced"])
def test_a_series_is_the_same_however_it_is_cut_into_pages(model: Model, label: Label, min_confidence: float) -> None:
    spec: Any = {"label": label, "temperature": 1.5, "min_confidence": min_confidence}
    parts = [
        sample(model, [page(count, first, **spec)], deterministic=True) for first, count in ((7, 4), (11, 1), (12, 7))
    ]
    assert_same(sample(model, [page(12, 7, **spec)], deterministic=True), joined(parts))


def test_another_seed_is_another_series(model: Model) -> None:
    one, other = (sample(model, [page(seed=seed)]).latents for seed in (1, 2))
    assert not np.isin(one, other).any()


def test_an_image_is_that_of_its_latent(model: Model) -> None:
    found = sample(model, [page()])
    assert found.images.shape == (12, 1, 28, 28)
    np.testing.assert_allclose(found.images, bundles.image(found.latents), rtol=1e-5)


def test_a_latent_is_that_of_its_noise_and_label(model: Model) -> None:
    found = sample(model, [page(12, 5, seed=3, label="balanced")])
    (draw,) = noise.draw([noise.Page(3, noise.SAMPLE_STREAM, 5, 12, 2)])
    np.testing.assert_array_equal(found.latents, draw.normals + found.labels[:, np.newaxis].astype(np.float32))


# Labels


@pytest.mark.parametrize(
    ("label", "labels"),
    [
        (2, [2, 2, 2, 2, 2, 2]),
        ((1,), [1, 1, 1, 1, 1, 1]),
        ((0, 2), [0, 2, 0, 2, 0, 2]),
        ((1, 1, 0, 2), [1, 1, 0, 2, 1, 1]),
        ("balanced", [1, 2, 0, 1, 2, 0]),
    ],
)
def test_labels_take_turns_by_the_samples_index(model: Model, label: Label, labels: list[int]) -> None:
    found = sample(model, [page(6, 4, label=label)])
    assert found.labels.tolist() == labels
    assert found.labels.dtype == np.int64


def test_any_label_comes_as_often_as_its_class_weighs(model: Model) -> None:
    found = sample(model, [page(4000, label="any")])
    shares = np.bincount(found.labels) / 4000
    weights = np.array(model.manifest.class_weights)
    assert (abs(shares - weights) < 5 * np.sqrt(weights * (1 - weights) / 4000)).all()


@pytest.mark.parametrize("label", [3, 10, (0, 3), (3, 0, 1)])
def test_a_class_that_does_not_exist_is_refused(label: Label) -> None:
    with pytest.raises(InvalidParameter, match="from 0 to 2") as raised:
        check_label(SampleSpec(1, label), 3)
    assert raised.value.code == "unknown_label"


@pytest.mark.parametrize("label", [0, 2, (0, 1, 2), "any", "balanced"])
def test_a_class_that_exists_is_not_refused(label: Label) -> None:
    check_label(SampleSpec(1, label), 3)


# Temperature


@pytest.mark.parametrize("temperature", [0.0, 0.25, 2.0])
def test_the_temperature_scales_the_noise_of_its_page_alone(model: Model, temperature: float) -> None:
    pages = [page(label=0), page(label=0, temperature=temperature)]
    plain, scaled = np.split(sample(model, pages).latents, 2)
    np.testing.assert_array_equal(scaled, np.float32(temperature) * plain)


# Confidence


def by_hand(each: SamplePage, labels: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Latents, confidence and tries of a page, sample by sample."""
    latents, confidences, tries = [], [], []
    for row, label in enumerate(labels):
        best: tuple[float, Any] = (-1.0, None)
        for attempt in itertools.count(1):
            stream = noise.SAMPLE_STREAM + (attempt - 1) * noise.STREAMS
            (draw,) = noise.draw([noise.Page(each.spec.seed, stream, each.first + row, 1, 2)])
            latent = draw.normals[0] * np.float32(each.spec.temperature) + np.float32(label)
            joint = np.exp(bundles.log_pz_y(latent[np.newaxis].astype(np.float64))[0]) * weights
            best = max(best, (joint[label] / joint.sum(), latent), key=lambda pair: pair[0])
            if best[0] >= each.spec.min_confidence or attempt == MAX_TRIES:
                break
        latents.append(best[1])
        confidences.append(best[0])
        tries.append(attempt)
    return np.array(latents), np.array(confidences), np.array(tries)


def test_each_page_is_redrawn_until_its_own_threshold(model: Model) -> None:
    thresholds = (SURE_OF_0, 0.0, 0.3, NEVER_SURE_OF_1)
    pages = [
        page(10, 3 * i, seed=i, label="balanced", temperature=1 + i / 4, min_confidence=threshold)
        for i, threshold in enumerate(thresholds)
    ]
    found = sample(model, pages)
    assert found.tries is not None
    for i, each in enumerate(pages):
        rows = slice(10 * i, 10 * (i + 1))
        wanted = by_hand(each, found.labels[rows], model.manifest.class_weights)
        np.testing.assert_allclose(found.latents[rows], wanted[0], rtol=1e-6)
        np.testing.assert_allclose(found.confidence[rows], wanted[1], rtol=1e-4)
        assert found.tries[rows].tolist() == wanted[2].tolist()
    assert (found.tries[10:20] == 1).all()
    assert found.tries.max() == MAX_TRIES
    assert np.unique(found.tries).size > 3


def test_only_samples_that_are_not_sure_are_drawn_again(model: Model, rows_run: list[tuple[GraphName, int]]) -> None:
    found = sample(model, [page(40, label=0, min_confidence=SURE_OF_0)])
    drawn = {graph: sum(rows for name, rows in rows_run if name == graph) for graph in ("prior", "density", "decoder")}
    assert drawn == {"prior": found.tries.sum(), "density": found.tries.sum(), "decoder": 40}
    assert 1 < found.tries.max() <= MAX_TRIES
    assert found.tries.min() == 1
    assert (found.confidence[found.tries < MAX_TRIES] >= SURE_OF_0).all()


def test_a_page_without_a_threshold_takes_what_is_drawn_first_however_hopeless(model: Model) -> None:
    hopeless = page(label=1, temperature=1e4)
    found = sample(model, [hopeless, page(min_confidence=SURE_OF_0)])
    assert (found.confidence[:12] == 0).any()
    assert (found.tries[:12] == 1).all()
    np.testing.assert_array_equal(found.latents[:12], sample(model, [hopeless]).latents)


def test_after_the_last_try_the_most_confident_one_is_taken(model: Model) -> None:
    found = sample(model, [page(label=1, min_confidence=NEVER_SURE_OF_1)])
    first = sample(model, [page(label=1, min_confidence=1e-9)])
    assert found.confidence is not None
    assert (found.tries == MAX_TRIES).all()
    assert (found.confidence < NEVER_SURE_OF_1).all()
    assert (found.confidence >= first.confidence).all()
    np.testing.assert_allclose(found.confidence, model.confidence(found.latents, found.labels), rtol=1e-6)
    np.testing.assert_allclose(found.images, bundles.image(found.latents), rtol=1e-5)


def test_without_a_threshold_no_confidence_is_computed(model: Model, rows_run: list[tuple[GraphName, int]]) -> None:
    found = sample(model, [page(), page(seed=2)])
    assert found.confidence is None
    assert found.tries is None
    assert {graph for graph, _ in rows_run} == {"prior", "decoder"}
