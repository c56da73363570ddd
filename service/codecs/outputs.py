"""An answer → the bytes of its media type.

application/json          everything, a list a field; images as base64 PNG or as numbers
image/png                 the image, or a grid of them
application/x-npy         the main array alone (images, or an encoding's means), float32
application/octet-stream  the same without a header; shape and type in X-Tensor-*
application/x-npz         every array and the metadata
application/zip           a PNG an image, and labels.csv, with every list of one number an image
"""

import base64
import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from service.codecs import npy
from service.codecs.files import drawing

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

_ROW_S: Final = {JSON: 30e-6, PNG: 5e-6, NPY: 1e-6, RAW: 1e-6, NPZ: 2e-6, ZIP: 60e-6}
_LATENT_ROW_S: Final = 5e-6

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


class RenderOptions(NamedTuple):
    """How images are shown: numbers instead of PNGs in JSON; columns of a grid, None for a square one."""

    pixels: bool = False
    columns: int | None = None


class Answer(NamedTuple):
    """What a verb found out, before it has a form.

    media_type: the form it will have. metadata: facts about the whole answer, such as model and seed.
    rows: arrays by name, row i of each belonging together; `main` names the one that npy and raw carry.
    groups: more of them, under a common name: an object in JSON; elsewhere array b of group a is named a_b.
    first_index: index of row 0, for the names of files.
    """

    media_type: str
    metadata: Mapping[str, Any]
    rows: Mapping[str, AnyArray]
    main: str = "images"
    options: RenderOptions = RenderOptions()
    first_index: int = 0
    groups: Mapping[str, Mapping[str, AnyArray]] = MappingProxyType({})

    def arrays(self) -> dict[str, AnyArray]:
        """Rows and groups, by names of one level."""
        grouped = {f"{group}_{name}": rows for group, members in self.groups.items() for name, rows in members.items()}
        return {**self.rows, **grouped}


class Rendered(NamedTuple):
    """body: bytes, or a view of the array's own, which the server writes to the socket as it lies."""

    body: bytes | memoryview
    media_type: str
    headers: Mapping[str, str] = MappingProxyType({})


def render(answers: Sequence[Answer]) -> list[Rendered]:
    """Each answer as its media type; equal answers give equal bytes.

    Drawings of one digit are made together, many of them in less time than one by one.
    """
    drawings = [i for i, answer in enumerate(answers) if _is_drawing(answer)] if len(answers) > 1 else []
    drawn: dict[int, bytes] = {}
    if drawings:
        pixels = np.concatenate([answers[i].rows["images"] for i in drawings])[:, 0]  # (n, 28, 28)
        drawn = dict(zip(drawings, drawing.encode_pngs(pixels), strict=True))
    return [
        Rendered(drawn[i], PNG) if i in drawn else _RENDERERS[answer.media_type](answer)
        for i, answer in enumerate(answers)
    ]


def row_s(media_type: str, *, has_images: bool = True) -> float:
    """What rendering costs a row, in seconds, roughly."""
    return _ROW_S[media_type] if has_images else _LATENT_ROW_S


def _is_drawing(answer: Answer) -> bool:
    return answer.media_type == PNG and len(answer.rows["images"]) == 1 and answer.options.columns in (None, 1)


def stream_head(media_type: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rendered:
    """What stands before the raw rows of an array (n, …) in one of the STREAMED types."""
    body = npy.npy_header(shape, dtype) if media_type == NPY else b""
    return Rendered(body, media_type, _tensor_headers(shape, dtype))


def _json(answer: Answer) -> Rendered:
    document = dict(answer.metadata)
    for name, rows in answer.rows.items():
        if name != "images":
            document[name] = rows
        elif answer.options.pixels:
            document[name] = np.ascontiguousarray(rows[:, 0])  # (n, 28, 28)
        else:
            document[name] = [base64.b64encode(file).decode() for file in drawing.encode_pngs(rows[:, 0])]
    document |= answer.groups
    return Rendered(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), JSON)


def _png(answer: Answer) -> Rendered:
    return Rendered(drawing.encode_grid(answer.rows["images"][:, 0], answer.options.columns), PNG)


def _npy(answer: Answer) -> Rendered:
    array = answer.rows[answer.main]
    return Rendered(npy.write_npy(array), NPY, _tensor_headers(array.shape, array.dtype))


def _raw(answer: Answer) -> Rendered:
    array = answer.rows[answer.main]
    return Rendered(npy.write_raw(array), RAW, _tensor_headers(array.shape, array.dtype))


def _npz(answer: Answer) -> Rendered:
    facts = {name: np.array(value, np.uint64 if name == "seed" else None) for name, value in answer.metadata.items()}
    return Rendered(npy.write_npz({**facts, **answer.arrays()}), NPZ)


def _zip(answer: Answer) -> Rendered:
    columns = {name: rows for name, rows in answer.arrays().items() if rows.ndim == 1}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", *columns])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # PNGs are compressed already
        for i, image in enumerate(drawing.encode_pngs(answer.rows["images"][:, 0])):
            name = f"{answer.first_index + i:06d}.png"
            archive.writestr(zipfile.ZipInfo(name), image)
            writer.writerow([name, *(column[i].item() for column in columns.values())])
        archive.writestr(zipfile.ZipInfo("labels.csv"), table.getvalue())
    return Rendered(file.getvalue(), ZIP)


def _tensor_headers(shape: tuple[int, ...], dtype: np.dtype[Any]) -> dict[str, str]:
    return {"X-Tensor-Shape": ",".join(map(str, shape)), "X-Tensor-Dtype": dtype.name}


_RENDERERS: Final[Mapping[str, Callable[[Answer], Rendered]]] = {
    JSON: _json,
    PNG: _png,
    NPY: _npy,
    RAW: _raw,
    NPZ: _npz,
    ZIP: _zip,
}
