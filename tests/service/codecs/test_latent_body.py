"""A body that holds latents: every format gives the same, and none that is wrong passes."""

import numpy as np
import orjson
import pytest

from service.codecs.latent_body import MAX_LATENT, LatentBody, read_latents
from service.codecs.npy import write_npy
from service.errors import InvalidInput, MalformedBody, ServiceError, TooManyRows, UnsupportedMediaType

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
LATENTS = np.array([[0.25, -1.0], [2.0, 0.1], [MAX_LATENT, -MAX_LATENT]], np.float32)
BODIES = {
    "json": (JSON, orjson.dumps({"latents": LATENTS.tolist()})),
    "npy": (NPY, bytes(write_npy(LATENTS))),
    "npy big-endian": (NPY, bytes(write_npy(LATENTS.astype(">f4")))),
    "npy by its magic": (RAW, bytes(write_npy(LATENTS))),
    "npy float64": (NPY, bytes(write_npy(LATENTS.astype(np.float64)))),
    "raw": (RAW, LATENTS.tobytes()),
    "binary": ("binary/octet-stream", LATENTS.tobytes()),
    "json without a type": ("", orjson.dumps({"latents": LATENTS.tolist()})),
    "json from curl -d": ("application/x-www-form-urlencoded", orjson.dumps({"latents": LATENTS.tolist()})),
}


def latent_body(content: bytes, content_type: str, max_rows: int = 64) -> LatentBody:
    return LatentBody(content, {b"content-type": content_type.encode()}, 2, max_rows)


@pytest.mark.parametrize("name", BODIES)
def test_every_format_gives_the_same_latents_to_the_bit(name: str) -> None:
    content_type, content = BODIES[name]
    found = latent_body(content, content_type).read()
    assert (found.dtype, found.flags.c_contiguous) == (np.dtype("=f4"), True)
    assert found.tobytes() == LATENTS.tobytes()


@pytest.mark.parametrize("dtype", ["f2", ">f8", "i1", "u1", "i8", ">u2", "u8"])
def test_latents_may_be_of_any_type_of_number(dtype: str) -> None:
    found = latent_body(bytes(write_npy(np.array([[0, 5], [7, 127]], dtype))), NPY).read()
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 5], [7, 127]]


@pytest.mark.parametrize("shape", [b"3,2", b"(3, 2)", b"6"])
def test_a_described_tensor_is_what_its_headers_say(shape: bytes) -> None:
    headers = {b"content-type": RAW.encode(), b"x-tensor-dtype": b"float64", b"x-tensor-shape": shape}
    assert LatentBody(LATENTS.astype(np.float64).tobytes(), headers, 2, 64).read().tobytes() == LATENTS.tobytes()


@pytest.mark.parametrize(
    ("dtype", "shape", "code"),
    [
        (b"float32", b"1,1,2,3", "wrong_shape"),
        (b"float32", b"2,3", "wrong_shape"),
        (b"float32", b"3,3", "wrong_size"),
        (b"float64", b"3,2", "wrong_size"),
        (b"bool", b"12,2", "wrong_shape"),
    ],
)
def test_a_tensor_that_is_not_as_described_is_refused(dtype: bytes, shape: bytes, code: str) -> None:
    headers = {b"content-type": RAW.encode(), b"x-tensor-dtype": dtype, b"x-tensor-shape": shape}
    with pytest.raises(InvalidInput) as refusal:
        LatentBody(LATENTS.tobytes(), headers, 2, 64).read()
    assert refusal.value.code == code


def test_one_latent_may_be_a_vector() -> None:
    assert latent_body(bytes(write_npy(LATENTS[0])), NPY).read().tolist() == [[0.25, -1.0]]


@pytest.mark.parametrize("name", ["npy", "raw"])
def test_rows_and_cost_are_estimated_before_the_body_is_read(name: str) -> None:
    content_type, content = BODIES[name]
    body = latent_body(content, content_type)
    assert 3 <= body.rows <= 3 + 128 // 8  # npy's header is counted in
    assert 0 < body.cost_s < 1e-3


def test_the_estimate_is_at_least_1_and_at_most_what_may_be() -> None:
    assert latent_body(b"", JSON).rows == 1
    assert latent_body(bytes(10_000), RAW, max_rows=7).rows == 7


@pytest.mark.parametrize(
    ("content_type", "content", "kind", "code"),
    [
        (JSON, b"", MalformedBody, "invalid_json"),
        (JSON, b'{"latents": []}', InvalidInput, "no_rows"),
        (JSON, b'{"latents": [[1, 2, 3]]}', InvalidInput, "wrong_shape"),
        (JSON, b'{"latents": [[1, true]]}', InvalidInput, "not_a_number"),
        (JSON, b'{"latents": [[1, 1000.1]]}', InvalidInput, "out_of_range"),
        (JSON, b'{"latents": [[1e308, 0]]}', InvalidInput, "out_of_range"),
        (RAW, b"", InvalidInput, "no_rows"),
        (RAW, bytes(9), InvalidInput, "wrong_size"),
        (RAW, np.array([np.nan, 0], "<f4").tobytes(), InvalidInput, "out_of_range"),
        (RAW, np.array([0, -np.inf], "<f4").tobytes(), InvalidInput, "out_of_range"),
        (NPY, b"\x93NUMPY", MalformedBody, "bad_npy"),
        (NPY, bytes(write_npy(np.zeros((1, 2), bool))), InvalidInput, "wrong_shape"),
        (NPY, bytes(write_npy(np.full((1, 2), np.iinfo("i8").min))), InvalidInput, "out_of_range"),
        (NPY, bytes(write_npy(np.full((1, 2), 1e300))), InvalidInput, "out_of_range"),
        (NPY, bytes(write_npy(np.full((1, 2), np.inf, np.float16))), InvalidInput, "out_of_range"),
        (RAW, b"\x89PNG\r\n\x1a\n", UnsupportedMediaType, "unsupported_media_type"),
        (NPY, bytes(write_npy(np.zeros((1, 3), np.float32))), InvalidInput, "wrong_shape"),
        (NPY, bytes(write_npy(np.zeros((1, 1, 2), np.float32))), InvalidInput, "wrong_shape"),
        (NPY, bytes(write_npy(np.zeros((0, 2), np.float32))), InvalidInput, "no_rows"),
        ("image/png", b"", UnsupportedMediaType, "unsupported_media_type"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name(
    content_type: str, content: bytes, kind: type[ServiceError], code: str
) -> None:
    with pytest.raises(kind) as refusal:
        latent_body(content, content_type).read()
    assert refusal.value.code == code


@pytest.mark.parametrize("name", ["json", "npy", "raw"])
def test_more_rows_than_may_be_are_refused(name: str) -> None:
    content_type, content = BODIES[name]
    with pytest.raises(TooManyRows):
        latent_body(content, content_type, max_rows=2).read()


def test_a_bad_body_fails_alone() -> None:
    good = BODIES["raw"]
    found = read_latents([latent_body(*good[::-1]), latent_body(b"{", JSON), latent_body(*good[::-1])])
    assert isinstance(found[1], MalformedBody)
    assert [pixels.tobytes() for pixels in (found[0], found[2]) if isinstance(pixels, np.ndarray)] == [good[1]] * 2
