"""A graph on a device with memory of its own: buffers there, bound once for each of few sizes of a batch.

A batch goes into the next larger size, 1, 2, 4, 8 …, so that a device meets no shape that it was not warmed up for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.manifest import GraphSpec

AnyArray = npt.NDArray[Any]


class DeviceBuffers:
    """Not thread-safe: the buffers are used again and again."""

    def __init__(self, session: ort.InferenceSession, spec: GraphSpec, device: str) -> None:
        """device: as onnxruntime names it, such as "cuda" or "cpu"."""
        self._session = session
        self._spec = spec
        self._device = device
        self._buckets: dict[int, _Bucket] = {}

    def run(self, inputs: Mapping[str, AnyArray], outputs: Sequence[str]) -> list[AnyArray]:
        """The named outputs for a batch. Raises what onnxruntime raises."""
        rows = len(next(iter(inputs.values())))
        size = 1 << (rows - 1).bit_length()
        if size not in self._buckets:
            self._buckets[size] = _Bucket(self._session, self._spec, self._device, size)
        return self._buckets[size].run(inputs, outputs, rows)


class _Bucket:
    """Buffers for one size: inputs on the host and on the device, outputs on the device."""

    def __init__(self, session: ort.InferenceSession, spec: GraphSpec, device: str, size: int) -> None:
        self._session = session
        self._host = {tensor.name: np.zeros(tensor.of(size), tensor.dtype) for tensor in spec.inputs}
        self._inputs = {name: ort.OrtValue.ortvalue_from_numpy(array, device, 0) for name, array in self._host.items()}
        self._outputs = {
            tensor.name: ort.OrtValue.ortvalue_from_shape_and_type(tensor.of(size), np.dtype(tensor.dtype), device, 0)
            for tensor in spec.outputs
        }
        self._binding = session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self, inputs: Mapping[str, AnyArray], outputs: Sequence[str], rows: int) -> list[AnyArray]:
        """Rows that this batch does not fill still hold the last one's, and are harmlessly computed again."""
        for name, array in self._host.items():
            given = inputs[name]
            if given.shape[1:] != array.shape[1:]:  # else it would be broadcast
                raise ValueError(f"{name}: {given.shape} does not fit {array.shape}")
            array[:rows] = given
            self._inputs[name].update_inplace(array)
        self._session.run_with_iobinding(self._binding)
        return [self._outputs[name].numpy()[:rows].copy() for name in outputs]
