"""An answer → the bytes of the media type that the client accepts.

application/json          everything, a list a field; images as base64 PNG or as numbers
image/png                 the image, or a grid of them
application/x-npy         the main array alone (images, or an encoding's means), float32
application/octet-stream  the same without a header; shape and type in X-Tensor-*
application/x-npz         every array and the metadata
application/zip           a PNG an image, and labels.csv, with every list of one number an image
"""

import base64
import csv
import functools
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from service.codecs import images, npy
from service.errors import NotAcceptable

JSON: Final = "application/json"
PNG: Final = "image/png"
NPY: Final = "application/x-npy"
RAW: Final = "application/octet-stream"
NPZ: Final = "application/x-npz"
ZIP: Final = "application/zip"

DETAILED: Final = (JSON, NPZ, ZIP)  # hold more than the main array
STREAMED: Final = (NPY, RAW)  # a row needs nothing of the rows after it
IMAGE_OFFERS: Final = (JSON, PNG, NPY, RAW, NPZ, ZIP)
LATENT_OFFERS: Final = (JSON, NPY, RAW, NPZ)

_QUICK_BYTES, _QUICK_NUMBERS = 4 << 20, 16_384  # to copy, to print
_QUICK_TILES, _QUICK_IMAGES = 100, 16  # to deflate, in one grid or each alone

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


class Answer(NamedTuple):
    """What a route found out, before it has a form.

    rows: arrays by name, row i of each belonging together; `main` names the one that npy and raw carry.
    groups: more of them, under a name in common: an object in JSON; elsewhere array b of group a is named a_b.
    metadata: facts about the whole answer, such as model and seed.
    first_index: index of row 0, for the names of files.
    """

    metadata: Mapping[str, Any]
    rows: Mapping[str, AnyArray]
    main: str = "images"
    first_index: int = 0
    groups: Mapping[str, Mapping[str, AnyArray]] = MappingProxyType({})

    def arrays(self) -> dict[str, AnyArray]:
        """Rows and groups, by names of one level."""
        grouped = {f"{group}_{name}": rows for group, members in self.groups.items() for name, rows in members.items()}
        return {**self.rows, **grouped}


class Rendering(NamedTuple):
    """How images are shown: numbers instead of PNGs in JSON; columns of a grid, None for a square one."""

    pixels: bool = False
    columns: int | None = None


class Rendered(NamedTuple):
    """body: bytes, or a view of the array's own, which the server writes to the socket as it lies."""

    body: bytes | memoryview
    media_type: str
    headers: Mapping[str, str] = MappingProxyType({})


@functools.lru_cache(maxsize=64)  # clients send the same few, again and again
def negotiate(accept: str | None, offers: tuple[str, ...]) -> str:
    """The offer that an Accept header (RFC 9110, section 12.5.1) likes best, the first offer where it has no wish.

    Raises NotAcceptable, which names the offers.
    """
    if not accept:
        return offers[0]
    ranges = [_media_range(part) for part in accept.split(",")]
    quality, _, offer = max(
        (
            max(
                (r for r in ranges if _matches(r[0], offer)),
                key=lambda r: _precision(r[0]),
                default=("", 0.0),
            )[1],
            -i,
            offer,
        )
        for i, offer in enumerate(offers)
    )
    if quality <= 0:
        raise NotAcceptable(f"This route answers with {', '.join(offers)}.")
    return offer


def render(answer: Answer, media_type: str, rendering: Rendering) -> Rendered:
    """The answer as one of its route's offers; equal answers give equal bytes."""
    return _RENDERERS[media_type](answer, rendering)


def is_drawing(answer: Answer, media_type: str, rendering: Rendering) -> bool:
    """Whether it is a PNG of one digit, which `draw` can render."""
    return media_type == PNG and len(answer.rows["images"]) == 1 and rendering.columns in (None, 1)


def draw(answers: Sequence[Answer]) -> list[Rendered]:
    """What `render` gives for each of these drawings, many of them in less time than one by one."""
    pixels = np.concatenate([answer.rows["images"] for answer in answers])[:, 0]  # (n, 28, 28)
    return [Rendered(file, PNG) for file in images.encode_pngs(pixels)]


def is_quick(answer: Answer, media_type: str) -> bool:
    """Whether `render` takes less than about half a millisecond, and so less than a thread would cost others."""
    main = answer.rows[answer.main]
    if media_type in STREAMED:
        return main.nbytes <= _QUICK_BYTES
    if media_type == JSON and "images" not in answer.rows:
        return main.size * len(answer.rows) <= _QUICK_NUMBERS
    return len(main) <= (_QUICK_TILES if media_type == PNG else _QUICK_IMAGES)


def stream_head(media_type: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rendered:
    """What stands before the raw rows of an array (n, …) in one of the STREAMED types."""
    body = npy.npy_header(shape, dtype) if media_type == NPY else b""
    return Rendered(body, media_type, _tensor_headers(shape, dtype))


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0


def _matches(media_range: str, offer: str) -> bool:
    return media_range in ("*/*", offer, offer.partition("/")[0] + "/*")


def _precision(media_range: str) -> int:
    return 0 if media_range == "*/*" else 1 if media_range.endswith("/*") else 2


def _json(answer: Answer, rendering: Rendering) -> Rendered:
    document = dict(answer.metadata)
    for name, rows in answer.rows.items():
        if name != "images":
            document[name] = rows
        elif rendering.pixels:
            document[name] = np.ascontiguousarray(rows[:, 0])  # (n, 28, 28)
        else:
            document[name] = [base64.b64encode(file).decode() for file in images.encode_pngs(rows[:, 0])]
    document |= answer.groups
    return Rendered(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), JSON)


def _png(answer: Answer, rendering: Rendering) -> Rendered:
    return Rendered(images.encode_grid(answer.rows["images"][:, 0], rendering.columns), PNG)


def _npy(answer: Answer, rendering: Rendering) -> Rendered:
    array = answer.rows[answer.main]
    return Rendered(npy.write_npy(array), NPY, _tensor_headers(array.shape, array.dtype))


def _raw(answer: Answer, rendering: Rendering) -> Rendered:
    array = answer.rows[answer.main]
    return Rendered(npy.write_raw(array), RAW, _tensor_headers(array.shape, array.dtype))


def _npz(answer: Answer, rendering: Rendering) -> Rendered:
    facts = {name: np.array(value, np.uint64 if name == "seed" else None) for name, value in answer.metadata.items()}
    return Rendered(npy.write_npz({**facts, **answer.arrays()}), NPZ)


def _zip(answer: Answer, rendering: Rendering) -> Rendered:
    columns = {name: rows for name, rows in answer.arrays().items() if rows.ndim == 1}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", *columns])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # PNGs are compressed already
        for i, image in enumerate(images.encode_pngs(answer.rows["images"][:, 0])):
            name = f"{answer.first_index + i:06d}.png"
            archive.writestr(zipfile.ZipInfo(name), image)
            writer.writerow([name, *(column[i].item() for column in columns.values())])
        archive.writestr(zipfile.ZipInfo("labels.csv"), table.getvalue())
    return Rendered(file.getvalue(), ZIP)


def _tensor_headers(shape: tuple[int, ...], dtype: np.dtype[Any]) -> dict[str, str]:
    return {"X-Tensor-Shape": ",".join(map(str, shape)), "X-Tensor-Dtype": dtype.name}


_RENDERERS: Final[Mapping[str, Callable[[Answer, Rendering], Rendered]]] = {
    JSON: _json,
    PNG: _png,
    NPY: _npy,
    RAW: _raw,
    NPZ: _npz,
    ZIP: _zip,
}
