"""POST /read: what a model would see of a picture, and what was found on it."""

import csv
import io
import zipfile
from typing import Any, Final

import httpx
import numpy as np
import pytest
from PIL import Image

from service.codecs import outputs
from tests.conftest import Client
from tests.service.api.test_formats import OUT, images_of
from tests.support import digits, image_files, pages
from tests.support.image_files import chunk, exif, saved
from tests.support.pages import drawn, is_round, likeness, page

PNG: Final = "image/png"
FORM: Final = "multipart/form-data; boundary=frontier"
FACTS: Final = ("image", "left", "top", "width", "height", "dark_ink", "blank", "digits")
DIGITS: Final = digits.images()[:3]
SEVERAL: Final = digits.bodies(DIGITS)
THREE: Final = drawn("3", (240, 320), height=120, centre=(110, 200))
THREE_PNG: Final = digits.png(page(THREE))
NUMBER: Final = digits.png(page(pages.row("4071"), 230, 30))
BLANK: Final = digits.png(np.full((240, 320), 200, np.uint8))


def post(
    client: Client, path: str, content: bytes, content_type: str = PNG, accept: str = outputs.JSON
) -> httpx.Response:
    return client.post(path, content=content, headers={"Content-Type": content_type, "Accept": accept})


def found(client: Client, path: str, content: bytes, content_type: str = PNG) -> dict[str, list[Any]]:
    response = post(client, path, content, content_type)
    assert response.status_code == 200, response.text
    facts = dict(response.json()["found"])
    assert tuple(facts) == FACTS
    return facts


def box_of(facts: dict[str, list[Any]], row: int = 0) -> tuple[int, int, int, int]:
    return (facts["left"][row], facts["top"][row], facts["width"][row], facts["height"][row])


def read_pixels(client: Client, content: bytes, query: str = "", content_type: str = PNG) -> np.ndarray:
    return images_of(post(client, f"/read{query}", content, content_type, outputs.NPY))


# Formats


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("name", SEVERAL)
def test_read_takes_and_gives_every_format(client: Client, name: str, out: str) -> None:
    content_type, content = SEVERAL[name]
    response = post(client, "/read", content, content_type, out)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == out
    assert "x-model" not in response.headers
    np.testing.assert_allclose(images_of(response)[:3], DIGITS / 255, atol=0.5 / 255)


def test_json_holds_images_and_facts_and_nothing_of_a_model(client: Client) -> None:
    answer = post(client, "/read?pixels=true", THREE_PNG).json()
    assert list(answer) == ["images", "found"]
    np.testing.assert_allclose(answer["images"], read_pixels(client, THREE_PNG), atol=1e-6)


