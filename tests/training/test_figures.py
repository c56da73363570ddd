"""Pictures show what they say: ink is dark, rows are labels, equal models give equal files, and none is large."""

import argparse
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from tests.training import tiny
from training import draw, figures
from training.errors import ExportError, ResumeError
from training.model import Model, of_torch

TEST = tiny.mnist().test


def model(kind: str) -> Model:
    return of_torch(tiny.autoencoder(kind))


def drawn(*arguments: object) -> str:
    parser = argparse.ArgumentParser()
    draw.add_arguments(parser)
    return draw.run(parser.parse_args(list(map(str, arguments))))


def shown(figure) -> np.ndarray:
    """The ink of a figure's first grid of digits."""
    return figure.axes[0].images[0].get_array()


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = tiny.mnist()  # read before the reader is replaced
    monkeypatch.setattr(draw.data, "load", lambda directory: sample)


@pytest.mark.parametrize("kind", ["ae", "vae"])
@pytest.mark.parametrize("picture", draw.PICTURES)
def test_picture_is_drawn_from_a_bundle_and_small(picture, kind, tmp_path):
    path = tmp_path / "new" / "picture.png"
    assert drawn(picture, tiny.bundle(kind), "--out", path) == str(path)
    image = matplotlib.image.imread(path)
    assert image.shape[1] >= 300
    np.testing.assert_array_equal(image[0, 0, :3], 1)  # white paper
    assert path.stat().st_size < 250_000  # untrained: most of it is noise


def test_same_model_gives_the_same_bytes(tmp_path):
    for name in ("one.png", "two.png"):
        figures.save(figures.latents(model("vae"), TEST), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_grid_puts_every_image_at_its_row_and_column():
    images = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((28, 28), np.float32)
    figure = figures._figure(3, 2)
    figures._grid(figure.subplots(), images)
    mosaic = shown(figure)
    assert mosaic.shape == (58, 88)
    np.testing.assert_array_equal(mosaic[:28, :28], 0)
    np.testing.assert_array_equal(mosaic[30:, 60:], 5)
    np.testing.assert_array_equal(mosaic[28:30], 0)


def test_reconstructions_stand_below_their_digits():
    mosaic = shown(figures.reconstructions(model("ae"), TEST))
    three = figures._pixels(TEST, 3)[:1]
    np.testing.assert_array_equal(mosaic[:28, 90:118], three[0, 0])
    rebuilt = model("ae").decode(model("ae").encode(three)[0])[0]
    np.testing.assert_allclose(mosaic[30:58, 90:118], rebuilt[0, 0], atol=1e-5)


def test_rows_of_samples_are_labels():
    asked = []

    def prior(noise, labels):
        asked.append(labels)
        return (noise,)

    stub = Model("ae", 3, (0.1,) * 10, model("ae").functions | {"prior": prior})
    figure = figures.samples(stub, columns=4)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list("0123456789")
    np.testing.assert_array_equal(asked[0].reshape(10, 4), np.arange(10)[:, None].repeat(4, 1))


def test_three_dimensions_are_shown_in_pairs_and_more_in_principal_components():
    assert len(figures.latents(model("ae"), TEST).axes) == 3
    functions = {"encoder": lambda images: (images.reshape(len(images), -1)[:, 300:308], None)}
    wide = figures.latents(Model("ae", 8, (0.1,) * 10, functions), TEST)
    assert len(wide.axes) == 1
    assert wide.axes[0].get_xlabel().startswith("principal component 1 (")


def test_principal_axes_do_not_flip_with_the_sign_of_the_decomposition():
    functions = {"encoder": lambda images: (images.reshape(len(images), -1)[:, 300:308], None)}
    points = figures.latents(Model("ae", 8, (0.1,) * 10, functions), TEST).axes[0].collections[0].get_offsets()
    negative = {"encoder": lambda images: (-images.reshape(len(images), -1)[:, 300:308], None)}
    mirrored = figures.latents(Model("ae", 8, (0.1,) * 10, negative), TEST).axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, -mirrored, atol=1e-5)


def test_traversal_moves_one_dimension_a_row():
    moved = []

    def decoder(latents):
        moved.append(latents)
        return model("ae").functions["decoder"](latents)

    figures.traversal(Model("ae", 3, (0.1,) * 10, model("ae").functions | {"decoder": decoder}), TEST, columns=5)
    rows = moved[0].reshape(3, 5, 3)
    changing = (np.ptp(rows, axis=1) > 0).sum(1)  # dimensions that change along each row
    np.testing.assert_array_equal(changing, 1)


def test_random_points_of_an_autoencoder_are_also_drawn_among_its_codes(tmp_path):
    figure = figures.random_points(figures.with_and_without_prior(model("ae"), TEST))
    assert len(figure.axes) == 3
    assert len(figures.random_points(figures.with_and_without_prior(model("vae"), TEST)).axes) == 2
    drawn("random", tiny.bundle("ae"), tiny.bundle("vae"), "--out", tmp_path / "random.png")
    assert (tmp_path / "random.png").stat().st_size < 250_000


def test_losses_show_each_stage_and_the_terms_of_its_loss():
    log = []
    for epoch in (1.0, 2.0):
        for split in ("train", "validation"):
            terms = {"loss": 110 - epoch, "reconstruction": 90 - epoch, "kl": 20.0}
            log.append({"stage": "networks", "split": split, "epoch": epoch, **terms})
            log.append({"stage": "prior", "split": split, "epoch": epoch, "loss": 5 - epoch})
    figure = figures.losses(log)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["networks: loss", "networks: reconstruction", "networks: kl", "prior: loss"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["train", "validation"]
    np.testing.assert_array_equal(figure.axes[3].lines[1].get_ydata(), [4, 3])


def test_loss_that_is_one_term_is_shown_once():
    one = {"stage": "networks", "split": "train", "epoch": 1.0, "loss": 0.05, "reconstruction": 0.05}
    figure = figures.losses([one, one | {"epoch": 2.0, "loss": 0.04, "reconstruction": 0.04}])
    assert [axes.get_ylabel() for axes in figure.axes] == ["squared ink per pixel"]


def test_fall_at_the_start_does_not_flatten_the_rest_of_a_loss():
    log = [{"stage": "prior", "split": "train", "epoch": float(n), "loss": 20 + 1000 / n**3} for n in range(1, 101)]
    low, high = figures.losses(log).axes[0].get_ylim()
    assert low < 20 + 1000 / 100**3
    assert 21 < high < 22


def test_losses_of_what_is_no_run_are_a_clear_error(tmp_path):
    with pytest.raises(ResumeError):
        drawn("losses", tmp_path, "--out", tmp_path / "losses.png")


def test_one_picture_is_of_one_model(tmp_path: Path):
    with pytest.raises(ExportError, match="picture of one model"):
        drawn("samples", tiny.bundle("ae"), tiny.bundle("vae"), "--out", tmp_path / "samples.png")
