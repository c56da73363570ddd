"""Every question that is asked of a model, in the order in which a reader wants the answers."""

from models.manifest import Metric
from training.data.mnist import Mnist, to_pixels
from training.evaluation import (
    collapse,
    latents,
    likelihood,
    memorisation,
    reconstruction,
    samples,
    tstr,
)
from training.evaluation.classifier import Classifier
from training.evaluation.metrics import Measurements
from training.evaluation.protocol import Protocol, evenly, strided
from training.model.functions import Model


def measure(model: Model, mnist: Mnist, classifier: Classifier, protocol: Protocol) -> dict[str, Measurements]:
    """All that is measured of a model, under the headings of its card. Only here are the test digits read."""
    test = strided(mnist.test, protocol.test_images)
    pixels, labels = to_pixels(test.images).numpy(), test.labels.numpy()  # (n, 1, 28, 28), (n,)
    train_pixels, train_labels = to_pixels(mnist.train.images).numpy(), mnist.train.labels.numpy()
    probed, probed_labels = (evenly(rows, protocol.probe_images) for rows in (train_pixels, train_labels))
    found = {}
    if model.kind == "vae":
        binary = likelihood.binarised(pixels, likelihood.SEED)
        found["Likelihood"] = Measurements.merged(
            (
                likelihood.lower_bound(model, pixels, labels),
                likelihood.train_bound(model, evenly(train_pixels, protocol.train_images)),
                likelihood.importance_weighted(model, binary, protocol.bound_draws),
                likelihood.curve(model, evenly(binary, protocol.curve_images), protocol.curve_draws),
            )
        )
    found["Reconstruction"] = reconstruction.reconstruction(model, pixels, labels, train_pixels)
    found["Latents"] = Measurements.merged(
        (
            latents.latents(model, pixels, labels, probed, probed_labels),
            collapse.shuffled(model, pixels),
        )
    )
    found["Samples"] = samples.samples(model, classifier, mnist.train, test, protocol)
    found["Train on synthetic"] = tstr.tstr(model, mnist.train, test, protocol)
    found["Memorisation"] = memorisation.memorisation(model, classifier, mnist.train, test, protocol)
    return found


def quick_figures(model: Model, mnist: Mnist, protocol: Protocol) -> Measurements:
    """Few figures, quick to get, that a torch model and its graphs must share to four digits.

    On a tenth of the test digits where the protocol is the full one.
    """
    test = strided(mnist.test, protocol.curve_images)
    pixels = to_pixels(test.images).numpy()  # (n, 1, 28, 28)
    mse = Metric(
        value=reconstruction.squared_errors(pixels, reconstruction.rebuilt(model, pixels)).mean(),
        unit="squared ink per pixel",
        meaning=f"grey test images decoded at their posterior mean, ink from 0 to 1; {len(pixels):,} images",
    )
    grey = Measurements({"reconstruction_mse": mse})
    if model.kind == "ae":
        return grey
    binary = likelihood.binarised(pixels, likelihood.SEED)
    bounds = (
        likelihood.lower_bound(model, pixels, test.labels.numpy()),
        likelihood.importance_weighted(model, binary, protocol.bound_draws),
    )
    return Measurements.merged((grey, *bounds))
