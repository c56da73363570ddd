"""Answers take the form of their media type, alone or together, and equal answers give equal bytes."""

import base64
import csv
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.codecs import outputs
from service.codecs.files.drawing import grid
from service.codecs.npy import with_headroom
from service.codecs.outputs import IMAGE_OFFERS, JSON, NPY, NPZ, PNG, RAW, ZIP, Answer, Rendered, RenderOptions

IMAGES = np.random.default_rng(0).random((5, 1, 28, 28), dtype=np.float32) * 1.2 - 0.1  # some beyond [0, 1]
BYTES = np.rint(255 * IMAGES[:, 0].clip(0, 1)).astype(np.uint8)
PLAIN = RenderOptions()
LABELS = np.array([3, 1, 4, 1, 5])
SHARES = np.linspace(0, 100, 5)


def answer(media_type: str, count: int = 5, *, first: int = 0, options: RenderOptions = PLAIN) -> Answer:
    """The first images with a label and a percentile each."""
    rows = {"images": IMAGES[:count], "labels": LABELS[:count]}
    groups = {"percentiles": {"mse": SHARES[:count]}}
    return Answer(media_type, {"model": "tiny/1", "seed": 2**64 - 1}, rows, "images", options, first, groups)


def rendered(one: Answer) -> Rendered:
    (found,) = outputs.render([one])
    return found


def samples(png: bytes | memoryview) -> Any:
    return np.asarray(Image.open(io.BytesIO(png), formats=("PNG",)))


def test_json_holds_all_that_is_known() -> None:
    document = json.loads(bytes(rendered(answer(JSON)).body))
    assert list(document) == ["model", "seed", "images", "labels", "percentiles"]
    assert (document["model"], document["seed"]) == ("tiny/1", 2**64 - 1)
    assert document["labels"] == LABELS.tolist()
    assert document["percentiles"] == {"mse": SHARES.tolist()}
    assert np.array_equal([samples(base64.b64decode(text)) for text in document["images"]], BYTES)


def test_json_holds_numbers_where_they_are_asked_for() -> None:
    document = json.loads(bytes(rendered(answer(JSON, options=RenderOptions(pixels=True))).body))
    assert np.array_equal(np.array(document["images"], np.float32), IMAGES[:, 0])


@pytest.mark.parametrize("columns", [None, 1, 2, 7])
def test_png_is_the_grid_of_the_images(columns: int | None) -> None:
    found = rendered(answer(PNG, options=RenderOptions(columns=columns)))
    assert np.array_equal(samples(found.body), grid(BYTES, columns))


def test_npy_and_raw_are_the_main_array_and_headers_name_its_shape() -> None:
    npy, raw = rendered(answer(NPY)), rendered(answer(RAW))
    assert np.array_equal(np.load(io.BytesIO(npy.body)), IMAGES)
    assert raw.body == IMAGES.tobytes()
    assert npy.headers == raw.headers == {"X-Tensor-Shape": "5,1,28,28", "X-Tensor-Dtype": "float32"}


@pytest.mark.parametrize("media_type", [NPY, RAW])
def test_another_main_array_is_given_where_it_is_named(media_type: str) -> None:
    mean = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = rendered(Answer(media_type, {}, {"mean": mean, "log_var": -mean}, main="mean"))
    assert bytes(found.body).endswith(mean.tobytes())
    assert found.headers["X-Tensor-Shape"] == "3,2"


@pytest.mark.parametrize("media_type", [NPY, RAW])
def test_an_array_with_headroom_is_not_copied(media_type: str) -> None:
    images = with_headroom((2, 1, 28, 28), np.float32)
    images[...] = IMAGES[:2]
    found = rendered(Answer(media_type, {}, {"images": images}))
    assert np.shares_memory(np.frombuffer(found.body, np.uint8), images)


def test_npz_holds_every_array_and_fact() -> None:
    found = np.load(io.BytesIO(rendered(answer(NPZ)).body))
    assert set(found) == {"model", "seed", "images", "labels", "percentiles_mse"}
    assert (found["seed"].dtype, int(found["seed"]), str(found["model"])) == (np.uint64, 2**64 - 1, "tiny/1")
    assert np.array_equal(found["images"], IMAGES)
    assert np.array_equal(found["percentiles_mse"], SHARES)


def test_zip_holds_a_picture_an_image_by_its_index_and_a_table() -> None:
    archive = zipfile.ZipFile(io.BytesIO(rendered(answer(ZIP, first=41)).body))
    assert archive.testzip() is None
    assert archive.namelist() == [*(f"0000{41 + i}.png" for i in range(5)), "labels.csv"]
    table = list(csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"))))
    assert [row["file"] for row in table] == archive.namelist()[:-1]
    assert [int(row["labels"]) for row in table] == LABELS.tolist()
    assert [float(row["percentiles_mse"]) for row in table] == SHARES.tolist()
    assert np.array_equal([samples(archive.read(row["file"])) for row in table], BYTES)


@pytest.mark.parametrize("media_type", IMAGE_OFFERS)
def test_equal_answers_give_equal_bytes_under_their_media_type(media_type: str) -> None:
    first, second = rendered(answer(media_type)), rendered(answer(media_type))
    assert first.media_type == media_type
    assert bytes(first.body) == bytes(second.body)


def test_each_of_several_answers_is_what_it_would_be_alone() -> None:
    one_digit = [Answer(PNG, {}, {"images": IMAGES[i : i + 1]}) for i in range(5)]
    grids = [
        answer(PNG),
        answer(PNG, 1, options=RenderOptions(columns=2)),
        answer(PNG, 1, options=RenderOptions(columns=1)),
    ]
    others = [answer(media_type, 1) for media_type in IMAGE_OFFERS]
    mixed = [one for trio in zip(one_digit, grids * 2, others, strict=False) for one in trio]
    assert outputs.render(mixed) == [rendered(one) for one in mixed]
    assert len({bytes(found.body) for found in outputs.render(one_digit)}) == 5


def test_one_digit_with_room_for_two_columns_is_laid_on_paper() -> None:
    found = rendered(answer(PNG, 1, options=RenderOptions(columns=2)))
    assert np.array_equal(samples(found.body), np.hstack([BYTES[0], np.zeros((28, 28), np.uint8)]))


@pytest.mark.parametrize("media_type", outputs.STREAMED)
def test_a_head_and_the_rows_after_it_make_the_whole_answer(media_type: str) -> None:
    head = outputs.stream_head(media_type, IMAGES.shape, IMAGES.dtype)
    whole = rendered(answer(media_type))
    assert bytes(head.body) + IMAGES[:2].tobytes() + IMAGES[2:].tobytes() == bytes(whole.body)
    assert (head.headers, head.media_type) == (whole.headers, whole.media_type)


def test_every_offer_has_an_estimate_of_what_it_costs() -> None:
    assert all(outputs.row_s(media_type) > 0 for media_type in IMAGE_OFFERS)
    assert outputs.row_s(JSON, has_images=False) < outputs.row_s(JSON)
