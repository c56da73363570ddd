"""Encoders and decoders: plain modules between images and numbers. What the numbers mean is not known here.

An encoder maps images (n, 1, 28, 28) in [0, 1] to (n, outputs); a decoder maps latents (n, d) to logits (n, 1, 28, 28).
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from training.config import ConvNetwork, MlpNetwork
from training.model import convolutional

IMAGE_SHAPE = (1, 28, 28)
PIXELS = 28 * 28


def build(network: MlpNetwork | ConvNetwork, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Encoder to so many outputs, and decoder from the network's latent dimension."""
    if isinstance(network, ConvNetwork):
        return convolutional.build(network, outputs)
    return mlp(network.latent_dim, outputs, network.hidden)


def mlp(latent_dim: int, outputs: int, hidden: Sequence[int]) -> tuple[nn.Module, nn.Module]:
    """Encoder 784-hidden-outputs and the decoder that mirrors it from latent_dim, with ReLU between layers."""
    encoder = nn.Sequential(nn.Flatten(), *_layers([PIXELS, *hidden, outputs]))
    decoder = nn.Sequential(*_layers([latent_dim, *reversed(hidden), PIXELS]), nn.Unflatten(1, IMAGE_SHAPE))
    return encoder, decoder


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return layers[:-1]
