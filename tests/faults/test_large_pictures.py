"""Pictures as telephones and screens make them, megabytes of JPEG and many megapixels: taken, and the digit found."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests.faults.conftest import Served
from tests.support import digits
from tests.support.image_files import exif, saved, segment
from tests.support.pages import Ink, drawn, is_round, page
from tests.support.sockets import Connection, ask, request

JPEG, PNG = "Content-Type: image/jpeg", "Content-Type: image/png"


def photo() -> tuple[bytes, Ink]:
    """4032×3024 as stored, to be turned by a quarter; grey paper in falling light, and a sensor's noise."""
    upright = (4032, 3024)
    ink = drawn("2", upright, height=1300, pen=110, centre=(1800, 1700))
    light = np.linspace(130, 210, 4032, dtype=np.float32)[:, None]
    grain = np.random.default_rng(0).normal(0, 4, (504, 3024)).astype(np.float32)
    picture = page(ink, light + np.tile(grain, (8, 1)), 40)
    stored = np.ascontiguousarray(np.rot90(picture))
    data = saved(Image.fromarray(stored), "JPEG", quality=92)
    assert len(data) > 2e6
    return data[:2] + segment(0xE1, b"Exif\0\0" + exif(6)) + data[2:], ink


def screenshot(height: int, width: int) -> tuple[bytes, Ink]:
    """A dark bar with a clock above a white canvas."""
    ink = drawn("2", (height, width), height=500, pen=30, centre=(height * 0.55, width * 0.5))
    picture = page(ink)
    picture[:70] = 45
    for left in (40, 70, 100):
        picture[25:45, left : left + 14] = 230
    return digits.png(picture), ink


@pytest.mark.parametrize(
    ("made", "kind"),
    [(photo, JPEG), (functools.partial(screenshot, 1080, 1920), PNG), (functools.partial(screenshot, 2532, 1170), PNG)],
    ids=["4032x3024", "1920x1080", "1170x2532"],
)
def test_a_large_picture_is_taken_and_its_digit_found(
    served: Served, made: Callable[[], tuple[bytes, Ink]], kind: str
) -> None:
    data, ink = made()
    answer = ask(served.address, request("/encode?found=true", data, [kind]))
    assert answer.status == 200, answer.body
    found = answer.json["found"]
    assert is_round([found[side][0] for side in ("left", "top", "width", "height")], ink)
    assert (found["digits"], found["dark_ink"], found["blank"]) == ([1], [True], [False])


def test_a_connection_goes_on_after_one(served: Served) -> None:
    data, _ = screenshot(1080, 1920)
    with Connection(served.address) as connection:
        means = [connection.ask(request("/encode", data, [PNG])).json["mean"] for _ in range(2)]
    assert means[0] == means[1]
