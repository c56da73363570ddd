"""A small request to each route, and what it takes besides the target."""

from typing import NamedTuple

from tests.support import digits
from tests.support.sockets import request

LATENT = b"\0\0\0\x3f\0\0\x80\x3f"  # (0.5, 1) of the tiny model, as raw float32
RAW = "Content-Type: application/octet-stream"
PNG = "Content-Type: image/png"
NPY = "Accept: application/x-npy"


class Ask(NamedTuple):
    target: str
    body: bytes | None = None
    headers: tuple[str, ...] = ()

    def bytes(self, *headers: str) -> bytes:
        return request(self.target, self.body, (*self.headers, *headers))


_DIGIT = digits.png(digits.images()[0])
ENCODE = Ask("/encode", _DIGIT, (PNG,))
DECODE = Ask("/decode", LATENT, (RAW,))
RECONSTRUCT = Ask("/reconstruct", _DIGIT, (PNG,))
POST_SAMPLE = Ask("/sample", b'{"count": 1, "seed": 1}', ("Content-Type: application/json",))
GET_SAMPLE = Ask("/sample?count=1&seed=1")
LIVEZ = Ask("/livez")
READYZ = Ask("/readyz")
DOCS = Ask("/docs")
POSTS = {"encode": ENCODE, "decode": DECODE, "reconstruct": RECONSTRUCT, "sample": POST_SAMPLE}
GETS = {"GET sample": GET_SAMPLE, "livez": LIVEZ, "docs": DOCS}


def npy_samples(count: int, seed: int = 1) -> bytes:
    """A request for that many digits as npy, 3,136 bytes each; beyond 10,000 they come as a stream."""
    return request(f"/sample?count={count}&seed={seed}", headers=[NPY])
