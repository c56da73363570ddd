"""Kinds of pictures: a digit's ink on a paper, under a light, through a camera or a programme that saves it."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from benchmarks.pictures.pens import FloatArray, drawn

Digit = npt.NDArray[np.uint8]
Random = np.random.Generator
Size = tuple[int, int]  # height, width

_DARK, _WHITE = np.full(3, 0.1), np.ones(3)


def placed(ink: FloatArray, size: Size, random: Random, *, centre: tuple[float, float] | None = None) -> FloatArray:
    """On an empty page of that size, near its middle unless `centre`, in parts of it, is given."""
    height, width = size
    scale = min(1.0, (height - 6) / ink.shape[0], (width - 6) / ink.shape[1])
    if scale < 1:
        fitting = int(ink.shape[1] * scale), int(ink.shape[0] * scale)
        ink = np.asarray(Image.fromarray(ink).resize(fitting, Image.Resampling.BOX))
    down, right = centre or 0.5 + random.uniform(-0.06, 0.06, 2)
    top = int(np.clip(down * height - ink.shape[0] / 2, 1, height - ink.shape[0] - 1))
    left = int(np.clip(right * width - ink.shape[1] / 2, 1, width - ink.shape[1] - 1))
    page = np.zeros(size, np.float32)
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def blurred(plane: FloatArray, radius: float) -> FloatArray:
    """By a Gaussian whose standard deviation is `radius` pixels; what leaves at an edge comes in at the other."""
    rows, columns = np.fft.fftfreq(plane.shape[0])[:, None], np.fft.rfftfreq(plane.shape[1])
    weights = np.exp(-2 * (np.pi * radius) ** 2 * (rows**2 + columns**2))
    return np.fft.irfft2(np.fft.rfft2(plane) * weights, plane.shape)


def light(size: Size, random: Random, dim: float, bright: float) -> FloatArray:
    """That falls off from bright to dim in some direction, (h, w)."""
    down, right = np.mgrid[: size[0], : size[1]] / max(size)
    angle = random.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * right + np.sin(angle) * down
    return np.asarray(dim + (bright - dim) * (slope - slope.min()) / np.ptp(slope))


def inked(paper: FloatArray, ink: FloatArray, colour: Any) -> FloatArray:
    """paper: (h, w, 3). ink: (h, w)."""
    return np.asarray(paper * (1 - ink[..., None]) + np.asarray(colour) * ink[..., None])


def plain(size: Size, colour: Any = _WHITE) -> FloatArray:
    return np.broadcast_to(np.asarray(colour, np.float64), (*size, 3)).copy()


def png(picture: FloatArray) -> tuple[bytes, str]:
    file = io.BytesIO()
    Image.fromarray(_eight_bits(picture)).save(file, "PNG", optimize=True)
    return file.getvalue(), "png"


def jpeg(picture: FloatArray, random: Random, noise: float, quality: int = 85) -> tuple[bytes, str]:
    """With a sensor's noise, in parts of white."""
    file = io.BytesIO()
    grain = random.normal(0, noise, picture.shape[:2])[..., None]
    Image.fromarray(_eight_bits(picture + grain)).save(file, "JPEG", quality=quality)
    return file.getvalue(), "jpg"


def _eight_bits(picture: FloatArray) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def canvas_white(digit: Digit, random: Random) -> tuple[bytes, str]:
    ink = drawn(digit, random.uniform(170, 245), random.uniform(16, 26))
    return png(1 - placed(ink, (280, 280), random)[..., None].repeat(3, 2))


def canvas_black(digit: Digit, random: Random) -> tuple[bytes, str]:
    ink = drawn(digit, random.uniform(170, 245), random.uniform(16, 26))
    return png(placed(ink, (280, 280), random)[..., None].repeat(3, 2))


def canvas_transparent(digit: Digit, random: Random) -> tuple[bytes, str]:
    ink = drawn(digit, random.uniform(170, 245), random.uniform(16, 26))
    picture = np.zeros((280, 280, 4))
    picture[..., 3] = placed(ink, (280, 280), random)
    return png(picture)


