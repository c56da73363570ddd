"""Digits are tensors with their labels; they are split, turned into pixels and binarised."""

import pytest
import torch

from training.data.mnist import Digits, Mnist, binarise, split, to_pixels
from training.errors import DataError


def test_sample_holds_300_and_300_digits_thirty_of_each(mnist: Mnist) -> None:
    for digits in (mnist.train, mnist.test):
        assert digits.images.shape == (300, 28, 28)
        assert digits.images.dtype == torch.uint8
        assert digits.labels.dtype == torch.int64
        assert digits.labels.bincount().tolist() == [30] * 10
        assert digits.images.max() == 255
        assert digits.images[:, 0, 0].max() == 0


def test_split_parts_all_rows_and_keeps_images_with_their_labels() -> None:
    count = torch.arange(50)
    digits = Digits(count.to(torch.uint8).reshape(50, 1, 1).expand(50, 28, 28), count)
    rest, held_out = split(digits, 20, seed=1)
    assert len(rest.labels) == 30
    assert sorted(torch.cat([rest.labels, held_out.labels]).tolist()) == list(range(50))
    for part in (rest, held_out):
        assert torch.equal(part.images[:, 5, 5].long(), part.labels)


def test_split_repeats_with_its_seed_and_changes_with_it(mnist: Mnist) -> None:
    one, again, other = (split(mnist.train, 60, seed)[1].images for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("validation", [-1, 300])
def test_impossible_split_is_refused(validation: int, mnist: Mnist) -> None:
    with pytest.raises(DataError, match="of 300 in all"):
        split(mnist.train, validation, seed=1)


def test_pixels_are_ink_between_0_and_1() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).repeat(28 * 28)[: 3 * 784].reshape(3, 28, 28)
    pixels = to_pixels(images)
    assert pixels.shape == (3, 1, 28, 28)
    assert pixels.unique().tolist() == pytest.approx([0, 0.2, 1])


def test_binarised_pixels_have_grey_as_their_mean() -> None:
    pixels = torch.tensor([0.0, 0.25, 1.0]).repeat(100_000, 1)
    binary = binarise(pixels, torch.Generator().manual_seed(1))
    assert set(binary.unique().tolist()) == {0.0, 1.0}
    means = binary.mean(0).tolist()
    assert means[0] == 0
    assert means[2] == 1
    assert means[1] == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 100_000) ** 0.5)
