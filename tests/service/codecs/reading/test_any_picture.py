"""Pictures of anything at all: what comes out is within its ranges, and comes out soon."""

from collections.abc import Callable, Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from service.codecs.framing import FloatArray
from service.codecs.reading import pieces
from service.codecs.reading.read import Digit, read
from service.errors import InvalidImage

Samples = np.ndarray


def noise(random: np.random.Generator, shape: tuple[int, ...]) -> Samples:
    return random.integers(0, 65536, shape)


def shades(random: np.random.Generator, shape: tuple[int, ...]) -> Samples:
    return random.choice([0, 257, 32000, 65535], shape)


def blocks(random: np.random.Generator, shape: tuple[int, ...]) -> Samples:
    """Rectangles over each other."""
    samples = np.full(shape, random.integers(0, 65536))
    for _ in range(random.integers(1, 12)):
        top, left = random.integers(0, shape[0]), random.integers(0, shape[1])
        height, width = random.integers(1, shape[0] + 1), random.integers(1, shape[1] + 1)
        samples[top : top + height, left : left + width] = random.integers(0, 65536, shape[2:])
    return samples


def stripes(random: np.random.Generator, shape: tuple[int, ...]) -> Samples:
    """Along rows, columns or both: the last is a chequerboard."""
    rows, columns = (np.arange(side) // random.integers(1, 9) % 2 for side in shape[:2])
    chosen = [rows[:, None] + 0 * columns, 0 * rows[:, None] + columns, rows[:, None] ^ columns][random.integers(3)]
    return np.broadcast_to(chosen.reshape(*shape[:2], *[1] * (len(shape) - 2)) * 65535, shape)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("made", [noise, shades, blocks, stripes])
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 60),
    width=st.integers(1, 400),
    kind=st.sampled_from(["grey", "16 bits", "colour"]),
    has_alpha=st.booleans(),
    is_turned=st.booleans(),
)
@example(seed=0, height=1, width=1, kind="colour", has_alpha=True, is_turned=False)
@settings(max_examples=60)
def test_any_picture_gives_digits_within_their_ranges(
    made: Callable[..., Samples],
    apart: bool,
    seed: int,
    height: int,
    width: int,
    kind: str,
    has_alpha: bool,
    is_turned: bool,
) -> None:
    if is_turned:
        height, width = width, height
    random = np.random.default_rng(seed)
    samples = made(random, (height, width, 3) if kind == "colour" else (height, width))
    samples = samples.astype(np.uint16) if kind == "16 bits" else (samples >> 8).astype(np.uint8)
    alpha = (made(random, (height, width)) / 65535).astype(np.float32) if has_alpha else None
    for pixels, (left, top, wide, high) in digits_on(samples, alpha, apart=apart):
        assert (pixels.shape, pixels.dtype) == ((28, 28), np.float32)
        assert 0 <= pixels.min() < pixels.max() <= 1
        assert 0 <= left < left + wide <= width
        assert 0 <= top < top + high <= height


def spiral(side: int) -> Samples:
    """One line of a pixel that winds inwards."""
    lines = np.zeros((side, side), np.int64)
    row, column, down, right = 0, 0, 0, 1
    for leg in [side - 1, *np.repeat(np.arange(side - 1, 0, -2), 2)]:
        rows, columns = row + down * np.arange(leg + 1), column + right * np.arange(leg + 1)
        lines[rows, columns] = 255
        row, column, down, right = rows[-1], columns[-1], right, -down
    return lines


def digits_on(samples: Samples, alpha: FloatArray | None = None, *, apart: bool) -> Sequence[Digit]:
    """None where there are more than one picture may hold."""
    try:
        found = read(samples, alpha, apart=apart)
    except InvalidImage as error:
        if error.code != "too_many_digits" or not apart:
            raise
        return []
    assert len(found.digits) <= min(found.number, 64 if apart else 1)
    return found.digits


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "samples",
    [
        spiral(640),
        np.indices((640, 640)).sum(axis=0) % 2 * 255,
        np.arange(640) % 2 * np.full((640, 1), 255),
        np.maximum(np.arange(640) % 2 * 255, np.arange(640)[:, None] * 255 // 639),
        np.random.default_rng(0).integers(0, 2, (640, 640)) * 255,
    ],
    ids=["a spiral", "a chequerboard", "stripes", "a comb", "noise"],
)
def test_the_most_pieces_and_the_longest_are_read_in_a_few_passes(samples: Samples, apart: bool) -> None:
    """A search that goes pixel by pixel along a spiral, or over each pair of pieces, would take minutes."""
    digits_on(samples.astype(np.uint8), apart=apart)


def test_a_spiral_is_one_long_line() -> None:
    assert pieces.find(spiral(60) > 0).area.tolist() == [60 + 2 * 30**2]
