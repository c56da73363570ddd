"""Pictures that are drawn together: each is the one it would be alone."""

import numpy as np
import pytest

from service.codecs import outputs
from service.codecs.outputs import JSON, PNG, Answer, Rendering

IMAGES = np.random.default_rng(0).random((5, 1, 28, 28), dtype=np.float32) * 1.2 - 0.1  # some beyond [0, 1]


@pytest.mark.parametrize("count", [1, 5])
def test_each_gets_the_picture_it_would_get_alone(count: int) -> None:
    answers = [Answer({}, {"images": IMAGES[i : i + 1]}) for i in range(count)]
    drawn = outputs.draw(answers)
    assert drawn == [outputs.render(answer, PNG, Rendering()) for answer in answers]
    assert len({rendered.body for rendered in drawn}) == count


@pytest.mark.parametrize(
    ("rows", "media_type", "columns", "is_drawing"),
    [(1, PNG, None, True), (1, PNG, 1, True), (1, PNG, 2, False), (2, PNG, None, False), (1, JSON, None, False)],
)
def test_only_a_picture_of_one_digit_alone_is_such_a_drawing(
    rows: int, media_type: str, columns: int | None, is_drawing: bool
) -> None:
    answer = Answer({}, {"images": IMAGES[:rows]})
    assert outputs.is_drawing(answer, media_type, Rendering(columns=columns)) == is_drawing
