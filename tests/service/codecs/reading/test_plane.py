"""One grey of all colours."""

import numpy as np
import pytest

from service.codecs.reading import plane


def coloured(paper: tuple[int, ...], ink: tuple[int, ...]) -> np.ndarray:
    picture = np.full((60, 60, 3), paper, np.uint8)
    picture[20:40, 25:35] = ink
    return picture


@pytest.mark.parametrize(
    ("paper", "ink"),
    [((255, 255, 255), (60, 80, 220)), ((128, 128, 128), (230, 51, 51)), ((240, 230, 100), (200, 25, 130))],
    ids=["blue on white", "red on grey of the same luminance", "magenta on yellow"],
)
def test_ink_stands_out_more_than_in_luminance(paper: tuple[int, ...], ink: tuple[int, ...]) -> None:
    grey = plane.mixed(coloured(paper, ink))
    luma = np.array([0.299, 0.587, 0.114])
    assert abs(float(grey[30, 30]) - float(grey[5, 5])) > abs(float(luma @ ink) - float(luma @ paper))
    assert 0 <= grey.min() <= grey.max() <= 255


def test_white_on_blue_stays_light_on_dark() -> None:
    grey = plane.mixed(coloured((50, 80, 200), (255, 255, 230)))
    assert grey[30, 30] > grey[5, 5] + 100


def test_grey_in_three_channels_is_grey() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 1), dtype=np.uint8).repeat(3, axis=2)
    assert (plane.mixed(picture) == picture[..., 0]).all()


def test_ink_is_on_the_side_that_is_further_from_the_rim() -> None:
    page = np.full((50, 50), 200, np.float32)
    page[20:30, 20:30] = 20
    assert plane.levels(page) == (200, 20, 200)
    assert plane.levels(page).is_ink_dark
    assert not plane.levels(255 - page).is_ink_dark


@pytest.mark.parametrize("shade", [0, 255])
def test_strokes_alone_on_transparency_are_laid_on_the_other_end(shade: int) -> None:
    alpha = np.zeros((40, 40), np.float32)
    alpha[10:30, 18:22] = 1
    laid = plane.opaque(np.full((40, 40), shade, np.uint8), alpha)
    assert set(laid[alpha == 0]) == {255 - shade}
    assert set(laid[alpha == 1]) == {shade}


def test_a_card_lends_its_paper_to_what_is_transparent() -> None:
    card = np.full((60, 60, 3), 240, np.uint8)
    card[25:35, 28:32] = 10
    alpha = np.zeros((60, 60), np.float32)
    alpha[8:52, 8:52] = 1
    laid = plane.opaque(card, alpha)
    assert (laid[alpha == 0] == 240).all()
