"""Pictures as people send them, a folder a kind: the default model sees the digits that were written."""

import statistics
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pytest

import models
from models import bundle
from service.codecs.files import images
from service.codecs.files.header import ImageLimits
from service.codecs.framing import FloatArray
from service.engine.model import Model

FILES: Final = sorted((Path(__file__).parents[3] / "data" / "pictures").glob("*/*"))
KINDS: Final = sorted({file.parent.name for file in FILES})
LIMITS: Final = ImageLimits(max_bytes=1 << 20)


class Seen(NamedTuple):
    """label: of the digits that were written. seen: that the model sees. elbos: of each digit, in percentiles."""

    kind: str
    label: str
    seen: str
    elbos: list[float]


@pytest.fixture(scope="module")
def model() -> Model:
    (directory,) = bundle.find(Path(models.__file__).parent, ["digits-vae"])
    return Model(bundle.load(directory), device="cpu", threads=1, max_batch_rows=64)


@pytest.fixture(scope="module")
def seen(model: Model) -> list[Seen]:
    return [look(model, file) for file in FILES]


def look(model: Model, file: Path) -> Seen:
    label = file.stem.rpartition("_")[2]
    found = images.read(file.read_bytes(), fit="auto", invert="auto", limits=LIMITS, split=len(label) > 1)
    pixels = found.pixels[:, np.newaxis]
    return Seen(file.parent.name, label, labels(model, pixels), model.reconstruct(pixels).percentiles["elbo"].tolist())


def labels(model: Model, pixels: FloatArray) -> str:
    """Of each image (n, 1, 28, 28) the one with the largest p(label given z) at the posterior's mean."""
    latents, classes = model.encode(pixels).mean, model.manifest.classes
    shares = [model.confidence(latents, np.full(len(latents), label)) for label in range(len(classes))]
    return "".join(classes[i] for i in np.argmax(shares, axis=0))


def test_there_are_three_pictures_of_each_kind() -> None:
    assert len(KINDS) >= 23
    assert len(FILES) == 3 * len(KINDS)


def test_at_least_95_of_100_digits_are_seen_as_what_they_are(seen: list[Seen]) -> None:
    single = [picture for picture in seen if len(picture.label) == 1]
    wrong = [picture for picture in single if picture.seen != picture.label]
    assert len(wrong) <= 0.05 * len(single), wrong


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "number"])
def test_two_of_three_are_right_in_each_kind(seen: list[Seen], kind: str) -> None:
    of_kind = [picture for picture in seen if picture.kind == kind]
    assert sum(picture.seen == picture.label for picture in of_kind) >= 2, of_kind


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_takes_them_for_digits_like_those_it_knows(seen: list[Seen], kind: str) -> None:
    assert statistics.median(elbo for picture in seen if picture.kind == kind for elbo in picture.elbos) >= 10


def test_a_number_gives_as_many_rows_as_it_has_digits(seen: list[Seen]) -> None:
    numbers = [picture for picture in seen if picture.kind == "number"]
    assert [len(picture.seen) for picture in numbers] == [len(picture.label) for picture in numbers]
    right = [a == b for picture in numbers for a, b in zip(picture.label, picture.seen, strict=True)]
    assert statistics.mean(right) >= 0.9
