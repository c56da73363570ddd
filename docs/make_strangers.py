"""Prints how pictures that are no upright digits score: the table of docs/limits.md.

    python docs/make_strangers.py models/digits-vae/2

Needs the service's packages and the digits in tests/data.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from models import bundle  # noqa: E402
from service.engine.model import Model  # noqa: E402


def main() -> None:
    model = Model(bundle.load(Path(sys.argv[1]).resolve()), device="cpu", threads=1, max_batch_rows=64)
    print("| picture | `mse` percentile | `elbo` percentile | lowest and highest `elbo` percentile |")
    print("|---|---:|---:|---:|")
    for name, images in strangers().items():
        found = model.reconstruct(images.astype(np.float32)[:, None])
        mse, elbo = (found.percentiles[score] for score in ("mse", "elbo"))
        print(f"| {name} | {np.median(mse):.1f} | {np.median(elbo):.1f} | {elbo.min():.1f} … {elbo.max():.1f} |")


def strangers() -> dict[str, np.ndarray]:
    """Pictures (n, 28, 28) from 0, paper, to 1, ink, by what they are."""
    path = ROOT / "tests/data/t10k-images-idx3-ubyte.gz"
    digits = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28) / 255
    random = np.random.default_rng(1)
    halves = digits[:, :, 0::2] * 0.5 + digits[:, :, 1::2] * 0.5  # each squeezed to half its width
    return {
        "test digits": digits,
        "upside down": digits[:, ::-1, ::-1],
        "on their side": np.rot90(digits, axes=(1, 2)),
        "in a mirror": digits[:, :, ::-1],
        "light on dark": 1 - digits,
        "two side by side": np.concatenate([halves[0::2], halves[1::2]], axis=2),
        "moved by 5 pixels": np.roll(digits, 5, axis=2),
        "an empty page": np.zeros((1, 28, 28)),
        "noise": random.random((100, 28, 28)),
    }


if __name__ == "__main__":
    main()