def canvas_thin_line(digit: Digit, random: Random) -> tuple[bytes, str]:
    ink = drawn(digit, random.uniform(150, 245), random.uniform(1.5, 4))
    return png(1 - placed(ink, (280, 280), random)[..., None].repeat(3, 2))


def marker(digit: Digit, random: Random) -> tuple[bytes, str]:
    height = random.uniform(180, 250)
    return png(1 - placed(drawn(digit, height, height / random.uniform(4.5, 6)), (320, 320), random))


def coloured(digit: Digit, random: Random) -> tuple[bytes, str]:
    pairs = [
        ((0.95, 0.9, 0.4), (0.8, 0.1, 0.5)),
        ((0.2, 0.3, 0.8), (1, 1, 0.9)),
        ((0.5, 0.5, 0.5), (0.9, 0.2, 0.2)),
        ((0.1, 0.1, 0.3), (0.9, 0.8, 0.2)),
        ((1, 1, 1), (0.3, 0.75, 0.35)),
    ]
    paper, ink = pairs[random.integers(len(pairs))]
    shape = placed(drawn(digit, random.uniform(180, 250), random.uniform(10, 24)), (300, 300), random)
    return png(inked(plain((300, 300), paper), shape, ink))


def small_on_page(digit: Digit, random: Random) -> tuple[bytes, str]:
    centre = (random.uniform(0.2, 0.8), random.uniform(0.2, 0.8))
    ink = drawn(digit, random.uniform(80, 200), random.uniform(5, 9))
    return png(1 - placed(ink, (600, 800), random, centre=centre))


def tight_crop(digit: Digit, random: Random) -> tuple[bytes, str]:
    height = random.uniform(60, 160)
    return png(1 - drawn(digit, height, height / random.uniform(7, 10)))


def photo(digit: Digit, random: Random) -> tuple[bytes, str]:
    """Grey paper in falling light."""
    size = (640, 640)
    ink = blurred(placed(drawn(digit, random.uniform(300, 460), random.uniform(14, 30)), size, random), 1.6)
    shade = light(size, random, random.uniform(0.45, 0.6), random.uniform(0.7, 0.9))
    picture = inked(shade[..., None] * (1, 0.98, 0.94), ink, random.uniform(0.1, 0.25))
    return jpeg(picture, random, 0.015, int(random.integers(70, 92)))


def evening(digit: Digit, random: Random) -> tuple[bytes, str]:
    size = (640, 640)
    ink = blurred(placed(drawn(digit, random.uniform(300, 460), random.uniform(16, 32)), size, random), 2)
    shade = light(size, random, random.uniform(0.15, 0.25), random.uniform(0.3, 0.42))
    return jpeg(inked(shade[..., None] * (1, 0.85, 0.6), ink, 0.06), random, 0.02, 75)


def shadow_edge(digit: Digit, random: Random) -> tuple[bytes, str]:
    """The shadow of something falls over half of the paper."""
    size = (640, 640)
    ink = blurred(placed(drawn(digit, random.uniform(300, 460), random.uniform(16, 32)), size, random), 1.6)
    down, right = np.mgrid[: size[0], : size[1]] / size[0] - 0.5
    angle = random.uniform(0, 2 * np.pi)
    beyond = np.cos(angle) * right + np.sin(angle) * down - random.uniform(-0.3, 0.3)
    shadow = 1 / (1 + np.exp(np.clip(-beyond / random.uniform(0.003, 0.03), -50, 50)))
    shade = light(size, random, 0.78, 0.92) * (1 - random.uniform(0.3, 0.5) * shadow)
    return jpeg(inked(shade[..., None] * (1, 0.99, 0.95), ink * 0.87, 0), random, 0.012)


def ballpoint(digit: Digit, random: Random) -> tuple[bytes, str]:
    ink = blurred(placed(drawn(digit, random.uniform(200, 320), random.uniform(6, 12)), (400, 400), random), 0.8)
    colour = np.array([0.2, 0.3, 0.75]) + random.uniform(0, 0.1, 3)
    return jpeg(inked(plain((400, 400), [0.97] * 3), ink, colour), random, 0.008, 88)


