"""MNIST's digits as uint8 tensors in memory, and what is made of them. No transforms, no loader."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from training.data import idx
from training.errors import DataError

CLASSES = tuple("0123456789")


class Digits(NamedTuple):
    """Images, uint8 (n, 28, 28), 0 is paper and 255 is ink, and their labels, int64 (n,)."""

    images: Tensor
    labels: Tensor


class Mnist(NamedTuple):
    """Both halves of MNIST, and the digest over the four files: train images and labels, test images and labels."""

    train: Digits
    test: Digits
    sha256: str


def load_mnist(
    directory: Path | None = None,
    *,
    digests: Mapping[str, str] | None = None,
    mirrors: Sequence[str] = idx.MIRRORS,
) -> Mnist:
    """MNIST, found or fetched and verified as `idx.read` does it. Raises DataError."""
    files = idx.read(directory, digests=digests, mirrors=mirrors)
    train = Digits(torch.from_numpy(files.train_images), torch.from_numpy(files.train_labels).long())
    test = Digits(torch.from_numpy(files.test_images), torch.from_numpy(files.test_labels).long())
    return Mnist(train, test, files.sha256)


def split(digits: Digits, validation: int, seed: int) -> tuple[Digits, Digits]:
    """(the rest, `validation` rows), drawn without replacement; the same for the same seed. Raises DataError."""
    rows = len(digits.labels)
    if not 0 <= validation < rows:
        raise DataError(f"{validation:,} validation rows asked, of {rows:,} in all")
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    rest, held_out = order[validation:], order[:validation]
    return Digits(*(part[rest] for part in digits)), Digits(*(part[held_out] for part in digits))


def to_pixels(images: Tensor) -> Tensor:
    """uint8 images (n, 28, 28) as float32 pixels (n, 1, 28, 28) in [0, 1]."""
    return images.unsqueeze(1).float().div_(255)


def binarise(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """A fresh draw of each pixel, 1 with the probability of its grey value: float32 in {0, 1}, of the same shape."""
    return (torch.rand(pixels.shape, generator=generator, device=pixels.device) < pixels).float()
