"""Pixels of any size become 28×28 without inventing, losing or moving more ink than the rules say."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from service.codecs.framing import Fit, FloatArray, frame
from service.errors import InvalidImage
from tests.support import digits


def real_digits() -> FloatArray:
    return digits.images().astype(np.float32) / np.float32(255)


def random_pixels(height: int, width: int, seed: int = 0) -> FloatArray:
    return (np.random.default_rng(seed).integers(0, 256, (height, width)) / 255).astype(np.float32)


@pytest.mark.parametrize("fit", ["resize", "exact"])
def test_28x28_stays_untouched_to_the_bit(fit: Fit) -> None:
    pixels = random_pixels(28, 28)
    assert frame(pixels, fit).tobytes() == pixels.tobytes()


@pytest.mark.parametrize("shape", [(27, 28), (28, 29), (1, 1), (56, 56)])
def test_exact_refuses_any_other_size_and_names_it(shape: tuple[int, int]) -> None:
    with pytest.raises(InvalidImage, match=f"{shape[1]}x{shape[0]}") as refusal:
        frame(np.zeros(shape, np.float32), "exact")
    assert refusal.value.code == "wrong_size"


@pytest.mark.parametrize("factor", [2, 3, 4, 9, 73])
def test_resize_undoes_an_enlargement_by_whole_pixels(factor: int) -> None:
    pixels = random_pixels(28, 28)
    assert np.array_equal(frame(np.kron(pixels, np.ones((factor, factor), np.float32)), "resize"), pixels)


def test_resize_averages_what_a_pixel_covers() -> None:
    # 42 rows to 28: every two new rows cover three old ones, the middle one half each.
    rows = random_pixels(42, 1)
    expected = np.stack([(rows[0::3] + rows[1::3] / 2) / 1.5, (rows[1::3] / 2 + rows[2::3]) / 1.5], axis=1).ravel()
    resized = frame(np.tile(rows, (1, 42)), "resize")
    np.testing.assert_allclose(resized, np.tile(expected[:, None], (1, 28)), atol=1e-6)


def test_resize_enlarges_a_small_image_to_flat_blocks() -> None:
    pixels = random_pixels(2, 2)
    assert np.array_equal(frame(pixels, "resize"), np.kron(pixels, np.ones((14, 14), np.float32)))


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((10, 56), slice(11, 16), slice(0, 28)),
        ((56, 10), slice(0, 28), slice(11, 16)),
        ((1, 2048), slice(13, 14), slice(0, 28)),
        ((2048, 1), slice(0, 28), slice(13, 14)),
        ((14, 7), slice(0, 28), slice(7, 21)),
    ],
)
def test_resize_keeps_the_aspect_and_pads_with_paper(shape: tuple[int, int], rows: slice, columns: slice) -> None:
    expected = np.zeros((28, 28), np.float32)
    expected[rows, columns] = 1
    assert np.array_equal(frame(np.ones(shape, np.float32), "resize"), expected)


@pytest.mark.parametrize("side", [5, 29, 100, 1000])
def test_resize_keeps_the_mean_ink(side: int) -> None:
    pixels = random_pixels(side, side)
    assert frame(pixels, "resize").mean() == pytest.approx(pixels.mean(), abs=1e-6)


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    fit=st.sampled_from(["resize", "mnist"]),
    seed=st.integers(0, 9),
)
def test_every_shape_gives_28x28_in_range(height: int, width: int, fit: Fit, seed: int) -> None:
    framed = frame(random_pixels(height, width, seed), fit)
    assert framed.shape == (28, 28)
    assert framed.dtype == np.float32
    assert framed.flags.c_contiguous
    assert 0 <= framed.min() <= framed.max() <= 1


def test_mnist_leaves_a_real_digit_nearly_as_it_is() -> None:
    """Its box is 20×20 and centred already; what is lost are pixels fainter than 0.15 on the rim of the box."""
    pixels = real_digits()
    errors = np.array([np.abs(frame(digit, "mnist") - digit).mean() for digit in pixels])
    assert np.median(errors) == 0
    assert errors.mean() < 0.001


def test_mnist_brings_a_digit_back_that_was_enlarged_and_moved() -> None:
    """Mean absolute error 0.0006 over the digits; one whose centre of mass lies between two pixels may move by one."""
    errors = []
    for digit in real_digits():
        field = np.zeros((200, 170), np.float32)
        field[60:172, 5:117] = np.kron(digit, np.ones((4, 4), np.float32))
        errors.append(np.abs(frame(field, "mnist") - digit).mean())
    assert np.mean(errors) < 0.002
    assert np.mean(np.array(errors) < 0.001) > 0.75


@pytest.mark.parametrize("ink", [0, 1e-45, 1e-38, 1e-7])
def test_mnist_leaves_blank_paper_blank(ink: float) -> None:
    field = np.zeros((50, 90), np.float32)
    field[3, 5] = field[40, 80] = ink
    assert not frame(field, "mnist").any()


def test_mnist_finds_the_faintest_ink_that_a_file_can_hold() -> None:
    assert frame(np.eye(90, dtype=np.float32) / np.float32(65535), "mnist").any()


def test_mnist_scales_the_ink_to_20_and_puts_its_centre_of_mass_on_pixel_14() -> None:
    field = np.zeros((100, 100), np.float32)
    field[80:90, 3:6] = 1  # 10 by 3 becomes 20 by 6, centred between two pixels: the upper left of both ways
    framed = frame(field, "mnist")
    rows, columns = framed.nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 23, 11, 16)
    assert np.array_equal(framed[4:24, 11:17], np.ones((20, 6)))


def test_mnist_keeps_all_ink_inside_when_its_mass_is_at_one_end() -> None:
    field = np.zeros((20, 20), np.float32)
    field[:, 9:11] = 0.2
    field[0, :] = 1  # the centre of mass is near row 3, and 20 rows below row 14 − 3 would not fit
    framed = frame(field, "mnist")
    assert framed[8:28, 4:24].tobytes() == field.tobytes()
    assert framed.sum() == field.sum()


def test_faint_noise_does_not_widen_the_box_of_the_ink() -> None:
    field = np.zeros((60, 60), np.float32)
    field[20:40, 20:40] = 1
    clean = frame(field, "mnist")
    field[0, 0] = field[59, 59] = 0.14
    assert np.array_equal(frame(field, "mnist"), clean)
