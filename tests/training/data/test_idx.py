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


def test_a_file_that_was_unpacked_under_its_packed_name_is_read(copy: Path, sample_digests: dict[str, str]) -> None:
    path = copy / f"{IMAGES}.gz"
    path.write_bytes(content(copy, IMAGES))
    assert idx.read(copy, digests=sample_digests).train_images.shape == (300, 28, 28)


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


def dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


@pytest.mark.parametrize(
    "name_of", [str, dotted, lambda name: f"{dotted(name)}.gz", lambda name: f"{name}/{dotted(name)}"]
)
@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_files_are_found_under_the_names_that_others_give_them(
    copy: Path,
    tmp_path: Path,
    sample_digests: dict[str, str],
    mnist: Mnist,
    name_of: Callable[[str], str],
    place: str,
    is_compressed: bool,
) -> None:
    for name in sample_digests:
        path = tmp_path / "other" / place / name_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = content(copy, name)
        path.write_bytes(gzip.compress(whole) if is_compressed or path.suffix == ".gz" else whole)
    assert idx.read(tmp_path / "other", digests=sample_digests).sha256 == mnist.sha256


@pytest.mark.parametrize(
    "near", ["t10k-labels-idx1-ubyte.zip", "t10k_labels_idx1_ubyte", "old/t10k-labels.idx1-ubyte.txt"]
)
def test_a_file_whose_name_comes_near_is_named(copy: Path, sample_digests: dict[str, str], near: str) -> None:
    (copy / near).parent.mkdir(exist_ok=True)
    (copy / f"{LABELS}.gz").rename(copy / near)
    with pytest.raises(DataError, match=f"holds neither {LABELS} nor {LABELS}.gz; it holds .*{near}"):
        idx.read(copy, digests=sample_digests)


def test_what_is_no_directory_is_named(tmp_path: Path, sample_digests: dict[str, str]) -> None:
    with pytest.raises(DataError, match="nowhere is not a directory"):
        idx.read(tmp_path / "nowhere", digests=sample_digests)
