"""Axes show what was measured: latents in the view that says most, losses, bounds."""

import numpy as np
import pytest

from models.manifest import GraphName
from tests.training import tiny
from training import figures
from training.data.mnist import to_pixels
from training.evaluation.metrics import Table
from training.figures import charts
from training.model.functions import Function, Model, of_torch

TEST = tiny.mnist().test


def model(kind: str) -> Model:
    return of_torch(tiny.autoencoder(kind))


def eight(sign: float = 1) -> Model:
    """A model whose latents are eight pixels of the image."""
    functions: dict[GraphName, Function] = {
        "encoder": lambda images: (np.float32(sign) * images.reshape(len(images), -1)[:, 300:308],)
    }
    return Model("ae", 8, (0.1,) * 10, functions)


def test_three_dimensions_are_shown_in_pairs_and_more_in_two_views() -> None:
    assert len(figures.latents(model("ae"), TEST).axes) == 3
    blind, seeking = figures.latents(eight(), TEST).axes
    assert blind.get_xlabel().startswith("principal component 1 (")
    assert seeking.get_ylabel().startswith("linear discriminant 2 (")


def test_views_do_not_flip_with_the_sign_of_a_decomposition() -> None:
    for axes, other in zip(figures.latents(eight(), TEST).axes, figures.latents(eight(-1), TEST).axes, strict=True):
        points, mirrored = (np.asarray(part.collections[0].get_offsets()) for part in (axes, other))
        np.testing.assert_allclose(points, -mirrored, atol=1e-4)


def test_every_second_digit_is_shown_and_the_others_give_the_view() -> None:
    means = eight().encode(to_pixels(TEST.images).numpy())[0]
    axes = figures.latents(eight(), TEST).axes[1]
    wanted = means[::2] @ charts.discriminants(means[1::2], TEST.labels.numpy()[1::2])[0]
    shown_points = np.concatenate([dots.get_offsets() for dots in axes.collections])
    assert len(shown_points) == 150
    np.testing.assert_allclose(shown_points[0], wanted[TEST.labels.numpy()[::2] == 0][0], rtol=1e-6)


def test_principal_component_is_the_direction_of_most_variance() -> None:
    points = np.array([[3, 4], [-3, -4], [0.4, -0.3], [-0.4, 0.3]], np.float32)
    axes, share = charts.principal_components(points)
    np.testing.assert_allclose(axes[:, 0], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(share, [50 / 50.5, 0.5 / 50.5], rtol=1e-6)


def test_discriminant_parts_the_classes_and_not_the_points() -> None:
    """Two classes apart along the first axis by little, both wide along the second: Fisher's own picture."""
    wide = np.array([[0.1, 9], [-0.1, -9], [0.1, -9], [-0.1, 9]], np.float32)
    points = np.concatenate([wide, wide + np.array([1, 0], np.float32)])
    axes, share = charts.discriminants(points, np.repeat([2, 5], 4))
    np.testing.assert_allclose(axes[:, 0], [10, 0], atol=1e-5)  # a class has a width of 0.1 along it
    np.testing.assert_allclose(share, [1, 0], atol=1e-6)


def test_curve_shows_every_row_of_its_table_with_the_error_around_it() -> None:
    table = Table("", ("k", "bound", "standard error", "effective draws"), ((1, 90.0, 0.5, 1.0), (10, 88.0, 0.4, 4.0)))
    left, right = figures.curve(table).axes
    np.testing.assert_array_equal(left.lines[0].get_xydata(), [[1, 90], [10, 88]])
    np.testing.assert_array_equal(right.lines[0].get_xydata(), [[1, 1], [10, 4]])
    band = left.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (pytest.approx(87.6), pytest.approx(90.5))
    assert left.get_xscale() == "log"
    assert [text.get_text() for text in left.texts] == ["90.00", "88.00"]


def test_anchors_are_sorted_and_ours_are_filled() -> None:
    axes = figures.anchors([("other", 86.76, "published"), ("own", 80.1, "ours"), ("best", 78.01, "published")]).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["best", "own", "other"]
    assert [line.get_xdata()[0] for line in axes.lines] == [78.01, 80.1, 86.76]
    assert [line.get_markerfacecolor() == "white" for line in axes.lines] == [True, False, True]
    assert axes.yaxis_inverted()  # the best on top


def test_losses_show_each_stage_and_the_terms_of_its_loss() -> None:
    log = []
    for epoch in (1.0, 2.0):
        for split in ("train", "validation"):
            terms = {"loss": 110 - epoch, "reconstruction": 90 - epoch, "kl": 20.0}
            log.append({"stage": "networks", "split": split, "epoch": epoch, **terms})
            log.append({"stage": "tightening", "split": split, "epoch": epoch, "loss": 108 - epoch})
            log.append({"stage": "prior", "split": split, "epoch": epoch, "loss": 5 - epoch})
    figure = figures.losses(log)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["networks: loss", "networks: reconstruction", "networks: kl", "tightening: loss", "prior: loss"]
    assert {axes.get_ylabel() for axes in figure.axes} == {"nats per image"}
    assert [line.get_label() for line in figure.axes[0].lines] == ["train", "validation"]
    np.testing.assert_array_equal(figure.axes[4].lines[1].get_ydata(), [4, 3])


def test_loss_that_is_one_term_is_shown_once() -> None:
    one = {"stage": "networks", "split": "train", "epoch": 1.0, "loss": 0.05, "reconstruction": 0.05}
    figure = figures.losses([one, one | {"epoch": 2.0, "loss": 0.04, "reconstruction": 0.04}])
    assert [axes.get_ylabel() for axes in figure.axes] == ["squared ink per pixel"]


def test_fall_at_the_start_does_not_flatten_the_rest_of_a_loss() -> None:
    log = [{"stage": "prior", "split": "train", "epoch": float(n), "loss": 20 + 1000 / n**3} for n in range(1, 101)]
    low, high = figures.losses(log).axes[0].get_ylim()
    assert low < 20 + 1000 / 100**3
    assert 21 < high < 22
