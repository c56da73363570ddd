"""Residual convolutions on folded pixels: they work at 14×14 and 7×7, never at 28×28, and end in a pixel shuffle.

No normalisation layers: a row's result must not depend on its batch. He et al. 2016 (pre-activation residual blocks),
Shi et al. 2016 (sub-pixel convolution).
"""

import torch
from torch import Tensor, nn

from training.config import ConvNetwork, ConvTower

MEAN_INK = 0.13  # of MNIST's pixels
MEAN_LOGIT = -1.9  # the logit of that, where the output begins


class Block(nn.Module):
    """x + conv(silu(conv(silu(x)))); the second convolution begins at zero, so that a new block is the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for weights in self.second.parameters():
            nn.init.zeros_(weights)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(nn.functional.silu(self.first(nn.functional.silu(x))))
        return x + change


class Centre(nn.Module):
    """Takes the mean ink off, so that the first layer sees numbers around zero."""

    def forward(self, images: Tensor) -> Tensor:
        return images - MEAN_INK


class PixelBias(nn.Module):
    """Adds a learned number to each pixel's logit: the mean image need not pass through the latents."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.full((1, 28, 28), MEAN_LOGIT))

    def forward(self, logits: Tensor) -> Tensor:
        return logits + self.bias


class Autocast(nn.Module):
    """Lets the layers compute in bfloat16 while they are trained; input and output are float32."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.training):
            outputs: Tensor = self.layers(x)
            return outputs.float()


def build(network: ConvNetwork, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Encoder to so many outputs, and decoder from the network's latent dimension."""
    pair = encoder(outputs, network.encoder), decoder(network.latent_dim, network.decoder)
    for layers in pair:
        layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    if network.precision == "float32":
        return pair
    return Autocast(pair[0]), Autocast(pair[1])


def encoder(outputs: int, tower: ConvTower) -> nn.Module:
    """Images (n, 1, 28, 28) → (n, outputs)."""
    return nn.Sequential(
        Centre(),
        nn.PixelUnshuffle(2),  # (n, 4, 14, 14)
        nn.Conv2d(4, tower.fine, 3, padding=1),
        *(Block(tower.fine) for _ in range(tower.fine_blocks)),
        nn.SiLU(),
        nn.Conv2d(tower.fine, tower.coarse, 3, stride=2, padding=1),  # (n, coarse, 7, 7)
        *(Block(tower.coarse) for _ in range(tower.coarse_blocks)),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(49 * tower.coarse, tower.width),
        nn.SiLU(),
        nn.Linear(tower.width, outputs),
    )


def decoder(latent_dim: int, tower: ConvTower) -> nn.Module:
    """Latents (n, latent_dim) → logits (n, 1, 28, 28)."""
    return nn.Sequential(
        nn.Linear(latent_dim, tower.width),
        nn.SiLU(),
        nn.Linear(tower.width, 49 * tower.coarse),
        nn.Unflatten(1, (tower.coarse, 7, 7)),
        *(Block(tower.coarse) for _ in range(tower.coarse_blocks)),
        nn.Conv2d(tower.coarse, 4 * tower.fine, 1),
        nn.PixelShuffle(2),  # (n, fine, 14, 14)
        *(Block(tower.fine) for _ in range(tower.fine_blocks)),
        nn.SiLU(),
        nn.Conv2d(tower.fine, 4, 3, padding=1),
        nn.PixelShuffle(2),  # (n, 1, 28, 28)
        PixelBias(),
    )
