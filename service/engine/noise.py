"""Seeded noise, addressed by index: row i is a function of (seed, stream, i) alone.

So a page of samples can be made by any replica, in any order, without state. The bits are Philox 4x64-10 (Salmon et
al. 2011, "Parallel random numbers: as easy as 1, 2, 3") as NumPy's bit stream gives them, which is stable over versions
and machines. They become normal through the inverse distribution function (Wichura 1988, algorithm AS 241), written
with + − × ÷ and √ alone: IEEE 754 fixes those to the last bit, while a library's log or cos may change with its build.
"""

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

SAMPLE_STREAM: Final = 0  # noise and labels of /sample
POSTERIOR_STREAM: Final = 1  # draws from the posterior in /reconstruct
STREAMS: Final = 2  # a further try of stream s is stream s + try · STREAMS
MAX_SEED: Final = 2**64 - 1

_SEED_BITS = 53  # a JSON reader that keeps numbers as doubles can send such a seed back unharmed
_BLOCK_WORDS = 4  # Philox 4x64 makes four words at each counter

Float64Array = npt.NDArray[np.float64]


def _pairs(above: tuple[float, ...], below: tuple[float, ...]) -> Float64Array:
    """(8, 2, 1)"""
    return np.array([above, below]).T[:, :, np.newaxis].copy()


# AS 241, routine PPND16: numerators and denominators, highest power first.
_CENTRE = _pairs(
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_MIDDLE = _pairs(
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
_TAIL = _pairs(
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip
_LN_2 = 0.693147180559945309417
_ARTANH = tuple(2.0 / (2 * k + 1) for k in reversed(range(12)))  # highest power first


@dataclass(frozen=True, slots=True)
class Page:
    """Rows first … first+count−1 of a stream, or those of them that `rows` names. width: normals in a row."""

    seed: int
    stream: int
    first: int
    count: int
    width: int
    rows: npt.NDArray[np.intp] | None = None


class Draw(NamedTuple):
    """uniforms: one a row, in (0, 1), float64 (rows,). normals: standard normal, float32 (rows, width)."""

    uniforms: Float64Array
    normals: npt.NDArray[np.float32]


def seed(given: int | None) -> int:
    """The given seed, or a random one."""
    return secrets.randbits(_SEED_BITS) if given is None else given


def draw(pages: Sequence[Page]) -> list[Draw]:
    """A draw for each page. Its bits do not depend on which other pages there are."""
    uniforms = [_uniforms(page) for page in pages]
    flat = [rows[:, 1:].ravel() for rows in uniforms]
    normals = normal_quantile(np.concatenate(flat)).astype(np.float32)
    ends = itertools.accumulate(part.size for part in flat)
    return [
        Draw(rows[:, 0], normals[end - part.size : end].reshape(len(rows), page.width))
        for page, rows, part, end in zip(pages, uniforms, flat, ends, strict=True)
    ]


def _uniforms(page: Page) -> Float64Array:
    """(rows, 1 + width)"""
    blocks = -(-(1 + page.width) // _BLOCK_WORDS)
    philox = np.random.Philox(key=page.seed, counter=(page.stream << 128) + page.first * blocks)
    words = philox.random_raw(page.count * blocks * _BLOCK_WORDS).reshape(page.count, -1)[:, : 1 + page.width]
    if page.rows is not None:
        words = words[page.rows]
    uniforms: Float64Array = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # never 0, never 1
    return uniforms


def normal_quantile(probabilities: Float64Array) -> Float64Array:
    """Inverse of the standard normal distribution function, to about 1e-15. probabilities: in (0, 1), any shape."""
    p = probabilities.ravel()
    q = p - 0.5
    quantiles = q * _ratio(_CENTRE, 0.180625 - q * q)
    (outside,) = (np.abs(q) > 0.425).nonzero()
    if outside.size:
        q, p = q[outside], p[outside]
        below = q < 0
        r = np.sqrt(-_log(np.where(below, p, 1.0 - p)))
        size = _ratio(_MIDDLE, r - 1.6)
        (far,) = (r > 5.0).nonzero()  # once in 10¹¹ draws
        if far.size:
            size[far] = _ratio(_TAIL, r[far] - 5.0)
        quantiles[outside] = np.where(below, -size, size)
    return quantiles.reshape(probabilities.shape)


def _ratio(coefficients: Float64Array, r: Float64Array) -> Float64Array:
    """Both polynomials at once: rows are few, so that NumPy's calls cost more than its sums. r: (n,)."""
    value = np.empty((2, len(r)))
    value[:] = coefficients[0]
    for pair in coefficients[1:]:
        value *= r
        value += pair
    ratio: Float64Array = value[0] / value[1]
    return ratio


def _log(x: Float64Array) -> Float64Array:
    """Natural logarithm by the series of 2·artanh((m−1)/(m+1)) on the mantissa m, itself in [√½, √2)."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < 0.70710678118654752440
    mantissa = np.where(low, 2.0 * mantissa, mantissa)
    exponent = exponent - low
    s = (mantissa - 1.0) / (mantissa + 1.0)  # |s| < 0.1716, so 12 terms reach 1e-19
    square = s * s
    series = np.full_like(square, _ARTANH[0])
    for coefficient in _ARTANH[1:]:
        series *= square
        series += coefficient
    return exponent * _LN_2 + s * series
