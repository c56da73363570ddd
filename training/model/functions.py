"""A trained model as four functions over arrays: what is measured, compared, pictured and exported.

A torch module and a bundle's ONNX graphs both become a `Model`, so that one piece of code serves both.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from models.manifest import GraphName, Kind
from training.model.autoencoder import Autoencoder

ROWS = 4096  # at once through a model: 13 MB of logits
FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Function = Callable[..., tuple[FloatArray, ...]]


@dataclass(frozen=True)
class Model:
    """The four graphs of a bundle as functions: arrays in, a tuple of float32 arrays out, row i from row i.

    class_weights: p(label), one per class; they sum to 1.
    """

    kind: Kind
    latent_dim: int
    class_weights: tuple[float, ...]
    functions: dict[GraphName, Function]

    def encode(self, images: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Mean and log-variance, each (n, d), of images (n, 1, 28, 28) in [0, 1]; an autoencoder has only the mean."""
        mean, *log_var = self.functions["encoder"](images)
        return mean, log_var[0] if log_var else None

    def decode(self, latents: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Image in [0, 1] and logit, each (n, 1, 28, 28), of latents (n, d); an autoencoder has no logit."""
        image, *logit = self.functions["decoder"](latents)
        return image, logit[0] if logit else None

    def prior(self, noise: FloatArray, labels: IntArray) -> FloatArray:
        """Latents (n, d) of standard normal noise (n, d) and labels (n,)."""
        return self.functions["prior"](noise, labels)[0]

    def density(self, latents: FloatArray) -> FloatArray:
        """log p(z given label) in nats, (n, classes), of latents (n, d)."""
        return self.functions["density"](latents)[0]


class Encoder(nn.Module):
    """image → mean, and for a VAE log_var."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        posterior = self.autoencoder.posterior(image)
        return (posterior.mean,) if posterior.log_var is None else (posterior.mean, posterior.log_var)


class Decoder(nn.Module):
    """latent → image, and for a VAE its logit."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latent: Tensor) -> tuple[Tensor, ...]:
        logit = self.autoencoder.logits(latent)
        image = torch.sigmoid(logit)
        return (image,) if self.autoencoder.kind == "ae" else (image, logit)


class Prior(nn.Module):
    """noise, label → latent."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.prior = autoencoder.prior

    def forward(self, noise: Tensor, label: Tensor) -> tuple[Tensor]:
        return (self.prior.latent(noise, label),)


class Density(nn.Module):
    """latent → log_pz_y."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.prior = autoencoder.prior

    def forward(self, latent: Tensor) -> tuple[Tensor]:
        return (self.prior.log_prob(latent),)


def modules(autoencoder: Autoencoder) -> dict[GraphName, nn.Module]:
    """The four graphs of a bundle as torch modules, ready to be traced."""
    graphs: dict[GraphName, nn.Module] = {
        "encoder": Encoder(autoencoder),
        "decoder": Decoder(autoencoder),
        "prior": Prior(autoencoder),
        "density": Density(autoencoder),
    }
    return {name: module.eval() for name, module in graphs.items()}


def of_torch(autoencoder: Autoencoder) -> Model:
    """The model of a torch autoencoder, on the CPU. Its classes weigh the same."""

    def function(module: nn.Module) -> Function:
        @torch.inference_mode()
        def run(*arrays: NDArray[Any]) -> tuple[FloatArray, ...]:
            return tuple(output.numpy() for output in module(*map(torch.from_numpy, arrays)))

        return run

    functions = {name: function(module) for name, module in modules(autoencoder.cpu()).items()}
    return Model(autoencoder.kind, autoencoder.latent_dim, uniform(autoencoder.classes), functions)


def uniform(classes: int) -> tuple[float, ...]:
    """Equal class weights: a request without a label gets each digit equally often."""
    return (1 / classes,) * classes


def chunks(images: int, label: str, draws: int = 1) -> Iterator[slice]:
    """Slices of the images that fit through a model at once, each drawn so often, with a bar where somebody watches."""
    size = max(1, ROWS // draws)
    with tqdm(total=images, desc=label, unit="image", disable=None, leave=False) as bar:
        for start in range(0, images, size):
            stop = min(start + size, images)
            yield slice(start, stop)
            bar.update(stop - start)
