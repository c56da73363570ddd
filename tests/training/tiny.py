"""Tiny models and their bundles, made once for all tests that measure, export and draw. Do not write to them."""

import atexit
import json
import math
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.manifest import GraphName
from training.commands.export import write_bundle
from training.config import Config, parse
from training.data.mnist import Mnist, load_mnist
from training.evaluation.protocol import Protocol
from training.model.autoencoder import Autoencoder, build
from training.model.functions import Function, Model

DATA = Path(__file__).parents[1] / "data"
PROTOCOL = Protocol(
    test_images=60,
    train_images=60,
    bound_draws=6,
    curve_images=10,
    curve_draws=8,
    samples=60,
    synthetic_images=60,
    synthetic_seeds=1,
    synthetic_epochs=1,
    probe_images=100,
)
LOG_TWO_PI = math.log(2 * math.pi)


@cache
def mnist() -> Mnist:
    """The sample of real digits, 300 to learn from and 300 to test on."""
    return load_mnist(DATA, digests=json.loads((DATA / "digests.json").read_text()))


def config(kind: str) -> Config:
    """784-16-3 with a flow of two couplings, of which a VAE's second sees no label; one epoch of each stage."""
    schedule = {"epochs": 1, "batch_rows": 40, "learning_rate": 1e-3, "warmup_steps": 0, "weight_decay": 0.0}
    schedule |= {"ema": 0.5, "clip_norm": 5.0}
    objective = {
        "ae": {"kind": "ae", "code_noise": 0.1},
        "vae": {"kind": "vae", "binarised_share": 0.5, "kl_warmup_share": 0.1},
    }
    seeing = {"ae": {}, "vae": {"label_couplings": 1}}
    tables = {
        "bundle": {"name": f"tiny-{kind}", "version": 1, "description": "Tiny."},
        "data": {"validation_rows": 100},
        "network": {"kind": "mlp", "hidden": [16], "latent_dim": 3},
        "objective": objective[kind],
        "training": schedule,
        "prior": {"kind": "flow", "fitted": "after", "couplings": 2, "width": 8, "training": schedule} | seeing[kind],
        "run": {"seed": 1, "device": "cpu", "checkpoint_s": 1000.0, "tensorboard": False},
    }
    return parse(json.dumps(tables), "tiny")


@cache
def autoencoder(kind: str) -> Autoencoder:
    """Untrained, but with every weight drawn, so that no part of it is the identity."""
    model = build(config(kind))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.1 * torch.randn(weights.shape, generator=generator))
    return model.eval().requires_grad_(False)


@cache
def bundle(kind: str) -> Path:
    """The directory of that model's bundle."""
    home = Path(mkdtemp())
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    directory = home / f"tiny-{kind}" / "1"
    directory.mkdir(parents=True)
    write_bundle(directory, autoencoder(kind), config(kind), mnist(), PROTOCOL)
    return directory


def blind_vae(
    mean: float = 0.0,
    log_var: float = 0.0,
    logit: float = -1.0,
    prior_means: tuple[float, ...] = (0.0, 0.0),
    weights: tuple[float, ...] = (0.5, 0.5),
    latent_dim: int = 2,
) -> Model:
    """A VAE that looks at nothing: each pixel is ink with the same probability, whatever the latent.

    So log p(x) is known, q is N(mean, exp(log_var)) for every image, and p(z given y) is N(prior_means[y], I).
    """

    def encoder(images: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        shape = (len(images), latent_dim)
        return np.full(shape, mean, np.float32), np.full(shape, log_var, np.float32)

    def decoder(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        logits = np.full((len(latents), 1, 28, 28), logit, np.float32)
        return 1 / (1 + np.exp(-logits)), logits

    def density(latents: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        squares = np.square(latents[:, None] - np.array(prior_means)[:, None]).sum(2)  # (n, classes)
        return (((-squares - latent_dim * LOG_TWO_PI) / 2).astype(np.float32),)

    functions: dict[GraphName, Function] = {"encoder": encoder, "decoder": decoder, "density": density}
    return Model("vae", latent_dim, tuple(weights), functions)
