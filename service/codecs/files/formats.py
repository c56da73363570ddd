"""The formats of image files that are read, recognised by their first bytes, and names for those that are not."""

from collections.abc import Callable
from typing import NamedTuple

from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.codecs.files import bmp, gif, jpeg, png, webp
from service.codecs.files.header import Header, ImageLimits
from service.errors import UnsupportedImageFormat


class Format(NamedTuple):
    """size: (width, height) that a header announces, neither decoded nor checked.  decoder: Pillow's.

    share: of the most pixels, that a file of this format may have. pixel_s: of decoding a pixel, in seconds.
    """

    starts: Callable[[bytes], bool]
    size: Callable[[bytes], tuple[int, int]]
    read: Callable[[bytes, ImageLimits], Header]
    decoder: type[ImageFile]
    share: float = 1.0
    pixel_s: float = 15e-9


PNG = Format(png.starts, png.size, png.read, PngImageFile)
JPEG = Format(jpeg.starts, jpeg.size, jpeg.read, JpegImageFile, jpeg.SHARE, 5e-9)
WEBP = Format(webp.starts, webp.size, webp.read, WebPImageFile, webp.SHARE)
GIF = Format(gif.starts, gif.size, gif.read, GifImageFile)
BMP = Format(bmp.starts, bmp.size, bmp.read, BmpImageFile)
_FORMATS = (PNG, JPEG, WEBP, GIF, BMP)

_ACCEPTED = "PNG, JPEG, WebP, BMP and GIF are accepted."
_SNIFFED_BYTES = 1024
# Brands of ISO base media files, which follow "ftyp": ISO/IEC 23008-12, AVIF 1.1.
_BRANDS = {
    "AVIF": (b"avif", b"avis"),
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
}
_MAGICS = {
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PDF": (b"%PDF-",),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "ICO": (b"\0\0\1\0", b"\0\0\2\0"),
    "Photoshop's PSD": (b"8BPS",),
    "PostScript": (b"%!PS",),
    "PNM": (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"),
    "a ZIP archive": (b"PK\3\4",),
    "gzip": (b"\x1f\x8b",),
    "npy": (b"\x93NUMPY",),
}
_TEXTS = {"SVG": b"<svg", "HTML": b"<html"}


def find(data: bytes) -> Format | None:
    """The format that the first bytes announce; None for every other."""
    return next((kind for kind in _FORMATS if kind.starts(data)), None)


def recognise(data: bytes) -> Format:
    """The format that the first bytes announce.

    Raises UnsupportedImageFormat, which names what the file looks like where that is known.
    """
    kind = find(data)
    if kind is None:
        looks = _foreign(data[:_SNIFFED_BYTES])
        raise UnsupportedImageFormat(f"The image looks like {looks}; {_ACCEPTED}" if looks else _ACCEPTED)
    return kind


def decoding_s(data: bytes, limits: ImageLimits) -> float:
    """What decoding a file costs, in seconds, by the pixels that its header announces; 0 for none and for too many."""
    kind = find(data)
    if kind is None:
        return 0.0
    width, height = kind.size(data)
    return width * height * kind.pixel_s if width * height <= limits.max_pixels * kind.share else 0.0


def _foreign(start: bytes) -> str | None:
    if start[4:8] == b"ftyp":
        brands = {start[i : i + 4] for i in (8, *range(16, min(len(start), int.from_bytes(start[:4])), 4))}
        return next((name for name, known in _BRANDS.items() if brands.intersection(known)), "a video")
    text = start.lower()
    for name, tag in _TEXTS.items():
        if tag in text:
            return name
    return next((name for name, magics in _MAGICS.items() if start.startswith(magics)), None)
