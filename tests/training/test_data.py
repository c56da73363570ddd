"""MNIST is read whole and verified, or refused with a message that says what is wrong with which file."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training import data
from training.data import Digits, Mnist
from training.errors import DataError

LABELS = "t10k-labels-idx1-ubyte"
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture
def copy(sample_directory: Path, tmp_path: Path) -> Path:
    """A copy of the sample that a test may damage."""
    return shutil.copytree(sample_directory, tmp_path / "mnist")


def content(directory: Path, name: str) -> bytes:
    return gzip.decompress((directory / f"{name}.gz").read_bytes())


def test_sample_holds_300_and_300_digits_thirty_of_each(mnist: Mnist) -> None:
    for digits in (mnist.train, mnist.test):
        assert digits.images.shape == (300, 28, 28)
        assert digits.images.dtype == torch.uint8
        assert digits.labels.dtype == torch.int64
        assert digits.labels.bincount().tolist() == [30] * 10
        assert digits.images.max() == 255
        assert digits.images[:, 0, 0].max() == 0


def test_digest_is_over_the_four_files_in_order(mnist: Mnist, sample_directory: Path) -> None:
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    whole = b"".join(content(sample_directory, name) for name in names)
    assert mnist.sha256 == hashlib.sha256(whole).hexdigest()


def test_raw_files_give_the_same_digits(copy: Path, sample_digests: dict[str, str], mnist: Mnist) -> None:
    for path in copy.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    again = data.load(copy, digests=sample_digests)
    assert again.sha256 == mnist.sha256
    assert torch.equal(again.test.images, mnist.test.images)


def test_directory_comes_from_the_environment_if_not_given(
    copy: Path, sample_digests: dict[str, str], mnist: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_DIR", str(copy))
    assert data.load(digests=sample_digests).sha256 == mnist.sha256


def test_missing_file_is_named(copy: Path, sample_digests: dict[str, str]) -> None:
    (copy / f"{LABELS}.gz").unlink()
    with pytest.raises(DataError, match=f"mnist holds neither {LABELS} nor {LABELS}.gz"):
        data.load(copy, digests=sample_digests)


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
        data.load(copy, digests=sample_digests)


def test_images_and_labels_must_be_as_many(copy: Path, sample_digests: dict[str, str]) -> None:
    fewer = b"\0\0\x08\x01" + (2).to_bytes(4) + b"\1\2"
    (copy / f"{LABELS}.gz").write_bytes(gzip.compress(fewer))
    digests = sample_digests | {LABELS: hashlib.sha256(fewer).hexdigest()}
    with pytest.raises(DataError, match=r"t10k: images \(300, 28, 28\) and labels \(2,\)"):
        data.load(copy, digests=digests)


def test_split_parts_all_rows_and_keeps_images_with_their_labels() -> None:
    count = torch.arange(50)
    digits = Digits(count.to(torch.uint8).reshape(50, 1, 1).expand(50, 28, 28), count)
    rest, held_out = data.split(digits, 20, seed=1)
    assert len(rest.labels) == 30
    assert sorted(torch.cat([rest.labels, held_out.labels]).tolist()) == list(range(50))
    for part in (rest, held_out):
        assert torch.equal(part.images[:, 5, 5].long(), part.labels)


def test_split_repeats_with_its_seed_and_changes_with_it(mnist: Mnist) -> None:
    one, again, other = (data.split(mnist.train, 60, seed)[1].images for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("validation", [-1, 300])
def test_impossible_split_is_refused(validation: int, mnist: Mnist) -> None:
    with pytest.raises(DataError, match="of 300 in all"):
        data.split(mnist.train, validation, seed=1)


def test_pixels_are_ink_between_0_and_1() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).repeat(28 * 28)[: 3 * 784].reshape(3, 28, 28)
    pixels = data.to_pixels(images)
    assert pixels.shape == (3, 1, 28, 28)
    assert pixels.unique().tolist() == pytest.approx([0, 0.2, 1])


def test_binarised_pixels_have_grey_as_their_mean() -> None:
    pixels = torch.tensor([0.0, 0.25, 1.0]).repeat(100_000, 1)
    binary = data.binarise(pixels, torch.Generator().manual_seed(1))
    assert set(binary.unique().tolist()) == {0.0, 1.0}
    means = binary.mean(0).tolist()
    assert means[0] == 0
    assert means[2] == 1
    assert means[1] == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 100_000) ** 0.5)
