"""The table of how well pictures are read."""

import sys
from pathlib import Path

import pytest

from benchmarks.pictures import __main__ as pictures
from benchmarks.pictures.__main__ import Score, table
from tests.support import digits


def test_a_row_a_kind_and_the_mean_of_the_kinds() -> None:
    found = table({"photo": Score(4, 0.75, 41.4, 3.25), "scan": Score(2, 1.0, None, 10.0)})
    assert found.splitlines()[2:] == [
        "| photo | 4 | 75.0% | 41 | 3.2 |",
        "| scan | 2 | 100.0% |  | 10.0 |",
        "| mean | 6 | 87.5% | | |",
    ]


def test_folders_are_judged_by_the_labels_in_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = digits.images(), digits.labels()
    for number, (image, label) in enumerate(zip(images[:4], labels[:4], strict=True)):
        for kind, said in (("right", label), ("wrong", (label + 1) % 10)):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / f"{number}_{said}.png").write_bytes(digits.png(image))
    monkeypatch.setattr(sys, "argv", ["pictures", str(tmp_path), "--fit", "exact"])
    pictures.main()
    rows = [line.split("|")[1:4] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["right", "4", "100.0%"],
        ["wrong", "4", "0.0%"],
        ["mean", "8", "50.0%"],
    ]


def test_a_number_is_right_only_if_each_of_its_digits_is(tmp_path: Path) -> None:
    image, label = digits.images()[0], digits.labels()[0]
    file = tmp_path / f"0_{label}{label}.png"
    file.write_bytes(digits.png(image))
    score = pictures.score([file], pictures.load("digits-vae"), "auto")
    assert (score.pictures, score.right) == (1, 0)
