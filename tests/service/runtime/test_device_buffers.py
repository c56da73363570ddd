"""DeviceBuffers, here in the host's memory: what they give is what the session gives, whatever ran before."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from models.manifest import GraphSpec, graph_specs
from service.runtime.device_buffers import DeviceBuffers
from tests.support import bundles

DECODER = graph_specs("vae", bundles.LATENT_DIM, bundles.CLASSES)["decoder"]
PRIOR = graph_specs("vae", bundles.LATENT_DIM, bundles.CLASSES)["prior"]


class Watched(onnxruntime.InferenceSession):  # type: ignore[misc]  # onnxruntime has no types
    """Counts its bindings, one for each size of a batch, and its runs."""

    bindings = runs = 0

    def io_binding(self) -> Any:
        self.bindings += 1
        return super().io_binding()

    def run_with_iobinding(self, *arguments: Any) -> None:
        self.runs += 1
        super().run_with_iobinding(*arguments)


def session(graph: str, spec: GraphSpec) -> Watched:
    return Watched(bundles.graph_bytes(graph, spec), providers=["CPUExecutionProvider"])


@pytest.fixture
def decoder() -> Watched:
    return session("decoder", DECODER)


@pytest.fixture
def buffers(decoder: Watched) -> DeviceBuffers:
    return DeviceBuffers(decoder, DECODER, "cpu")


def latents(rows: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, bundles.LATENT_DIM), np.float32)


def test_a_batch_of_any_size_gives_its_own_rows_whatever_ran_before(buffers: DeviceBuffers) -> None:
    for seed, rows in enumerate((1, 2, 3, 8, 5, 5, 13, 1, 16)):
        given = latents(rows, seed)
        (found,) = buffers.run({"latent": given}, ["image"])
        assert found.shape == (rows, 1, 28, 28)
        np.testing.assert_allclose(found, bundles.image(given), rtol=1e-5)


@pytest.mark.parametrize("names", [["logit", "image"], ["image", "logit"], ["logit"]])
def test_outputs_come_in_the_order_asked_for(buffers: DeviceBuffers, names: list[str]) -> None:
    given = latents(3)
    wanted = {"logit": bundles.logit(given), "image": bundles.image(given)}
    found = buffers.run({"latent": given}, names)
    assert len(found) == len(names)
    for name, values in zip(names, found, strict=True):
        np.testing.assert_allclose(values, wanted[name], rtol=1e-5, atol=1e-6)


def test_each_of_several_inputs_reaches_its_own_buffer() -> None:
    buffers = DeviceBuffers(session("prior", PRIOR), PRIOR, "cpu")
    for rows in (3, 4, 1):
        noise, labels = latents(rows), np.arange(rows) % bundles.CLASSES
        (found,) = buffers.run({"label": labels, "noise": noise}, ["latent"])
        np.testing.assert_array_equal(found, noise + labels[:, np.newaxis].astype(np.float32))


def test_a_result_outlives_the_next_batch(buffers: DeviceBuffers) -> None:
    (first,) = buffers.run({"latent": latents(4, 1)}, ["image"])
    kept = first.copy()
    buffers.run({"latent": latents(4, 2)}, ["image"])
    np.testing.assert_array_equal(first, kept)


def test_a_device_meets_powers_of_two_only(decoder: Watched, buffers: DeviceBuffers) -> None:
    for rows in (*range(1, 17), *range(1, 17)):
        buffers.run({"latent": latents(rows)}, ["image"])
    assert decoder.bindings == len((1, 2, 4, 8, 16))
    assert decoder.runs == 32


@pytest.mark.parametrize("shape", [(3, 1), (3, 3), (3,), (3, 1, 2)])
def test_an_input_that_would_be_broadcast_is_refused(
    decoder: Watched, buffers: DeviceBuffers, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="latent"):
        buffers.run({"latent": np.zeros(shape, np.float32)}, ["image"])
    assert decoder.runs == 0


def test_an_unknown_output_is_refused(buffers: DeviceBuffers) -> None:
    with pytest.raises(KeyError):
        buffers.run({"latent": latents(1)}, ["no such output"])
