"""Pictures made of a tiny MNIST."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.pictures import make
from tests.support import digits


def made(monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: str) -> dict[str, bytes]:
    """What was written, by folder and file."""
    monkeypatch.setattr(sys, "argv", ["make", str(digits.DIRECTORY), str(out), "--count", "1", *arguments])
    make.main()
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.glob("*/*"))}


def test_a_folder_a_kind_holds_pictures_named_by_number_and_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = made(monkeypatch, tmp_path, "--kinds", "canvas_black", "number")
    canvas, number = files
    kind, _, name = canvas.partition("/")
    assert (kind, name[:2], name[3:]) == ("canvas_black", "0_", ".png")
    assert number.startswith("number/0_")
    label = Path(number).stem.rpartition("_")[2]
    assert label.isdigit()
    assert 3 <= len(label) <= 8
    with Image.open(tmp_path / canvas) as picture:
        assert picture.size == (280, 280)
        assert np.ptp(np.asarray(picture)) == 255


def test_equal_seeds_give_equal_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, another = (
        made(monkeypatch, tmp_path / folder, "--kinds", "canvas_white", "coloured", "--seed", seed)
        for folder, seed in (("first", "3"), ("again", "3"), ("another", "4"))
    )
    assert first == again
    assert not set(first.values()) & set(another.values())


def test_a_kind_is_the_same_whichever_are_made_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = made(monkeypatch, tmp_path / "alone", "--kinds", "canvas_white")
    beside = made(monkeypatch, tmp_path / "beside", "--kinds", "coloured", "canvas_white")
    assert alone.items() < beside.items()
