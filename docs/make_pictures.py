"""Draws pictures.png: pictures as people send them, what `fit=resize` and `fit=auto` make of each, and the digit that
the default model reads there. Draws read.png: four of them, for the README.

    python docs/make_pictures.py [DIRECTORY]

The directory is docs/figures unless it is named. Needs the packages for development and the pictures in tests/data.
"""

import gzip
import io
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.pictures.__main__ import labels, load  # noqa: E402
from service.codecs.files import images  # noqa: E402
from service.codecs.files.header import ImageLimits  # noqa: E402
from service.codecs.framing import Fit, FloatArray  # noqa: E402
from service.engine.model import Model  # noqa: E402

CELL, GAP, BLOCK_GAP, MARGIN = 112, 8, 48, 20  # pixels of the figure; a cell is four to each of 28
HEAD, FOOT = 30, 30  # what stands above a column, and below a cell
SLATE, GREY, LINE = (40, 48, 58), (112, 122, 134), (206, 211, 218)
RIGHT, WRONG = (0, 114, 178), (213, 94, 0)  # told apart by every eye: Okabe & Ito 2008
LIMITS = ImageLimits(max_bytes=1 << 20)
FITS: tuple[Fit, ...] = ("resize", "auto")
COLUMNS = (
    (
        "canvas_white",
        "canvas_black",
        "canvas_transparent",
        "canvas_thin_line",
        "coloured",
        "marker",
        "window",
        "tight_crop",
    ),
    ("ballpoint", "pencil", "ruled_paper", "squared_paper", "framed", "small_on_page", "scan", "mnist"),
    ("photo", "evening", "shadow_edge", "note_on_table", "chalk", "black_frame", "card", "empty_page"),
)
CHOSEN = ("photo", "note_on_table", "squared_paper", "window")
NUMBER, SMALL = "number/2_97632280.jpg", 84


Colour = tuple[int, int, int]


class Place(NamedTuple):
    """In pixels of the figure."""

    left: int
    top: int
    width: int
    height: int


class Example(NamedTuple):
    """label: the digits on the picture; none on an empty page."""

    name: str
    label: str
    data: bytes


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/figures"
    for name, figure in (("pictures", gallery(load("digits-vae"))), ("read", row())):
        figure.quantize(256, kmeans=1, dither=Image.Dither.NONE).save(directory / f"{name}.png", optimize=True)


