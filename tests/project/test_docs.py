"""What the scripts in docs/ make is what the pages show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


def run(*arguments: str | Path) -> str:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_scores_of_strangers_are_those_of_the_table() -> None:
    """Processors round a score differently; a tenth of a per cent is the last digit shown."""
    printed = rows(run("docs/make_strangers.py", "models/digits-vae/2"))
    shown = {name: figures for name, figures in rows(Path("docs/limits.md").read_text()).items() if name in printed}
    assert len(printed) == 9
    assert shown.keys() == printed.keys()
    for name, figures in printed.items():
        assert figures == pytest.approx(shown[name], abs=0.11), name


def rows(text: str) -> dict[str, list[float]]:
    """The figures of each table row by its name."""
    found = re.findall(r"^\| ([a-z0-9 ]+) \| (\d.*) \|$", text, re.M)
    return {name: [float(figure) for figure in re.findall(r"\d+\.\d", figures)] for name, figures in found}


def test_the_figures_of_pictures_are_drawn_at_the_size_shown(tmp_path: Path) -> None:
    pytest.importorskip("tqdm", reason="drawing needs the packages for development")
    run("docs/make_pictures.py", tmp_path)
    for name in ("pictures.png", "read.png"):
        with Image.open(tmp_path / name) as drawn, Image.open(Path("docs/figures") / name) as shown:
            assert drawn.size == shown.size
