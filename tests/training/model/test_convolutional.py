"""Convolutional networks: shapes, no talk between rows, a start at the identity, and a way into a bundle."""

import json
from pathlib import Path

import pytest
import torch

from tests.training import tiny
from training.bundle.card import account
from training.commands.export import write_bundle
from training.config import Config, ConvNetwork, parse
from training.model import convolutional
from training.model.autoencoder import Autoencoder, build

META = {"epochs": {"networks": 1}, "train_rows": 1, "validation_rows": 1, "wall_seconds": 1.0, "machine": "a machine"}
TOWER = {"fine": 4, "coarse": 8, "fine_blocks": 1, "coarse_blocks": 1, "width": 16}


def network(precision: str = "float32") -> ConvNetwork:
    tables = {"kind": "conv", "latent_dim": 5, "precision": precision, "encoder": TOWER, "decoder": TOWER}
    return ConvNetwork.model_validate(tables)


def config() -> Config:
    tables = json.loads(tiny.config("vae").canonical())
    return parse(json.dumps({**tables, "network": network().model_dump()}), "tiny")


def drawn(model: torch.nn.Module) -> torch.nn.Module:
    """Every weight moved, so that no block is the identity."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.1 * torch.randn(weights.shape, generator=generator))
    return model


def test_images_become_outputs_and_latents_become_logits() -> None:
    encoder, decoder = convolutional.build(network(), outputs=10)
    assert encoder(torch.rand(3, 1, 28, 28)).shape == (3, 10)
    assert decoder(torch.randn(3, 5)).shape == (3, 1, 28, 28)


def test_a_new_block_is_the_identity_and_a_trained_one_is_not() -> None:
    block, x = convolutional.Block(4), torch.randn(2, 4, 7, 7)
    assert (block(x) == x).all()
    assert (drawn(block)(x) != x).any()


def test_a_new_decoder_begins_near_the_mean_ink() -> None:
    _, decoder = convolutional.build(network(), outputs=10)
    ink = torch.sigmoid(decoder(torch.zeros(1, 5)))
    assert ink.mean().item() == pytest.approx(0.13, abs=0.05)


def test_every_pixel_is_read_and_written() -> None:
    encoder, decoder = (drawn(part) for part in convolutional.build(network(), outputs=10))
    images = torch.rand(1, 1, 28, 28, requires_grad=True)
    encoder(images).sum().backward()
    assert (images.grad != 0).all()
    latents = torch.randn(1, 5)
    assert (decoder(latents) != decoder(latents + 1)).all()


def test_rows_of_a_batch_do_not_touch_each_other() -> None:
    encoder, _ = (drawn(part) for part in convolutional.build(network(), outputs=10))
    images = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(encoder(images)[2:3], encoder(images[2:3]))


def test_bfloat16_is_for_training_alone() -> None:
    encoder, _ = (drawn(part) for part in convolutional.build(network("bfloat16"), outputs=10))
    images = torch.rand(4, 1, 28, 28)
    rough, exact = encoder(images), encoder.eval()(images)
    assert rough.dtype == exact.dtype == torch.float32
    assert (rough != exact).any()
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1)
    assert (exact == encoder.layers(images)).all()


def test_a_convolutional_model_becomes_a_bundle_that_agrees_with_it(tmp_path: Path) -> None:
    model = drawn(build(config()))
    assert isinstance(model, Autoencoder)
    manifest = write_bundle(tmp_path, model.eval().requires_grad_(False), config(), tiny.mnist(), tiny.PROTOCOL)
    assert manifest.latent_dim == 5
    assert manifest.metrics.keys() >= {"negative_elbo", "reconstruction_mse"}
    assert "residual convolutions" in " ".join(account(config(), META))
