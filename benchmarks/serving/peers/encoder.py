"""The job that every peer does: digits in PNG → mean and log-variance. What differs is the framework around it."""

import io
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

BATCH_ROWS = 64  # a peer's largest batch; the encoder gains nothing from more
BATCH_WAIT_S = 0.001  # that a peer may wait for a batch to fill


class Encoder:
    """The encoder of the bundle in the directory BUNDLE."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(Path(os.environ["BUNDLE"]) / "encoder.onnx", options)
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, images: list[np.ndarray]) -> list[dict[str, list[float]]]:
        """images: (1, 28, 28) each. For each the row of every output."""
        outputs = [rows.tolist() for rows in self._session.run(None, {"image": np.stack(images)})]
        return [dict(zip(self._names, rows, strict=True)) for rows in zip(*outputs, strict=True)]


def decode(png: bytes) -> np.ndarray:
    """float32 (1, 28, 28) in [0, 1]."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"), np.float32)[np.newaxis] / 255
