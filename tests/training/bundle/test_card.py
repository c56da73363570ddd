"""A card says what a bundle is and how good, for people: every figure, every picture, and how it was trained."""

import re

import pytest

from models.manifest import Kind, Metric
from tests.training import tiny
from training.bundle import card
from training.bundle.files import open_bundle
from training.config import Tightening
from training.evaluation.metrics import Measurements, Table


def test_card_states_every_figure_and_shows_pictures_that_exist() -> None:
    bundle = tiny.bundle("vae")
    text = (bundle / "CARD.md").read_text()
    manifest, _ = open_bundle(bundle)
    for name, metric in manifest.metrics.items():
        assert f"| `{name}` | {metric.value:.4g} | {metric.unit} |" in text
    pictures = re.findall(r"\]\((figures/[a-z]+\.png)\)", text)
    assert len(pictures) == 11
    assert all((bundle / picture).is_file() for picture in pictures)
    assert "CC BY-SA 3.0" in text
    for section in ("What it is", "Data", "Training", "Figures", "Limits", "Licence"):
        assert f"## {section}\n" in text


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_card_tells_how_it_was_trained_where_the_run_is_known(kind: Kind) -> None:
    meta = {"epochs": {"networks": 3, "prior": 2}, "wall_seconds": 90.0, "machine": "an abacus"}
    meta |= {"train_rows": 55000, "validation_rows": 5000}
    lines = card.account(tiny.config(kind), meta)
    assert "784-16-3" in lines[0]
    assert "3 epochs of the networks, 2 epochs of the prior: 1.5 minutes on an abacus." in lines


def test_card_tells_of_a_last_stage_on_a_tighter_bound() -> None:
    config = tiny.config("vae")
    tightening = Tightening(draws=5, training=config.training)
    config = config.model_copy(update={"objective": config.objective.model_copy(update={"tightening": tightening})})
    meta = {"epochs": {}, "wall_seconds": 90.0, "machine": "an abacus", "train_rows": 1, "validation_rows": 1}
    assert "importance-weighted bound of 5 latents an image" in card.account(config, meta)[1]


def test_card_of_an_autoencoder_warns_of_decoding_noise() -> None:
    text = (tiny.bundle("ae") / "CARD.md").read_text()
    assert "not by decoding noise" in text
    assert "Nats are" not in text


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_questions_stand_in_the_order_of_a_reader(kind: Kind) -> None:
    likelihood = ["Likelihood"] if kind == "vae" else []
    questions = [*likelihood, "Reconstruction", "Latents", "Samples", "Train on synthetic", "Memorisation", "Cost"]
    assert re.findall(r"^### (.*)$", (tiny.bundle(kind) / "CARD.md").read_text(), re.M) == questions


def test_card_has_a_heading_for_each_kind_of_question() -> None:
    table = Table("Rows of two", ("name", "count", "share"), (("one", 1, 0.123456), ("two", 22, 0.5)))
    metric = Metric(value=12.34567, unit="nats", meaning="told")
    text = card.section("Latents", Measurements({"kl": metric}, {"by_digit": table}))
    assert text.splitlines() == [
        "### Latents",
        "",
        "| figure | value | unit | meaning |",
        "| --- | ---: | --- | --- |",
        "| `kl` | 12.35 | nats | told |",
        "",
        "`by_digit`: Rows of two.",
        "",
        "| name | count | share |",
        "| --- | ---: | ---: |",
        "| one | 1 | 0.1235 |",
        "| two | 22 | 0.5 |",
    ]


def test_long_table_is_cut_and_says_so() -> None:
    rows = tuple((row,) for row in range(25))
    text = card.section("Latents", Measurements(tables={"many": Table("Rows", ("row",), rows)}))
    assert "`many`: Rows. The first 20 of 25 rows." in text
    assert text.endswith("| 19 |")
