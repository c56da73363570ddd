"""Tiny bundles whose answers can be computed by hand and differ per row, so that a mix-up between rows is seen.

With z of two dimensions, pixels x₀…x₇₈₃ and three classes:
    encoder   mean = (average of x, x at row 14, column 14), log_var = (−2, −1)
    decoder   logit of pixel p = z₀ + z₁·p/784, image = 1/(1+exp(−logit))
    prior     z = noise + label
    density   log N(z; label, I), which is the prior read the other way

and at percentile p of its calibration
    mse p/200, kl 1.5 + p/100, log_likelihood max(p, 50) − 650, elbo 0.012·p² − 700
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.bundle import file_records
from models.golden import npz
from models.manifest import (
    CALIBRATION_FILE,
    GOLDEN_FILE,
    MANIFEST_FILE,
    Calibration,
    GraphSpec,
    Kind,
    Manifest,
    ScoreName,
    graph_file,
    graph_specs,
)

LATENT_DIM = 2
CLASSES = 3
OPSET = 18
LOG_VAR = np.array([-2.0, -1.0], np.float32)

_ENCODER = np.zeros((784, LATENT_DIM), np.float32)
_ENCODER[:, 0] = 1 / 784
_ENCODER[14 * 28 + 14, 1] = 1
_DECODER = np.stack([np.ones(784), np.arange(784) / 784]).astype(np.float32)
_TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def mean(images: Any) -> Any:
    """(n, 1, 28, 28) → (n, 2)"""
    return images.reshape(-1, 784) @ _ENCODER


def logit(latents: Any) -> Any:
    """(n, 2) → (n, 1, 28, 28)"""
    return (latents @ _DECODER).reshape(-1, 1, 28, 28)


def image(latents: Any) -> Any:
    return 1 / (1 + np.exp(-logit(latents)))


def log_pz_y(latents: Any) -> Any:
    """(n, 2) → (n, 3)"""
    distance = latents[:, np.newaxis, :] - np.arange(CLASSES)[np.newaxis, :, np.newaxis]
    return -0.5 * np.square(distance).sum(axis=2) - math.log(2 * math.pi)


def calibration(kind: Kind) -> Calibration:
    percents = range(101)
    scores: dict[ScoreName, tuple[float, ...]] = {"mse": tuple(p / 200 for p in percents)}
    if kind == "vae":
        scores["kl"] = tuple(1.5 + p / 100 for p in percents)
        scores["log_likelihood"] = tuple(max(p, 50) - 650.0 for p in percents)
        scores["elbo"] = tuple(0.012 * p**2 - 700 for p in percents)
    return Calibration(images=1000, scores=scores)


def write(
    models_dir: Path, name: str = "tiny-vae", version: int = 1, kind: Kind = "vae", *, calibrated: bool = True
) -> Path:
    """A whole, valid bundle below models_dir; returns its directory."""
    directory = models_dir / name / str(version)
    directory.mkdir(parents=True)
    specs = graph_specs(kind, LATENT_DIM, CLASSES)
    for graph, spec in specs.items():
        (directory / graph_file(graph)).write_bytes(graph_bytes(graph, spec))
    (directory / GOLDEN_FILE).write_bytes(_golden(kind))
    if calibrated:
        (directory / CALIBRATION_FILE).write_text(calibration(kind).model_dump_json())
    write_manifest(directory, manifest(directory, name, version, kind))
    return directory


def manifest(directory: Path, name: str, version: int, kind: Kind) -> Manifest:
    """A manifest of the files as they lie in directory."""
    return Manifest(
        schema_version=1,
        name=name,
        version=version,
        description="Graphs that can be computed by hand.",
        kind=kind,
        likelihood="bernoulli" if kind == "vae" else None,
        latent_dim=LATENT_DIM,
        classes=tuple(str(label) for label in range(CLASSES)),
        class_weights=(0.5, 0.25, 0.25),
        graphs=graph_specs(kind, LATENT_DIM, CLASSES),
        opset=OPSET,
        producers={"hand": "1"},
        seed=0,
        config_sha256="0" * 64,
        data_sha256="0" * 64,
        metrics={},
        licence="MIT",
        files=file_records(directory),
    )


def write_manifest(directory: Path, content: Manifest) -> None:
    (directory / MANIFEST_FILE).write_text(content.model_dump_json(indent=2))


def graph_bytes(graph: str, spec: GraphSpec) -> bytes:
    """The ONNX file of a graph with the tensors of spec."""
    constants: dict[str, Any] = {}
    if graph == "encoder":
        constants = {"weights": _ENCODER, "log_variance": LOG_VAR, "zero": np.float32(0)}
        nodes = [
            helper.make_node("Flatten", ["image"], ["pixels"]),
            helper.make_node("MatMul", ["pixels", "weights"], ["mean"]),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "log_variance"], ["log_var"]),
        ]
    elif graph == "decoder":
        constants = {"weights": _DECODER, "shape": np.array([-1, 1, 28, 28])}
        nodes = [
            helper.make_node("MatMul", ["latent", "weights"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["image"]),
        ]
    elif graph == "prior":
        constants = {"column": np.array([-1, 1])}
        nodes = [
            helper.make_node("Cast", ["label"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["number", "column"], ["shift"]),
            helper.make_node("Add", ["noise", "shift"], ["latent"]),
        ]
    else:
        constants = {
            "row": np.array([-1, 1, LATENT_DIM]),
            "centres": np.arange(CLASSES, dtype=np.float32).reshape(1, CLASSES, 1),
            "axis": np.array([2]),
            "half": np.float32(-0.5),
            "constant": np.float32(-math.log(2 * math.pi)),
        }
        nodes = [
            helper.make_node("Reshape", ["latent", "row"], ["rows"]),
            helper.make_node("Sub", ["rows", "centres"], ["deviation"]),
            helper.make_node("Mul", ["deviation", "deviation"], ["squares"]),
            helper.make_node("ReduceSum", ["squares", "axis"], ["distance"], keepdims=0),
            helper.make_node("Mul", ["distance", "half"], ["exponent"]),
            helper.make_node("Add", ["exponent", "constant"], ["log_pz_y"]),
        ]
    inputs, outputs = (
        [helper.make_tensor_value_info(tensor.name, _TYPES[tensor.dtype], tensor.shape) for tensor in tensors]
        for tensors in (spec.inputs, spec.outputs)
    )
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, graph, inputs, outputs, initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString()
    return serialised


def _golden(kind: Kind) -> bytes:
    """Computed by NumPy, so the service's self-check is one of the graphs against these formulas."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "image": rng.random((8, 1, 28, 28), np.float32),
        "label": np.arange(8) % CLASSES,
        "noise": rng.standard_normal((8, LATENT_DIM), np.float32),
    }
    arrays["mean"] = mean(arrays["image"])
    arrays["reconstruction"] = image(arrays["mean"])
    arrays["latent"] = arrays["noise"] + arrays["label"][:, np.newaxis].astype(np.float32)
    arrays["sample"] = image(arrays["latent"])
    arrays["log_pz_y"] = log_pz_y(arrays["mean"]).astype(np.float32)
    if kind == "vae":
        arrays["log_var"] = np.tile(LOG_VAR, (8, 1))
        arrays["logit"] = logit(arrays["mean"])
    return npz(arrays)
