"""Pictures show what they say: rows are labels, the worst comes first, and equal models give equal files."""

import numpy as np
import pytest

from tests.training import tiny
from training import figures
from training.data import to_pixels
from training.evaluation.findings import Table
from training.figures import canvas, charts
from training.model import Model, of_torch

TEST = tiny.mnist().test


def model(kind: str) -> Model:
    return of_torch(tiny.autoencoder(kind))


def shown(figure) -> np.ndarray:
    """The ink of a figure's first grid of digits."""
    return figure.axes[0].images[0].get_array()


def test_same_model_gives_the_same_bytes(tmp_path):
    for name in ("one.png", "two.png"):
        figures.save(figures.latents(model("vae"), TEST), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_grid_puts_every_image_at_its_row_and_column():
    images = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((28, 28), np.float32)
    figure = canvas.blank(3, 2)
    canvas.grid(figure.subplots(), images)
    mosaic = shown(figure)
    assert mosaic.shape == (58, 88)
    np.testing.assert_array_equal(mosaic[:28, :28], 0)
    np.testing.assert_array_equal(mosaic[30:, 60:], 5)
    np.testing.assert_array_equal(mosaic[28:30], 0)


def test_notes_stand_below_their_images():
    images = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((58, 28), np.float32)
    axes = canvas.blank(3, 2).subplots()
    canvas.grid(axes, images, list("abcdef"))
    assert axes.images[0].get_array().shape == (2 * 58 + 10 + 8, 88)
    (last,) = (text for text in axes.texts if text.get_text() == "f")
    assert last.get_position() == (60 + 14, 68 + 58)


def test_short_last_row_of_a_gallery_is_filled_with_paper():
    axes = canvas.blank(3, 2).subplots()
    canvas.gallery(axes, np.ones((3, 28, 28), np.float32), 2)
    mosaic = axes.images[0].get_array()
    assert mosaic.shape == (58, 58)
    np.testing.assert_array_equal(mosaic[30:, :28], 1)
    np.testing.assert_array_equal(mosaic[30:, 28:], 0)


def test_worst_reconstructions_come_first_each_over_its_own():
    axes = figures.worst(model("ae"), TEST).axes[0]
    pixels = to_pixels(TEST.images).numpy()
    rebuilt = model("ae").decode(model("ae").encode(pixels)[0])[0]
    worst = np.square(pixels - rebuilt).mean((1, 2, 3)).argmax()
    mosaic = axes.images[0].get_array()
    np.testing.assert_array_equal(mosaic[:28, :28], pixels[worst, 0])
    np.testing.assert_allclose(mosaic[30:58, :28], rebuilt[worst, 0], atol=1e-5)
    assert len(axes.texts) == 100
    assert axes.texts[0].get_text() == str(int(TEST.labels[worst]))
    assert axes.get_title(loc="left").startswith("The 100 worst reconstructions of 300 ")


def test_doubted_samples_are_those_least_likely_of_the_label_asked_for():
    """A model whose samples are 0.9 likely to be what was asked, but for a ten of fours that look like nines."""

    def prior(noise, labels):
        odd = (labels == 4) & (np.arange(len(labels)) < 100)
        return (np.where(odd, 9, labels)[:, None].astype(np.float32),)

    def density(latents):
        likely = latents.astype(int) == np.arange(10)
        return (np.log(np.where(likely, 0.9, 0.1 / 9)).astype(np.float32),)

    def decoder(latents):
        return (np.broadcast_to(latents[:, :, None, None] / 9, (len(latents), 1, 28, 28)),)

    functions = {"prior": prior, "density": density, "decoder": decoder}
    axes = figures.doubtful(Model("ae", 1, (0.1,) * 10, functions)).axes[0]
    notes = [text.get_text() for text in axes.texts]
    assert notes[:11] == ["4: 1%"] * 10 + ["0: 90%"]
    assert len(notes) == 50
    np.testing.assert_array_equal(axes.images[0].get_array()[:28, :28], 1)  # it shows the nine that came out


def test_pairs_stand_over_each_other_and_one_may_be_missing():
    samples = np.arange(19, dtype=np.float32).reshape(19, 1, 1, 1) * np.ones((28, 28), np.float32)
    figure = figures.pairs(samples, samples + 100)
    mosaic = shown(figure)
    assert mosaic.shape == (4 * 30 - 2, 10 * 30 - 2)
    assert (mosaic[0, 90], mosaic[30, 90], mosaic[60, 0], mosaic[90, 0]) == (3, 103, 10, 110)
    np.testing.assert_array_equal(mosaic[60:, 270:], 0)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["sample", "training digit"] * 2


def test_line_between_two_digits_is_straight_and_holds_both_ends():
    decoded = []

    def decoder(latents):
        decoded.append(latents)
        return model("ae").functions["decoder"](latents)

    figure = figures.interpolation(Model("ae", 3, (0.1,) * 10, model("ae").functions | {"decoder": decoder}), TEST)
    lines = decoded[0].reshape(5, 11, 3)
    for row, label in ((0, 4), (1, 3)):
        np.testing.assert_allclose(lines[row, 0], model("ae").encode(canvas.of_label(TEST, label)[:1])[0][0], rtol=1e-5)
    np.testing.assert_allclose(lines[0, 10], model("ae").encode(canvas.of_label(TEST, 9)[:1])[0][0], rtol=1e-5)
    np.testing.assert_allclose(np.diff(lines, 2, axis=1), 0, atol=1e-5)
    assert figure.axes[0].get_yticklabels()[0].get_text() == "4 → 9"


def test_rows_of_temperatures_share_their_noise_and_columns_their_label():
    asked = []

    def prior(noise, labels):
        asked.append((noise, labels))
        return (noise,)

    stub = Model("ae", 3, (0.1,) * 10, model("ae").functions | {"prior": prior})
    figure = figures.temperatures(stub, labels=(1, 7), each=3)
    (cold, labels), *_, (warm, _) = asked
    np.testing.assert_allclose(cold, 0.2 * warm, rtol=1e-6)
    assert labels.tolist() == [1, 1, 1, 7, 7, 7]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["label 1", "label 7"]


def test_curve_shows_every_row_of_its_table_with_the_error_around_it():
    table = Table("", ("k", "bound", "standard error", "effective draws"), ((1, 90.0, 0.5, 1.0), (10, 88.0, 0.4, 4.0)))
    left, right = figures.curve(table).axes
    np.testing.assert_array_equal(left.lines[0].get_xydata(), [[1, 90], [10, 88]])
    np.testing.assert_array_equal(right.lines[0].get_xydata(), [[1, 1], [10, 4]])
    band = left.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (pytest.approx(87.6), pytest.approx(90.5))
    assert left.get_xscale() == "log"
    assert [text.get_text() for text in left.texts] == ["90.00", "88.00"]


def test_anchors_are_sorted_and_ours_are_filled():
    axes = figures.anchors([("other", 86.76, "published"), ("own", 80.1, "ours"), ("best", 78.01, "published")]).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["best", "own", "other"]
    assert [line.get_xdata()[0] for line in axes.lines] == [78.01, 80.1, 86.76]
    assert [line.get_markerfacecolor() == "white" for line in axes.lines] == [True, False, True]
    assert axes.yaxis_inverted()  # the best on top


def test_reconstructions_stand_below_their_digits():
    mosaic = shown(figures.reconstructions(model("ae"), TEST))
    three = canvas.of_label(TEST, 3)[:1]
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


def eight(sign: float = 1) -> Model:
    """A model whose latents are eight pixels of the image."""
    functions = {"encoder": lambda images: (np.float32(sign) * images.reshape(len(images), -1)[:, 300:308],)}
    return Model("ae", 8, (0.1,) * 10, functions)


def test_three_dimensions_are_shown_in_pairs_and_more_in_two_views():
    assert len(figures.latents(model("ae"), TEST).axes) == 3
    blind, seeking = figures.latents(eight(), TEST).axes
    assert blind.get_xlabel().startswith("principal component 1 (")
    assert seeking.get_ylabel().startswith("linear discriminant 2 (")


def test_views_do_not_flip_with_the_sign_of_a_decomposition():
    for axes, other in zip(figures.latents(eight(), TEST).axes, figures.latents(eight(-1), TEST).axes, strict=True):
        points, mirrored = axes.collections[0].get_offsets(), other.collections[0].get_offsets()
        np.testing.assert_allclose(points, -mirrored, atol=1e-4)


def test_every_second_digit_is_shown_and_the_others_give_the_view():
    means = eight().encode(to_pixels(TEST.images).numpy())[0]
    axes = figures.latents(eight(), TEST).axes[1]
    wanted = means[::2] @ charts.discriminants(means[1::2], TEST.labels.numpy()[1::2])[0]
    shown_points = np.concatenate([dots.get_offsets() for dots in axes.collections])
    assert len(shown_points) == 150
    np.testing.assert_allclose(shown_points[0], wanted[TEST.labels.numpy()[::2] == 0][0], rtol=1e-6)


def test_principal_component_is_the_direction_of_most_variance():
    points = np.float32([[3, 4], [-3, -4], [0.4, -0.3], [-0.4, 0.3]])
    axes, share = charts.principal_components(points)
    np.testing.assert_allclose(axes[:, 0], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(share, [50 / 50.5, 0.5 / 50.5], rtol=1e-6)


def test_discriminant_parts_the_classes_and_not_the_points():
    """Two classes apart along the first axis by little, both wide along the second: Fisher's own picture."""
    wide = np.float32([[0.1, 9], [-0.1, -9], [0.1, -9], [-0.1, 9]])
    points = np.concatenate([wide, wide + np.float32([1, 0])])
    axes, share = charts.discriminants(points, np.repeat([2, 5], 4))
    np.testing.assert_allclose(axes[:, 0], [10, 0], atol=1e-5)  # a class has a width of 0.1 along it
    np.testing.assert_allclose(share, [1, 0], atol=1e-6)


def test_traversal_moves_one_dimension_a_row():
    moved = []

    def decoder(latents):
        moved.append(latents)
        return model("ae").functions["decoder"](latents)

    figures.traversal(Model("ae", 3, (0.1,) * 10, model("ae").functions | {"decoder": decoder}), TEST, columns=5)
    rows = moved[0].reshape(3, 5, 3)
    changing = (np.ptp(rows, axis=1) > 0).sum(1)  # dimensions that change along each row
    np.testing.assert_array_equal(changing, 1)


def test_random_points_of_an_autoencoder_are_also_drawn_among_its_codes():
    figure = figures.random_points(figures.with_and_without_prior(model("ae"), TEST))
    assert len(figure.axes) == 3
    assert len(figures.random_points(figures.with_and_without_prior(model("vae"), TEST)).axes) == 2


def test_losses_show_each_stage_and_the_terms_of_its_loss():
    log = []
    for epoch in (1.0, 2.0):
        for split in ("train", "validation"):
            terms = {"loss": 110 - epoch, "reconstruction": 90 - epoch, "kl": 20.0}
            log.append({"stage": "networks", "split": split, "epoch": epoch, **terms})
            log.append({"stage": "tightening", "split": split, "epoch": epoch, "loss": 108 - epoch})
            log.append({"stage": "prior", "split": split, "epoch": epoch, "loss": 5 - epoch})
    figure = figures.losses(log)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["networks: loss", "networks: reconstruction", "networks: kl", "tightening: loss", "prior: loss"]
    assert {axes.get_ylabel() for axes in figure.axes} == {"nats per image"}
    assert [line.get_label() for line in figure.axes[0].lines] == ["train", "validation"]
    np.testing.assert_array_equal(figure.axes[4].lines[1].get_ydata(), [4, 3])


def test_loss_that_is_one_term_is_shown_once():
    one = {"stage": "networks", "split": "train", "epoch": 1.0, "loss": 0.05, "reconstruction": 0.05}
    figure = figures.losses([one, one | {"epoch": 2.0, "loss": 0.04, "reconstruction": 0.04}])
    assert [axes.get_ylabel() for axes in figure.axes] == ["squared ink per pixel"]


def test_fall_at_the_start_does_not_flatten_the_rest_of_a_loss():
    log = [{"stage": "prior", "split": "train", "epoch": float(n), "loss": 20 + 1000 / n**3} for n in range(1, 101)]
    low, high = figures.losses(log).axes[0].get_ylim()
    assert low < 20 + 1000 / 100**3
    assert 21 < high < 22
