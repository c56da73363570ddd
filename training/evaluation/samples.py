"""How good samples are: do they show what was asked, and are they spread as real digits are? A classifier looks.

Heusel et al. 2017 (Fréchet distance, here on the classifier's features: comparable with no other classifier's);
Naeem et al. 2020 (density and coverage). No sample is rejected.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.manifest import Metric
from training.data.mnist import CLASSES, Digits, to_pixels
from training.evaluation.classifier import ARCHITECTURE, SHA256, Classifier, accuracy
from training.evaluation.metrics import Measurements, Table
from training.evaluation.protocol import Protocol, strided
from training.model.functions import FloatArray, IntArray, Model, chunks

SEED = 200209797  # of every draw below: the number of Naeem et al. on arXiv
COOLER = 0.8  # temperature: the noise of the prior is scaled by it
NEIGHBOURS = 5  # of a real digit: their distance is the radius of its ball, for density and coverage
CHUNK = 1024  # rows of a matrix of distances at once: 80 MB for 10,000 columns


def samples(model: Model, classifier: Classifier, train: Digits, test: Digits, protocol: Protocol) -> Measurements:
    """Confirmed labels, entropy of the classes, Fréchet distance, density and coverage, beside what real digits get."""
    test = strided(test, protocol.samples)
    count = len(test.labels)
    real = to_pixels(test.images).numpy()  # (n, 1, 28, 28)
    again = to_pixels(strided(train, count).images).numpy()
    images, labels = drawn(model, count, SEED)
    features, real_features, again_features = (classifier.features(pixels) for pixels in (images, real, again))
    parts = [
        classifier_accuracy(classifier, real, test),
        confirmed(classifier, images, labels, drawn(model, count, SEED, COOLER)[0]),
        class_entropy(classifier, drawn(model, count, SEED + 1, labels="by weight")[0]),
        distances(features, again_features, real_features),
        ruler(model, classifier, again, real, real_features),
    ]
    return Measurements.merged(parts)


def drawn(
    model: Model,
    count: int,
    seed: int,
    temperature: float = 1.0,
    labels: Literal["balanced", "by weight"] = "balanced",
) -> tuple[FloatArray, IntArray]:
    """Samples: decoder means (count, 1, 28, 28), and the labels (count,) that were asked for.

    The noise is standard normal, scaled by the temperature; row i has the same noise whatever the count.
    labels: "balanced" asks for 0 to 9 in turn, "by weight" draws labels by the model's class weights.
    """
    random = np.random.Generator(np.random.Philox(seed))
    noise = np.float32(temperature) * random.standard_normal((count, model.latent_dim), np.float32)
    classes = len(model.class_weights)
    if labels == "balanced":
        asked = np.arange(count) % classes
    else:
        asked = np.random.Generator(np.random.Philox([seed, 1])).choice(classes, count, p=model.class_weights)
    parts = (model.decode(model.prior(noise[chunk], asked[chunk]))[0] for chunk in chunks(count, "samples"))
    return np.concatenate(list(parts)), asked


def classifier_accuracy(classifier: Classifier, pixels: FloatArray, digits: Digits) -> Measurements:
    """How often the classifier itself is right."""
    meaning = (
        f"test digits that the judge reads right, {len(pixels):,} images; a classifier of the training digits: "
        f"{ARCHITECTURE}; SHA-256 of its weights {SHA256}"
    )
    share = accuracy(classifier.logits(pixels), digits.labels)
    return Measurements({"judge_accuracy": Metric(value=share, unit="share", meaning=meaning)})


def confirmed(classifier: Classifier, images: FloatArray, labels: IntArray, cooler: FloatArray) -> Measurements:
    """How often the classifier reads the label that was asked for.

    images: samples at temperature 1.0 of the labels; cooler: the same at temperature 0.8.
    """
    reads = [classifier.logits(pixels).argmax(1) == labels for pixels in (images, cooler)]  # each (n,)
    metrics: dict[str, Metric] = {}
    for name, temperature, right in zip(("", "_t08"), (1.0, COOLER), reads, strict=True):
        meaning = (
            f"samples in which the judge reads the label asked for, at temperature {temperature}, none rejected; "
            f"{len(labels):,} samples, labels in turn, seed {SEED}"
        )
        metrics[f"sample_label_confirmed{name}"] = Metric(value=right.mean(), unit="share", meaning=meaning)
    table = Table(
        meaning=f"share of samples in which the judge reads the label asked for; {len(labels):,} samples, seed {SEED}",
        header=("label", "temperature 1.0", f"temperature {COOLER}"),
        rows=tuple(
            (name, *(float(right[labels == label].mean()) for right in reads)) for label, name in enumerate(CLASSES)
        ),
    )
    return Measurements(metrics, {"sample_label_by_digit": table})


def class_entropy(classifier: Classifier, images: FloatArray) -> Measurements:
    """Entropy of what the classifier reads in samples whose label nobody asked for."""
    shares = np.bincount(classifier.logits(images).argmax(1), minlength=len(CLASSES)) / len(images)
    shares = shares[shares > 0]
    meaning = (
        f"entropy of the digits that the judge reads in {len(images):,} samples without a label asked, at temperature "
        f"1.0, seed {SEED + 1}; {np.log(len(CLASSES)):.3f} at most"
    )
    entropy = Metric(value=-float(shares @ np.log(shares)), unit="nats", meaning=meaning)
    return Measurements({"sample_class_entropy": entropy})


def distances(features: FloatArray, again: FloatArray, real: FloatArray) -> Measurements:
    """Samples against test digits, and beside it training digits against test digits.

    features, again, real: the classifier's, float32 (n, f), of samples, training digits and test digits.
    """
    about = f"{len(features):,} samples at temperature 1.0, seed {SEED}, against {len(real):,} test digits"
    about_real = f"{len(again):,} training digits, which the judge learned from, against the same test digits"
    radii = radius(real)
    metrics: dict[str, Metric] = {}
    for some, what, floor, suffix in ((features, about, "", ""), (again, about_real, "_floor", "_real")):
        density, coverage = density_and_coverage(some, real, radii)
        metrics |= {
            f"frechet_distance{floor}": Metric(
                value=frechet(some, real),
                unit="squared feature",
                meaning=f"between Gaussians fitted to the judge's {real.shape[1]} features; {what}",
            ),
            f"density{suffix}": Metric(
                value=density,
                unit="ratio",
                meaning=f"mean number of test digits in whose ball of {NEIGHBOURS} neighbours one lies, over "
                f"{NEIGHBOURS}, on the judge's features; {what}",
            ),
            f"coverage{suffix}": Metric(
                value=coverage,
                unit="share",
                meaning=f"test digits in whose ball of {NEIGHBOURS} neighbours at least one lies, on the judge's "
                f"features; {what}",
            ),
        }
    return Measurements(metrics)


def ruler(
    model: Model, classifier: Classifier, again: FloatArray, real: FloatArray, real_features: FloatArray
) -> Measurements:
    """What known damage does to the Fréchet distance. again: training digits, real: test digits, (n, 1, 28, 28)."""
    noise = np.random.Generator(np.random.Philox(SEED + 2)).standard_normal(again.shape, np.float32)
    rebuilt = [model.decode(model.encode(real[chunk])[0])[0] for chunk in chunks(len(real), "ruler")]
    damaged = {
        "training digits": again,
        "the same, Gaussian noise of 0.1": np.clip(again + np.float32(0.1) * noise, 0, 1),
        "the same, Gaussian noise of 0.3": np.clip(again + np.float32(0.3) * noise, 0, 1),
        "the same, each pixel the mean of 3×3": blurred(again),
        "the same, 2 pixels to the right": np.pad(again, ((0, 0), (0, 0), (0, 0), (2, 0)))[..., :-2],
        "the same test digits, reconstructed": np.concatenate(rebuilt),
    }
    table = Table(
        meaning=f"Fréchet distance on the judge's features to {len(real):,} test digits of as many other digits",
        header=("digits", "distance"),
        rows=tuple((name, frechet(classifier.features(pixels), real_features)) for name, pixels in damaged.items()),
    )
    return Measurements(tables={"frechet_ruler": table})


def blurred(pixels: FloatArray) -> FloatArray:
    """Each pixel as the mean of the 3×3 around it, with paper beyond the edge; same shape."""
    padded = np.pad(pixels, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moved = [padded[..., row : row + 28, column : column + 28] for row in range(3) for column in range(3)]
    means: FloatArray = sum(moved, np.zeros_like(pixels)) / np.float32(9)
    return means


def frechet(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float:
    """Squared Fréchet distance between Gaussians fitted to features (n, f) and (m, f). Dowson & Landau 1982, eq. 4."""
    (mean, covariance), (other_mean, other) = (
        (features.mean(0, dtype=np.float64), np.cov(features.astype(np.float64), rowvar=False))
        for features in (first, second)
    )
    values, axes = np.linalg.eigh(covariance)
    root = (axes * np.sqrt(values.clip(0))) @ axes.T  # (f, f), symmetric
    # In this symmetric form the matrix whose square root has the wanted trace has no negative or complex eigenvalue.
    cross = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum()
    return float(np.square(mean - other_mean).sum() + np.trace(covariance) + np.trace(other) - 2 * cross)


def density_and_coverage(features: FloatArray, real: FloatArray, radii: NDArray[np.float64]) -> tuple[float, float]:
    """Density and coverage of features (m, f) among real ones (n, f), each with the radius (n,) of its ball."""
    inside = np.zeros(len(real), np.int64)
    for start in range(0, len(features), CHUNK):
        inside += (squared_distances(features[start : start + CHUNK], real) < np.square(radii)).sum(0)
    return float(inside.sum() / (NEIGHBOURS * len(features))), float((inside > 0).mean())


def radius(real: FloatArray) -> NDArray[np.float64]:
    """Distance (n,) of every row of (n, f) to its fifth nearest other row."""
    parts = []
    for start in range(0, len(real), CHUNK):
        squared = squared_distances(real[start : start + CHUNK], real)
        parts.append(np.partition(squared, NEIGHBOURS, axis=1)[:, NEIGHBOURS])  # the nearest row of all is itself
    return np.sqrt(np.concatenate(parts))


def squared_distances(rows: FloatArray, others: FloatArray) -> NDArray[np.float64]:
    """Squared Euclidean distances (n, m) of rows (n, f) to others (m, f), in float64: near ones are not cancelled."""
    a, b = rows.astype(np.float64), others.astype(np.float64)
    squared: NDArray[np.float64] = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return squared.clip(0)
