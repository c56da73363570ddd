"""Networks learn for the same time of one core, each from the start, and are compared on the held-out digits.

A candidate's rate is measured first and turned into steps. Time is the processor's, so that work beside it does not
count. No test digits take part, and no stage but the first. `python -m benchmarks.training.bake_off --minutes 6`
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Generator
from tqdm import tqdm

from training import config
from training.config import Config, ConvNetwork, ConvTower, MlpNetwork
from training.data.mnist import Digits, Mnist, load_mnist, split, to_pixels
from training.evaluation.likelihood import SEED, binarised, curve
from training.evaluation.reconstruction import rebuilt, squared_errors
from training.learning import run
from training.learning.stage import State
from training.model import autoencoder
from training.model.autoencoder import Autoencoder
from training.model.functions import of_torch

RATE_STEPS = 60  # to measure a rate by, half a minute
NLL_IMAGES, NLL_DRAWS = 1_000, 100


def main() -> None:
    """Print a table: candidate, parameters, images a second, epochs, minutes, figures on held-out digits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6.0, help="of a core, each (default: 6)")
    parser.add_argument("--config", type=Path, default=Path("training/configs/default.toml"))
    parser.add_argument("--data", type=Path, help="directory of the MNIST files (default: $MNIST_DIR, else ./data)")
    parser.add_argument("names", nargs="*", help="candidates (default: all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    base, mnist = config.read(arguments.config), load_mnist(arguments.data)
    base = base.model_copy(update={"objective": base.objective.model_copy(update={"tightening": None})})
    print("| candidate | encoder / decoder / prior, M | images/s | epochs | minutes | −ELBO | NLL k=100 | grey MSE |")
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name, candidate in candidates(base).items():
        if not arguments.names or name in arguments.names:
            print(f"| {name} | {compete(candidate, mnist, arguments.minutes)} |", flush=True)


def candidates(base: Config) -> dict[str, Config]:
    """The configured network, and others that differ from it in one thing. Raises SystemExit for one without towers."""
    if not isinstance(base.network, ConvNetwork):
        raise SystemExit("--config must have a convolutional network, whose towers the candidates vary.")

    def network(**changes: object) -> Config:
        return base.model_copy(update={"network": base.network.model_copy(update=changes)})

    large = ConvTower(fine=32, coarse=64, fine_blocks=1, coarse_blocks=2, width=256)
    return {
        "as configured": base,
        "fully connected, 1024-1024": base.model_copy(
            update={"network": MlpNetwork(kind="mlp", hidden=(1024, 1024), latent_dim=base.network.latent_dim)}
        ),
        "smaller encoder": network(encoder=base.network.decoder),
        "larger encoder": network(encoder=large),
        "larger encoder and decoder": network(encoder=large, decoder=large),
        "label seen by 2 couplings of 10": base.model_copy(
            update={"prior": base.prior.model_copy(update={"label_couplings": 2})}
        ),
    }


def compete(candidate: Config, mnist: Mnist, minutes: float) -> str:
    """The rest of a candidate's row."""
    train, held_out = split(mnist.train, candidate.data.validation_rows, candidate.run.seed)
    model = autoencoder.build(candidate)
    rate = images_per_second(candidate, train)
    images = round(rate * 60 * minutes)
    stage = run.stages(for_one_epoch(candidate), drawn(train, images), held_out)[0]
    state = State(model, stage, Generator().manual_seed(candidate.run.seed), 0.0)
    start = time.process_time()
    for _ in tqdm(range(stage.steps), unit="step"):
        state.advance(stage)
    spent = (time.process_time() - start) / 60
    sizes = (sum(weights.numel() for weights in part.parameters()) / 1e6 for part in model.children())
    parameters = " / ".join(f"{size:.1f}" for size in sizes)
    average = state.average.eval()
    assert isinstance(average, Autoencoder)
    figures = " | ".join(held_out_figures(average, held_out))
    return f"{parameters} | {rate:.0f} | {images / len(train.labels):.2f} | {spent:.1f} | {figures}"


def for_one_epoch(candidate: Config) -> Config:
    """Of as many images as there is time for, because a part of an epoch would be rounded: an epoch is a nat or two."""
    return candidate.model_copy(update={"training": candidate.training.model_copy(update={"epochs": 1})})


def drawn(digits: Digits, count: int) -> Digits:
    """So many digits: all of them in a random order, and again until there are enough."""
    generator, total = Generator().manual_seed(1), len(digits.labels)
    rounds = [torch.randperm(total, generator=generator) for _ in range(-(-count // total))]
    rows = torch.cat(rounds)[:count]
    return Digits(digits.images[rows], digits.labels[rows])


def images_per_second(candidate: Config, train: Digits) -> float:
    """Of one core: training steps, after some to warm up."""
    stage = run.stages(for_one_epoch(candidate), train, train)[0]
    state = State(autoencoder.build(candidate), stage, Generator().manual_seed(1), 0.0)
    for number in range(RATE_STEPS):
        if number == RATE_STEPS // 3:
            start = time.process_time()
        state.advance(stage)
    return (RATE_STEPS - RATE_STEPS // 3) * candidate.training.batch_rows / (time.process_time() - start)


def held_out_figures(learned: Autoencoder, digits: Digits) -> tuple[str, str, str]:
    """−ELBO and NLL of evenly spread digits, nats an image, marginalised over labels; grey MSE of all digits."""
    model = of_torch(learned)
    pixels = to_pixels(digits.images).numpy()
    spread = pixels[:: len(pixels) // NLL_IMAGES][:NLL_IMAGES]
    bound = curve(model, binarised(spread, SEED), NLL_DRAWS).metrics
    nll, elbo = (bound[f"nll_iw{NLL_DRAWS}{suffix}"].value for suffix in ("", "_negative_elbo"))
    return f"{elbo:.2f}", f"{nll:.2f}", f"{squared_errors(pixels, rebuilt(model, pixels)).mean():.5f}"


if __name__ == "__main__":
    main()
