"""Whether samples are copies: how near each is to its nearest training digit, against how near test digits are.

A model that repeats its training digits has samples nearer to them than test digits ever are. Distances are Euclidean:
between pixels, and between the classifier's features.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from models.manifest import Metric
from training.data.mnist import Digits, to_pixels
from training.evaluation.classifier import Classifier
from training.evaluation.metrics import Measurements, Table
from training.evaluation.protocol import Protocol, evenly
from training.evaluation.samples import SEED, drawn
from training.model.functions import FloatArray, IntArray, Model

PAIRS = 20
NEAR = 1  # percentile of the test digits' distances, below which a sample is called near
ROWS = 512  # of a matrix of distances at once: 120 MB for 60,000 columns


def memorisation(model: Model, classifier: Classifier, train: Digits, test: Digits, protocol: Protocol) -> Measurements:
    """Distances to the nearest training digit, of samples and of test digits, and the closest pairs."""
    images, labels = drawn(model, protocol.samples, SEED)
    known_rows = evenly(np.arange(len(train.labels)), protocol.known_images)
    known, unseen = (to_pixels(digits).numpy() for digits in (train.images[known_rows], test.images))  # (n, 1, 28, 28)
    rows, distances = nearest(flat(images), flat(known))
    parts = [compared("", "pixels, ink from 0 to 1", distances, nearest(flat(unseen), flat(known))[1], len(known))]
    features, known_features, unseen_features = (classifier.features(pixels) for pixels in (images, known, unseen))
    ours, theirs = (nearest(some, known_features)[1] for some in (features, unseen_features))
    parts.append(compared("_features", "features of the judge", ours, theirs, len(known)))
    rows = known_rows[rows]
    closest = np.argsort(distances, kind="stable")[:PAIRS]
    table = Table(
        meaning=f"the samples nearest to a training digit in pixels, of {len(images):,} with seed {SEED}: number of "
        "the sample, label asked for, row and label of the training digit, distance; counted from 0",
        header=("sample", "label", "training row", "training label", "distance"),
        rows=tuple(
            (int(i), int(labels[i]), int(rows[i]), int(train.labels[rows[i]]), float(distances[i])) for i in closest
        ),
    )
    return Measurements.merged([*parts, Measurements(tables={"closest_pairs": table})])


def pairs(model: Model, train: Digits, closest: Table) -> tuple[FloatArray, FloatArray]:
    """Samples and their neighbours among the training digits, each (n, 1, 28, 28), of a table `closest_pairs`."""
    numbers, rows = ([int(row[column]) for row in closest.rows] for column in (0, 2))
    images, _ = drawn(model, max(numbers) + 1, SEED)
    return images[numbers], to_pixels(train.images[rows]).numpy()


def compared(
    suffix: str, between: str, distances: NDArray[np.float64], unseen: NDArray[np.float64], known: int
) -> Measurements:
    """Median distances of samples (n,) and of test digits (m,) to their nearest training digit, and who is nearer."""
    about = f"Euclidean distance between {between}, to the nearest of {known:,} training digits"
    share = float((distances < np.percentile(unseen, NEAR)).mean())
    return Measurements(
        {
            f"nearest_train_median{suffix}": Metric(
                value=np.median(distances),
                unit="distance",
                meaning=f"{about}; median over {len(distances):,} samples at temperature 1.0, seed {SEED}",
            ),
            f"nearest_train_median_test{suffix}": Metric(
                value=np.median(unseen), unit="distance", meaning=f"{about}; median over {len(unseen):,} test digits"
            ),
            f"nearer_than_test_share{suffix}": Metric(
                value=share,
                unit="share",
                meaning=f"samples nearer to a training digit than the {NEAR}st percentile of test digits is, about "
                f"{NEAR / 100} where nothing is memorised; {about}",
            ),
        }
    )


def nearest(some: FloatArray, others: FloatArray) -> tuple[IntArray, NDArray[np.float64]]:
    """Index of the row of others (m, f) nearest to each row of (n, f), and the Euclidean distance, each (n,).

    It is found in float32, where distances that differ by a hundred-thousandth may change places; the distance itself
    is taken anew between the two rows, in float64, so that a copy's is 0.
    """
    columns = torch.from_numpy(others)  # (m, f)
    squares = columns.square().sum(1)  # (m,)
    indices = []
    for start in tqdm(range(0, len(some), ROWS), desc="neighbours", unit="batch", disable=None, leave=False):
        part = torch.from_numpy(some[start : start + ROWS])
        indices.append(torch.addmm(squares, part, columns.T, alpha=-2).argmin(1))  # less the part's own squares
    index = torch.cat(indices).numpy()
    distances = [
        np.sqrt(np.square(some[part] - others[index[part]], dtype=np.float64).sum(1))
        for part in np.array_split(np.arange(len(some)), max(1, len(some) // ROWS))
    ]
    return index, np.concatenate(distances)


def flat(images: FloatArray) -> FloatArray:
    """Images (n, 1, 28, 28) as rows (n, 784)."""
    return images.reshape(len(images), -1)
