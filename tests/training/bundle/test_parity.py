"""Disagreement between torch and ONNX is fatal, whichever output it is in and however it comes about."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from models.manifest import GraphName, Kind
from tests.training import tiny
from training.bundle import parity
from training.bundle.files import open_bundle, standard_normal
from training.data.mnist import to_pixels
from training.errors import ParityError
from training.model.functions import Model, of_torch

DIGITS = to_pixels(tiny.mnist().test.images).numpy()
LABELS = tiny.mnist().test.labels.numpy()
NOISE = standard_normal(len(LABELS), 3)


def onnx(kind: Kind) -> Model:
    return open_bundle(tiny.bundle(kind))[1]


def altered(model: Model, graph: GraphName, change: Callable[[Any], Any]) -> Model:
    """The model with every output of one graph passed through `change`."""
    function = model.functions[graph]
    changed = lambda *arrays: tuple(change(output) for output in function(*arrays))  # noqa: E731
    return dataclasses.replace(model, functions=model.functions | {graph: changed})


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_exported_graphs_agree_with_torch(kind: Kind) -> None:
    largest = parity.check_parity(of_torch(tiny.autoencoder(kind)), onnx(kind), DIGITS, NOISE, LABELS)
    outputs = {"mean", "image", "latent", "log_pz_y"}
    assert largest.keys() == (outputs if kind == "ae" else outputs | {"log_var", "logit"})
    assert largest["image"] <= 1e-5
    assert largest["mean"] <= 1e-4


@pytest.mark.parametrize(
    ("weights", "output"),
    [
        ("encoder.1.weight", "mean"),
        ("decoder.0.weight", "image"),
        ("prior.couplings.0.leave.bias", "latent"),
        ("prior.base_mean.weight", "latent"),
    ],
)
def test_one_changed_weight_is_found(weights: str, output: str) -> None:
    model = copy.deepcopy(tiny.autoencoder("vae"))
    with torch.no_grad():
        model.get_parameter(weights).flatten()[200 if weights == "encoder.1.weight" else 0] += 0.1
    with pytest.raises(ParityError, match=f"{output} in batches of 1 differs from torch"):
        parity.check_parity(of_torch(model), onnx("vae"), DIGITS, NOISE, LABELS)


@pytest.mark.parametrize(("graph", "output"), [("encoder", "mean"), ("decoder", "image"), ("density", "log_pz_y")])
def test_not_a_number_is_found(graph: GraphName, output: str) -> None:
    broken = altered(onnx("vae"), graph, lambda values: np.full_like(values, np.nan))
    with pytest.raises(ParityError, match=f"{output} .* by nan"):
        parity.check_parity(of_torch(tiny.autoencoder("vae")), broken, DIGITS, NOISE, LABELS)


def test_difference_of_a_ten_thousandth_of_ink_is_found() -> None:
    broken = altered(onnx("ae"), "decoder", lambda image: image + np.float32(1e-4))
    with pytest.raises(ParityError, match=r"image .* allowed is 1e-05"):
        parity.check_parity(of_torch(tiny.autoencoder("ae")), broken, DIGITS, NOISE, LABELS)


def test_rows_that_leak_into_each_other_are_found() -> None:
    # the error stays within the bound against torch, and is larger than a row may depend on its batch
    leaking = altered(onnx("ae"), "encoder", lambda mean: mean + np.float32(2e-5 * np.tanh(len(mean) - 1)))
    with pytest.raises(ParityError, match="mean of a row alone and in a batch of 2 differ"):
        parity.check_parity(of_torch(tiny.autoencoder("ae")), leaking, DIGITS, NOISE, LABELS)


def test_rows_in_another_order_are_found() -> None:
    broken = altered(onnx("ae"), "prior", lambda latent: latent[::-1])
    with pytest.raises(ParityError, match="latent in batches of 2"):
        parity.check_parity(of_torch(tiny.autoencoder("ae")), broken, DIGITS, NOISE, LABELS)


def test_another_shape_is_found() -> None:
    broken = altered(onnx("ae"), "decoder", lambda image: image.reshape(-1, 28, 28))
    with pytest.raises(ParityError, match=r"image is \(300, 28, 28\)"):
        parity.check_parity(of_torch(tiny.autoencoder("ae")), broken, DIGITS, NOISE, LABELS)