def pencil(digit: Digit, random: Random) -> tuple[bytes, str]:
    """Grey, and grainy."""
    ink = blurred(placed(drawn(digit, random.uniform(200, 320), random.uniform(5, 10)), (400, 400), random), 0.9)
    grain = np.clip(0.65 + 0.7 * blurred(random.normal(0, 1, (400, 400)), 0.8), 0.2, 1)
    return jpeg(inked(plain((400, 400), [0.95] * 3), ink * grain, random.uniform(0.4, 0.6)), random, 0.012, 88)


def chalk(digit: Digit, random: Random) -> tuple[bytes, str]:
    size = (500, 500)
    ink = blurred(placed(drawn(digit, random.uniform(240, 380), random.uniform(12, 22)), size, random), 1.2)
    grain = np.clip(0.75 + 0.5 * blurred(random.normal(0, 1, size), 1), 0.1, 1)
    wiped = np.clip(blurred(random.normal(0, 1, size), 25) * 40, 0, 1) * 0.08
    board = light(size, random, 0.8, 1.1)[..., None] * (0.13, 0.24, 0.19) + wiped[..., None]
    return jpeg(inked(board, ink * grain, 0.88), random, 0.012)


def ruled_paper(digit: Digit, random: Random) -> tuple[bytes, str]:
    return _on_lines(digit, random, [1])


def squared_paper(digit: Digit, random: Random) -> tuple[bytes, str]:
    return _on_lines(digit, random, [0, 1])


def _on_lines(digit: Digit, random: Random, axes: Sequence[int]) -> tuple[bytes, str]:
    size = (480, 480)
    ink = blurred(placed(drawn(digit, random.uniform(190, 360), random.uniform(7, 14)), size, random), 0.8)
    paper = light(size, random, 0.85, 0.95)[..., None].repeat(3, 2)
    tint = np.array([0.65, 0.78, 0.92]) if random.random() < 0.5 else np.full(3, 0.72)
    gap, thickness = int(random.integers(24, 60)), int(random.integers(1, 4))
    for axis in axes:
        is_line = (np.arange(480) + int(random.integers(gap))) % gap < thickness
        paper[is_line if axis else np.s_[:, is_line]] *= tint
    return jpeg(inked(paper, ink, (0.12, 0.15, 0.45) if random.random() < 0.5 else _DARK), random, 0.01, 88)


def framed(digit: Digit, random: Random) -> tuple[bytes, str]:
    """In a box of a form."""
    height, width = (int(side) for side in random.integers(200, 400, 2))
    ink = drawn(digit, height * random.uniform(0.5, 0.7), height * random.uniform(0.03, 0.08))
    ink = placed(ink, (height, width), random)
    inset, thickness = int(random.integers(0, 14)), int(random.integers(1, 8))
    frame = Image.new("L", (width, height))
    box = (inset, inset, width - 1 - inset, height - 1 - inset)
    ImageDraw.Draw(frame).rectangle(box, outline=255, width=thickness)
    return png(1 - np.maximum(ink, np.asarray(frame) / 255))


def black_frame(digit: Digit, random: Random) -> tuple[bytes, str]:
    """White paper in a wide black frame."""
    margin = int(random.integers(5, 60))
    side = 320 - 2 * margin
    ink = drawn(digit, side * random.uniform(0.6, 0.8), side * random.uniform(0.05, 0.1))
    return png(np.pad(1 - placed(ink, (side, side), random), margin))


def card(digit: Digit, random: Random) -> tuple[bytes, str]:
    """A white card on a transparent margin."""
    margin = int(random.integers(20, 70))
    side = 320 - 2 * margin
    ink = placed(drawn(digit, side * random.uniform(0.6, 0.8), side * random.uniform(0.05, 0.1)), (side, side), random)
    shown = np.concatenate([1 - ink[..., None].repeat(3, 2), np.ones((side, side, 1))], axis=2)
    return png(np.pad(shown, ((margin, margin), (margin, margin), (0, 0))))


