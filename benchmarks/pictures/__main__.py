"""How well the service reads pictures of digits, kind by kind.

    python -m benchmarks.pictures DIRECTORY

The directory holds a folder a kind, with files named <number>_<label>.<ending>, as `benchmarks.pictures.make` writes
them. Where the label has several digits, all must be right, each in its place.

right: whose label has the largest p(label given z) at the posterior's mean. elbo: median place of the ELBO among those
of MNIST's test digits, in per cent; unlike any at 0, like most at 50. ms: from file to pixels, median, one core.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from models import bundle
from service.codecs.files import images
from service.codecs.files.header import ImageLimits
from service.codecs.framing import Fit
from service.engine.model import Model
from service.settings import Settings

_SETTINGS = Settings()
_LIMITS = ImageLimits(_SETTINGS.max_body_bytes, _SETTINGS.max_image_pixels, _SETTINGS.max_image_side)


class Score(NamedTuple):
    """right: parts of 1. elbo: a percentile, None for an autoencoder. ms: per picture."""

    pictures: int
    right: float
    elbo: float | None
    ms: float


def main() -> None:
    """Prints a table, a row a kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--fit", choices=get_args(Fit), default="auto")
    parser.add_argument("--model", default="digits-vae", help="name or name/version")
    arguments = parser.parse_args()
    model = load(arguments.model)
    folders = sorted(path for path in arguments.directory.iterdir() if path.is_dir())
    scores = {
        folder.name: score(sorted(folder.iterdir()), model, arguments.fit) for folder in tqdm(folders, leave=False)
    }
    print(table(scores))


def load(name: str) -> Model:
    (directory,) = bundle.find(_SETTINGS.models_dir, [name])
    return Model(bundle.load(directory), device="cpu", threads=1, max_batch_rows=64)


def score(files: Sequence[Path], model: Model, fit: Fit) -> Score:
    right, elbos, times = [], [], []
    for file in files:
        label, data = file.stem.rpartition("_")[2], file.read_bytes()
        start = time.perf_counter()
        split = len(label) > 1 and fit == "auto"
        pixels = images.read(data, fit=fit, invert="auto", limits=_LIMITS, split=split).pixels
        times.append(time.perf_counter() - start)
        right.append("".join(map(str, labels(model, pixels))) == label)
        found = model.reconstruct(pixels[:, np.newaxis])
        elbos += found.percentiles.get("elbo", np.zeros(0)).tolist()
    elbo = statistics.median(elbos) if elbos else None
    return Score(len(files), statistics.mean(right), elbo, 1e3 * statistics.median(times))


def labels(model: Model, pixels: npt.NDArray[np.float32]) -> list[Any]:
    """Of each image (n, 28, 28), at the mean of its posterior."""
    latents = model.encode(pixels[:, np.newaxis]).mean
    classes = model.manifest.classes
    shares = [model.confidence(latents, np.full(len(latents), label)) for label in range(len(classes))]
    return [classes[i] for i in np.argmax(shares, axis=0)]


def table(scores: dict[str, Score]) -> str:
    """In Markdown, with the mean of all kinds."""
    lines = ["| kind | pictures | right | elbo | ms |", "|---|---:|---:|---:|---:|"]
    for kind, (pictures, right, elbo, ms) in scores.items():
        lines.append(f"| {kind} | {pictures} | {right:.1%} | {'' if elbo is None else f'{elbo:.0f}'} | {ms:.1f} |")
    mean = statistics.mean(score.right for score in scores.values())
    lines.append(f"| mean | {sum(score.pictures for score in scores.values())} | {mean:.1%} | | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