def gallery(model: Model) -> Image.Image:
    block = 3 * CELL + 2 * GAP
    width = 2 * MARGIN + len(COLUMNS) * block + (len(COLUMNS) - 1) * BLOCK_GAP
    rows_height = max(map(len, COLUMNS)) * (CELL + FOOT)
    figure = Image.new("RGB", (width, MARGIN + HEAD + rows_height + HEAD + SMALL + FOOT + MARGIN // 2), "white")
    for column, kinds in enumerate(COLUMNS):
        left, top = MARGIN + column * (block + BLOCK_GAP), MARGIN + HEAD
        for place, title in enumerate(("the picture", *(f"fit={fit}" for fit in FITS))):
            heading(figure, Place(left + place * (CELL + GAP), top, CELL, CELL), title)
        for place, kind in enumerate(kinds):
            draw(figure, model, example(kind), left, top + place * (CELL + FOOT))
    draw_number(figure, model, MARGIN + HEAD + rows_height + HEAD)
    return figure


def row() -> Image.Image:
    """Each picture, and beside it what a model sees."""
    width = 2 * MARGIN + len(CHOSEN) * (2 * CELL + GAP) + (len(CHOSEN) - 1) * BLOCK_GAP
    figure = Image.new("RGB", (width, 2 * MARGIN + CELL), "white")
    for column, kind in enumerate(CHOSEN):
        place = Place(MARGIN + column * (2 * CELL + GAP + BLOCK_GAP), MARGIN, CELL, CELL)
        data = example(kind).data
        paste(figure, shown(data, CELL, CELL), place, LINE)
        paste(figure, enlarged(read(data, "auto")[0], CELL), place._replace(left=place.left + CELL + GAP), LINE)
    return figure


def draw(figure: Image.Image, model: Model, example: Example, left: int, top: int) -> None:
    place = Place(left, top, CELL, CELL)
    paste(figure, shown(example.data, CELL, CELL), place, LINE)
    caption(figure, place, example.name, SLATE)
    for i, fit in enumerate(FITS, 1):
        draw_read(figure, model, read(example.data, fit), example.label, place._replace(left=left + i * (CELL + GAP)))


def draw_read(figure: Image.Image, model: Model, pixels: FloatArray, label: str, place: Place) -> None:
    """pixels: of one digit, (1, 28, 28)."""
    digit = str(labels(model, pixels)[0]) if pixels.any() else ""
    colour = RIGHT if digit == label else WRONG
    paste(figure, enlarged(pixels[0], place.width), place, colour)
    caption(figure, place, f"reads as {digit}" if digit else "blank", colour)


def draw_number(figure: Image.Image, model: Model, top: int) -> None:
    """A picture of several digits, and each of them by split=true."""
    data = (ROOT / "tests/data/pictures" / NUMBER).read_bytes()
    digits = read(data, "auto", split=True)
    left = figure.width - MARGIN - len(digits) * (SMALL + GAP) + GAP
    whole = Place(MARGIN, top, left - MARGIN - 2 * GAP, SMALL)
    heading(figure, whole, "the picture")
    heading(figure, Place(left, top, figure.width - MARGIN - left, SMALL), "split=true")
    paste(figure, shown(data, whole.width, SMALL), whole, LINE)
    caption(figure, whole, "number", SLATE)
    for i, label in enumerate(Path(NUMBER).stem.rpartition("_")[2]):
        draw_read(figure, model, digits[i : i + 1], label, Place(left + i * (SMALL + GAP), top, SMALL, SMALL))


def example(kind: str) -> Example:
    """The first of its kind, as it is committed."""
    name = kind.replace("_", " ")
    if kind == "mnist":
        content = gzip.decompress((ROOT / "tests/data/t10k-images-idx3-ubyte.gz").read_bytes())
        digit = np.frombuffer(content, np.uint8, 28 * 28, 16).reshape(28, 28)
        return Example("MNIST, 28 by 28", "7", saved(digit, "PNG"))
    if kind == "empty_page":
        light = np.linspace(215, 165, 320) + np.random.default_rng(1).normal(0, 4, (320, 320))
        return Example(name, "", saved(np.rint(light).astype(np.uint8), "JPEG"))
    file = min((ROOT / "tests/data/pictures" / kind).iterdir())
    return Example(name, file.stem.rpartition("_")[2], file.read_bytes())


def read(data: bytes, fit: Fit, *, split: bool = False) -> FloatArray:
    return images.read(data, fit=fit, invert="auto", limits=LIMITS, split=split).pixels


def shown(data: bytes, width: int, height: int) -> Image.Image:
    """The file as a viewer shows it, transparency as a chequerboard."""
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    scale = min(width / picture.width, height / picture.height)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    squares = np.indices(picture.size[::-1]) // 8
    board = Image.fromarray(np.where(squares.sum(axis=0) % 2, 255, 226).astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(board, picture).convert("RGB")


def enlarged(pixels: FloatArray, side: int) -> Image.Image:
    """The pixels as a model sees them, ink white."""
    return Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)


def paste(figure: Image.Image, cell: Image.Image, place: Place, colour: Colour) -> None:
    """In the middle of its place."""
    left, top = place.left + (place.width - cell.width) // 2, place.top + (place.height - cell.height) // 2
    figure.paste(cell, (left, top))
    ImageDraw.Draw(figure).rectangle((left - 2, top - 2, left + cell.width + 1, top + cell.height + 1), None, colour, 2)


def caption(figure: Image.Image, place: Place, text: str, colour: Colour) -> None:
    centre = place.left + place.width / 2, place.top + place.height + FOOT / 2 - 2
    ImageDraw.Draw(figure).text(centre, text, colour, ImageFont.load_default(13), anchor="mm")


def heading(figure: Image.Image, place: Place, text: str) -> None:
    centre = place.left + place.width / 2, place.top - HEAD / 2 - 4
    ImageDraw.Draw(figure).text(centre, text, GREY, ImageFont.load_default(14), anchor="mm")


def saved(samples: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(samples).save(file, kind)
    return file.getvalue()


if __name__ == "__main__":
    main()
