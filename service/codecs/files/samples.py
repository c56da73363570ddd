"""A decoded image → its samples and transparency as arrays, reduced where it has more pixels than are worked on."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.codecs.files import masks
from service.codecs.files.header import Header
from service.codecs.framing import FloatArray
from service.codecs.ink import unit

Samples = npt.NDArray[np.unsignedinteger[Any]]  # uint8 of 255 or uint16 of 65535
_Opacity = npt.NDArray[np.uint8]

_STRIP_ROWS = 32  # of the reduced image: so arrays of a large one's full size are never made


def of_image(
    image: Image.Image, header: Header, factor: int = 1, *, grey: bool = False
) -> tuple[Samples, FloatArray | None]:
    """Samples (h, w) or (h, w, 3) and, where some pixel may be transparent, alpha (h, w) in [0, 1].

    factor: so many pixels of each side become one, their mean, in which a pixel counts by its alpha.
    grey: colours become luma by Rec. 601.
    What narrowing or a lossy format made of 0 and 1 is no mask, nor is what has transparent pixels.
    Raises IndexError for a pixel outside the palette.
    """
    if header.colours and np.max(image.getextrema()) >= header.colours:
        raise IndexError("a pixel lies outside the palette")
    if header.exact and header.depth <= 8 and not header.transparency:
        image = masks.in_full_scale(image)
    if header.box and not header.transparency:
        covered = Image.new("L", image.size)
        covered.paste(255, header.box)
        image = image.convert("RGB")
        image.putalpha(covered)
    if factor == 1:
        samples, opacity = _arrays(image, header, grey)
    else:
        width, height = image.size
        strips = [
            _reduced(
                *_arrays(image.crop((0, top, width, min(height, top + _STRIP_ROWS * factor))), header, grey), factor
            )
            for top in range(0, height, _STRIP_ROWS * factor)
        ]
        samples = np.concatenate([strip for strip, _ in strips])
        opacities = [opacity for _, opacity in strips if opacity is not None]
        opacity = np.concatenate(opacities) if opacities else None
    return samples, None if opacity is None else unit(opacity)


def _arrays(image: Image.Image, header: Header, grey: bool) -> tuple[Samples, _Opacity | None]:
    """Samples and opacity of 255. 16-bit grey stays so; Pillow narrows 16-bit colour to 8."""
    if image.mode == "1":
        image = image.convert("L")
    if image.mode in ("L", "I;16"):
        samples = np.asarray(image)
    else:
        # CMYK has no way of its own to luma.
        plain = image.convert("RGB") if image.mode == "CMYK" else image
        samples = np.asarray(plain.convert("L" if grey or image.mode == "LA" else "RGB"))
    return samples, _opacity(image, header, grey)


def _opacity(image: Image.Image, header: Header, grey: bool) -> _Opacity | None:
    if image.mode in ("LA", "RGBA"):
        return np.asarray(image.getchannel("A"))
    # A grey palette is given an alpha even if it is opaque: `images` compares such a ring's median in floats, which
    # settles a tie otherwise than whole numbers do, and the answer for a file must not change.
    if not header.transparency and not (header.colours and grey):
        return None
    if header.colours:
        opacity = np.full(256, 255, np.uint8)
        opacity[: len(header.transparency)] = np.frombuffer(header.transparency, np.uint8)
        spread: _Opacity = opacity[np.asarray(image)]
        return spread
    key = np.frombuffer(header.transparency, ">u2") & (2**header.depth - 1)  # one grey or three colours
    if image.mode == "RGB":
        matches = (np.asarray(image) == key >> (header.depth - 8)).all(axis=2)  # (h, w, 3) to (h, w)
    else:
        matches = np.asarray(image) == (key if header.depth == 16 else key * (255 // (2**header.depth - 1)))
    return np.where(matches, 0, 255).astype(np.uint8)


def _reduced(samples: Samples, opacity: _Opacity | None, factor: int) -> tuple[Samples, _Opacity | None]:
    if samples.itemsize == 2:
        samples = (samples >> 8).astype(np.uint8)  # the mean of so many needs no more
    image = Image.fromarray(samples)
    if opacity is None:
        return np.asarray(image.reduce(factor)), None
    image.putalpha(Image.fromarray(opacity))
    reduced = np.asarray(image.reduce(factor))
    colours = reduced[..., :-1]
    return colours[..., 0] if samples.ndim == 2 else colours, reduced[..., -1]
