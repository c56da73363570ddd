"""One ONNX graph, ready to run: providers, checks against the manifest, warm-up."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

# onnxruntime's Linux builds send usage data from 1.29 on, and read this once, as they load.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.manifest import GraphSpec, TensorSpec
from service.errors import BundleError, DeviceError, InferenceFailed
from service.runtime.cost import BatchCost
from service.runtime.device_buffers import DeviceBuffers

Device = Literal["auto", "cpu", "cuda"]
AnyArray = npt.NDArray[Any]

VERSION: str = ort.__version__

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_LONG_S = 10e-3  # what a batch costs beside its graph no longer counts
_SHORT_S = 2e-3  # a single run says little
_NO_MEMORY = ("out of memory", "Failed to allocate memory", "ALLOC_FAILED")  # as CUDA, onnxruntime and cuBLAS say it
_ELEMENT_TYPES = {"tensor(float)": "float32", "tensor(int64)": "int64"}


class Session:
    """A graph in memory. Thread-safe, as onnxruntime's sessions are; the same input gives the same bits."""

    def __init__(self, model: bytes, spec: GraphSpec, *, device: Device, threads: int) -> None:
        """Raises BundleError if the graph is not what spec says, DeviceError if the device is unavailable."""
        ort.set_default_logger_severity(4)  # its warnings would break into the log; its errors come as exceptions
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # keeps what the largest batch took; without it no run is slower
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # 10× the CPU time between calls
        wanted = providers(device)
        try:
            with _as_file(model) as path:
                self._session = ort.InferenceSession(path, options, providers=wanted)
        except Exception as error:
            raise BundleError("onnxruntime cannot load a graph of the bundle.") from error
        self.provider: str = self._session.get_providers()[0]
        if device == "cuda" and self.provider != _CUDA:  # onnxruntime falls back without a word
            raise DeviceError("device=cuda was requested, but CUDA could not be initialised.")
        found = GraphSpec(
            inputs=tuple(_spec(tensor) for tensor in self._session.get_inputs()),
            outputs=tuple(_spec(tensor) for tensor in self._session.get_outputs()),
        )
        if found != spec:
            raise BundleError("A graph's inputs and outputs differ from the manifest's.")
        self.spec = spec
        self._threads = threads
        self._compute: Callable[[list[str], dict[str, AnyArray]], list[AnyArray]] = self._session.run
        if self.provider == _CUDA:
            self._use_buckets("cuda")

    def run(self, inputs: Mapping[str, AnyArray], outputs: Sequence[str]) -> dict[str, AnyArray]:
        """The named outputs for a batch. Raises InferenceFailed, also where a value is not finite."""
        try:
            values = self._run_or_halve(list(outputs), dict(inputs))
        except Exception as error:
            raise InferenceFailed("The model could not be run.") from error
        for value in values:
            if not math.isfinite(
                np.add.reduce(value, None)
            ):  # then every term is finite, in half the time of asking each
                raise InferenceFailed("The model gave values that are not finite.")
        return dict(zip(outputs, values, strict=True))

    def _use_buckets(self, device: str) -> None:
        buckets = DeviceBuffers(self._session, self.spec, device)
        self._compute = lambda outputs, inputs: buckets.run(inputs, outputs)

    def _run_or_halve(self, outputs: list[str], inputs: dict[str, AnyArray]) -> list[AnyArray]:
        """A batch for which the device has no memory is tried once more, in two."""
        rows = len(next(iter(inputs.values())))
        try:
            return self._compute(outputs, inputs)
        except Exception as error:
            if rows == 1 or not any(sign in str(error) for sign in _NO_MEMORY):
                raise
        halves = (slice(0, rows // 2), slice(rows // 2, rows))
        parts = [self._compute(outputs, {name: array[half] for name, array in inputs.items()}) for half in halves]
        return [np.concatenate(pair) for pair in zip(*parts, strict=True)]

    def warm_up(self, max_rows: int) -> BatchCost:
        """Runs batches of 1, 2, 4 … max_rows rows, so that no caller pays for first-time allocation; measures them.

        Ends with the first that takes 10 ms.
        """
        # One thread's own time leaves out what others do with the core; but other threads and devices it can't tell.
        clock = time.thread_time if self._threads == 1 and self.provider == _CPU else time.perf_counter
        sizes: list[int] = []
        seconds: list[float] = []
        while not sizes or (sizes[-1] < max_rows and seconds[-1] < _LONG_S):
            sizes.append(min(2 ** len(sizes), max_rows))
            runs = [self._timed(sizes[-1], clock)]
            if runs[0] < _SHORT_S or self.provider == _CUDA:  # whose first run of each size is the slowest
                runs.append(self._timed(sizes[-1], clock))
            seconds.append(min(runs))
        return BatchCost(sizes, seconds)

    def _timed(self, rows: int, clock: Callable[[], float]) -> float:
        zeros = {tensor.name: np.zeros(tensor.of(rows), tensor.dtype) for tensor in self.spec.inputs}
        start = clock()
        self.run(zeros, [tensor.name for tensor in self.spec.outputs])
        return clock() - start


@contextlib.contextmanager
def _as_file(model: bytes) -> Iterator[str | bytes]:
    """A path in memory, because onnxruntime keeps bytes as long as the session lives; bytes where there is none."""
    try:
        file = os.fdopen(os.memfd_create("model"), "wb")
    except (AttributeError, OSError):  # not Linux, or a sandbox that knows no such call
        yield model
        return
    with file:
        file.write(model)
        file.flush()
        path = f"/proc/self/fd/{file.fileno()}"
        yield path if os.path.exists(path) else model


def providers(device: Device) -> list[str]:
    """Execution providers to ask for, best first. Raises DeviceError if CUDA is demanded and not installed."""
    installed = _CUDA in ort.get_available_providers()
    if device == "cuda" and not installed:
        raise DeviceError("device=cuda was requested, but this onnxruntime has no CUDA provider.")
    if device == "cpu" or not installed:
        return [_CPU]
    ort.preload_dlls()  # CUDA's libraries as pip installs them
    return [_CUDA, _CPU]


def _spec(tensor: Any) -> TensorSpec:
    """onnxruntime names a dynamic axis by a string; whatever the string, it must be the first axis, and alone."""
    if tensor.type not in _ELEMENT_TYPES or not tensor.shape or not isinstance(tensor.shape[0], str):
        raise BundleError("A graph's tensors need a type of the manifest's and a dynamic first axis.")
    if not all(isinstance(size, int) for size in tensor.shape[1:]):
        raise BundleError("Only the first axis of a graph's tensors may be dynamic.")
    return TensorSpec.model_validate(
        {"name": tensor.name, "dtype": _ELEMENT_TYPES[tensor.type], "shape": ("n", *tensor.shape[1:])}
    )
