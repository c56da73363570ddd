"""Writes the sample of MNIST that lies beside this script: `python tests/data/make_sample.py DIRECTORY_OF_MNIST`."""

import gzip
import hashlib
import json
import sys
from pathlib import Path

PER_DIGIT = 30
HEADER_BYTES = {"images": 16, "labels": 8}
HERE = Path(__file__).parent


def main(source: Path) -> None:
    digests = {}
    for half in ("train", "t10k"):
        labels = gzip.decompress((source / f"{half}-labels-idx1-ubyte.gz").read_bytes())[HEADER_BYTES["labels"] :]
        images = gzip.decompress((source / f"{half}-images-idx3-ubyte.gz").read_bytes())[HEADER_BYTES["images"] :]
        rows = sorted(row for digit in range(10) for row in _first_rows(labels, digit))
        count = len(rows).to_bytes(4)
        side = (28).to_bytes(4)
        files = {
            f"{half}-images-idx3-ubyte": b"\0\0\x08\x03" + count + side + side + _take(images, rows, 28 * 28),
            f"{half}-labels-idx1-ubyte": b"\0\0\x08\x01" + count + _take(labels, rows, 1),
        }
        for name, content in files.items():
            (HERE / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
            digests[name] = hashlib.sha256(content).hexdigest()
    (HERE / "digests.json").write_text(json.dumps(digests, indent=2) + "\n")


def _first_rows(labels: bytes, digit: int) -> list[int]:
    return [row for row, label in enumerate(labels) if label == digit][:PER_DIGIT]


def _take(content: bytes, rows: list[int], row_bytes: int) -> bytes:
    return b"".join(content[row * row_bytes : (row + 1) * row_bytes] for row in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
