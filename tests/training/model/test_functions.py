"""A torch model as functions over arrays: the same answers, and rows in slices that miss none."""

from typing import Literal

import numpy as np
import pytest
import torch

from tests.training import tiny
from training.model.functions import ROWS, chunks, of_torch, uniform


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_functions_answer_what_the_torch_model_does(kind: Literal["ae", "vae"]) -> None:
    model, autoencoder = of_torch(tiny.autoencoder(kind)), tiny.autoencoder(kind)
    images = torch.rand((5, 1, 28, 28), generator=torch.Generator().manual_seed(1))
    posterior = autoencoder.posterior(images)
    mean, log_var = model.encode(images.numpy())
    np.testing.assert_array_equal(mean, posterior.mean.numpy())
    assert (log_var is None) == (posterior.log_var is None) == (kind == "ae")
    image, logit = model.decode(mean)
    np.testing.assert_array_equal(image, autoencoder.decode(posterior.mean).numpy())
    assert (logit is None) == (kind == "ae")
    labels = torch.arange(5)
    np.testing.assert_array_equal(
        model.prior(mean, labels.numpy()), autoencoder.prior.latent(posterior.mean, labels).numpy()
    )
    np.testing.assert_array_equal(model.density(mean), autoencoder.prior.log_prob(posterior.mean).numpy())
    assert model.class_weights == uniform(10)


@pytest.mark.parametrize(("images", "draws"), [(0, 1), (1, 1), (ROWS, 1), (ROWS + 1, 1), (10, 2 * ROWS), (1000, 100)])
def test_slices_hold_every_image_once_and_few_rows(images: int, draws: int) -> None:
    slices = list(chunks(images, "test", draws))
    assert [row for chunk in slices for row in range(images)[chunk]] == list(range(images))
    assert all((chunk.stop - chunk.start) * draws <= max(ROWS, draws) for chunk in slices)
