"""Masks as tools for segmentation write them: 8-bit pictures of 0 and 1, which are meant as black and white."""

from typing import Any

from PIL import Image

_MODES = ("L", "P", "RGB", "LA", "RGBA")
_FULL_SCALE = [0, 255, *[0] * 254]


def in_full_scale(image: Image.Image) -> Image.Image:
    """The image; a mask with 255 for each 1. An alpha of 255 throughout is dropped from it, any other is no mask's."""
    if image.mode not in _MODES or max(_first_colour(image)) > 1:  # nearly always enough
        return image
    if image.mode == "P":
        palette = image.getpalette() or []
        indices: Any = [index for _, index in image.getcolors() or ()]
        used = {value for index in indices for value in palette[3 * index : 3 * index + 3]}
        if max(used, default=0) == 1:
            image.putpalette([_FULL_SCALE[value] for value in palette])
        return image
    bands = image.getbands()
    highest = [image.getchannel(band).getextrema()[1] for band in bands if band != "A"]
    if max(highest) != 1 or ("A" in bands and image.getchannel("A").getextrema() != (255, 255)):
        return image
    return image.convert("L" if len(highest) == 1 else "RGB").point(_FULL_SCALE * len(highest))


def _first_colour(image: Image.Image) -> tuple[int, ...]:
    """The samples of the first pixel, without its alpha."""
    pixel: Any = image.getpixel((0, 0))
    if image.mode == "P":
        return tuple((image.getpalette() or [])[3 * pixel : 3 * pixel + 3]) or (0,)
    return pixel[: 3 if image.mode[0] == "R" else 1] if isinstance(pixel, tuple) else (pixel,)
