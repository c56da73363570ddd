"""A digit's latent, and new digits page by page. Needs httpx and numpy:

python examples/python/digits.py http://127.0.0.1:8000 docs/seven.png
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np

PAGE = 32


def main(url: str, picture: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        print("mean", encode(client, Path(picture).read_bytes())[:4])
        images = np.concatenate(list(samples(client, label=7, count=80)))  # (80, 1, 28, 28)
        np.save("sevens.npy", images)
        print("saved", len(images), "sevens of", f"{images.shape[2]}×{images.shape[3]} pixels")


def encode(client: httpx.Client, png: bytes) -> list[float]:
    """Mean of the image's posterior."""
    answer = told(client.post("/encode", content=png, headers={"Content-Type": "image/png"}))
    mean: list[float] = answer.json()["mean"][0]
    return mean


def samples(client: httpx.Client, label: int, count: int) -> Iterator[np.ndarray]:
    """Pages of one series: a seed and an offset name each digit, whatever page it comes in."""
    for offset in range(0, count, PAGE):
        query = {"label": label, "seed": 1, "offset": offset, "count": min(PAGE, count - offset)}
        answer = told(client.get("/sample", params=query, headers={"Accept": "application/x-npy"}))
        yield np.load(io.BytesIO(answer.content))


def told(answer: httpx.Response) -> httpx.Response:
    """The answer, or an error that says what the service says: every problem has a code and a detail."""
    if answer.is_error:
        problem = answer.json()
        sys.exit(f"{answer.status_code} {problem['code']}: {problem['detail']}")
    return answer


if __name__ == "__main__":
    main(*sys.argv[1:])
