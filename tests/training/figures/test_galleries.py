"""What a model does badly comes first, and beside what it should be."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.manifest import GraphName
from tests.training import tiny
from training import figures
from training.data.mnist import to_pixels
from training.model.functions import Function, Model, of_torch

TEST = tiny.mnist().test


def model(kind: str) -> Model:
    return of_torch(tiny.autoencoder(kind))


def shown(figure: Figure) -> np.ndarray:
    """The ink of a figure's first grid of digits."""
    return np.asarray(figure.axes[0].images[0].get_array())


def test_worst_reconstructions_come_first_each_over_its_own() -> None:
    axes = figures.worst(model("ae"), TEST).axes[0]
    pixels = to_pixels(TEST.images).numpy()
    rebuilt = model("ae").decode(model("ae").encode(pixels)[0])[0]
    worst = np.square(pixels - rebuilt).mean((1, 2, 3)).argmax()
    mosaic = axes.images[0].get_array()
    np.testing.assert_array_equal(mosaic[:28, :28], pixels[worst, 0])
    np.testing.assert_allclose(mosaic[30:58, :28], rebuilt[worst, 0], atol=1e-5)
    assert len(axes.texts) == 100
    assert axes.texts[0].get_text() == str(int(TEST.labels[worst]))
    assert axes.get_title(loc="left").startswith("The 100 worst reconstructions of 300 ")


def test_doubted_samples_are_those_least_likely_of_the_label_asked_for() -> None:
    """A model whose samples are 0.9 likely to be what was asked, but for a ten of fours that look like nines."""

    def prior(noise: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        odd = (labels == 4) & (np.arange(len(labels)) < 100)
        return (np.where(odd, 9, labels)[:, None].astype(np.float32),)

    def density(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        likely = latents.astype(int) == np.arange(10)
        return (np.log(np.where(likely, 0.9, 0.1 / 9)).astype(np.float32),)

    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (np.broadcast_to(latents[:, :, None, None] / 9, (len(latents), 1, 28, 28)),)

    functions: dict[GraphName, Function] = {"prior": prior, "density": density, "decoder": decoder}
    axes = figures.doubtful(Model("ae", 1, (0.1,) * 10, functions)).axes[0]
    notes = [text.get_text() for text in axes.texts]
    assert notes[:11] == ["4: 1%"] * 10 + ["0: 90%"]
    assert len(notes) == 50
    np.testing.assert_array_equal(axes.images[0].get_array()[:28, :28], 1)  # it shows the nine that came out


def test_pairs_stand_over_each_other_and_one_may_be_missing() -> None:
    samples = np.arange(19, dtype=np.float32).reshape(19, 1, 1, 1) * np.ones((28, 28), np.float32)
    figure = figures.pairs(samples, samples + 100)
    mosaic = shown(figure)
    assert mosaic.shape == (4 * 30 - 2, 10 * 30 - 2)
    assert (mosaic[0, 90], mosaic[30, 90], mosaic[60, 0], mosaic[90, 0]) == (3, 103, 10, 110)
    np.testing.assert_array_equal(mosaic[60:, 270:], 0)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["sample", "training digit"] * 2