def note_on_table(digit: Digit, random: Random) -> tuple[bytes, str]:
    """A yellow note, a little askew, on a dark table."""
    margin = int(random.integers(60, 130))
    side = 640 - 2 * margin
    ink = drawn(digit, side * random.uniform(0.5, 0.75), side * random.uniform(0.03, 0.07))
    note = light((side, side), random, 0.75, 0.95)[..., None] * (1, 0.93, 0.5)
    note = inked(note, blurred(placed(ink, (side, side), random), 1.2), 0.12)
    wood = 0.25 + 0.04 * blurred(random.normal(0, 1, (640, 640)), 3)
    table = Image.fromarray(_eight_bits(wood[..., None] * (0.9, 0.6, 0.4)))
    sheet = (
        Image.fromarray(_eight_bits(note))
        .convert("RGBA")
        .rotate(random.uniform(-6, 6), Image.Resampling.BILINEAR, expand=True)
    )
    table.paste(sheet, ((640 - sheet.width) // 2, (640 - sheet.height) // 2), sheet)
    return jpeg(np.asarray(table) / 255, random, 0.012)


def window(digit: Digit, random: Random) -> tuple[bytes, str]:
    """A drawing programme: a title bar, a margin, a canvas."""
    height, width, bar, margin = 420, 560, 32, int(random.integers(8, 40))
    picture = plain((height, width), [(0.94, 0.85, 0.25)[random.integers(3)]] * 3)
    picture[:bar] = ((0.2, 0.35, 0.7), (0.9, 0.9, 0.9), (0.15, 0.15, 0.15))[random.integers(3)]
    for button, colour in enumerate(((0.9, 0.3, 0.3), (0.95, 0.75, 0.2), (0.3, 0.8, 0.3))):
        picture[10:22, 10 + 18 * button : 22 + 18 * button] = colour
    inner = (height - bar - 2 * margin, width - 2 * margin)
    ink = placed(drawn(digit, inner[0] * random.uniform(0.55, 0.8), random.uniform(8, 18)), inner, random)
    picture[bar + margin : height - margin, margin : width - margin] = 1 - ink[..., None]
    return png(picture)


def scan(digit: Digit, random: Random) -> tuple[bytes, str]:
    """A flatbed's: off-white, with the dark lid on two sides, and dust."""
    height, width = 700, 500
    ink = placed(drawn(digit, random.uniform(150, 350), random.uniform(6, 14)), (height, width), random)
    for row, column in zip(random.integers(0, height, 15), random.integers(0, width, 15), strict=True):
        ink[row : row + 3, column : column + 3] = random.uniform(0.3, 0.9)
    picture = inked(plain((height, width), [random.uniform(0.88, 0.97)] * 3), ink, 0.15)
    lid = np.arange(width)[None] * random.uniform(-0.02, 0.02) + random.uniform(8, 20) > np.arange(height)[:, None]
    lid |= np.arange(width)[None] > width - random.integers(3, 20)
    picture[lid] = random.uniform(0.1, 0.3)
    return jpeg(picture, random, 0.008)


def number(digits: Sequence[Digit], random: Random) -> tuple[bytes, str]:
    """Several digits in a row, on a canvas or a photographed paper."""
    tall, width = random.uniform(100, 170), random.uniform(6, 16)
    inks = [drawn(digit, tall * random.uniform(0.85, 1.1), width) for digit in digits]
    height = max(len(ink) for ink in inks) + 20
    columns = []
    for ink in inks:
        top = int(random.integers(0, height - len(ink)))
        columns.append(np.pad(ink, ((top, height - len(ink) - top), (0, int(tall * random.uniform(0.08, 0.35))))))
    row = np.concatenate(columns, axis=1)
    size = (height + int(random.integers(40, 160)), row.shape[1] + int(random.integers(40, 160)))
    ink = placed(row, size, random)
    if random.random() < 0.5:
        return png(1 - ink)
    shade = light(size, random, random.uniform(0.45, 0.6), random.uniform(0.7, 0.9))
    return jpeg(inked(shade[..., None] * (1, 0.98, 0.94), blurred(ink, 1.2), 0.15), random, 0.012)


ONE: Final[Mapping[str, Callable[[Digit, Random], tuple[bytes, str]]]] = {
    kind.__name__: kind
    for kind in (
        canvas_white, canvas_black, canvas_transparent, canvas_thin_line, marker, coloured, small_on_page, tight_crop,
        photo, evening, shadow_edge, ballpoint, pencil, chalk, ruled_paper, squared_paper, framed, black_frame, card,
        note_on_table, window, scan,
    )
}  # fmt: skip
