"""A small classifier of real digits that knows nothing of any model, so that it may say what a sample shows.

Its weights travel beside this file. It is learned from the training digits alone, slightly turned, scaled and moved.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn
from tqdm import tqdm

from training.data.mnist import CLASSES, Digits, to_pixels
from training.errors import DataError
from training.model.convolutional import Block, Centre
from training.model.functions import FloatArray

WEIGHTS = Path(__file__).with_name("classifier.npz")
SHA256 = "2111e79b625760535117fb499fd30611d33af0972cc3930a3d77f5db07bd9c1f"  # of that file
FINE, COARSE = 24, 48  # channels at 14×14 and at 7×7; 214,530 parameters
ARCHITECTURE = (
    f"pixels folded to 4×14×14, 3×3 convolution to {FINE}, residual block, stride-2 convolution to {COARSE}×7×7, "
    "residual block, linear to 64 features, SiLU, linear to 10 logits; no normalisation, weights in float16"
)
SEED = 5  # of the first weights, the order of the digits and their augmentation
EPOCHS = 12
BATCH_ROWS = 128
PEAK_LEARNING_RATE = 2e-3
ROWS = 256  # at once through the classifier: 6 MB between two layers

Augment = Callable[[Tensor, Generator], Tensor]


@dataclass(frozen=True)
class Classifier:
    """body: images (n, 1, 28, 28) → features (n, f); head: those → logits (n, 10). Row i comes from row i alone."""

    body: nn.Module
    head: nn.Module

    def logits(self, images: FloatArray) -> FloatArray:
        """Unnormalised log-probabilities of the ten digits, float32 (n, 10), of images (n, 1, 28, 28) in [0, 1]."""
        return through(nn.Sequential(self.body, self.head), images)

    def features(self, images: FloatArray) -> FloatArray:
        """Activations before the last linear layer, float32 (n, f), of images (n, 1, 28, 28) in [0, 1]."""
        return through(self.body, images)


def load(path: Path = WEIGHTS, sha256: str = SHA256) -> Classifier:
    """The classifier of a weights file. Raises DataError if it is missing or its digest another."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if (found := digest(content)) != sha256:
        raise DataError(f"{path} has the SHA-256 {found}, expected {sha256}")
    network = new_network(FINE, COARSE, SEED)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        network.load_state_dict({name: torch.from_numpy(arrays[name]).float() for name in arrays.files})
    return _as_classifier(network)


def train(digits: Digits, epochs: int = EPOCHS, seed: int = SEED) -> bytes:
    """Learn a classifier; returns its weights file. The same digits and threads give the same bytes."""
    network = new_network(FINE, COARSE, seed)
    learn(network, digits, epochs, seed, augmented)
    content = io.BytesIO()
    np.savez(content, **{name: weights.numpy().astype(np.float16) for name, weights in network.state_dict().items()})
    return content.getvalue()


def digest(content: bytes) -> str:
    """SHA-256 of a weights file."""
    return hashlib.sha256(content).hexdigest()


def new_network(fine: int, coarse: int, seed: int) -> nn.Sequential:
    """Images (n, 1, 28, 28) → logits (n, 10), through 64 features. The same first weights for the same seed.

    fine, coarse: channels at 14×14 and at 7×7.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = nn.Sequential(
            Centre(),
            nn.PixelUnshuffle(2),  # (n, 4, 14, 14)
            nn.Conv2d(4, fine, 3, padding=1),
            Block(fine),
            nn.SiLU(),
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1),  # (n, coarse, 7, 7)
            Block(coarse),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(49 * coarse, 64),
            nn.SiLU(),
        )
        network = nn.Sequential(body, nn.Linear(64, len(CLASSES)))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        return network


def learn(network: nn.Module, digits: Digits, epochs: int, seed: int, augment: Augment | None = None) -> None:
    """Fit a classifier to digits: AdamW over one cycle of the learning rate (Smith & Topin 2018), then frozen.

    Everything random comes from the seed: the order of the rows, and what `augment` does with the pixels of a batch.
    """
    generator = Generator().manual_seed(seed)
    steps = epochs * ceil(len(digits.labels) / BATCH_ROWS)
    optimiser = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.99), weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, steps, cycle_momentum=False)
    bar = tqdm(total=epochs * len(digits.labels), desc="classifier", unit="image", disable=None, leave=False)
    network.train()
    with bar:
        for _ in range(epochs):
            for rows in torch.randperm(len(digits.labels), generator=generator).split(BATCH_ROWS):
                pixels = to_pixels(digits.images[rows])
                pixels = pixels if augment is None else augment(pixels, generator)
                loss = nn.functional.cross_entropy(network(pixels), digits.labels[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                bar.update(len(rows))
    network.eval().requires_grad_(False)


def augmented(pixels: Tensor, generator: Generator) -> Tensor:
    """Each image turned by up to 12°, sheared and scaled by up to 12 % and moved by up to 2 pixels."""
    count = len(pixels)
    angle, shear, wide, high, right, down = 2 * torch.rand((6, count), generator=generator) - 1
    cos, sin = torch.cos(0.21 * angle), torch.sin(0.21 * angle)
    wide, high, shear = 1 + 0.12 * wide, 1 + 0.12 * high, 0.12 * shear
    rows = [wide * cos, shear - high * sin, right / 7, shear + wide * sin, high * cos, down / 7]  # 14 pixels are 1
    grid = nn.functional.affine_grid(torch.stack(rows, 1).reshape(count, 2, 3), list(pixels.shape), align_corners=False)
    return nn.functional.grid_sample(pixels, grid, align_corners=False)


@torch.inference_mode()
def through(network: nn.Module, images: FloatArray) -> FloatArray:
    """Outputs of a network over images (n, 1, 28, 28), a few rows at a time."""
    starts = tqdm(range(0, len(images), ROWS), desc="classifier", unit="batch", disable=None, leave=False)
    return torch.cat([network(torch.from_numpy(images[start : start + ROWS])) for start in starts]).numpy()


def accuracy(logits: FloatArray, labels: Tensor) -> float:
    """Share of rows whose largest logit is the label's."""
    return float((logits.argmax(1) == labels.numpy()).mean())


def _as_classifier(network: nn.Sequential) -> Classifier:
    body, head = network.eval().requires_grad_(False)
    return Classifier(body, head)
