"""Every picture is drawn by its name from a bundle: dark ink on white paper, and no large file."""

import argparse
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from models.manifest import Kind
from tests.training import tiny
from training.commands import draw
from training.errors import ExportError, ResumeError


def drawn(*arguments: object) -> str:
    parser = argparse.ArgumentParser()
    draw.add_arguments(parser)
    return draw.run(parser.parse_args(list(map(str, arguments))))


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = tiny.mnist()  # read before the reader is replaced
    monkeypatch.setattr(draw, "load_mnist", lambda directory: sample)


@pytest.mark.parametrize("kind", ["ae", "vae"])
@pytest.mark.parametrize("picture", draw.PICTURES)
def test_picture_is_drawn_from_a_bundle_and_small(picture: str, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "new" / "picture.png"
    assert drawn(picture, tiny.bundle(kind), "--out", path) == str(path)
    image = matplotlib.image.imread(path)
    assert image.shape[1] >= 300
    np.testing.assert_array_equal(image[0, 0, :3], 1)  # white paper
    assert path.stat().st_size < 250_000  # untrained: most of it is noise


def test_random_points_of_several_bundles_are_one_picture(tmp_path: Path) -> None:
    drawn("random", tiny.bundle("ae"), tiny.bundle("vae"), "--out", tmp_path / "random.png")
    assert (tmp_path / "random.png").stat().st_size < 250_000


def test_likelihoods_stand_beside_published_ones(tmp_path: Path) -> None:
    drawn("anchors", tiny.bundle("vae"), "--out", tmp_path / "anchors.png")
    assert (tmp_path / "anchors.png").stat().st_size < 250_000
    with pytest.raises(ExportError, match="tiny-ae states no likelihood"):
        drawn("anchors", tiny.bundle("ae"), "--out", tmp_path / "none.png")


def test_losses_of_what_is_no_run_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ResumeError):
        drawn("losses", tmp_path, "--out", tmp_path / "losses.png")


def test_one_picture_is_of_one_model(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="picture of one model"):
        drawn("samples", tiny.bundle("ae"), tiny.bundle("vae"), "--out", tmp_path / "samples.png")
