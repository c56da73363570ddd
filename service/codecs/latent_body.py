"""A body that holds latents, by its content type → checked latents.

application/json           {"latents": [...]}
application/x-npy          float32 (n, latent_dim); also octet-stream that begins with npy's magic bytes
application/octet-stream   raw tensor: little-endian float32, row after row
"""

import functools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.codecs import content_type, npy, rows
from service.errors import InvalidInput, ServiceError

MAX_LATENT: Final = 1000.0  # far outside any prior, far inside float32
_BYTE_S = 10e-9  # of reading a byte

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]


class LatentBody:
    """A body that holds latents. rows, cost_s: as of an ImageBody."""

    __slots__ = ("_body", "_latent_dim", "_max_rows", "_media_type", "cost_s", "rows")

    def __init__(self, body: bytes, header: bytes, latent_dim: int, max_rows: int) -> None:
        self._body = body
        self._media_type = content_type.media_type(header)
        self._latent_dim = latent_dim
        self._max_rows = max_rows
        row_bytes = latent_dim * (8 if self._media_type == content_type.JSON else 4)
        self.rows = max(1, min(max_rows, len(body) // row_bytes))
        self.cost_s = len(body) * _BYTE_S

    def read(self) -> FloatArray:
        """float32 (n, latent_dim), finite and at most MAX_LATENT in size; n from 1 to max_rows.

        Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows.
        """
        body, latent_dim = self._body, self._latent_dim
        values: AnyArray
        if self._media_type == content_type.JSON:
            listed = rows.of_json(body, "latents", self._max_rows)
            values = rows.stacked(listed, functools.partial(rows.numbers, shape=(latent_dim,)))
        elif content_type.is_npy(self._media_type, body):
            values = npy.read_npy(body)
            if values.dtype == np.uint8 or values.ndim not in (1, 2) or values.shape[-1] != latent_dim:
                raise InvalidInput(f"Latents are float32 of shape (n, {latent_dim}).", "wrong_shape")
            values = np.atleast_2d(values)
        elif self._media_type == content_type.RAW:
            if len(body) % (4 * latent_dim):
                raise InvalidInput(
                    f"Raw latents are n × {latent_dim} little-endian float32, {4 * latent_dim} bytes each; "
                    f"the body holds {len(body)}.",
                    "wrong_size",
                )
            values = np.frombuffer(body, "<f4").reshape(-1, latent_dim)
        else:
            raise content_type.unsupported(
                self._media_type, (content_type.JSON, content_type.ARRAY[0], content_type.RAW)
            )
        rows.check(len(values), self._max_rows)
        if not (np.abs(values) <= MAX_LATENT).all():  # false for NaN too
            raise InvalidInput(f"Latents must be finite and within ±{MAX_LATENT:g}.", "out_of_range")
        return np.ascontiguousarray(values, np.float32)


def read_latents(bodies: Sequence[LatentBody]) -> list[FloatArray | ServiceError]:
    """What each body's `read` gives or raises."""
    return [_attempt(body) for body in bodies]


def _attempt(body: LatentBody) -> FloatArray | ServiceError:
    try:
        return body.read()
    except ServiceError as error:
        return error
