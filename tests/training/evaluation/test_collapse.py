"""A latent that says nothing is found out, and so are samples that are all one digit."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifest import Kind, Metric
from tests.training.tiny import blind_vae
from training.errors import CollapseError
from training.evaluation import collapse
from training.model.functions import Model

SOUND = {
    "kl": 25.0,
    "active_units": 20.0,
    "shuffled_reconstruction": 300.0,
    "sample_class_entropy": 2.29,
    "shuffled_mse_ratio": 4.0,
}


def metrics(**values: float) -> dict[str, Metric]:
    return {name: Metric(value=value, unit="nats", meaning="") for name, value in values.items()}


def stripes() -> np.ndarray:
    """Two images (2, 1, 28, 28) of which each is ink where the other is paper."""
    images = np.zeros((2, 1, 28, 28), np.float32)
    images[0, :, ::2] = 1
    images[1, :, 1::2] = 1
    return images


def seeing(kind: Kind) -> Model:
    """Its latent is the image's first pixel, of which its decoder knows the image, nearly surely."""

    def encoder(images: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        mean = images[:, 0, 0, :1]
        return (mean,) if kind == "ae" else (mean, np.zeros_like(mean))

    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        logits = np.where(stripes()[(latents[:, 0] < 0.5).astype(int)] > 0, 2, -2).astype(np.float32)
        image = 1 / (1 + np.exp(-logits))
        return (image,) if kind == "ae" else (image, logits)

    return Model(kind, 1, (1.0,), {"encoder": encoder, "decoder": decoder})


def test_sound_figures_pass() -> None:
    collapse.check(metrics(**SOUND), 40)


def test_figures_that_are_not_there_are_not_asked_for() -> None:
    collapse.check({}, 40)


@pytest.mark.parametrize("name", SOUND)
def test_each_figure_can_fail_alone(name: str) -> None:
    least = {
        "kl": 4.9,
        "active_units": 19.0,
        "shuffled_reconstruction": 19.9,
        "sample_class_entropy": 2.19,
        "shuffled_mse_ratio": 1.9,
    }
    with pytest.raises(CollapseError, match=f"collapsed: {name} is"):
        collapse.check(metrics(**SOUND | {name: least[name]}), 40)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(
        CollapseError, match=r"kl is 0\.1 nats, at least 5 is needed; active_units is 3 nats, at least 5"
    ):
        collapse.check(metrics(kl=0.1, active_units=3.0, sample_class_entropy=2.3), 10)


def test_model_that_ignores_its_latent_loses_nothing_by_shuffling() -> None:
    found = collapse.shuffled(blind_vae(), stripes()).metrics
    assert found["shuffled_reconstruction"].value == pytest.approx(0, abs=1e-9)


def test_latent_that_says_all_costs_every_pixel_when_shuffled() -> None:
    found = collapse.shuffled(seeing("vae"), stripes()).metrics
    assert found["shuffled_reconstruction"].value == pytest.approx(784 * 2, rel=1e-6)  # softplus(2) − softplus(−2)


def test_autoencoder_is_held_by_its_squared_error() -> None:
    found = collapse.shuffled(seeing("ae"), stripes()).metrics
    right = 1 / (1 + np.exp(-2))
    assert found["shuffled_mse_ratio"].value == pytest.approx((right / (1 - right)) ** 2, rel=1e-5)
