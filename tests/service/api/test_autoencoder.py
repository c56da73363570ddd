"""/encode, /decode and /reconstruct: what the numbers mean."""

import math
from typing import Any

import numpy as np
import pytest

from tests.conftest import Client
from tests.support import bundles, digits

DIGITS = digits.images()[:4]
UNIT = (DIGITS / np.float32(255))[:, np.newaxis]


def reconstruct(client: Client, query: str = "") -> dict[str, Any]:
    body = {"content": DIGITS.tobytes(), "headers": {"Content-Type": "application/octet-stream"}}
    response = client.post(f"/reconstruct?pixels=true&{query}", **body)
    assert response.status_code == 200, response.text
    return response.json()


def by_hand(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log p(x|z) and log q(z|x) − log p(z) of the tiny bundle, nats, from the definitions."""
    image = bundles.image(latents.astype(np.float64))
    log_likelihood = (UNIT * np.log(image) + (1 - UNIT) * np.log(1 - image)).sum(axis=(1, 2, 3))
    deviation = latents - bundles.mean(UNIT)
    log_q = -0.5 * (math.log(2 * math.pi) + bundles.LOG_VAR + deviation**2 / np.exp(bundles.LOG_VAR)).sum(axis=1)
    joint = np.exp(bundles.log_pz_y(latents)) @ np.array([0.5, 0.25, 0.25])
    return log_likelihood, log_q - np.log(joint)


def test_reconstruction_is_scored_at_the_posterior_mean(client: Client) -> None:
    answer = reconstruct(client)
    latents = bundles.mean(UNIT)
    log_likelihood, kl = by_hand(latents)
    np.testing.assert_allclose(answer["log_likelihood"], log_likelihood, rtol=1e-5)
    np.testing.assert_allclose(answer["kl"], kl, rtol=1e-5)
    np.testing.assert_allclose(answer["elbo"], log_likelihood - kl, rtol=1e-5)
    np.testing.assert_allclose(answer["mse"], np.square(bundles.image(latents) - UNIT).mean(axis=(1, 2, 3)), rtol=1e-5)
    assert "seed" not in answer


def test_a_draw_is_scored_where_it_was_drawn_and_averages_to_the_elbo(client: Client) -> None:
    answers = [reconstruct(client, f"draw=true&seed={seed}") for seed in range(200)]
    kl = np.array([answer["kl"] for answer in answers])  # (200, 4)
    rng = np.random.default_rng(0)
    many = rng.standard_normal((20_000, 1, 2)) * np.exp(bundles.LOG_VAR / 2) + bundles.mean(UNIT)  # (draws, 4, 2)
    wanted = np.stack([by_hand(latents)[1] for latents in many[:4000]])
    error = np.sqrt(kl.var(axis=0) / len(kl) + wanted.var(axis=0) / len(wanted))
    assert (np.abs(kl.mean(axis=0) - wanted.mean(axis=0)) < 5 * error).all()


def test_draws_repeat_with_their_seed_and_differ_without(client: Client) -> None:
    first = reconstruct(client, "draw=true")
    assert reconstruct(client, f"draw=true&seed={first['seed']}") == first
    assert reconstruct(client, "draw=true")["images"] != first["images"]


def test_an_autoencoder_has_no_log_variance_and_no_elbo(client: Client) -> None:
    body = {"content": DIGITS.tobytes(), "headers": {"Content-Type": "application/octet-stream"}}
    assert client.post("/encode?model=tiny-ae", **body).json().keys() == {"model", "mean"}
    answer = client.post("/reconstruct?model=tiny-ae", **body).json()
    assert answer.keys() == {"model", "images", "mse", "percentiles"}
    np.testing.assert_allclose(answer["percentiles"].pop("mse"), 200 * np.array(answer["mse"]))
    assert not answer["percentiles"]


def test_an_autoencoder_has_nothing_to_draw_from(client: Client) -> None:
    body = {"content": DIGITS.tobytes(), "headers": {"Content-Type": "application/octet-stream"}}
    response = client.post("/reconstruct?model=tiny-ae&draw=true", **body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")


def test_encodings_can_be_decoded_as_they_come(client: Client) -> None:
    raw = {"Content-Type": "application/octet-stream", "Accept": "application/x-npy"}
    latents = client.post("/encode", content=DIGITS.tobytes(), headers=raw).content
    npy = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
    assert (
        client.post("/decode", content=latents, headers=npy).content
        == client.post("/reconstruct", content=DIGITS.tobytes(), headers=raw).content
    )


def test_dark_ink_on_light_paper_is_turned_in_every_format(client: Client) -> None:
    upright = client.post("/encode", content=digits.png(DIGITS[0]), headers={"Content-Type": "image/png"}).json()
    for content_type, body in digits.bodies(255 - DIGITS[:1]).values():
        turned = client.post("/encode", content=body, headers={"Content-Type": content_type}).json()
        np.testing.assert_allclose(turned["mean"], upright["mean"], atol=1e-6)


def test_invert_false_leaves_light_paper_as_it_is(client: Client) -> None:
    light = {"content": digits.png(255 - DIGITS[0]), "headers": {"Content-Type": "image/png"}}
    left = client.post("/encode?invert=false", **light).json()["mean"][0][0]
    assert left == pytest.approx(1 - UNIT[0].mean(), abs=1e-6)
