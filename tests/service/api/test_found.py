"""What was found, beside a model's answer; and what is left alone: digits of 28x28."""

import io
from typing import Final

import numpy as np
import orjson
import pytest
from PIL import Image

from service.codecs import outputs
from tests.conftest import Client
from tests.service.api.test_read import BLANK, DIGITS, NUMBER, THREE_PNG, found, post, read_pixels
from tests.support import bundles, digits, image_files
from tests.support.image_files import GREY_ALPHA, PALETTE, RGB, RGBA, chunk, saved


@pytest.mark.parametrize("path", ["/encode", "/reconstruct"])
@pytest.mark.parametrize("split", ["", "split=true"])
@pytest.mark.parametrize("content", [THREE_PNG, NUMBER, BLANK, digits.png(DIGITS[0])], ids=list("3nbd"))
def test_found_gives_the_facts_of_read(client: Client, path: str, split: str, content: bytes) -> None:
    assert found(client, f"{path}?found=true&{split}", content) == found(client, f"/read?{split}", content)


@pytest.mark.parametrize("path", ["/encode", "/reconstruct"])
@pytest.mark.parametrize("query", ["", "?found=false", "?split=true"])
def test_without_it_there_are_none(client: Client, path: str, query: str) -> None:
    assert "found" not in post(client, f"{path}{query}", NUMBER).json()
    arrays = np.load(io.BytesIO(post(client, f"{path}{query}", NUMBER, accept=outputs.NPZ).content))
    assert not [name for name in arrays if name.startswith("found")]


@pytest.mark.parametrize("found", ["false", "true"])
@pytest.mark.parametrize(("content", "split"), [(THREE_PNG, "false"), (NUMBER, "true"), (BLANK, "false")])
def test_a_model_sees_what_read_returns(client: Client, content: bytes, split: str, found: str) -> None:
    means = post(client, f"/encode?split={split}&found={found}", content).json()["mean"]
    read = read_pixels(client, content, f"?split={split}")
    np.testing.assert_allclose(means, bundles.mean(read), atol=1e-6)
    body = {"images": read.tolist()}
    again = post(client, "/encode?invert=false", orjson.dumps(body), "application/json").json()["mean"]
    np.testing.assert_allclose(means, again, atol=1e-6)


@pytest.mark.parametrize("path", ["/encode", "/reconstruct"])
def test_a_deterministic_answer_has_facts_too(client: Client, path: str) -> None:
    assert found(client, f"{path}?found=true&deterministic=true", THREE_PNG) == found(client, "/read", THREE_PNG)


# Digits of 28×28 are left alone

GREY: Final = DIGITS[0].astype(int)
COLOURS: Final = np.random.default_rng(0).integers(0, 256, (28, 28, 3))
ALPHA: Final = np.random.default_rng(1).integers(0, 256, (28, 28))
OF_28: Final[dict[str, bytes]] = {
    "grey": image_files.png(GREY),
    "dark on white": image_files.png(255 - GREY),
    "16 bits": image_files.png(GREY * 257 - (GREY > 0), 16),
    "colour": image_files.png(COLOURS, 8, RGB),
    "palette": image_files.png(GREY // 86, 2, PALETTE, before=chunk(b"PLTE", bytes(range(12)))),
    "grey with alpha": image_files.png(np.dstack([GREY, ALPHA]), 8, GREY_ALPHA),
    "strokes on transparency": image_files.png(np.dstack([0 * GREY, GREY]), 8, GREY_ALPHA),
    "colour with alpha": image_files.png(np.dstack([COLOURS, ALPHA]), 8, RGBA),
    "blank": image_files.png(0 * GREY + 90),
    "noise": image_files.png(ALPHA),
    "jpeg": saved(Image.fromarray(DIGITS[0]), "JPEG"),
    "colour jpeg": saved(Image.fromarray(COLOURS.astype(np.uint8)), "JPEG"),
}


@pytest.mark.parametrize("kind", OF_28)
@pytest.mark.parametrize("invert", ["auto", "true", "false"])
def test_a_picture_of_28x28_is_the_same_to_the_bit_as_taken_whole(client: Client, kind: str, invert: str) -> None:
    found, whole = (
        post(client, f"/read?fit={fit}&invert={invert}", OF_28[kind], accept=outputs.NPY) for fit in ("auto", "resize")
    )
    assert found.status_code == 200, found.text
    assert found.content == whole.content
