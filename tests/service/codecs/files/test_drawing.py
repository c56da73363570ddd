"""Pixels become files that others can read."""

import io

import numpy as np
import pytest
from PIL import Image

from service.codecs.files.drawing import encode_grid, encode_pngs, grid
from tests.support.image_files import DIGIT, pixels, unit


def test_an_encoded_image_comes_back_rounded_to_8_bits() -> None:
    image = np.random.default_rng(0).random((28, 28), dtype=np.float32)
    assert np.array_equal(pixels(encode_pngs(image[None])[0]), unit(np.rint(255 * image)))


def test_encoding_rounds_and_stays_in_range() -> None:
    image = np.full((28, 28), 0.5, np.float32)
    image[0, :4] = (-0.2, 1.2, 0.4999 / 255, 0.5001 / 255)
    assert np.array_equal((pixels(encode_pngs(image[None])[0]) * 255)[0, :5], (0, 255, 0, 1, 128))


def test_a_grid_is_encoded_as_its_cells_are() -> None:
    images = np.random.default_rng(0).random((5, 28, 28), dtype=np.float32)
    with Image.open(io.BytesIO(encode_grid(images, 3))) as picture:
        found = np.asarray(picture)
    assert np.array_equal(found, grid(np.rint(255 * images), 3))
    one = encode_pngs(images)[4]
    assert np.array_equal(found[28:, 28:56], np.rint(255 * pixels(one)))


def test_equal_pixels_give_equal_bytes_that_other_readers_understand() -> None:
    image = unit(DIGIT)
    assert encode_pngs(image[None])[0] == encode_pngs(image[None].copy())[0]
    with Image.open(io.BytesIO(encode_pngs(image[None])[0])) as picture:
        assert picture.mode == "L"
        assert np.array_equal(np.asarray(picture), DIGIT)


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (9, 3), (10, 4), (64, 8), (65, 9)]
)
def test_a_grid_is_nearly_square_unless_columns_are_asked_for(count: int, columns: int) -> None:
    assert grid(np.ones((count, 28, 28), np.float32)).shape == (-(-count // columns) * 28, columns * 28)


@pytest.mark.parametrize(("columns", "shape"), [(1, (140, 28)), (2, (84, 56)), (5, (28, 140)), (7, (28, 196))])
def test_a_grid_reads_left_to_right_and_its_missing_cells_are_paper(columns: int, shape: tuple[int, int]) -> None:
    images = np.arange(1, 6, dtype=np.float32)[:, None, None] * np.ones((28, 28), np.float32)
    images[:, 0, 27] = 9  # so that a cell turned or mirrored is seen
    laid = grid(images, columns)
    assert laid.shape == shape
    for cell in range(laid.size // 784):
        row, column = divmod(cell, columns)
        found = laid[row * 28 : row * 28 + 28, column * 28 : column * 28 + 28]
        assert np.array_equal(found, images[cell] if cell < 5 else np.zeros((28, 28)))
