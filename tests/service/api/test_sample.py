"""GET and POST /sample: new digits, addressed by seed and index."""

import io
from typing import Any

import numpy as np
import pytest

from service.engine import noise
from tests.conftest import Client
from tests.support import bundles


def normals(*page: Any) -> Any:
    """(rows, width)"""
    return noise.draw([noise.Page(*page)])[0].normals


def arrays(response: object) -> dict[str, np.ndarray]:
    return dict(np.load(io.BytesIO(response.content)))  # type: ignore[attr-defined]


def sample(client: Client, **query: object) -> dict[str, np.ndarray]:
    response = client.get("/sample", params=query, headers={"Accept": "application/x-npz"})
    assert response.status_code == 200, response.text
    return arrays(response)


def test_samples_are_the_prior_and_the_decoder_on_the_seeded_noise(client: Client) -> None:
    found = sample(client, count=5, seed=3, label=2, temperature=0.5)
    epsilon = normals(3, noise.SAMPLE_STREAM, 0, 5, bundles.LATENT_DIM)
    np.testing.assert_allclose(found["latents"], 0.5 * epsilon + 2, rtol=1e-6)
    np.testing.assert_allclose(found["images"], bundles.image(found["latents"]), atol=1e-6)
    assert found["labels"].tolist() == [2] * 5
    assert (found["seed"], found["offset"], found["temperature"]) == (3, 0, 0.5)


def test_pages_are_slices_of_one_series(client: Client) -> None:
    whole = sample(client, count=64, seed=1)
    page = sample(client, count=32, seed=1, offset=32)
    for name in ("images", "labels", "latents"):
        assert (page[name] == whole[name][32:]).all()


def test_several_labels_are_taken_in_turn_by_index(client: Client) -> None:
    assert sample(client, count=5, seed=1, label="2,0")["labels"].tolist() == [2, 0, 2, 0, 2]
    assert sample(client, count=2, seed=1, label="2,0", offset=3)["labels"].tolist() == [0, 2]


def test_unlabelled_samples_follow_the_class_weights(client: Client) -> None:
    labels = np.concatenate([sample(client, count=100, seed=9, offset=100 * i)["labels"] for i in range(20)])
    shares = np.bincount(labels, minlength=3) / len(labels)
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=5 * 0.5 / np.sqrt(len(labels)))  # 5 standard errors


def test_balanced_takes_every_class_in_turn(client: Client) -> None:
    assert sample(client, count=5, seed=1, label="balanced", offset=1)["labels"].tolist() == [1, 2, 0, 1, 2]
    assert client.post("/sample", json={"count": 3, "label": "balanced"}).json()["labels"] == [0, 1, 2]


