"""A body that holds latents → checked latents.

application/json           {"latents": [...]}
application/x-npy          numbers (n, latent_dim)
application/octet-stream   raw tensor: little-endian float32, row after row, or as its X-Tensor headers say

What the type leaves open, the first bytes decide: `content_type.of`.
"""

from collections.abc import Mapping, Sequence
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

    __slots__ = ("_body", "_headers", "_latent_dim", "_max_rows", "_media_type", "cost_s", "rows")

    def __init__(self, body: bytes, headers: Mapping[bytes, bytes], latent_dim: int, max_rows: int) -> None:
        """headers: by names in lower case. Raises UnsupportedMediaType for JSON in another charset than UTF-8."""
        self._body = body
        self._headers = headers
        self._media_type = content_type.of(headers, body)
        self._latent_dim = latent_dim
        self._max_rows = max_rows
        row_bytes = latent_dim * (8 if self._media_type == content_type.JSON else 4)
        self.rows = max(1, min(max_rows, len(body) // row_bytes))
        self.cost_s = len(body) * _BYTE_S

    def read(self) -> FloatArray:
        """float32 (n, latent_dim), finite and at most MAX_LATENT in size; n from 1 to max_rows.

        Raises UnsupportedMediaType, MalformedBody, InvalidInput, TooManyRows.
        """
        values = self._values()
        rows.check(len(values), self._max_rows)
        if values.dtype.kind in "iu":
            values = values.astype(np.float64)  # the least of a whole type has no opposite
        if not (np.abs(values) <= MAX_LATENT).all():  # false for NaN too
            raise InvalidInput(f"Latents must be finite and within ±{MAX_LATENT:g}.", "out_of_range")
        return np.ascontiguousarray(values, np.float32)

    def _values(self) -> AnyArray:
        """(n, latent_dim), unchecked."""
        body, latent_dim = self._body, self._latent_dim
        if self._media_type == content_type.JSON:
            listed = rows.of_json(body, "latents", self._max_rows)
            return rows.stacked(listed, lambda row: rows.numbers(row, (latent_dim,)))
        if self._media_type == content_type.ARRAY:
            values = npy.read_npy(body)
        elif self._media_type == content_type.RAW:
            values = npy.read_raw(body, self._headers, "float32")
            if values.ndim == 1 and len(values) % latent_dim:
                raise InvalidInput(
                    f"Raw latents are n × {latent_dim} numbers, little-endian float32 unless X-Tensor-Dtype says "
                    f"otherwise; the body holds {len(values)}.",
                    "wrong_size",
                )
            values = values.reshape(-1, latent_dim) if values.ndim == 1 else values
        else:
            raise content_type.unsupported(self._media_type, (content_type.JSON, content_type.ARRAY, content_type.RAW))
        if values.dtype == np.bool_ or values.ndim not in (1, 2) or values.shape[-1] != latent_dim:
            raise InvalidInput(f"Latents are numbers of shape (n, {latent_dim}).", "wrong_shape")
        return np.atleast_2d(values)


def read_latents(bodies: Sequence[LatentBody]) -> list[FloatArray | ServiceError]:
    """What each body's `read` gives or raises."""
    return [_attempt(body) for body in bodies]


def _attempt(body: LatentBody) -> FloatArray | ServiceError:
    try:
        return body.read()
    except ServiceError as error:
        return error
