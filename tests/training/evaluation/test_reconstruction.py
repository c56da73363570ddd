"""Errors and similarities are held against closed forms and against a slow way to compute the same."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training import tiny
from training.data.mnist import to_pixels
from training.evaluation import reconstruction
from training.evaluation.metrics import Measurements
from training.evaluation.reconstruction import C1, C2, structural_similarity
from training.model.functions import Model, of_torch

PIXELS = to_pixels(tiny.mnist().test.images).numpy()
LABELS = tiny.mnist().test.labels.numpy()
PERFECT = Model(
    "ae",
    2,
    (0.1,) * 10,
    {"encoder": lambda images: (images.reshape(-1, 784),), "decoder": lambda z: (z.reshape(-1, 1, 28, 28),)},
)


def found(model: Model, pixels: NDArray[Any] = PIXELS, labels: NDArray[Any] = LABELS) -> Measurements:
    return reconstruction.reconstruction(model, pixels, labels, PIXELS)


def test_error_of_a_constant_image_is_its_mean_square() -> None:
    metrics = found(tiny.blind_vae(logit=0.0)).metrics  # every pixel is one half
    each = np.square(PIXELS - 0.5, dtype=np.float64).mean((1, 2, 3))
    assert metrics["reconstruction_mse"].value == pytest.approx(each.mean(), rel=1e-6)
    assert metrics["reconstruction_psnr"].value == pytest.approx(np.mean([-10 * math.log10(mse) for mse in each]))
    flat = PIXELS.reshape(len(PIXELS), -1)
    pca = reconstruction.pca_mse(flat, flat, 2)
    assert metrics["reconstruction_mse_over_pca"].value == pytest.approx(each.mean() / pca, rel=1e-6)


def test_perfect_reconstruction_has_finite_figures() -> None:
    metrics = found(PERFECT).metrics
    assert metrics["reconstruction_mse"].value == 0
    assert metrics["reconstruction_psnr"].value == pytest.approx(100)
    assert metrics["reconstruction_ssim"].value == pytest.approx(1)


def test_figures_by_digit_are_parts_of_the_whole() -> None:
    measured = found(of_torch(tiny.autoencoder("vae")))
    table = measured.tables["reconstruction_by_digit"]
    assert [row[0] for row in table.rows] == list("0123456789")
    images = np.array([row[1] for row in table.rows])
    assert images.sum() == len(PIXELS)
    for column, name in enumerate(("mse", "psnr", "ssim"), start=2):
        whole = images @ np.array([row[column] for row in table.rows]) / len(PIXELS)
        assert measured.metrics[f"reconstruction_{name}"].value == pytest.approx(whole)
    assert table.rows[3][2] != table.rows[4][2]


def test_digit_that_is_not_there_has_no_row() -> None:
    own = LABELS == 6
    table = found(PERFECT, PIXELS[own], LABELS[own]).tables["reconstruction_by_digit"]
    assert [row[:2] for row in table.rows] == [("6", own.sum())]


def test_worst_images_come_first_with_their_rows() -> None:
    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        images = latents.reshape(-1, 1, 28, 28).copy()
        damage = {17: 0.5, 4: 0.25}
        for row, ink in damage.items():
            images[row, 0, 0, :] += ink  # paper in every digit
        return (images,)

    damaged = Model("ae", 2, (0.1,) * 10, PERFECT.functions | {"decoder": decoder})
    rows = found(damaged).tables["reconstruction_worst"].rows
    assert len(rows) == 100
    assert rows[0] == (17, LABELS[17], pytest.approx(0.25 / 28))
    assert rows[1] == (4, LABELS[4], pytest.approx(0.0625 / 28))
    assert [row[0] for row in rows[2:5]] == [0, 1, 2]  # equals keep their order


def test_equal_images_are_wholly_similar() -> None:
    np.testing.assert_allclose(structural_similarity(PIXELS[:9, 0], PIXELS[:9, 0]), 1, rtol=1e-12)


def test_similarity_of_two_greys_is_that_of_their_brightness() -> None:
    dark, light = np.full((1, 28, 28), 0.75), np.full((1, 28, 28), 0.25)
    wanted = (2 * 0.75 * 0.25 + C1) / (0.75**2 + 0.25**2 + C1)
    assert structural_similarity(dark, light)[0] == pytest.approx(wanted, rel=1e-9)


def test_similarity_in_one_window_is_that_of_the_formula() -> None:
    spot = np.zeros((1, 11, 11))
    spot[0, 5, 5] = 1
    mean = (1 / sum(math.exp(-(k**2) / 4.5) for k in range(-5, 6))) ** 2  # the weight of the middle
    variance = mean - mean**2
    empty = C1 / (mean**2 + C1) * C2 / (variance + C2)
    assert structural_similarity(spot, np.zeros_like(spot))[0] == pytest.approx(empty, rel=1e-9)
    brightness = (2 * mean * (1 - mean) + C1) / (mean**2 + (1 - mean) ** 2 + C1)
    negative = brightness * (-2 * variance + C2) / (2 * variance + C2)
    assert structural_similarity(spot, 1 - spot)[0] == pytest.approx(negative, rel=1e-9)


def test_similarity_is_the_mean_over_every_window_that_fits() -> None:
    x, y = PIXELS[0, 0].astype(float), PIXELS[1, 0].astype(float)
    line = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    weights = np.outer(line, line) / line.sum() ** 2
    values = []
    for top in range(18):
        for left in range(18):
            a, b = (part[top : top + 11, left : left + 11] for part in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            spread = (weights * (a - mean_a) ** 2).sum() + (weights * (b - mean_b) ** 2).sum()
            both = (weights * (a - mean_a) * (b - mean_b)).sum()
            brightness = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
            values.append(brightness * (2 * both + C2) / (spread + C2))
    assert structural_similarity(PIXELS[:1, 0], PIXELS[1:2, 0])[0] == pytest.approx(np.mean(values), rel=1e-9)


def test_principal_components_leave_the_smaller_variances() -> None:
    axes = np.array([[3, 0, 0], [0, 2, 0], [0, 0, 1]], np.float32)
    points = np.concatenate([axes, -axes]) + 5  # (6, 3): variances 3, 4/3 and 1/3 about the mean (5, 5, 5)
    assert reconstruction.pca_mse(points, points, 1) == pytest.approx((4 / 3 + 1 / 3) / 3)
    assert reconstruction.pca_mse(points, points, 2) == pytest.approx(1 / 9)
    assert reconstruction.pca_mse(points, points + np.array([0, 0, 1], np.float32), 2) == pytest.approx(1 / 9 + 1 / 3)
