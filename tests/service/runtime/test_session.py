"""A session says no more, gives no more and keeps no more than it should."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from models import bundle
from models.manifest import graph_specs
from service.engine.model import EngineLimits, Model
from service.errors import DeviceError, InferenceFailed
from service.runtime.session import Session
from tests.support import bundles


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return bundles.write(tmp_path)


def test_values_that_are_not_finite_never_leave_the_runtime() -> None:
    spec = graph_specs("ae", 2, 3)["encoder"]
    nodes = [
        helper.make_node("Flatten", ["image"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "weights"], ["product"]),
        helper.make_node("Log", ["product"], ["mean"]),
    ]
    weights = onnx.numpy_helper.from_array(np.ones((784, 2), np.float32), "weights")
    tensors = [
        [helper.make_tensor_value_info(t.name, onnx.TensorProto.FLOAT, t.shape) for t in part]
        for part in (spec.inputs, spec.outputs)
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "log", *tensors, [weights]), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    session = Session(model.SerializeToString(), spec, device="cpu", threads=1)
    session.run({"image": np.ones((1, 1, 28, 28), np.float32)}, ["mean"])
    with pytest.raises(InferenceFailed, match="not finite"):
        session.run({"image": np.zeros((1, 1, 28, 28), np.float32)}, ["mean"])


def test_a_session_does_not_keep_the_graphs_file(directory: Path) -> None:
    verified = bundle.load(directory)
    before = sys.getrefcount(verified.graphs["encoder"])
    session = Session(verified.graphs["encoder"], verified.manifest.graphs["encoder"], device="cpu", threads=1)
    after = sys.getrefcount(verified.graphs["encoder"])
    assert after == before
    assert session.run({"image": np.zeros((1, 1, 28, 28), np.float32)}, ["mean"])


def test_what_the_runtime_says_of_a_failure_is_not_passed_on(directory: Path) -> None:
    verified = bundle.load(directory)
    session = Session(verified.graphs["encoder"], verified.manifest.graphs["encoder"], device="cpu", threads=1)
    with pytest.raises(InferenceFailed) as raised:
        session.run({"image": np.zeros((1, 1, 28, 27), np.float32)}, ["mean"])
    assert raised.value.detail == "The model could not be run."


@pytest.fixture
def session(directory: Path) -> Session:
    verified = bundle.load(directory)
    return Session(verified.graphs["decoder"], verified.manifest.graphs["decoder"], device="cpu", threads=1)


def latents(session: Session, rows: int, seed: int = 1) -> dict[str, np.ndarray]:
    shape = session.spec.inputs[0].of(rows)
    return {"latent": np.random.default_rng(seed).normal(size=shape).astype(np.float32)}


OUT_OF_MEMORY = "CUDA failure 2: out of memory ; GPU=0"


class Device:
    """Computes as a session does, but has memory for so many rows only."""

    def __init__(self, session: Session, rows: int, complaint: str = OUT_OF_MEMORY) -> None:
        self.batches: list[int] = []
        self._compute, self._rows, self._complaint = session._compute, rows, complaint
        session._compute = self.compute

    def compute(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.batches.append(len(inputs["latent"]))
        if self.batches[-1] > self._rows:
            raise RuntimeError(self._complaint)
        return self._compute(outputs, inputs)


def test_a_batch_that_finds_no_memory_is_run_in_two(session: Session) -> None:
    inputs = latents(session, 7)
    whole = session.run(inputs, ["logit", "image"])
    device = Device(session, 4)
    halved = session.run(inputs, ["logit", "image"])
    assert device.batches == [7, 3, 4]
    for name, values in whole.items():
        np.testing.assert_allclose(halved[name], values, rtol=1e-5, atol=1e-6)


def test_it_is_run_in_two_once(session: Session) -> None:
    device = Device(session, 0)
    for rows in (4, 1):
        with pytest.raises(InferenceFailed):
            session.run(latents(session, rows), ["image"])
    assert device.batches == [4, 2, 1]


def test_another_failure_is_final(session: Session) -> None:
    device = Device(session, 1, "an illegal memory access was encountered")
    with pytest.raises(InferenceFailed):
        session.run(latents(session, 2), ["image"])
    assert device.batches == [2]


def test_buckets_give_what_the_session_gives_whatever_ran_before(session: Session) -> None:
    batches = [latents(session, rows, seed) for seed, rows in enumerate((1, 2, 3, 8, 5, 5, 13, 1))]
    wanted = [session.run(batch, ["image"])["image"] for batch in batches]
    session._use_buckets("cpu")
    found = [session.run(batch, ["image"])["image"] for batch in batches]
    for values, expected in zip(found, wanted, strict=True):
        assert values.shape == expected.shape
        np.testing.assert_allclose(values, expected, atol=1e-6)
    names = session.run(batches[3], ["logit", "image"])
    assert names["logit"].shape == names["image"].shape == (8, 1, 28, 28)
    assert np.all((names["logit"] > 0) == (names["image"] > 0.5))


def test_buckets_refuse_what_the_graph_would_refuse(session: Session) -> None:
    session._use_buckets("cpu")
    with pytest.raises(InferenceFailed):
        session.run({"latent": np.zeros((3, 1), np.float32)}, ["image"])


@pytest.mark.gpu
@pytest.mark.skipif("CUDAExecutionProvider" not in onnxruntime.get_available_providers(), reason="needs CUDA")
@pytest.mark.parametrize("name", ["digits-mlp-vae", "digits-vae"])
def test_cuda_computes_what_the_cpu_does_in_every_bucket(name: str) -> None:
    verified = bundle.load(bundle.find(Path("models"), [name])[0])
    for graph, content in verified.graphs.items():
        spec = verified.manifest.graphs[graph]
        on_cpu, on_cuda = (Session(content, spec, device=device, threads=1) for device in ("cpu", "cuda"))
        assert on_cuda.provider == "CUDAExecutionProvider"
        draw = np.random.default_rng(1)
        for rows in (1, 2, 3, 8, 60, 64):
            inputs = {tensor.name: draw.uniform(0, 1, tensor.of(rows)).astype(tensor.dtype) for tensor in spec.inputs}
            names = [tensor.name for tensor in spec.outputs]
            wanted, found = on_cpu.run(inputs, names), on_cuda.run(inputs, names)
            for output in names:
                np.testing.assert_allclose(found[output], wanted[output], rtol=1e-3, atol=1e-3)


def test_cuda_is_not_silently_replaced(directory: Path) -> None:
    with pytest.raises(DeviceError):
        Model(bundle.load(directory), device="cuda", threads=1, limits=EngineLimits(4, 16))
