"""deterministic=true: an answer's bits are its own, and it says all that they depend on."""

import numpy as np
import pytest

from service.runtime.session import VERSION
from tests.service.api.conftest import BothWays
from tests.support import bundles

LATENTS = np.linspace(-1, 1, 20 * bundles.LATENT_DIM).reshape(20, -1).round(3).tolist()


def test_answer_names_the_digest_and_the_runtime(client: BothWays) -> None:
    response = client.post("/decode?deterministic=true", json={"latents": LATENTS})
    digest = client.get("/models/tiny-vae").json()["digest"]
    assert response.json()["model_digest"] == response.headers["x-model-digest"] == digest
    assert response.json()["runtime"] == response.headers["x-runtime"] == f"onnxruntime {VERSION} CPUExecutionProvider"


def test_an_answer_names_neither_unless_asked_for(client: BothWays) -> None:
    response = client.post("/decode", json={"latents": LATENTS})
    assert list(response.json()) == ["model", "images"]
    assert "x-runtime" not in response.headers


def test_rows_have_the_same_bits_alone_and_in_company(client: BothWays) -> None:
    asked = {"pixels": True, "deterministic": True}
    whole = client.post("/decode", params=asked, json={"latents": LATENTS}).json()["images"]
    alone = [client.post("/decode", params=asked, json={"latents": [row]}).json()["images"][0] for row in LATENTS]
    assert whole == alone


@pytest.mark.parametrize("path", ["/encode", "/reconstruct"])
def test_every_verb_of_images_takes_it(client: BothWays, path: str) -> None:
    raw = {"content": bytes(range(196)) * 8, "headers": {"Content-Type": "application/octet-stream"}}
    plain, fixed = (client.post(f"{path}{query}", **raw).json() for query in ("", "?deterministic=true"))
    assert fixed.pop("model_digest")
    assert fixed.pop("runtime")
    assert fixed == plain