def test_facts_are_arrays_in_npz_and_columns_in_zip(client: Client) -> None:
    wanted = found(client, "/read?split=true", NUMBER)
    arrays = np.load(io.BytesIO(post(client, "/read?split=true", NUMBER, accept=outputs.NPZ).content))
    assert set(arrays) == {"images", *(f"found_{name}" for name in FACTS)}
    archive = zipfile.ZipFile(io.BytesIO(post(client, "/read?split=true", NUMBER, accept=outputs.ZIP).content))
    rows = list(csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"))))
    for name in FACTS:
        assert arrays[f"found_{name}"].tolist() == wanted[name]
        assert [row[f"found_{name}"] for row in rows] == [str(value) for value in wanted[name]]


def test_columns_shape_the_grid(client: Client) -> None:
    response = post(client, "/read?split=true&columns=4", NUMBER, accept=outputs.PNG)
    assert Image.open(io.BytesIO(response.content)).size == (4 * 28, 28)


# What is found


def test_a_digit_is_found_where_it_stands(client: Client) -> None:
    facts = found(client, "/read", THREE_PNG)
    assert is_round(box_of(facts), THREE)
    assert {name: facts[name] for name in ("image", "dark_ink", "blank", "digits")} == {
        "image": [0],
        "dark_ink": [True],
        "blank": [False],
        "digits": [1],
    }
    assert likeness(read_pixels(client, THREE_PNG)[0], pages.as_in_mnist("3")) > 0.8


def test_light_ink_is_not_dark(client: Client) -> None:
    assert found(client, "/read", digits.png(page(THREE, 30, 230)))["dark_ink"] == [False]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_those_of_the_upright_picture(client: Client, orientation: int) -> None:
    """By the EXIF specification, where the stored rows and columns of the upright picture lie."""
    upright = page(THREE)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    facts = found(
        client, "/read", image_files.png(np.ascontiguousarray(stored), before=chunk(b"eXIf", exif(orientation)))
    )
    assert is_round(box_of(facts), THREE)


def test_boxes_on_a_large_photo_are_in_its_own_pixels(client: Client) -> None:
    ink = drawn("3", (2000, 3000), height=900, pen=90, centre=(800, 2100))
    facts = found(client, "/read", saved(Image.fromarray(page(ink, 235, 20)), "JPEG"), "image/jpeg")
    assert is_round(box_of(facts), ink)


def test_a_digit_of_28x28_is_the_whole_picture(client: Client) -> None:
    facts = found(client, "/read", digits.png(DIGITS[0]))
    assert (box_of(facts), facts["digits"], facts["dark_ink"]) == ((0, 0, 28, 28), [1], [False])


@pytest.mark.parametrize("name", SEVERAL)
def test_every_format_of_28x28_has_the_same_facts(client: Client, name: str) -> None:
    """The middle one is dark on white, and the last is blank."""
    images = np.stack([DIGITS[0], 255 - DIGITS[1], np.zeros_like(DIGITS[2])])
    content_type, content = digits.bodies(images)[name]
    assert found(client, "/read", content, content_type) == {
        "image": [0, 1, 2],
        "left": [0] * 3,
        "top": [0] * 3,
        "width": [28] * 3,
        "height": [28] * 3,
        "dark_ink": [False, True, False],
        "blank": [False, False, True],
        "digits": [1, 1, 0],
    }


@pytest.mark.parametrize("query", ["", "?split=true"])
def test_a_blank_picture_is_one_blank_row_as_large_as_itself(client: Client, query: str) -> None:
    facts = found(client, f"/read{query}", BLANK)
    assert (box_of(facts), facts["blank"], facts["digits"]) == ((0, 0, 320, 240), [True], [0])
    assert not read_pixels(client, BLANK, query).any()


def test_one_of_a_numbers_digits_is_taken_and_all_are_counted(client: Client) -> None:
    facts = found(client, "/read", NUMBER)
    assert (facts["image"], facts["digits"]) == ([0], [4])


def test_split_gives_a_row_a_digit_from_left_to_right(client: Client) -> None:
    facts = found(client, "/read?split=true", NUMBER)
    assert (facts["image"], facts["digits"]) == ([0] * 4, [4] * 4)
    assert facts["left"] == sorted(facts["left"])
    rows = read_pixels(client, NUMBER, "?split=true")
    assert all(likeness(row, pages.as_in_mnist(digit)) > 0.8 for row, digit in zip(rows, "4071", strict=True))


@pytest.mark.parametrize("split", ["false", "true"])
def test_rows_of_several_files_name_their_file(client: Client, split: str) -> None:
    facts = found(client, f"/read?split={split}", digits.form(NUMBER, BLANK, THREE_PNG), FORM)
    is_split = split == "true"
    assert facts["image"] == ([0, 0, 0, 0, 1, 2] if is_split else [0, 1, 2])
    assert facts["digits"] == ([4, 4, 4, 4, 0, 1] if is_split else [4, 0, 1])
    assert is_round(box_of(facts, -1), THREE)


def test_a_fit_that_takes_a_picture_whole_finds_nothing_on_it(client: Client) -> None:
    facts = found(client, "/read?fit=resize", THREE_PNG)
    assert (box_of(facts), facts["digits"]) == ((0, 0, 320, 240), [1])


# What is refused


@pytest.mark.parametrize("path", ["/read", "/encode", "/reconstruct"])
@pytest.mark.parametrize("fit", ["mnist", "resize", "exact"])
def test_only_what_is_found_can_be_split(client: Client, path: str, fit: str) -> None:
    response = post(client, f"{path}?split=true&fit={fit}", THREE_PNG)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")
    assert "split" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/read", "/encode", "/reconstruct"])
def test_more_digits_than_a_request_may_have_rows_are_413(client: Client, path: str) -> None:
    """64 may be on one picture, and 64 in one request."""
    many = digits.png(page(np.concatenate([pages.row("23456789", height=40, gap=10, margin=12)] * 5)))
    answer = post(client, f"{path}?split=true", digits.form(many, many), FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_rows")
    assert post(client, f"{path}?split=true", digits.form(many, THREE_PNG), FORM).status_code == 200


def test_more_digits_than_a_picture_may_hold_are_422(client: Client) -> None:
    many = digits.png(page(np.concatenate([pages.row("23456789", height=40, gap=10, margin=12)] * 9)))
    answer = post(client, "/read?split=true", many)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_digits")
    assert post(client, "/read", many).status_code == 200


@pytest.mark.parametrize("query", ["model=tiny-ae", "found=true", "deterministic=true", "fit=any", "split=yes!"])
def test_what_read_does_not_know_is_refused(client: Client, query: str) -> None:
    assert post(client, f"/read?{query}", THREE_PNG).status_code == 422
