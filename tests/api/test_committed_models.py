"""The committed bundles, served: what a visitor's first requests meet."""

import io
from collections.abc import Iterator
from pathlib import Path

import anyio.from_thread
import numpy as np
import pytest

from service.app import create_app
from service.settings import Settings
from tests import digits
from tests.conftest import Client

NAMES = ["digits-ae", "digits-mlp-vae"]
NPZ = {"Accept": "application/x-npz"}
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def served(portal: anyio.from_thread.BlockingPortal) -> Iterator[Client]:
    app = create_app(Settings())
    client = Client(portal, app)
    yield client
    client.close()
    app.state.engine.close()


def sample(client: Client, query: str) -> dict[str, np.ndarray]:
    return dict(np.load(io.BytesIO(client.get(f"/sample?{query}", headers=NPZ).content)))


@pytest.mark.parametrize("name", NAMES)
def test_pages_of_one_seed_make_the_whole_picture(served: Client, name: str) -> None:
    query = f"/sample?model={name}&label=7&seed=1&columns=8"
    raw = {"Accept": "application/x-npy"}
    whole, first, second = (
        np.load(io.BytesIO(served.get(f"{query}&{page}", headers=raw).content))
        for page in ("count=64", "count=32", "count=32&offset=32")
    )
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-6)
    again = served.get(f"{query}&count=64", headers={"Accept": "image/png"}).content
    assert again == served.get(f"{query}&count=64", headers={"Accept": "image/png"}).content


@pytest.mark.parametrize(("name", "share"), [("digits-ae", 0.6), ("digits-mlp-vae", 0.8)])
def test_samples_are_recognised_as_what_was_asked_for(served: Client, name: str, share: float) -> None:
    """By the nearest of the real digits, which knows nothing of the models; by chance it would be a tenth."""
    real = digits.images("train").reshape(-1, 784) / 255
    labels = digits.labels("train")
    found = sample(served, f"model={name}&label=0,1,2,3,4,5,6,7,8,9&count=300&seed=1")
    distance = np.square(found["images"].reshape(-1, 1, 784) - real).sum(axis=2)  # (300, real)
    assert (labels[distance.argmin(axis=1)] == found["labels"]).mean() > share


@pytest.mark.parametrize(("name", "most"), [("digits-ae", 0.04), ("digits-mlp-vae", 0.01)])
def test_real_digits_come_back(served: Client, name: str, most: float) -> None:
    body = digits.images("test").tobytes()
    answer = served.post(f"/reconstruct?model={name}", content=body, headers=RAW | NPZ)
    assert np.load(io.BytesIO(answer.content))["mse"].mean() < most


def test_the_score_at_the_mean_is_near_the_average_over_draws(served: Client) -> None:
    """Both terms lie about latent_dim / 2 = 10 nats higher at the mean; in the ELBO that cancels but for curvature."""
    body = digits.images("test").tobytes()

    def score(query: str = "") -> dict[str, np.ndarray]:
        answer = served.post(f"/reconstruct?model=digits-mlp-vae{query}", content=body, headers=RAW | NPZ)
        return dict(np.load(io.BytesIO(answer.content)))

    mean = score()
    draws = [score(f"&draw=true&seed={seed}") for seed in range(10)]
    average = {name: np.mean([draw[name] for draw in draws]) for name in ("elbo", "log_likelihood", "kl")}
    assert mean["elbo"].mean() == pytest.approx(average["elbo"], abs=1.5)
    assert 5 < mean["kl"].mean() - average["kl"] < 15
    assert 5 < mean["log_likelihood"].mean() - average["log_likelihood"] < 15


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_small_and_has_its_card_and_pictures(name: str) -> None:
    directory = Path("models", name, "1")
    assert sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) < 10e6
    assert (directory / "CARD.md").exists()
    assert list((directory / "figures").glob("*.png"))
