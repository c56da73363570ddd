"""torch modules to ONNX graphs, their check, and sessions that run them. The one home of onnx and onnxruntime here."""

import logging
import math
import os
import warnings
from collections.abc import Mapping, Sequence

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported

from typing import Any

import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.manifest import GraphName, GraphSpec, Kind, TensorSpec
from training.errors import ExportError
from training.model.functions import FloatArray, Function, Model

OPSET = 18  # understood by every onnxruntime since 1.14
RANDOM_NODES = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout"}
)
CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
DTYPES: Mapping[int, str] = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT64: "int64"}


def to_onnx(module: nn.Module, example: tuple[Tensor, ...], spec: GraphSpec, metadata: Mapping[str, str]) -> bytes:
    """Serialised ONNX graph of a module, with the names and the free batch axis "n" of `spec`.

    example: inputs with at least two rows (one row would be taken for a constant).
    metadata: goes into the file's metadata_props. Equal arguments give equal bytes.
    Raises ExportError.
    """
    names = [tensor.name for tensor in spec.inputs]
    batch = torch.export.Dim("n")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of torchvision's absence
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside torch itself
            program = torch.onnx.export(
                module,
                example,
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=names,
                output_names=[tensor.name for tensor in spec.outputs],
                dynamic_shapes=[{0: batch} for _ in names],
                verbose=False,
            )
    except Exception as error:
        raise ExportError(f"torch cannot export {type(module).__name__} to ONNX: {error}") from error
    assert program is not None  # with dynamo=True it is a program
    graph = program.model_proto
    _strip(graph)
    graph.graph.name = type(module).__name__.lower()
    onnx.helper.set_model_props(graph, dict(metadata))
    serialised: bytes = graph.SerializeToString(deterministic=True)
    return serialised


def check(serialised: bytes, spec: GraphSpec) -> None:
    """Pass a graph only if it is valid, self-contained, deterministic, and has exactly the tensors of `spec`.

    Raises ExportError, which names what is wrong.
    """
    try:
        model = onnx.load_model_from_string(serialised)
    except Exception as error:
        raise ExportError(f"the graph is not valid ONNX: {error}") from error
    found = {node.op_type for node in model.graph.node}
    if unfit := sorted(found & (RANDOM_NODES | CONTROL_FLOW)):
        raise ExportError(f"the graph holds {', '.join(unfit)}: random nodes and control flow are not allowed")
    if model.functions or any(node.domain for node in model.graph.node):
        raise ExportError("the graph uses operators outside the ONNX default domain")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ExportError("the graph keeps weights outside its file")
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:
        raise ExportError(f"the graph is not valid ONNX: {error}") from error
    opsets = [opset.version for opset in model.opset_import if opset.domain == ""]
    if opsets != [OPSET]:
        raise ExportError(f"the graph is of opset {opsets}, not {OPSET}")
    for what, tensors, wanted in (
        ("inputs", model.graph.input, spec.inputs),
        ("outputs", model.graph.output, spec.outputs),
    ):
        if (got := tuple(map(_tensor_spec, tensors))) != wanted:
            raise ExportError(f"{what} of the graph are {_written(got)}, not {_written(wanted)}")


def session(serialised: bytes, threads: int = 2) -> onnxruntime.InferenceSession:
    """A CPU session of a serialised graph. Raises ExportError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(serialised, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ExportError(f"onnxruntime cannot load the graph: {error}") from error


def as_function(serialised: bytes, threads: int = 2, outputs: Sequence[str] | None = None) -> Function:
    """A graph as a function of arrays in the order of its inputs. The function raises ExportError.

    outputs: the names of those to return, all where it is None.
    """
    run = session(serialised, threads)
    names = [tensor.name for tensor in run.get_inputs()]

    def function(*arrays: NDArray[Any]) -> tuple[FloatArray, ...]:
        try:
            return tuple(run.run(outputs, dict(zip(names, arrays, strict=True))))
        except Exception as error:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise ExportError(f"onnxruntime cannot run the graph at {shapes}: {error}") from error

    return function


def as_model(
    serialised: Mapping[GraphName, bytes], kind: Kind, latent_dim: int, class_weights: tuple[float, ...]
) -> Model:
    """The model of four graphs. Raises ExportError."""
    functions = {graph: as_function(content) for graph, content in serialised.items()}
    return Model(kind, latent_dim, class_weights, functions)


def parameters(serialised: bytes) -> int:
    """How many floats are among the weights that a serialised graph holds."""
    weights = onnx.load_model_from_string(serialised).graph.initializer
    return sum(math.prod(tensor.dims) for tensor in weights if tensor.data_type == onnx.TensorProto.FLOAT)


def versions() -> dict[str, str]:
    """The programs that make a bundle."""
    return {"torch": torch.__version__, "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}


def _strip(model: onnx.ModelProto) -> None:
    """Drop the notes torch leaves on each node: stack traces with paths of the machine that exported."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.ClearField("doc_string")


def _tensor_spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    shape = tuple(axis.dim_param or axis.dim_value for axis in tensor.shape.dim)
    dtype = DTYPES.get(tensor.elem_type, onnx.TensorProto.DataType.Name(tensor.elem_type))
    return TensorSpec.model_construct(name=value.name, dtype=dtype, shape=shape)


def _written(tensors: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{t.name} {t.dtype} ({', '.join(map(str, t.shape))})" for t in tensors)