def confidence(latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """p(label given z) of the tiny bundle, from its density and class weights."""
    joint = np.exp(bundles.log_pz_y(latents)) * np.array([0.5, 0.25, 0.25])
    return joint[np.arange(len(labels)), labels] / joint.sum(axis=1)


def test_unsure_samples_are_drawn_again_and_sure_ones_left_alone(client: Client) -> None:
    plain = sample(client, count=60, seed=4, label="balanced")
    before = confidence(plain["latents"], plain["labels"])
    strict = sample(client, count=60, seed=4, label="balanced", min_confidence=0.6)
    np.testing.assert_allclose(strict["confidence"], confidence(strict["latents"], strict["labels"]), rtol=1e-4)
    assert (before < 0.6).any()
    assert (strict["latents"][before >= 0.6] == plain["latents"][before >= 0.6]).all()
    assert (strict["confidence"][before < 0.6] >= before[before < 0.6]).all()
    assert (strict["confidence"] >= 0.6).mean() > (before >= 0.6).mean()
    assert "confidence" not in plain


def test_tries_are_bounded_and_the_most_confident_one_is_kept(client: Client) -> None:
    found = sample(client, count=20, seed=4, label=1, min_confidence=0.999)
    tries = [
        normals(4, noise.SAMPLE_STREAM + attempt * noise.STREAMS, 0, 20, bundles.LATENT_DIM) + 1
        for attempt in range(16)
    ]
    best = np.max([confidence(latents, found["labels"]) for latents in tries], axis=0)
    assert (best < 0.999).all()
    np.testing.assert_allclose(found["confidence"], best, rtol=1e-4)
    assert found["tries"].tolist() == [16] * 20


def test_each_sample_names_the_tries_it_took_and_is_the_draw_of_its_last(client: Client) -> None:
    found = sample(client, count=100, seed=4, label=2, offset=3, temperature=0.5, min_confidence=0.8)
    assert (found["confidence"] >= 0.8).all()
    assert len(set(found["tries"])) > 2
    for i, tries in enumerate(found["tries"]):
        streams = [noise.SAMPLE_STREAM + attempt * noise.STREAMS for attempt in range(tries)]
        latents = np.stack([0.5 * normals(4, stream, 3 + i, 1, 2)[0] + 2 for stream in streams])  # (tries, d)
        np.testing.assert_allclose(found["latents"][i], latents[-1], rtol=1e-6)
        assert (confidence(latents[:-1], np.full(tries - 1, 2)) < 0.8).all()


def test_an_answer_repeats_min_confidence_and_says_how_it_went(client: Client) -> None:
    answer = client.post("/sample", json={"count": 3, "label": "balanced", "seed": 1, "min_confidence": 0.6}).json()
    assert answer["min_confidence"] == 0.6
    assert len(answer["confidence"]) == len(answer["tries"]) == 3
    assert answer["labels"] == [0, 1, 2]
    query = "/sample?count=3&label=balanced&seed=1&min_confidence=0.6"
    assert client.get(query).json() == answer
    assert client.get(query, headers={"Accept": "image/png"}).headers["X-Min-Confidence"] == "0.6"


def test_an_answer_holds_no_tries_where_no_confidence_is_asked_for(client: Client) -> None:
    answer = client.get("/sample?seed=1&min_confidence=0").json()
    assert answer == client.get("/sample?seed=1").json()
    assert not answer.keys() & {"min_confidence", "confidence", "tries"}


def test_drawing_again_keeps_pages_slices_of_one_series(client: Client) -> None:
    whole = sample(client, count=64, seed=1, min_confidence=0.6)
    for count in (1, 32):
        page = sample(client, count=count, seed=1, offset=32, min_confidence=0.6)
        for name in ("images", "labels", "latents", "confidence", "tries"):
            assert (page[name] == whole[name][32 : 32 + count]).all()


def test_a_seed_is_drawn_and_returned_where_none_is_given(client: Client) -> None:
    first, second = (client.get("/sample").json() for _ in range(2))
    assert first["seed"] != second["seed"]
    again = client.get("/sample", params={"seed": first["seed"]}).json()
    assert again == first


def test_post_and_get_give_the_same(client: Client) -> None:
    asked_for = {"count": 3, "seed": 5, "temperature": 0.7, "offset": 4}
    assert (
        client.post("/sample", json={**asked_for, "label": [1, 2]}).content
        == client.get("/sample", params={**asked_for, "label": "1,2"}).content
    )


def test_the_largest_seed_is_accepted(client: Client) -> None:
    assert client.post("/sample", json={"seed": 2**64 - 1}).json()["seed"] == 2**64 - 1


def test_temperature_zero_gives_each_label_its_most_typical_digit(client: Client) -> None:
    found = sample(client, count=2, label=1, temperature=0)
    assert found["latents"].tolist() == [[1, 1], [1, 1]]


def test_the_facts_travel_in_headers_too(client: Client) -> None:
    headers = client.get("/sample?seed=8&offset=2", headers={"Accept": "image/png"}).headers
    assert (headers["X-Model"], headers["X-Seed"], headers["X-Offset"]) == ("tiny-vae/1", "8", "2")


def test_an_autoencoder_samples_from_its_fitted_prior(client: Client) -> None:
    found = sample(client, model="tiny-ae", count=2, label=1, seed=1)
    np.testing.assert_allclose(found["images"], bundles.image(found["latents"]), atol=1e-6)


def test_labels_may_be_given_one_by_one(client: Client) -> None:
    one_by_one = client.get("/sample?label=1&label=2&label=0&count=6&seed=3")
    assert one_by_one.json()["labels"] == [1, 2, 0, 1, 2, 0]
    assert one_by_one.json() == client.get("/sample?label=1,2,0&count=6&seed=3").json()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("label=1&label=3", "unknown_label"),
        ("label=1&label=any", "invalid_parameter"),
        ("count=2&count=5", "invalid_parameter"),
        ("count=0", "invalid_parameter"),
        ("count=-1", "invalid_parameter"),
        ("count=1.5", "invalid_parameter"),
        ("count=", "invalid_parameter"),
        ("count=18446744073709551616", "too_many_rows"),
        ("count=101", "too_many_rows"),
        ("seed=-1", "invalid_parameter"),
        ("seed=18446744073709551616", "invalid_parameter"),
        ("seed=one", "invalid_parameter"),
        ("label=3", "unknown_label"),
        ("label=-1", "invalid_parameter"),
        ("label=seven", "invalid_parameter"),
        ("label=1,,2", "invalid_parameter"),
        ("temperature=nan", "invalid_parameter"),
        ("temperature=inf", "invalid_parameter"),
        ("temperature=2.1", "invalid_parameter"),
        ("temperature=-0.1", "invalid_parameter"),
        ("min_confidence=1", "invalid_parameter"),
        ("min_confidence=nan", "invalid_parameter"),
        ("offset=-1", "invalid_parameter"),
        ("offset=99999999999999999", "invalid_parameter"),
        ("columns=0", "invalid_parameter"),
        ("colour=red", "invalid_parameter"),
        ("model=no-such", "unknown_model"),
    ],
)
def test_parameters_that_are_not_accepted_are_refused(client: Client, query: str, code: str) -> None:
    response = client.get(f"/sample?{query}")
    assert response.json()["code"] == code
    assert response.status_code == {"too_many_rows": 413, "unknown_model": 404}.get(code, 422)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8;",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "",
        "text/json",
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_json_is_known_where_its_type_is_left_open(client: Client, content_type: str, mark: bytes) -> None:
    response = client.post("/sample", content=mark + b'{"count": 2, "seed": 1}', headers={"Content-Type": content_type})
    assert response.json() == client.get("/sample?count=2&seed=1").json()


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"count=2&seed=1", 415),
        ("multipart/form-data; boundary=b", b"--b--", 415),
        ("application/json", '{"count": 2}'.encode("utf-16"), 400),
    ],
)
def test_a_body_that_is_no_json_in_utf_8_is_refused(
    client: Client, content_type: str, body: bytes, status: int
) -> None:
    assert client.post("/sample", content=body, headers={"Content-Type": content_type}).status_code == status


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"count": "3"}', "invalid_parameter"),
        ('{"count": true}', "invalid_parameter"),
        ('{"count": 1.0}', "invalid_parameter"),
        ('{"seed": 1e3}', "invalid_parameter"),
        ('{"label": "7"}', "invalid_parameter"),
        ('{"label": []}', "invalid_parameter"),
        ('{"label": [0, 3]}', "unknown_label"),
        ('{"temperature": NaN}', "invalid_parameter"),
        ('{"Count": 1}', "invalid_parameter"),
        ('{"__proto__": 1}', "invalid_parameter"),
        ("[1]", "invalid_parameter"),
        ("null", "invalid_parameter"),
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[" * 60_000, "invalid_json"),
        ('{"count": ' + "9" * 5000 + "}", "invalid_json"),
    ],
)
def test_a_body_that_does_not_ask_for_samples_is_refused(client: Client, body: str, code: str) -> None:
    response = client.post("/sample", content=body, headers={"Content-Type": "application/json"})
    assert response.json()["code"] == code, response.text
    assert response.status_code == (400 if code == "invalid_json" else 422)
    assert len(response.content) < 4096


def test_a_body_longer_than_any_that_asks_for_samples_is_refused_unread(client: Client) -> None:
    """To read it would hold up everybody."""
    content = '{"label": [' + "1, " * 40_000 + "1]}"
    response = client.post("/sample", content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
