"""The committed bundles, served: what a visitor's first requests meet."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import anyio.from_thread
import numpy as np
import pytest

from models.manifest import CALIBRATION_FILE, Manifest
from service.app import create_app
from service.settings import Settings
from tests.conftest import Client
from tests.support import digits

MANIFESTS: Final = {
    f"{manifest.name}/{manifest.version}": manifest
    for manifest in (
        Manifest.model_validate_json(path.read_text()) for path in Path("models").glob("*/*/manifest.json")
    )
}
NAMES = sorted(MANIFESTS)
VAES = [name for name in NAMES if MANIFESTS[name].kind == "vae"]
CALIBRATED = [name for name in NAMES if CALIBRATION_FILE in MANIFESTS[name].files]
LOW_KL_WEIGHT = {"digits-fidelity-vae/1"}  # posteriors narrower than the ELBO's optimum: there nothing cancels
NPZ = {"Accept": "application/x-npz"}
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def served(portal: anyio.from_thread.BlockingPortal) -> Iterator[Client]:
    app = create_app(Settings())
    client = Client(portal, app)
    yield client
    client.close()
    app.state.door.close()


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


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_recognised_as_what_was_asked_for(served: Client, name: str) -> None:
    """By the nearest of the real digits, which knows nothing of the models: by chance a tenth, of real digits 77 %."""
    real, labels = digits.images("train").reshape(-1, 784) / 255, digits.labels("train")

    def read_right(images: np.ndarray, wanted: np.ndarray) -> float:
        distance = np.square(images.reshape(-1, 1, 784) - real).sum(axis=2)  # (n, real)
        return float((labels[distance.argmin(axis=1)] == wanted).mean())

    found = sample(served, f"model={name}&label=0,1,2,3,4,5,6,7,8,9&count=300&seed=1")
    as_real_digits = read_right(digits.images("test") / 255, digits.labels("test"))
    assert (
        read_right(found["images"], found["labels"]) > {"ae": 0.75, "vae": 0.95}[MANIFESTS[name].kind] * as_real_digits
    )


@pytest.mark.parametrize("name", NAMES)
def test_real_digits_come_back(served: Client, name: str) -> None:
    body = digits.images("test").tobytes()
    answer = served.post(f"/reconstruct?model={name}", content=body, headers=RAW | NPZ)
    assert np.load(io.BytesIO(answer.content))["mse"].mean() < {"ae": 0.04, "vae": 0.01}[MANIFESTS[name].kind]


@pytest.mark.parametrize("name", [name for name in VAES if name not in LOW_KL_WEIGHT])
def test_the_score_at_the_mean_is_near_the_average_over_draws(served: Client, name: str) -> None:
    """Both terms lie higher at the mean, in the ELBO that cancels but for curvature.

    log q is latent_dim / 2 nats higher there; log p is higher too, the more so the finer the prior.
    """
    body = digits.images("test").tobytes()

    def score(query: str = "") -> dict[str, np.ndarray]:
        answer = served.post(f"/reconstruct?model={name}{query}", content=body, headers=RAW | NPZ)
        return dict(np.load(io.BytesIO(answer.content)))

    mean = score()
    draws = [score(f"&draw=true&seed={seed}") for seed in range(10)]
    average = {score: np.mean([draw[score] for draw in draws]) for score in ("elbo", "log_likelihood", "kl")}
    height = MANIFESTS[name].latent_dim / 2
    assert mean["elbo"].mean() == pytest.approx(average["elbo"], abs=0.15 * height)
    for term in ("kl", "log_likelihood"):
        assert 0.25 * height < mean[term].mean() - average[term] < 1.1 * height


@pytest.mark.parametrize("name", CALIBRATED)
def test_real_digits_lie_in_the_middle_of_the_calibration_and_noise_at_its_end(served: Client, name: str) -> None:
    """Percentiles of test digits are uniform but for chance: over 300 of them their mean has a standard error of 1.7.

    As likely as not the sample is somewhat easier or harder than the whole set.
    """

    def percentiles(pixels: np.ndarray) -> dict[str, np.ndarray]:
        answer = served.post(f"/reconstruct?model={name}&invert=false", content=pixels.tobytes(), headers=RAW | NPZ)
        arrays = np.load(io.BytesIO(answer.content))
        return {key: arrays[key] for key in arrays if key.startswith("percentiles_")}

    for values in percentiles(digits.images("test")).values():
        assert values.mean() == pytest.approx(50, abs=10)
        assert values.std() == pytest.approx(100 / 12**0.5, abs=5)
    noise = percentiles(np.random.default_rng(0).integers(0, 256, (8, 28, 28), np.uint8))
    assert (noise["percentiles_mse"] == 100).all()
    if name in VAES:
        assert (noise["percentiles_elbo"] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_small_and_has_its_card_and_pictures(name: str) -> None:
    directory = Path("models", name)
    assert sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) < 20e6
    assert (directory / "CARD.md").exists()
    assert list((directory / "figures").glob("*.png"))
