"""The table in × out: every format in and every format out, on every route, or the documented refusal."""

import base64
import csv
import io
import zipfile

import httpx
import numpy as np
import orjson
import pytest
from PIL import Image

from service.codecs import outputs
from tests.conftest import Client
from tests.support import bundles, digits

DIGITS = digits.images()[:3]
UNIT = (DIGITS / np.float32(255))[:, np.newaxis]  # (3, 1, 28, 28)
SEVERAL = digits.bodies(DIGITS)
ONE = digits.bodies(DIGITS[:1])
LATENTS = np.array([[0.25, -1.0], [2.0, 0.5]], np.float32)
LATENT_BODIES = {
    "json": ("application/json", orjson.dumps({"latents": LATENTS.tolist()})),
    "npy": ("application/x-npy", digits.npy(LATENTS)),
    "npy by its magic": ("application/octet-stream", digits.npy(LATENTS)),
    "raw": ("application/octet-stream", LATENTS.tobytes()),
}
OUT = [outputs.JSON, outputs.PNG, outputs.NPY, outputs.RAW, outputs.NPZ, outputs.ZIP]


def post(client: Client, path: str, body: tuple[str, bytes], accept: str) -> httpx.Response:
    return client.post(path, content=body[1], headers={"Content-Type": body[0], "Accept": accept})


def images_of(response: httpx.Response) -> np.ndarray:
    """The images of an answer in any format, (n, 28, 28) in [0, 1]; those of PNGs are exact to 1/510."""
    content = response.content
    kind = response.headers["content-type"]
    if kind == outputs.JSON:
        return np.stack([png_pixels(base64.b64decode(text)) for text in response.json()["images"]])
    if kind == outputs.PNG:
        grid = png_pixels(content)
        tiles = grid.reshape(grid.shape[0] // 28, 28, -1, 28).swapaxes(1, 2)
        return tiles.reshape(-1, 28, 28)
    if kind == outputs.NPY:
        return np.load(io.BytesIO(content))[:, 0]
    if kind == outputs.RAW:
        shape = tuple(map(int, response.headers["x-tensor-shape"].split(",")))
        return np.frombuffer(content, response.headers["x-tensor-dtype"]).reshape(shape)[:, 0]
    if kind == outputs.NPZ:
        return np.load(io.BytesIO(content))["images"][:, 0]
    archive = zipfile.ZipFile(io.BytesIO(content))
    rows = list(csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"))))
    return np.stack([png_pixels(archive.read(row["file"])) for row in rows])


def png_pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content), formats=("PNG",))) / 255


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("name", SEVERAL)
def test_reconstruct_takes_and_gives_every_format(client: Client, name: str, out: str) -> None:
    response = post(client, "/reconstruct", SEVERAL[name], out)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == out
    wanted = bundles.image(bundles.mean(UNIT))[:, 0]
    np.testing.assert_allclose(images_of(response)[:3], wanted, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("name", ONE)
def test_encode_takes_every_format_and_gives_all_but_pictures(client: Client, name: str, out: str) -> None:
    response = post(client, "/encode", ONE[name], out)
    if out in (outputs.PNG, outputs.ZIP):
        assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
        return
    assert response.status_code == 200, response.text
    if out == outputs.JSON:
        found = np.array(response.json()["mean"])
        np.testing.assert_allclose(response.json()["log_var"], [[-2, -1]])
    elif out == outputs.RAW:
        found = np.frombuffer(response.content, np.float32).reshape(1, 2)
    else:
        loaded = np.load(io.BytesIO(response.content))
        found = loaded["mean"] if out == outputs.NPZ else loaded
    np.testing.assert_allclose(found, bundles.mean(UNIT[:1]), atol=1e-6)


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("name", LATENT_BODIES)
def test_decode_takes_latents_in_every_format_and_gives_every_format(client: Client, name: str, out: str) -> None:
    response = post(client, "/decode", LATENT_BODIES[name], out)
    assert response.status_code == 200, response.text
    np.testing.assert_allclose(images_of(response), bundles.image(LATENTS)[:, 0], atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("out", OUT)
def test_sample_gives_every_format(client: Client, out: str) -> None:
    query = "/sample?count=4&seed=1&label=1"
    wanted = np.load(io.BytesIO(client.get(query, headers={"Accept": outputs.NPY}).content))[:, 0]
    response = client.get(query, headers={"Accept": out})
    np.testing.assert_allclose(images_of(response), wanted, atol=0.5 / 255 + 1e-6)


def test_all_formats_of_one_digit_give_the_same_bits(client: Client) -> None:
    answers = {name: post(client, "/encode", body, outputs.NPY).content for name, body in ONE.items()}
    assert len(set(answers.values())) == 1, answers


@pytest.mark.parametrize("path", ["/sample?seed=1", "/sample?seed=1&count=4", "/decode"])
def test_raw_images_can_be_posted_back_with_their_headers(client: Client, path: str) -> None:
    latents = {"content": LATENTS.tobytes(), "headers": {"Content-Type": outputs.RAW, "Accept": outputs.RAW}}
    images = client.post(path, **latents) if path == "/decode" else client.get(path, headers={"Accept": outputs.RAW})
    wanted = images_of(images)
    back = {name: images.headers[name] for name in ("content-type", "x-tensor-dtype", "x-tensor-shape")}
    found = client.post("/encode?invert=false", content=images.content, headers=back).json()["mean"]
    np.testing.assert_allclose(found, bundles.mean(wanted), atol=1e-6)
    bare = client.post("/encode", content=images.content, headers={"Content-Type": outputs.RAW})
    assert (bare.status_code, bare.json()["code"]) == (422, "wrong_type")
    del back["x-tensor-dtype"]
    assert client.post("/encode", content=images.content, headers=back).json()["code"] == "wrong_size"


def test_raw_latents_can_be_posted_back_with_their_headers(client: Client) -> None:
    latents = client.post(
        "/encode", content=DIGITS.tobytes(), headers={"Content-Type": outputs.RAW, "Accept": outputs.RAW}
    )
    back = {name: latents.headers[name] for name in ("content-type", "x-tensor-dtype", "x-tensor-shape")}
    images = client.post("/decode", content=latents.content, headers={**back, "Accept": outputs.NPY})
    np.testing.assert_allclose(images_of(images), bundles.image(bundles.mean(UNIT))[:, 0], atol=1e-6)
    refused = client.post("/decode", content=latents.content, headers=back | {"x-tensor-shape": "1,1,28,28"})
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_size")


PNG = digits.png(DIGITS[0])
VAGUE = ["", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain", "image/jpg", "image/*"]


@pytest.mark.parametrize("content_type", [*VAGUE, "image/png; charset=binary", "image/x-png"])
@pytest.mark.parametrize("content", [PNG, digits.saved(DIGITS[0], "JPEG", quality=95)], ids=["png", "jpeg"])
def test_a_picture_is_read_whatever_its_client_calls_it(client: Client, content_type: str, content: bytes) -> None:
    response = client.post("/encode", content=content, headers={"Content-Type": content_type})
    np.testing.assert_allclose(response.json()["mean"], bundles.mean(UNIT[:1]), atol=0.02)


@pytest.mark.parametrize("content_type", VAGUE[:4])
@pytest.mark.parametrize("name", ["npy uint8 (n,28,28)", "json base64"])
def test_so_are_arrays_and_json(client: Client, content_type: str, name: str) -> None:
    response = client.post("/encode", content=SEVERAL[name][1], headers={"Content-Type": content_type})
    np.testing.assert_allclose(response.json()["mean"], bundles.mean(UNIT), atol=1e-6)


@pytest.mark.parametrize("route", ["/encode", "/reconstruct", "/decode", "/sample"])
@pytest.mark.parametrize("media_type", ["text/plain", "image/gif", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(client: Client, route: str, media_type: str) -> None:
    response = client.post(route, content=b"abc", headers={"Content-Type": media_type} if media_type else {})
    assert response.status_code == 415
    assert response.json()["code"] in ("unsupported_media_type", "unsupported_image_format")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, outputs.JSON),
        ("*/*", outputs.JSON),
        ("image/*", outputs.PNG),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", outputs.PNG),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", outputs.JSON),
        ("application/json;q=0.5, application/x-npy", outputs.NPY),
        ("application/*;q=0.1, image/png;q=0.2", outputs.PNG),
        ("*/*, application/json;q=0", outputs.PNG),
        ("APPLICATION/ZIP", outputs.ZIP),
    ],
)
def test_accept_chooses_the_form_of_the_answer(client: Client, accept: str | None, chosen: str) -> None:
    headers = {} if accept is None else {"Accept": accept}
    assert client.get("/sample", headers=headers).headers["content-type"] == chosen


