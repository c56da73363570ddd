"""Writes pictures of digits as people send them, a folder a kind, each file named <number>_<label>.

    python -m benchmarks.pictures.make DIRECTORY_OF_MNIST OUT --count 50 --seed 2

The shapes are those of MNIST's test digits: what the pictures try is pens, papers, light and framing, not handwriting.
"""

import argparse
import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmarks.pictures import kinds

_LENGTHS = (3, 9)  # digits of a number, the second exclusive


def main() -> None:
    arguments = _parser().parse_args()
    images = _content(arguments.mnist / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = _content(arguments.mnist / "t10k-labels-idx1-ubyte.gz", 8)
    for kind in tqdm(arguments.kinds):
        folder = arguments.out / kind
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng((arguments.seed, zlib.crc32(kind.encode())))
        for number in range(arguments.count):
            length = 1 if kind in kinds.ONE else int(random.integers(*_LENGTHS))
            chosen = random.choice(len(images), length, replace=False)
            if kind in kinds.ONE:
                data, ending = kinds.ONE[kind](images[chosen[0]], random)
            else:
                data, ending = kinds.number(list(images[chosen]), random)
            label = "".join(str(labels[i]) for i in chosen)
            (folder / f"{number}_{label}.{ending}").write_bytes(data)


def _content(path: Path, offset: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path, help="directory of the MNIST files")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=50, help="pictures of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=[*kinds.ONE, "number"], default=[*kinds.ONE, "number"])
    return parser


if __name__ == "__main__":
    main()
