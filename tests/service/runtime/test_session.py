"""A session takes the graph that the manifest describes, gives finite values by name, and measures its batches."""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from models import bundle
from models.bundle import Bundle
from models.manifest import GraphSpec, graph_specs
from service.errors import BundleError, DeviceError, InferenceFailed
from service.runtime.session import Session, providers
from tests.support import bundles

ENCODER = graph_specs("ae", 2, 3)["encoder"]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
OUT_OF_MEMORY = "CUDA failure 2: out of memory ; GPU=0"


@pytest.fixture
def verified(tiny_models: Path) -> Bundle:
    return bundle.load(tiny_models / "tiny-vae" / "1")


def encoder(spec: GraphSpec = ENCODER) -> bytes:
    """A graph that gives the logarithm of an image's sum."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "weights"], ["sum"]),
        helper.make_node("Log", ["sum"], ["mean"]),
    ]
    weights = onnx.numpy_helper.from_array(np.ones((784, 2), np.float32), "weights")
    inputs, outputs = (
        [helper.make_tensor_value_info(tensor.name, onnx.TensorProto.FLOAT, tensor.shape) for tensor in tensors]
        for tensors in (spec.inputs, spec.outputs)
    )
    model = helper.make_model(
        helper.make_graph(nodes, "log", inputs, outputs, [weights]),
        opset_imports=[helper.make_opsetid("", bundles.OPSET)],
        ir_version=10,
    )
    serialised: bytes = model.SerializeToString()
    return serialised


def decoder(verified: Bundle) -> Session:
    return Session(verified.graphs["decoder"], verified.manifest.graphs["decoder"], device="cpu", threads=1)


def latents(rows: int, seed: int = 1) -> dict[str, Any]:
    return {"latent": np.random.default_rng(seed).standard_normal((rows, bundles.LATENT_DIM), np.float32)}


# What it gives


def no_such_call(name: str) -> int:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("place", ["another system", "a sandbox", "no /proc"])
def test_a_graph_loads_where_no_file_can_lie_in_memory(
    verified: Bundle, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if place == "another system":
        monkeypatch.delattr(os, "memfd_create")
    elif place == "a sandbox":
        monkeypatch.setattr(os, "memfd_create", no_such_call)
    else:
        monkeypatch.setattr(os.path, "exists", lambda path: False)
    given = latents(2)
    np.testing.assert_allclose(
        decoder(verified).run(given, ["image"])["image"], bundles.image(given["latent"]), rtol=1e-5
    )


def test_the_outputs_asked_for_come_by_their_names(verified: Bundle) -> None:
    given = latents(5)
    found = decoder(verified).run(given, ["image", "logit"])
    assert list(found) == ["image", "logit"]
    np.testing.assert_allclose(found["image"], bundles.image(given["latent"]), rtol=1e-5)
    np.testing.assert_allclose(found["logit"], bundles.logit(given["latent"]), rtol=1e-5, atol=1e-6)
    assert list(decoder(verified).run(given, ["logit"])) == ["logit"]


@pytest.mark.parametrize("ink", [pytest.param(0.0, id="infinite"), pytest.param(-1.0, id="not a number")])
def test_values_that_are_not_finite_never_leave_the_runtime(ink: float) -> None:
    session = Session(encoder(), ENCODER, device="cpu", threads=1)
    images = np.ones((3, 1, 28, 28), np.float32)
    session.run({"image": images}, ["mean"])
    images[1] = ink
    with pytest.raises(InferenceFailed, match="not finite"):
        session.run({"image": images}, ["mean"])


def test_what_the_runtime_says_of_a_failure_is_not_passed_on(verified: Bundle) -> None:
    with pytest.raises(InferenceFailed) as raised:
        decoder(verified).run({"latent": np.zeros((1, 3), np.float32)}, ["image"])
    assert raised.value.detail == "The model could not be run."


# What it takes


def test_a_file_that_is_no_graph_is_a_fault_of_the_bundle() -> None:
    with pytest.raises(BundleError, match="cannot load"):
        Session(b"no graph", ENCODER, device="cpu", threads=1)


@pytest.mark.parametrize("other", [graph_specs("ae", 3, 3), graph_specs("vae", 2, 3)])
def test_a_graph_that_is_not_what_the_manifest_says_is_a_fault_of_the_bundle(other: dict[Any, GraphSpec]) -> None:
    with pytest.raises(BundleError, match="differ"):
        Session(encoder(), other["encoder"], device="cpu", threads=1)


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [((4, 1, 28, 28), "a dynamic first axis"), (("n", 1, "h", 28), "Only the first"), (("n", 1, "h", "w"), "Only")],
)
def test_the_first_axis_alone_is_dynamic(shape: Any, complaint: str) -> None:
    image = ENCODER.inputs[0].model_copy(update={"shape": shape})
    spec = ENCODER.model_copy(update={"inputs": (image,)})
    with pytest.raises(BundleError, match=complaint):
        Session(encoder(spec), ENCODER, device="cpu", threads=1)


def test_the_manifests_name_for_the_first_axis_need_not_be_the_graphs() -> None:
    image = ENCODER.inputs[0].model_copy(update={"shape": ("batch", 1, 28, 28)})
    spec = ENCODER.model_copy(update={"inputs": (image,)})
    assert Session(encoder(spec), ENCODER, device="cpu", threads=1).spec == ENCODER


# Providers


@pytest.fixture
def available(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes onnxruntime name these providers."""

    def set_providers(*names: str) -> None:
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(names))
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)

    return set_providers


