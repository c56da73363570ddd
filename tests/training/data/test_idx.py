"""MNIST is read whole and verified, or refused with a message that says what is wrong with which file."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.data import idx
from training.data.mnist import Mnist
from training.errors import DataError

LABELS = "t10k-labels-idx1-ubyte"
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture
def copy(sample_directory: Path, tmp_path: Path) -> Path:
    """A copy of the sample that a test may damage."""
    return shutil.copytree(sample_directory, tmp_path / "mnist")


def content(directory: Path, name: str) -> bytes:
    return gzip.decompress((directory / f"{name}.gz").read_bytes())


def test_digest_is_over_the_four_files_in_order(mnist: Mnist, sample_directory: Path) -> None:
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    whole = b"".join(content(sample_directory, name) for name in names)
    assert mnist.sha256 == hashlib.sha256(whole).hexdigest()


def test_raw_files_give_the_same_digits(copy: Path, sample_digests: dict[str, str], mnist: Mnist) -> None:
    for path in copy.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    again = idx.read(copy, digests=sample_digests)
    assert again.sha256 == mnist.sha256
    np.testing.assert_array_equal(again.test_images, mnist.test.images.numpy())


def test_directory_comes_from_the_environment_if_not_given(
    copy: Path, sample_digests: dict[str, str], mnist: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_DIR", str(copy))
    assert idx.read(digests=sample_digests).sha256 == mnist.sha256


def test_an_empty_variable_names_no_directory(
    copy: Path, sample_digests: dict[str, str], mnist: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_DIR", "")
    monkeypatch.setattr(idx, "DOWNLOADED", copy)
    assert idx.read(digests=sample_digests).sha256 == mnist.sha256


def test_missing_file_is_named(copy: Path, sample_digests: dict[str, str]) -> None:
    (copy / f"{LABELS}.gz").unlink()
    with pytest.raises(DataError, match=f"mnist holds neither {LABELS} nor {LABELS}.gz"):
        idx.read(copy, digests=sample_digests)


def damaged_gzip(whole: bytes) -> bytes:
    return gzip.compress(whole)[:-9]


def flipped(whole: bytes) -> bytes:
    return gzip.compress(whole[:-1] + bytes([whole[-1] ^ 1]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damaged_gzip, "bytes of damaged or truncated gzip"),
        (lambda whole: b"<html>not found</html>", "22 bytes of damaged or truncated gzip"),
        (
            lambda whole: gzip.compress(whole[:-5]),
            r"235,211 bytes found, 235,216 expected for an array \(300, 28, 28\)",
        ),
        (lambda whole: gzip.compress(whole + b"1"), "235,217 bytes found, 235,216 expected"),
        (lambda whole: gzip.compress(whole[:7]), "7 bytes found"),
        (lambda whole: gzip.compress(b"not IDX"), "begins with 000008, this one with 6e6f74"),
        (lambda whole: gzip.compress(b""), "this one with nothing"),
        (flipped, "SHA-256 of the content is [0-9a-f]{64}, expected 92578c5b"),
    ],
)
def test_damaged_file_is_refused_with_what_was_found_and_expected(
    damage: Callable[[bytes], bytes], message: str, copy: Path, sample_digests: dict[str, str]
) -> None:
    path = copy / f"{IMAGES}.gz"
    path.write_bytes(damage(content(copy, IMAGES)))
    with pytest.raises(DataError, match=f"{IMAGES}.*{message}"):
        idx.read(copy, digests=sample_digests)


def test_images_and_labels_must_be_as_many(copy: Path, sample_digests: dict[str, str]) -> None:
    fewer = b"\0\0\x08\x01" + (2).to_bytes(4) + b"\1\2"
    (copy / f"{LABELS}.gz").write_bytes(gzip.compress(fewer))
    digests = sample_digests | {LABELS: hashlib.sha256(fewer).hexdigest()}
    with pytest.raises(DataError, match=r"t10k: images \(300, 28, 28\) and labels \(2,\)"):
        idx.read(copy, digests=digests)