@pytest.mark.parametrize(
    "accept", ["text/html", "image/webp", "*/*;q=0", "application/json;q=x", "," * 5000, "audio/*"]
)
def test_an_accept_that_cannot_be_met_is_406(client: Client, accept: str) -> None:
    response = client.get("/sample", headers={"Accept": accept})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


def test_pixels_gives_numbers_that_can_be_posted_back(client: Client) -> None:
    answer = client.get("/sample?count=2&seed=1&pixels=true").json()
    assert np.array(answer["images"]).shape == (2, 28, 28)
    again = client.post("/encode?invert=false", json={"images": answer["images"]})
    assert again.status_code == 200, again.text


def test_columns_shape_the_grid(client: Client) -> None:
    def size(query: str) -> tuple[int, int]:
        response = client.get(f"/sample?seed=1&{query}", headers={"Accept": outputs.PNG})
        return Image.open(io.BytesIO(response.content)).size

    assert size("count=1") == (28, 28)
    assert size("count=5") == (3 * 28, 2 * 28)
    assert size("count=6&columns=2") == (2 * 28, 3 * 28)


def test_percentiles_are_nested_in_json_and_flat_elsewhere(client: Client) -> None:
    nested = post(client, "/reconstruct", SEVERAL["raw"], outputs.JSON).json()["percentiles"]
    names = {"mse", "elbo", "log_likelihood", "kl"}
    assert nested.keys() == names
    arrays = np.load(io.BytesIO(post(client, "/reconstruct", SEVERAL["raw"], outputs.NPZ).content))
    archive = zipfile.ZipFile(io.BytesIO(post(client, "/reconstruct", SEVERAL["raw"], outputs.ZIP).content))
    rows = list(csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"))))
    for name in names:
        assert arrays[f"percentiles_{name}"].tolist() == nested[name]
        assert [float(row[f"percentiles_{name}"]) for row in rows] == nested[name]


def test_zip_names_files_by_the_samples_index_and_lists_labels(client: Client) -> None:
    response = client.get("/sample?count=2&seed=1&offset=41&label=2", headers={"Accept": outputs.ZIP})
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.namelist() == ["000041.png", "000042.png", "labels.csv"]
    assert archive.read("labels.csv").decode() == "file,labels\n000041.png,2\n000042.png,2\n"