def test_without_cuda_the_cpu_computes(available: Callable[..., None]) -> None:
    available(CPU)
    assert providers("auto") == providers("cpu") == [CPU]
    with pytest.raises(DeviceError, match="no CUDA provider"):
        providers("cuda")


def test_with_cuda_the_cpu_computes_what_cuda_cannot_or_what_it_is_to(available: Callable[..., None]) -> None:
    available(CUDA, CPU)
    assert providers("auto") == providers("cuda") == [CUDA, CPU]
    assert providers("cpu") == [CPU]


@pytest.fixture
def falling_back(available: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA build without a working driver: onnxruntime takes the CPU without a word."""
    available(CUDA, CPU)
    whole = onnxruntime.InferenceSession

    def session(model: bytes, options: Any, providers: Sequence[str]) -> Any:
        return whole(model, options, providers=[name for name in providers if name == CPU])

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)


@pytest.mark.usefixtures("falling_back")
def test_cuda_is_not_silently_replaced() -> None:
    with pytest.raises(DeviceError, match="could not be initialised"):
        Session(encoder(), ENCODER, device="cuda", threads=1)


@pytest.mark.usefixtures("falling_back")
def test_where_any_device_will_do_the_cpu_may_stand_in() -> None:
    assert Session(encoder(), ENCODER, device="auto", threads=1).provider == CPU


# Memory


class Memory:
    """Lets onnxruntime compute so many rows at once, and notes the batches."""

    def __init__(self, rows: int, complaint: str = OUT_OF_MEMORY) -> None:
        self.batches: list[int] = []
        self.rows = rows
        self.complaint = complaint


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Memory]:
    """To be called before a session is made."""

    def limit(*arguments: Any) -> Memory:
        memory = Memory(*arguments)
        run = onnxruntime.InferenceSession.run

        def limited(self: Any, outputs: list[str], inputs: dict[str, Any]) -> Any:
            memory.batches.append(len(next(iter(inputs.values()))))
            if memory.batches[-1] > memory.rows:
                raise RuntimeError(memory.complaint)
            return run(self, outputs, inputs)

        monkeypatch.setattr(onnxruntime.InferenceSession, "run", limited)
        return memory

    return limit


@pytest.mark.parametrize("complaint", [OUT_OF_MEMORY, "Failed to allocate memory for 7", "CUBLAS_STATUS_ALLOC_FAILED"])
def test_a_batch_that_finds_no_memory_is_run_in_two(
    verified: Bundle, limit: Callable[..., Memory], complaint: str
) -> None:
    memory = limit(4, complaint)
    given = latents(7)
    found = decoder(verified).run(given, ["logit", "image"])
    assert memory.batches == [7, 3, 4]
    np.testing.assert_allclose(found["logit"], bundles.logit(given["latent"]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["image"], bundles.image(given["latent"]), rtol=1e-5)


def test_it_is_run_in_two_once(verified: Bundle, limit: Callable[..., Memory]) -> None:
    memory = limit(0)
    for rows in (4, 1):
        with pytest.raises(InferenceFailed):
            decoder(verified).run(latents(rows), ["image"])
    assert memory.batches == [4, 2, 1]


def test_another_failure_is_final(verified: Bundle, limit: Callable[..., Memory]) -> None:
    memory = limit(1, "an illegal memory access was encountered")
    with pytest.raises(InferenceFailed):
        decoder(verified).run(latents(2), ["image"])
    assert memory.batches == [2]


# Warm-up


@pytest.fixture
def taking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the runs of a graph take these times, one after the other, by the thread's clock."""

    def taking(*seconds: float) -> None:
        def readings() -> Iterator[float]:
            now = 0.0
            for each in seconds:
                yield now
                now += each
                yield now
            pytest.fail("more runs than were foreseen")

        clock = readings()
        monkeypatch.setattr(time, "thread_time", lambda: next(clock))

    return taking


def test_a_warm_up_runs_and_measures_doubling_sizes(
    verified: Bundle, limit: Callable[..., Memory], taking: Callable[..., None]
) -> None:
    memory = limit(64)
    taking(3e-3, 4e-3, 5e-3, 6e-3)
    cost = decoder(verified).warm_up(6)
    assert memory.batches == [1, 2, 4, 6]
    assert list(cost.rows) == [1, 2, 4, 6]
    assert cost.seconds == pytest.approx([3e-3, 4e-3, 5e-3, 6e-3])


def test_a_short_run_is_measured_twice_and_the_quicker_one_counts(
    verified: Bundle, limit: Callable[..., Memory], taking: Callable[..., None]
) -> None:
    memory = limit(64)
    taking(1e-3, 0.5e-3, 1.5e-3, 1.9e-3, 2.1e-3)
    cost = decoder(verified).warm_up(4)
    assert memory.batches == [1, 1, 2, 2, 4]
    assert cost.seconds == pytest.approx([0.5e-3, 1.5e-3, 2.1e-3])


def test_a_warm_up_ends_with_the_first_batch_that_takes_10_ms(
    verified: Bundle, limit: Callable[..., Memory], taking: Callable[..., None]
) -> None:
    memory = limit(64)
    taking(3e-3, 9e-3, 11e-3)
    cost = decoder(verified).warm_up(64)
    assert memory.batches == [1, 2, 4]
    assert list(cost.rows) == [1, 2, 4]


def test_a_warm_up_for_single_rows_runs_nothing_larger(verified: Bundle, limit: Callable[..., Memory]) -> None:
    memory = limit(64)
    assert list(decoder(verified).warm_up(1).rows) == [1]
    assert set(memory.batches) == {1}


def test_several_threads_are_measured_by_the_wall(verified: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: 5e-3 * next(steps))
    session = Session(verified.graphs["decoder"], verified.manifest.graphs["decoder"], device="cpu", threads=2)
    assert session.warm_up(2).seconds == pytest.approx([5e-3, 5e-3])


# On a device


@pytest.mark.gpu
@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="needs CUDA")
@pytest.mark.parametrize("name", ["digits-mlp-vae", "digits-vae"])
def test_cuda_computes_what_the_cpu_does_in_every_bucket(name: str) -> None:
    verified = bundle.load(bundle.find(Path("models"), [name])[0])
    for graph, content in verified.graphs.items():
        spec = verified.manifest.graphs[graph]
        on_cpu, on_cuda = (Session(content, spec, device=device, threads=1) for device in ("cpu", "cuda"))
        assert on_cuda.provider == CUDA
        draw = np.random.default_rng(1)
        for rows in (1, 2, 3, 8, 60, 64):
            inputs = {tensor.name: draw.uniform(0, 1, tensor.of(rows)).astype(tensor.dtype) for tensor in spec.inputs}
            names = [tensor.name for tensor in spec.outputs]
            wanted, found = on_cpu.run(inputs, names), on_cuda.run(inputs, names)
            for output in names:
                np.testing.assert_allclose(found[output], wanted[output], rtol=1e-3, atol=1e-3)
