"""The sheet that is written on."""

import numpy as np
import pytest
from PIL import Image

from service.codecs.reading import plane, sheet


def note(angle: float = 0) -> np.ndarray:
    """A light note with a dark stroke on a dark table."""
    paper = np.full((50, 50), 220, np.uint8)
    paper[15:35, 22:28] = 30
    return pasted(paper, angle)


def pasted(paper: np.ndarray, angle: float = 0) -> np.ndarray:
    card = Image.fromarray(paper).convert("LA").rotate(angle, expand=True)
    table = Image.new("L", (80, 80), 60)
    table.paste(card.getchannel(0), ((80 - card.width) // 2, (80 - card.height) // 2), card.getchannel(1))
    return np.asarray(table, np.float32)


@pytest.mark.parametrize("angle", [0, 4, -6])
def test_a_note_on_a_table_is_found_with_what_is_written_on_it(angle: float) -> None:
    picture = note(angle)
    found = sheet.find(picture, plane.levels(picture))
    assert found is not None
    assert found.paper == 220
    assert found.inside[40, 40]  # within the stroke
    assert not found.inside[5, 5]
    assert picture[found.inside].min() < 40
    assert np.isin(picture[found.inside], [60]).sum() == 0


def test_a_plain_page_is_no_sheet() -> None:
    page = np.full((80, 80), 220, np.float32)
    page[20:60, 35:45] = 30
    assert sheet.find(page, plane.levels(page)) is None


def test_a_thick_zero_is_no_sheet() -> None:
    rows, columns = np.mgrid[:80, :80]
    distance = np.hypot((rows - 40) / 38, (columns - 40) / 30)
    page = np.where((distance < 1) & (distance > 0.4), 20, 240).astype(np.float32)
    assert sheet.find(page, plane.levels(page)) is None


def test_a_shadow_over_half_the_page_is_no_sheet() -> None:
    page = np.full((80, 80), 220, np.float32)
    page[:, 40:] = 130
    page[20:60, 15:22] = 20
    assert sheet.find(page, plane.levels(page)) is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 80), (15, 15)])
def test_a_tiny_picture_has_no_sheet(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    assert sheet.find(picture, plane.levels(picture)) is None
