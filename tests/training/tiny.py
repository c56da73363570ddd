"""Tiny models and their bundles, made once for all tests that measure, export and draw. Do not write to them."""

import atexit
import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch

from training import data, export
from training.autoencoder import Autoencoder, build
from training.config import Config, parse
from training.data import Mnist
from training.evaluate import Protocol

DATA = Path(__file__).parents[1] / "data"
PROTOCOL = Protocol(images=60, bound_images=10, bound_draws=8)


@cache
def mnist() -> Mnist:
    """The sample of real digits, 300 to learn from and 300 to test on."""
    return data.load(DATA, digests=json.loads((DATA / "digests.json").read_text()))


def config(kind: str) -> Config:
    """784-16-3 with a flow of two couplings, trained for one epoch of each stage."""
    schedule = {"epochs": 1, "batch_rows": 40, "learning_rate": 1e-3, "warmup_steps": 0, "weight_decay": 0.0}
    schedule |= {"ema": 0.5, "clip_norm": 5.0}
    objective = {
        "ae": {"kind": "ae", "code_noise": 0.1},
        "vae": {"kind": "vae", "binarised_share": 0.5, "kl_warmup_share": 0.1},
    }
    tables = {
        "bundle": {"name": f"tiny-{kind}", "version": 1, "description": "Tiny."},
        "data": {"validation_rows": 100},
        "network": {"kind": "mlp", "hidden": [16], "latent_dim": 3},
        "objective": objective[kind],
        "training": schedule,
        "prior": {"kind": "flow", "fitted": "after", "couplings": 2, "width": 8, "training": schedule},
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
    export.write_bundle(directory, autoencoder(kind), config(kind), mnist(), PROTOCOL)
    return directory
