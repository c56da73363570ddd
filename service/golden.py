"""Golden vectors: every graph must give the outputs that the bundle's author got. models/README.md tells of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.manifest import GraphName
from service.bundle import Bundle
from service.errors import BundleError
from service.runtime.session import Session

# Room for another device, models/README.md.
_IMAGES = {"atol": 1e-4, "rtol": 0.0}
_OTHERS = {"atol": 1e-3, "rtol": 1e-3}


def check(bundle: Bundle, sessions: Mapping[GraphName, Session]) -> None:
    """Raises BundleError unless every graph gives the golden outputs for the golden inputs."""
    golden = bundle.golden
    # graph, its inputs and its outputs, each as graph's name → golden's name
    cases: tuple[tuple[GraphName, dict[str, str], dict[str, str]], ...] = (
        ("encoder", {"image": "image"}, {"mean": "mean", "log_var": "log_var"}),
        ("decoder", {"latent": "mean"}, {"image": "reconstruction", "logit": "logit"}),
        ("prior", {"noise": "noise", "label": "label"}, {"latent": "latent"}),
        ("decoder", {"latent": "latent"}, {"image": "sample"}),
        ("density", {"latent": "mean"}, {"log_pz_y": "log_pz_y"}),
    )
    for graph, inputs, outputs in cases:
        specified = {tensor.name for tensor in sessions[graph].spec.outputs}
        names = {own: theirs for own, theirs in outputs.items() if own in specified}
        if missing := {*inputs.values(), *names.values()} - golden.keys():
            raise BundleError(f"The golden vectors of {bundle.manifest.name} lack {', '.join(sorted(missing))}.")
        found = sessions[graph].run({own: golden[theirs] for own, theirs in inputs.items()}, list(names))
        for own, theirs in names.items():
            tolerance: dict[str, Any] = _IMAGES if own == "image" else _OTHERS
            if found[own].shape != golden[theirs].shape or not np.allclose(found[own], golden[theirs], **tolerance):
                raise BundleError(f"{bundle.manifest.name}: the {graph} does not reproduce the golden {theirs}.")
