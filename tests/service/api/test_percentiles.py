"""/reconstruct with a calibration: where each score lies among those of the test digits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import numpy as np
import pytest

from service.app import create_app
from service.settings import Settings
from tests.conftest import Client
from tests.support import bundles, digits

DIGITS = digits.images()[:40]
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def uncalibrated(
    portal: anyio.from_thread.BlockingPortal, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    models: Path = tmp_path_factory.mktemp("uncalibrated")
    bundles.write(models, "tiny-vae", kind="vae", calibrated=False)
    bundles.write(models, "tiny-ae", kind="ae", calibrated=False)
    app = create_app(Settings(models_dir=models, default_model="tiny-vae"))
    client = Client(portal, app)
    yield client
    client.close()
    app.state.door.close()


def reconstruct(client: Client, images: np.ndarray, query: str = "") -> dict[str, Any]:
    response = client.post(f"/reconstruct?invert=false&{query}", content=images.tobytes(), headers=RAW)
    assert response.status_code == 200, response.text
    return response.json()


def place(table: tuple[float, ...], score: float) -> float:
    """The percentile by its definition: below the table 0, above it 100, in between linear."""
    if score < table[0]:
        return 0.0
    last = max(p for p, value in enumerate(table) if value <= score)
    if last == 100:
        return 100.0
    return last + (score - table[last]) / (table[last + 1] - table[last])


def test_percentiles_are_those_of_the_table_by_hand(client: Client) -> None:
    """The curves of `tests/support/bundles.py`, solved for p: three are straight where it matters, elbo is not."""
    answer = reconstruct(client, DIGITS)
    mse, kl, log_likelihood, elbo = (np.array(answer[name]) for name in ("mse", "kl", "log_likelihood", "elbo"))
    found = answer["percentiles"]
    np.testing.assert_allclose(found["mse"], 200 * mse)
    np.testing.assert_allclose(found["kl"], 100 * (kl - 1.5))
    np.testing.assert_allclose(found["log_likelihood"], np.where(log_likelihood < -600, 0, log_likelihood + 650))
    curve = np.sqrt(np.clip(elbo + 700, 0, 120) / 0.012)  # a chord of p² strays from it by at most ¼ of a step
    np.testing.assert_allclose(found["elbo"], curve, atol=0.02)


def test_beyond_the_table_is_0_and_100(client: Client) -> None:
    answer = reconstruct(client, DIGITS)
    elbo, place_of_elbo = np.array(answer["elbo"]), np.array(answer["percentiles"]["elbo"])
    assert (elbo < -700).any()
    assert (elbo > -580).any()
    assert (place_of_elbo[elbo < -700] == 0).all()
    assert (place_of_elbo[elbo > -580] == 100).all()
    assert ((place_of_elbo > 0) & (place_of_elbo < 100) == (elbo > -700) & (elbo < -580)).all()


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1), slice(7, 8)])
def test_each_percentile_belongs_to_the_score_of_its_row(client: Client, order: slice) -> None:
    answer = reconstruct(client, DIGITS[order])
    tables = bundles.calibration("vae").scores
    assert list(answer["percentiles"]) == ["mse", "elbo", "log_likelihood", "kl"]
    for name, found in answer["percentiles"].items():
        np.testing.assert_allclose(found, [place(tables[name], score) for score in answer[name]], rtol=1e-12)
    whole = reconstruct(client, DIGITS)["percentiles"]
    for name, found in answer["percentiles"].items():
        np.testing.assert_allclose(found, whole[name][order], rtol=1e-5, atol=1e-3)  # another batch, other last bits


def test_a_higher_score_never_has_a_lower_percentile(client: Client) -> None:
    answer = reconstruct(client, DIGITS)
    for name, found in answer["percentiles"].items():
        assert (np.diff(np.array(found)[np.argsort(answer[name])]) >= 0).all()


def test_a_draw_has_scores_but_no_percentiles(client: Client) -> None:
    """The table is of scores at the posterior mean."""
    answer = reconstruct(client, DIGITS, "draw=true&seed=1")
    assert "elbo" in answer
    assert "percentiles" not in answer


@pytest.mark.parametrize("query", ["", "draw=true&seed=3", "model=tiny-ae"])
def test_without_a_calibration_all_else_is_the_same(client: Client, uncalibrated: Client, query: str) -> None:
    wanted = reconstruct(client, DIGITS, query)
    wanted.pop("percentiles", None)
    assert reconstruct(uncalibrated, DIGITS, query) == wanted
