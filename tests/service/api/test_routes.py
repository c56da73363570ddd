"""Routing, documents, health, metrics, and what every answer carries."""

import json
import re

import pytest

from service import errors
from service.api import problems as problems
from service.errors import ServiceError
from tests.conftest import Client
from tests.support import digits

DIGITS = digits.images()[:2]


def test_models_are_listed_with_the_default_marked(client: Client) -> None:
    models = client.get("/models").json()["models"]
    assert [(model["name"], model["kind"], model["is_default"]) for model in models] == [
        ("tiny-ae", "ae", False),
        ("tiny-vae", "vae", True),
    ]


def test_a_model_tells_its_manifest_and_limits(client: Client) -> None:
    current = client.get("/models/tiny-vae").json()
    assert current == client.get("/models/tiny-vae/1").json()
    assert current["manifest"]["latent_dim"] == 2
    assert current["limits"] == {
        "max_body_bytes": 4 << 20,
        "max_request_rows": 64,
        "max_sample_count": 100,
        "max_stream_count": 1_000_000,
    }
    assert current["provider"] == "CPUExecutionProvider"


@pytest.mark.parametrize(
    "path", ["/models/none", "/models/tiny-vae/2", "/models/tiny-vae/1/x", "/encode/", "//encode", "/x"]
)
def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["code"] in ("unknown_model", "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/encode"), ("PUT", "/sample"), ("DELETE", "/models"), ("BREW", "/livez")]
)
def test_another_method_is_405_and_told_what_is_allowed(client: Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"]


def test_the_service_is_live_and_ready(client: Client) -> None:
    assert client.get("/livez").json() == {"live": True}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["models"] == {
        "tiny-ae/1": "ready on CPUExecutionProvider",
        "tiny-vae/1": "ready on CPUExecutionProvider",
    }


def test_metrics_count_requests_by_route_and_status(client: Client) -> None:
    def counted() -> float:
        pattern = r'vae_http_requests_total\{method="GET",route="/models/\{name\}",status="404"\} (\S+)'
        found = re.search(pattern, client.get("/metrics").text)
        return float(found[1]) if found else 0

    before = counted()
    client.get("/models/no-such-one")
    client.get("/models/nor-this")
    assert counted() == before + 2


def test_metrics_tell_batches_queues_and_models(client: Client) -> None:
    client.get("/sample")
    text = client.get("/metrics").text
    assert 'vae_batch_rows_count{graph="prior",model="tiny-vae/1"}' in text
    assert "vae_queue_rows 0.0" in text
    assert "vae_queue_seconds 0.0" in text
    assert 'provider="CPUExecutionProvider"' in text


def test_paths_nobody_serves_share_one_series(client: Client) -> None:
    for number in range(50):
        client.get(f"/nothing/{number}")
    assert "nothing" not in client.get("/metrics").text


@pytest.mark.parametrize("given", ["abc-123", "A" * 64])
def test_a_sound_request_id_is_repeated(client: Client, given: str) -> None:
    assert client.get("/livez", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "A" * 65, "../../x", "a b", "\x1b[31m", "é".encode("latin-1")])
def test_another_request_id_is_replaced(client: Client, given: str) -> None:
    found = client.get("/livez", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", found)


def test_every_answer_forbids_sniffing(client: Client) -> None:
    for path in ("/livez", "/sample", "/nothing"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"


def test_the_openapi_document_shows_every_media_type_and_a_body_that_works(client: Client) -> None:
    document = client.get("/openapi.json").json()
    for route in ("encode", "reconstruct"):
        content = document["paths"][f"/{route}"]["post"]["requestBody"]["content"]
        assert set(content) == {
            "image/png", "image/jpeg", "multipart/form-data",
            "application/json", "application/x-npy", "application/octet-stream",
        }  # fmt: skip
        example = content["application/json"]["example"]
        assert client.post(f"/{route}", json=example).status_code == 200
    example = document["paths"]["/decode"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert client.post("/decode", json=example).status_code == 200
    answers = document["paths"]["/sample"]["get"]["responses"]["200"]["content"]
    assert set(answers) == {
        "application/json", "image/png", "application/x-npy",
        "application/octet-stream", "application/x-npz", "application/zip",
    }  # fmt: skip


def test_the_openapi_document_tells_what_a_percentile_means(client: Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    told = schemas["ReconstructAnswer"]["properties"]["percentiles"]
    assert {"$ref": "#/components/schemas/Percentiles"} in told["anyOf"]
    for words in ("lower than that of 99.5 %", "no proof", "draw=true", "without calibration"):
        assert words in told["description"]
    assert list(schemas["Percentiles"]["properties"]) == ["mse", "elbo", "log_likelihood", "kl"]
    assert schemas["Percentiles"]["properties"]["elbo"]["items"] == {"type": "number", "minimum": 0, "maximum": 100}


def test_the_openapi_document_names_every_field_of_the_answers(client: Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    body = (DIGITS.tobytes(), {"Content-Type": "application/octet-stream"})
    for name, answer in {
        "EncodeAnswer": client.post("/encode", content=body[0], headers=body[1]),
        "DecodeAnswer": client.post("/decode", json={"latents": [[0, 1]]}),
        "ReconstructAnswer": client.post("/reconstruct?draw=true", content=body[0], headers=body[1]),
        "SampleAnswer": client.get("/sample?min_confidence=0.5"),
    }.items():
        assert answer.json().keys() <= schemas[name]["properties"].keys()


def test_the_docs_page_is_there(client: Client) -> None:
    response = client.get("/docs")
    assert response.status_code == 200
    assert "/openapi.json" in response.text


def leaves(kind: type[ServiceError]) -> list[type[ServiceError]]:
    return [kind, *(leaf for below in kind.__subclasses__() for leaf in leaves(below))]


def test_every_error_of_a_request_has_a_status() -> None:
    for kind in leaves(ServiceError)[1:]:
        if not issubclass(kind, errors.StartError):
            assert problems.status_of(kind("detail")) >= 400


def test_codes_are_told_apart() -> None:
    codes = [kind.code for kind in leaves(ServiceError)]
    assert len(set(codes)) == len(codes)


def test_documents_are_json() -> None:
    document = json.loads(problems.bug("abc").body)
    assert document["request_id"] == "abc"


def test_the_openapi_document_knows_no_other_form_of_error(client: Client) -> None:
    assert "ValidationError" not in json.dumps(client.get("/openapi.json").json())
