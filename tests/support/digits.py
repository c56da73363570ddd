"""Real digits for tests, and pictures of them in every format the service reads."""

import base64
import gzip
import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from PIL import Image

DIRECTORY = Path(__file__).parents[1] / "data"


def images(half: Literal["train", "test"] = "test") -> np.ndarray:
    """One half of the sample, uint8 (n, 28, 28), 255 is ink."""
    return _content(half, "images-idx3", 16).reshape(-1, 28, 28)


def labels(half: Literal["train", "test"] = "test") -> np.ndarray:
    """Labels of the same half, uint8 (n,)."""
    return _content(half, "labels-idx1", 8)


def _content(half: str, kind: str, offset: int) -> np.ndarray:
    path = DIRECTORY / f"{'t10k' if half == 'test' else half}-{kind}-ubyte.gz"
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


def png(digit: np.ndarray) -> bytes:
    return saved(digit, "PNG")


def saved(digit: np.ndarray, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(digit).save(file, kind, **options)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def form(*files: bytes, boundary: str = "frontier") -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="f{i}"; filename="{i}.png"\r\n\r\n'.encode() + file
        for i, file in enumerate(files)
    ]
    return b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])


def bodies(digits: np.ndarray) -> dict[str, tuple[str, bytes]]:
    """The same digits, uint8 (n, 28, 28), in every format: name → content type and body. One digit if it holds one."""
    pngs = [png(digit) for digit in digits]
    texts = [base64.b64encode(file).decode() for file in pngs]
    unit = (digits / np.float32(255)).astype(np.float32)
    json = "application/json"
    listed = {
        "json base64": texts,
        "json data uri": [f"data:image/png;base64,{text}" for text in texts],
        "json 28x28": unit.tolist(),
        "json 784": unit.reshape(-1, 784).tolist(),
    }
    several = {
        **{name: (json, orjson.dumps({"images": rows})) for name, rows in listed.items()},
        "multipart": ("multipart/form-data; boundary=frontier", form(*pngs)),
        "npy uint8 (n,28,28)": ("application/x-npy", npy(digits)),
        "npy uint8 (n,784)": ("application/x-npy", npy(digits.reshape(-1, 784))),
        "npy float32 (n,1,28,28)": ("application/x-npy", npy(unit[:, np.newaxis])),
        "npy float32 big-endian": ("application/x-npy", npy(unit.astype(">f4"))),
        "npy Fortran order": ("application/npy", npy(np.asfortranarray(unit))),
        "npy by its magic": ("application/octet-stream", npy(unit)),
        "raw": ("application/octet-stream", digits.tobytes()),
    }
    if len(digits) > 1:
        return several
    return {**several, "png": ("image/png", pngs[0]), "npy (28,28)": ("application/x-npy", npy(digits[0]))}
