"""CARD.md of a bundle: what it is, from which data, how trained, how good, what it cannot do, and its pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.manifest import Manifest, Metric
from training.config import Config, ConvNetwork, MlpNetwork
from training.evaluation.metrics import Cell, Measurements

KINDS = {"ae": "An autoencoder", "vae": "A variational autoencoder"}
CAPTIONS = {
    "samples.png": "Samples, a row per label: noise, through the prior, through the decoder. None is chosen.",
    "doubtful.png": "Of 2,000 samples the fifty whose label the model itself doubts most.",
    "temperatures.png": "The same noise scaled by a temperature: colder samples are plainer, and more alike.",
    "random.png": "Random points decoded without the prior, and samples drawn through it.",
    "pairs.png": "The samples nearest to a training digit, over that digit: is any of them a copy?",
    "reconstructions.png": "Test digits and their reconstructions from the posterior mean.",
    "worst.png": "The hundred test digits that come back worst, over what comes back.",
    "latents.png": "Where test digits lie in latent space, by class.",
    "interpolation.png": "Straight lines between the latents of two test digits.",
    "traversal.png": "One latent dimension moved at a time, from one test digit.",
    "curve.png": "The bound on −log p(x) by its number of draws, and how many of those have a say.",
    "losses.png": "Loss over the training, from the end of the first epoch on.",
}
MOST_ROWS = 20  # of a table; the others stand in report.json


def card(
    manifest: Manifest, found: Mapping[str, Measurements], training: Sequence[str], pictures: Sequence[str]
) -> str:
    """The card as Markdown.

    found: what was measured, by heading; training: how it was trained, one line each; pictures: names of files in
    figures/.
    """
    trained = [
        *training,
        f"Seed {manifest.seed}; configuration of SHA-256 `{manifest.config_sha256}`.",
        "Made with " + ", ".join(f"{program} {version}" for program, version in manifest.producers.items()) + ".",
    ]
    parts = [
        f"# {manifest.name}, version {manifest.version}",
        manifest.description,
        "## What it is",
        _what(manifest),
        "## Data",
        "MNIST (LeCun, Cortes & Burges): 28×28 grey images of handwritten digits, 60,000 to learn from and 10,000 to "
        "test on. Ink is 1, paper is 0. The four uncompressed files have the SHA-256 "
        f"`{manifest.data_sha256}`.",
        "## Training",
        "\n".join(f"- {line}" for line in trained),
        "## Figures",
        "Measured on test digits, through the ONNX graphs of this bundle. The same as data: report.json.",
        *(section(heading, measured) for heading, measured in found.items()),
        "## Pictures",
        *(f"![{name.removesuffix('.png')}](figures/{name})\n\n{CAPTIONS[name]}" for name in pictures),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(manifest)),
        "## Licence",
        f"{manifest.licence[0].upper()}{manifest.licence[1:]}.",
    ]
    return "\n\n".join(parts) + "\n"


def account(config: Config, meta: Mapping[str, Any]) -> list[str]:
    """How a run went, one line each, from its configuration and its meta.json."""
    objective, prior = config.objective, config.prior
    aim = {
        "ae": "squared error per pixel between grey digits and their reconstructions",
        "vae": "the negative evidence lower bound of digits binarised afresh each time they are seen",
    }[objective.kind]
    if objective.kind == "vae" and objective.kl_weight != 1:
        aim += f", its KL weighted {objective.kl_weight:g}"
    if objective.kind == "vae" and objective.tightening is not None:
        aim += f"; in the end the importance-weighted bound of {objective.tightening.draws} latents an image"
    if prior.kind == "standard_normal":
        shaped = "Prior: the standard normal, whatever the label."
    else:
        when = {"after": "fitted once the networks were done", "jointly": "learned with the networks"}[prior.fitted]
        if prior.fitted == "jointly" and prior.training is not None:
            when += " and fitted anew once they were done"
        couplings = f"{prior.couplings} couplings {prior.width} wide"
        if prior.label_couplings is not None:
            couplings += f", {prior.label_couplings} of which see the label"
        shaped = f"Prior: a label-conditional RealNVP flow of {couplings}, {when}."
    epochs = ", ".join(f"{count} epochs of the {stage}" for stage, count in meta["epochs"].items())
    return [
        f"Networks: {_networks(config.network)}.",
        f"Loss: {aim}.",
        shaped,
        f"Learned from {meta['train_rows']:,} training digits; {meta['validation_rows']:,} others watched the loss.",
        f"{epochs}: {meta['wall_seconds'] / 60:.1f} minutes on {meta['machine']}.",
    ]


def _networks(network: MlpNetwork | ConvNetwork) -> str:
    if isinstance(network, MlpNetwork):
        widths = "-".join(map(str, (784, *network.hidden, network.latent_dim)))
        return f"fully connected, {widths} and its mirror image, ReLU between layers"
    towers = (
        f"{name} with blocks of {tower.fine_blocks} × {tower.fine} channels at 14×14 "
        f"and {tower.coarse_blocks} × {tower.coarse} at 7×7"
        for name, tower in (("encoder", network.encoder), ("decoder", network.decoder))
    )
    return f"residual convolutions, {' and '.join(towers)}, around {network.latent_dim} latent dimensions"


def section(heading: str, measured: Measurements) -> str:
    """What was measured, under one heading, as Markdown tables, numbers to four significant digits."""
    metrics = [(f"`{name}`", metric.value, metric.unit, metric.meaning) for name, metric in measured.metrics.items()]
    parts = [f"### {heading}"]
    if metrics:
        parts.append(_table(("figure", "value", "unit", "meaning"), metrics))
    for name, table in measured.tables.items():
        first = f" The first {MOST_ROWS} of {len(table.rows):,} rows." if len(table.rows) > MOST_ROWS else ""
        parts += [f"`{name}`: {table.meaning}.{first}", _table(table.header, table.rows[:MOST_ROWS])]
    return "\n\n".join(parts)


def _table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    numeric = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))]
    rule = ["---:" if right else "---" for right in numeric]
    lines = [header, *([_cell(cell) for cell in row] for row in rows)]
    lines.insert(1, rule)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _what(manifest: Manifest) -> str:
    classes = len(manifest.classes)
    likelihood = {"ae": "It has no likelihood.", "vae": "Its likelihood is Bernoulli, pixel by pixel."}[manifest.kind]
    return (
        f"{KINDS[manifest.kind]} with {manifest.latent_dim} latent dimensions, as four ONNX graphs (encoder, "
        f"decoder, prior, density; opset {manifest.opset}). {likelihood} The prior draws a latent for any "
        f"of {classes} labels; where no label is asked for, each is as likely as the others."
    )


def _sample_limits(metrics: Mapping[str, Metric]) -> list[str]:
    """What was measured of samples, said as limits."""

    def share(name: str) -> str:
        return f"{metrics[name].value:.1%}".replace("%", " %")

    limits = []
    if "sample_label_confirmed" in metrics:
        limits.append(
            f"A sample asked for by label now and then looks like another digit: a classifier that reads "
            f"{share('judge_accuracy')} of real test digits right finds the label asked for in "
            f"{share('sample_label_confirmed')} of samples. Nobody has read them one by one."
        )
    if "tstr_accuracy" in metrics:
        limits.append(
            f"Samples are not a full stand-in for real digits: a small classifier that learned from them alone reads "
            f"{share('tstr_accuracy')} of real test digits right, and {share('tstr_accuracy_real')} had it learned "
            "from as many real ones."
        )
    return limits


def _limits(manifest: Manifest) -> list[str]:
    limits = [
        "It knows the digits of MNIST: one, centred, upright, 28×28. Of any other picture it makes the digit that "
        "comes nearest, and does not say so.",
        f"A latent of {manifest.latent_dim} numbers holds only the main strokes: what comes out is smoother than ink.",
        *_sample_limits(manifest.metrics),
        "The writers were US Census Bureau employees and high-school students; other hands write otherwise.",
    ]
    if manifest.kind == "vae":
        limits.append(
            "Nats are those of dynamically binarised MNIST, and compare with no others: not with fixed or thresholded "
            "binarisation, nor with grey pixels."
        )
    else:
        limits.append(
            "Its decoder makes digits only near codes it has seen: sample through the prior, not by decoding noise."
        )
    return limits
