"""Networks map images to numbers and numbers to logits, with the layers that were asked for."""

import torch
from torch import nn

from training.model.networks import mlp


def widths(network: nn.Module) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer in network.children() if isinstance(layer, nn.Linear)]


def test_seed_autoencoder_has_the_notebooks_layers() -> None:
    encoder, decoder = mlp(latent_dim=3, outputs=3, hidden=[128, 64, 12])
    assert widths(encoder) == [(784, 128), (128, 64), (64, 12), (12, 3)]
    assert widths(decoder) == [(3, 12), (12, 64), (64, 128), (128, 784)]
    for network in (encoder, decoder):
        layers = [layer for layer in network.children() if isinstance(layer, nn.Linear | nn.ReLU)]
        assert [isinstance(layer, nn.ReLU) for layer in layers] == [False, True, False, True, False, True, False]


def test_images_become_outputs_and_latents_become_logits_of_images() -> None:
    encoder, decoder = mlp(latent_dim=5, outputs=10, hidden=[16])
    assert encoder(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    logits = decoder(torch.randn(2, 5))
    assert logits.shape == (2, 1, 28, 28)
    assert (logits < 0).any()


def test_rows_of_a_batch_do_not_touch_each_other() -> None:
    encoder, _ = mlp(latent_dim=5, outputs=10, hidden=[16])
    images = torch.rand(2, 1, 28, 28)
    changed = images.clone()
    changed[1] = 0
    torch.testing.assert_close(encoder(images)[0], encoder(changed)[0])
