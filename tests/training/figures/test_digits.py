"""Pictures of digits show what they say: rows are labels, lines are straight, noise is shared."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tests.training import tiny
from training import figures
from training.figures import canvas
from training.model.functions import Model, of_torch

TEST = tiny.mnist().test


def model(kind: str) -> Model:
    return of_torch(tiny.autoencoder(kind))


def shown(figure: Figure) -> np.ndarray:
    """The ink of a figure's first grid of digits."""
    return np.asarray(figure.axes[0].images[0].get_array())


def test_reconstructions_stand_below_their_digits() -> None:
    mosaic = shown(figures.reconstructions(model("ae"), TEST))
    three = canvas.of_label(TEST, 3)[:1]
    np.testing.assert_array_equal(mosaic[:28, 90:118], three[0, 0])
    rebuilt = model("ae").decode(model("ae").encode(three)[0])[0]
    np.testing.assert_allclose(mosaic[30:58, 90:118], rebuilt[0, 0], atol=1e-5)


def test_rows_of_samples_are_labels() -> None:
    asked = []

    def prior(noise: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        asked.append(labels)
        return (noise,)

    stub = Model("ae", 3, (0.1,) * 10, model("ae").functions | {"prior": prior})
    figure = figures.samples(stub, columns=4)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list("0123456789")
    np.testing.assert_array_equal(asked[0].reshape(10, 4), np.arange(10)[:, None].repeat(4, 1))


def test_rows_of_temperatures_share_their_noise_and_columns_their_label() -> None:
    asked = []

    def prior(noise: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        asked.append((noise, labels))
        return (noise,)

    stub = Model("ae", 3, (0.1,) * 10, model("ae").functions | {"prior": prior})
    figure = figures.temperatures(stub, labels=(1, 7), each=3)
    (cold, labels), *_, (warm, _) = asked
    np.testing.assert_allclose(cold, 0.2 * warm, rtol=1e-6)
    assert labels.tolist() == [1, 1, 1, 7, 7, 7]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["label 1", "label 7"]


def test_line_between_two_digits_is_straight_and_holds_both_ends() -> None:
    decoded = []

    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        decoded.append(latents)
        return model("ae").functions["decoder"](latents)

    figure = figures.interpolation(Model("ae", 3, (0.1,) * 10, model("ae").functions | {"decoder": decoder}), TEST)
    lines = decoded[0].reshape(5, 11, 3)
    for row, label in ((0, 4), (1, 3)):
        np.testing.assert_allclose(lines[row, 0], model("ae").encode(canvas.of_label(TEST, label)[:1])[0][0], rtol=1e-5)
    np.testing.assert_allclose(lines[0, 10], model("ae").encode(canvas.of_label(TEST, 9)[:1])[0][0], rtol=1e-5)
    np.testing.assert_allclose(np.diff(lines, 2, axis=1), 0, atol=1e-5)
    assert figure.axes[0].get_yticklabels()[0].get_text() == "4 → 9"


def test_traversal_moves_one_dimension_a_row() -> None:
    moved = []

    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        moved.append(latents)
        return model("ae").functions["decoder"](latents)

    figures.traversal(Model("ae", 3, (0.1,) * 10, model("ae").functions | {"decoder": decoder}), TEST, columns=5)
    rows = moved[0].reshape(3, 5, 3)
    changing = (np.ptp(rows, axis=1) > 0).sum(1)  # dimensions that change along each row
    np.testing.assert_array_equal(changing, 1)


def test_random_points_of_an_autoencoder_are_also_drawn_among_its_codes() -> None:
    figure = figures.random_points(figures.with_and_without_prior(model("ae"), TEST))
    assert len(figure.axes) == 3
    assert len(figures.random_points(figures.with_and_without_prior(model("vae"), TEST)).axes) == 2
