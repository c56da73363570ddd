"""Engine: what its deterministic answers promise, on the committed bundles and where the graphs' bits vary."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from models import bundle
from service.engine.model import EngineLimits, Model, Rejection
from service.runtime.session import Session

pytestmark = pytest.mark.anyio
NEVER = float("inf")
ROWS = 21  # two whole fixed batches and a part of one
COMMITTED = bundle.find(Path("models"))


def load(directory: Path) -> Model:
    return Model(bundle.load(directory), device="cpu", threads=1, limits=EngineLimits(64, 1 << 16))


class Wishes:
    """The same 21 wishes to every model of a latent_dim, or some of them by their indices."""

    def __init__(self, model: Model) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.random((ROWS, 1, 28, 28), np.float32)
        self.noise = rng.standard_normal((ROWS, model.manifest.latent_dim), np.float32)
        self.labels = rng.integers(0, len(model.manifest.classes), ROWS)

    async def answers(self, model: Model, rows: Sequence[int], deterministic: bool = True) -> dict[str, Any]:
        """Everything that the four verbs give."""
        pick = list(rows)

        async def redraw(attempt: int, unsure: Any) -> Any:
            return self.noise[pick][unsure] / (1 + attempt)

        encoded, decoded, reconstructed, drawn, sampled = await asyncio.gather(
            model.encode(self.images[pick], NEVER, deterministic=deterministic),
            model.decode(self.noise[pick], NEVER, deterministic=deterministic),
            model.reconstruct(self.images[pick], NEVER, deterministic=deterministic),
            model.reconstruct(self.images[pick], NEVER, self.noise[pick], deterministic=deterministic),
            model.sample(
                self.noise[pick], self.labels[pick], NEVER, Rejection(0.9, redraw), deterministic=deterministic
            ),
        )
        found = {"decode": decoded}
        for verb, answer in {"encode": encoded, "mean": reconstructed, "draw": drawn, "sample": sampled}.items():
            found |= {f"{verb} {name}": value for name, value in vars(answer).items() if isinstance(value, np.ndarray)}
            found |= {
                f"{verb} {name}": value for name, value in vars(getattr(answer, "scores", None) or answer).items()
            }
            found |= {f"{verb} {name} %": value for name, value in getattr(answer, "percentiles", {}).items()}
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def differing(found: Mapping[str, Any], whole: Mapping[str, Any], rows: Sequence[int]) -> list[str]:
    assert found.keys() == whole.keys()
    return [name for name in whole if not np.array_equal(found[name], whole[name][list(rows)])]


COMPANIES: tuple[Sequence[int], ...] = ((0,), (5,), (7, 0), range(4, 13), range(ROWS - 1, -1, -1))


@pytest.mark.parametrize("directory", COMMITTED, ids=[path.parent.name for path in COMMITTED])
async def test_a_deterministic_row_is_the_same_bits_in_any_company_and_session(directory: Path) -> None:
    model = load(directory)
    wishes = Wishes(model)
    whole = await wishes.answers(model, range(ROWS))
    again = load(directory)
    for other in (model, again):
        for rows in COMPANIES:
            found, *_ = await asyncio.gather(
                wishes.answers(other, rows), *(wishes.answers(other, [i], deterministic=False) for i in range(9))
            )
            assert not differing(found, whole, rows), rows
    model.close()
    again.close()


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
async def test_bits_that_vary_with_the_batch_do_not_reach_deterministic_answers(
    tiny_models: Path, deterministic: bool, agrees: bool
) -> None:
    model = load(tiny_models / "tiny-vae" / "1")
    wishes = Wishes(model)
    whole = await wishes.answers(model, range(ROWS), deterministic)
    for rows in COMPANIES[:-1]:
        assert bool(differing(await wishes.answers(model, rows, deterministic), whole, rows)) is not agrees, rows
    model.close()


@pytest.mark.parametrize("directory", COMMITTED, ids=[path.parent.name for path in COMMITTED])
async def test_a_reconstruction_that_is_not_scored_is_the_same_image_without_the_density(directory: Path) -> None:
    model = load(directory)
    images = Wishes(model).images
    scored = await model.reconstruct(images, NEVER, deterministic=True)
    with mock.patch.dict(model.batchers):
        model.batchers.pop("density", None)
        bare = await model.reconstruct(images, NEVER, scored=False, deterministic=True)
    assert np.array_equal(bare.images, scored.images)
    assert np.array_equal(bare.latents, scored.latents)
    assert (bare.mse, bare.scores, bare.percentiles) == (None, None, {})
