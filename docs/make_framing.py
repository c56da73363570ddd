"""Draws docs/figures/framing.png: several files, and the 28×28 pixels that each `fit` makes of them.

    python docs/make_framing.py

Needs the service's packages and the digits in tests/data.
"""

import gzip
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from service.codecs.files.images import ImageLimits, decode  # noqa: E402
from service.errors import InvalidImage  # noqa: E402

CELL, GAP, NAMES, TITLES = 168, 14, 170, 34  # pixels of the figure
LIMITS = ImageLimits(max_bytes=1 << 20)
FITS = ("resize", "mnist", "exact")
SLATE, LINE = (52, 62, 74), (196, 202, 210)


def main() -> None:
    digits = np.frombuffer(
        gzip.decompress((ROOT / "tests/data/t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16
    ).reshape(-1, 28, 28)
    rows = {
        "a digit of MNIST\nPNG, 28 x 28": saved(Image.fromarray(digits[0]), "PNG"),
        "dark on light,\nuneven paper\nJPEG, 420 x 560": saved(photographed(digits[1]), "JPEG", quality=70),
        "black strokes on\ntransparency\nPNG, 300 x 300": saved(drawn(digits[4]), "PNG"),
        "a wide image\nPNG, 600 x 160": saved(wide(digits[2]), "PNG"),
    }
    width = NAMES + (1 + len(FITS)) * (CELL + GAP)
    figure = Image.new("RGB", (width, TITLES + len(rows) * (CELL + GAP)), "white")
    pen = ImageDraw.Draw(figure)
    font = ImageFont.load_default(15)
    for column, title in enumerate(("the file", *(f"fit={fit}" for fit in FITS))):
        pen.text((NAMES + column * (CELL + GAP) + CELL / 2, TITLES / 2), title, SLATE, font, anchor="mm")
    for row, (name, data) in enumerate(rows.items()):
        top = TITLES + row * (CELL + GAP)
        pen.multiline_text((14, top + CELL / 2), name, SLATE, font, anchor="lm", spacing=6)
        for column, cell in enumerate((shown(data), *(framed(data, fit) for fit in FITS))):
            left = NAMES + column * (CELL + GAP)
            pen.rectangle((left - 1, top - 1, left + CELL, top + CELL), outline=LINE)
            if isinstance(cell, str):
                pen.multiline_text((left + CELL / 2, top + CELL / 2), cell, SLATE, font, anchor="mm", align="center")
            else:
                figure.paste(cell, (left + (CELL - cell.width) // 2, top + (CELL - cell.height) // 2))
    figure.quantize(64).save(ROOT / "docs/figures/framing.png", optimize=True)


def shown(data: bytes) -> Image.Image:
    """The file as a viewer shows it, transparency as a chequerboard."""
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    picture = picture.resize([round(side * CELL / max(picture.size)) for side in picture.size])
    squares = np.indices(picture.size[::-1]) // 8
    board = Image.fromarray(np.where(squares.sum(axis=0) % 2, 255, 222).astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(board, picture).convert("RGB")


def framed(data: bytes, fit: str) -> Image.Image | str:
    """The pixels as the model sees them, ink white, or the reason why there are none."""
    try:
        pixels = decode(data, fit=fit, invert="auto", limits=LIMITS)
    except InvalidImage as error:
        return f"422\n{error.code}"
    return Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).resize((CELL, CELL), Image.Resampling.NEAREST)


def photographed(digit: np.ndarray) -> Image.Image:
    """The digit in dark ink low on a tall sheet, whose light falls off to one side, with noise."""
    ink = np.zeros((560, 420))
    ink[250:530, 60:340] = np.asarray(Image.fromarray(digit).resize((280, 280), Image.Resampling.BICUBIC)) / 255
    light = 0.97 - 0.05 * np.linspace(0, 1, 420) + np.random.default_rng(0).normal(0, 0.01, ink.shape)
    return Image.fromarray((255 * np.clip(light * (1 - 0.85 * ink), 0, 1)).astype(np.uint8))


def drawn(digit: np.ndarray) -> Image.Image:
    ink = Image.fromarray(digit).resize((190, 190), Image.Resampling.BICUBIC)
    alpha = Image.new("L", (300, 300))
    alpha.paste(ink, (90, 20))
    return Image.merge("LA", (Image.new("L", alpha.size), alpha))


def wide(digit: np.ndarray) -> Image.Image:
    page = Image.new("L", (600, 160), 255)
    page.paste(Image.fromarray(255 - digit).resize((150, 150), Image.Resampling.BICUBIC), (340, 5))
    return page


def saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


if __name__ == "__main__":
    main()
