"""Which models there are."""

import pytest

from tests.conftest import Client


def test_models_are_listed_with_the_default_marked(client: Client) -> None:
    models = client.get("/models").json()["models"]
    assert [(model["name"], model["kind"], model["is_default"]) for model in models] == [
        ("tiny-ae", "ae", False),
        ("tiny-vae", "vae", True),
    ]


def test_a_model_has_a_manifest_a_digest_and_limits(client: Client) -> None:
    current = client.get("/models/tiny-vae").json()
    assert current == client.get("/models/tiny-vae/1").json()
    assert current["manifest"]["latent_dim"] == 2
    assert "files" not in current["manifest"]
    assert len(current["digest"]) == 64
    assert current["limits"] == {
        "max_body_bytes": 4 << 20,
        "max_request_rows": 64,
        "max_sample_count": 100,
        "max_stream_count": 1_000_000,
    }
    assert current["provider"] == "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/models/none", "unknown_model"),
        ("/models/tiny-vae/2", "unknown_model"),
        ("/models/tiny-vae/one", "unknown_model"),
        ("/models/tiny-vae/1/x", "not_found"),
        ("/models/", "not_found"),
    ],
)
def test_a_model_that_is_not_there_is_404(client: Client, path: str, code: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_a_model_is_named_with_and_without_its_version(client: Client) -> None:
    for name in ("tiny-ae", "tiny-ae/1"):
        assert client.get("/sample", params={"model": name}).json()["model"] == "tiny-ae/1"
    assert client.get("/sample").json()["model"] == "tiny-vae/1"
