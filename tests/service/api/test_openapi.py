"""The document of the API: every media type, field and error, with examples that work."""

import json
from typing import Any

import pytest

from tests.conftest import Client
from tests.support import digits

DIGITS = digits.images()[:2]


@pytest.fixture(scope="module")
def document(client: Client) -> Any:
    return client.get("/openapi.json").json()


def test_every_media_type_of_a_body_is_named_with_one_that_works(client: Client, document: Any) -> None:
    for path in ("/encode", "/reconstruct"):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        assert set(content) == {
            "image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif", "multipart/form-data",
            "application/json", "application/x-npy", "application/octet-stream",
        }  # fmt: skip
        assert client.post(path, json=content["application/json"]["example"]).status_code == 200


def test_the_examples_of_other_bodies_work(client: Client, document: Any) -> None:
    def example(path: str) -> Any:
        return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]

    assert client.post("/decode", json=example("/decode")).status_code == 200
    assert client.post("/sample", json=example("/sample") | {"label": [0, 2]}).status_code == 200  # of three classes


def test_every_media_type_of_an_answer_is_named(document: Any) -> None:
    answers = document["paths"]["/sample"]["get"]["responses"]["200"]["content"]
    assert set(answers) == {
        "application/json", "image/png", "application/x-npy",
        "application/octet-stream", "application/x-npz", "application/zip",
    }  # fmt: skip


def test_the_meaning_of_a_percentile_is_described(document: Any) -> None:
    schemas = document["components"]["schemas"]
    field = schemas["ReconstructAnswer"]["properties"]["percentiles"]
    assert {"$ref": "#/components/schemas/Percentiles"} in field["anyOf"]
    for words in ("lower than that of 99.5 %", "no proof", "draw=true", "without calibration"):
        assert words in field["description"]
    assert list(schemas["Percentiles"]["properties"]) == ["mse", "elbo", "log_likelihood", "kl"]
    assert schemas["Percentiles"]["properties"]["elbo"]["items"] == {"type": "number", "minimum": 0, "maximum": 100}


def test_every_field_of_the_answers_is_named(client: Client, document: Any) -> None:
    schemas = document["components"]["schemas"]
    raw: dict[str, Any] = {"content": DIGITS.tobytes(), "headers": {"Content-Type": "application/octet-stream"}}
    for name, answer in {
        "EncodeAnswer": client.post("/encode?deterministic=true", **raw),
        "DecodeAnswer": client.post("/decode", json={"latents": [[0, 1]]}),
        "ReconstructAnswer": client.post("/reconstruct?draw=true", **raw),
        "SampleAnswer": client.get("/sample?min_confidence=0.5"),
    }.items():
        assert answer.status_code == 200
        assert answer.json().keys() <= schemas[name]["properties"].keys()


def test_every_error_has_the_one_form(document: Any) -> None:
    assert "ValidationError" not in json.dumps(document)
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    (schema,) = [media["schema"] for media in answer["content"].values()]
                    assert schema == {"$ref": "#/components/schemas/Problem"}


def test_the_docs_page_needs_nothing_from_another_host(client: Client) -> None:
    response = client.get("/docs")
    assert response.status_code == 200
    assert "/openapi.json" in response.text
    assert "https://" not in response.text
