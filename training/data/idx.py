"""MNIST's four files, in a directory or from the public mirrors, verified, as NumPy arrays. No torch.

LeCun, Cortes & Burges; the IDX format: http://yann.lecun.com/exdb/mnist/. Every file is checked by the SHA-256 of its
uncompressed content, which is the same whatever mirror, name or compression it came by.
"""

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.download import download
from training.errors import DataError

DIGESTS: Mapping[str, str] = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")
DOWNLOADED = Path("data")
GZIP_MAGIC = b"\x1f\x8b"
_PLACES = ("", "raw", "MNIST/raw")  # the second and third are torchvision's
UNSIGNED_BYTES = b"\x00\x00\x08"  # the IDX magic number for uint8; one more byte is the number of axes

Bytes = NDArray[np.uint8]


class Files(NamedTuple):
    """Images (n, 28, 28) and labels (n,) of both halves, uint8, 0 is paper; and the digest over all four files."""

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    sha256: str


def read(
    directory: Path | None = None,
    *,
    digests: Mapping[str, str] | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> Files:
    """Read and verify MNIST: from `directory`, else from $MNIST_DIR, else from ./data, fetching there what is missing.

    The files may lie as torchvision puts them, below MNIST/raw, or be named as Kaggle does, t10k-images.idx3-ubyte.
    digests: SHA-256 of the uncompressed content of the four files, in the order of `DIGESTS`, which are the default.
    Raises DataError, which names the file, what was found and what was expected.
    """
    digests = DIGESTS if digests is None else digests
    if directory is None and os.environ.get("MNIST_DIR"):  # an empty variable is unset
        directory = Path(os.environ["MNIST_DIR"])
    if directory is None:
        directory = DOWNLOADED
        for name, sha256 in digests.items():
            if _find(directory, name) is None:
                download(f"{name}.gz", directory, mirrors, partial(_check, sha256=sha256))
    whole = hashlib.sha256()
    arrays = []
    for name, sha256 in digests.items():
        content = read_verified(directory, name, sha256)
        whole.update(content)
        arrays.append(parse_idx(content, name))
    train_images, train_labels, test_images, test_labels = arrays
    for half, images, labels in (("train", train_images, train_labels), ("t10k", test_images, test_labels)):
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
            shapes = f"{images.shape} and labels {labels.shape}"
            raise DataError(f"{half}: images {shapes}, expected (n, 28, 28) and (n,)")
    return Files(train_images, train_labels, test_images, test_labels, whole.hexdigest())


def read_verified(directory: Path, name: str, sha256: str) -> bytes:
    """Uncompressed content of the file `name`, raw or compressed, checked. Raises DataError."""
    path = _find(directory, name)
    if path is None:
        raise DataError(_missing(directory, name))
    try:
        content = path.read_bytes()
        if content.startswith(GZIP_MAGIC) or (path.suffix == ".gz" and not content.startswith(UNSIGNED_BYTES)):
            content = _uncompressed(content)  # whatever the name says: browsers unpack, and keep the name
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    parse_idx(content, str(path))
    try:
        _check_digest(content, sha256)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    return content


def parse_idx(content: bytes, name: str) -> Bytes:
    """The uint8 array of an IDX file. Raises DataError, naming `name`, for any other content."""
    if len(content) < 4 or content[:3] != UNSIGNED_BYTES:
        begins = content[:3].hex() or "nothing"
        raise DataError(f"{name}: an IDX file of bytes begins with 000008, this one with {begins}")
    header_bytes = 4 + 4 * content[3]
    header = content[4:header_bytes]
    shape = tuple(int.from_bytes(header[axis : axis + 4]) for axis in range(0, len(header), 4))
    expected = header_bytes + math.prod(shape)
    if len(header) < header_bytes - 4 or len(content) != expected:
        raise DataError(f"{name}: {len(content):,} bytes found, {expected:,} expected for an array {shape}")
    return np.frombuffer(bytearray(content), np.uint8, offset=header_bytes).reshape(shape)


def _find(directory: Path, name: str) -> Path | None:
    dotted = name.replace("-idx", ".idx")
    paths = (directory / place / file for place in _PLACES for file in (name, f"{name}.gz", dotted, f"{dotted}.gz"))
    # Kaggle's archive, unpacked, has each file in a folder of its own name.
    return next((path for file in paths for path in (file, file / name, file / dotted) if path.is_file()), None)


def _missing(directory: Path, name: str) -> str:
    """What is wrong, with the files whose names come near."""
    if not directory.is_dir():
        return f"{directory} is not a directory; {name} is looked for there"
    entries = (path for depth in ("*", "*/*") for path in directory.glob(depth))
    found = [path.relative_to(directory) for path in entries if path.is_file()]
    near = get_close_matches(name, {path.name for path in found}, n=3)
    hint = f"; it holds {', '.join(sorted(str(path) for path in found if path.name in near))}" if near else ""
    return f"{directory} holds neither {name} nor {name}.gz{hint}"


def _uncompressed(content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{len(content):,} bytes of damaged or truncated gzip") from error


def _check_digest(content: bytes, sha256: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"SHA-256 of the content is {found}, expected {sha256}")


def _check(compressed: bytes, sha256: str) -> None:
    _check_digest(_uncompressed(compressed), sha256)
