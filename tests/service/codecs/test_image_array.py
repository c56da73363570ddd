"""Arrays of images: element types, shapes and raw tensors, and none that is taken for what it is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.codecs import image_array
from service.codecs.npy import write_npy
from service.errors import InvalidInput, ServiceError, TooManyRows
from tests.support import digits

DIGITS = digits.images()[:4]
UNIT = DIGITS / 255
WHOLE = ["u1", "i2", "<u2", ">u2", "i4", "u4", "i8", ">i8", "u8"]


def code_of(action: Any, *arguments: Any) -> str:
    with pytest.raises(ServiceError) as refusal:
        action(*arguments)
    return refusal.value.code


def page(values: list[Any], dtype: str) -> npt.NDArray[Any]:
    """One image that holds these values."""
    image = np.zeros((1, 28, 28), dtype)
    image.flat[: len(values)] = np.array(values, dtype)
    return image


@pytest.mark.parametrize("dtype", WHOLE)
def test_whole_numbers_to_255_are_read_as_bytes_whatever_their_type(dtype: str) -> None:
    found = image_array.pixels(DIGITS.astype(dtype))
    assert found.dtype == np.uint8
    assert np.array_equal(found, DIGITS)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_uint16_beyond_255_is_of_65535(dtype: str) -> None:
    found = image_array.pixels(DIGITS.astype(dtype) * np.uint16(257))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, UNIT, atol=1e-6)


@pytest.mark.parametrize("values", [[-1, 5], [0, 256], [0, 65535]])
@pytest.mark.parametrize("dtype", ["i4", "i8"])
def test_other_whole_numbers_are_refused(dtype: str, values: list[int]) -> None:
    assert code_of(image_array.pixels, page(values, dtype)) == "out_of_range"


@pytest.mark.parametrize("value", [np.iinfo("i8").min, -1, 256])
def test_the_ends_of_a_type_are_no_pixels(value: int) -> None:
    assert code_of(image_array.pixels, page([0, value], "i8")) == "out_of_range"
    assert code_of(image_array.pixels, page([-128, 127], "i1")) == "out_of_range"
    assert code_of(image_array.pixels, page([0, 2**64 - 1], "u8")) == "out_of_range"


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "<f8", ">f8"])
def test_floats_lie_in_0_to_1(dtype: str) -> None:
    found = image_array.pixels(UNIT.astype(dtype))
    assert (found.dtype, found.dtype.isnative) == (np.dtype(np.float32), True)
    np.testing.assert_allclose(found, UNIT, atol=5e-4 if dtype == "f2" else 1e-7)
    for wrong in (-0.01, 1.01, 255, np.nan, np.inf, -np.inf):
        assert code_of(image_array.pixels, page([0, wrong], dtype)) == "out_of_range"


@pytest.mark.parametrize("wrong", [1 + 2e-16 * 2, -5e-324, 1e300])
def test_a_double_that_float32_would_round_into_range_is_refused(wrong: float) -> None:
    assert code_of(image_array.pixels, page([0, wrong], "f8")) == "out_of_range"


def test_bools_are_0_and_1() -> None:
    mask = DIGITS > 127
    assert np.array_equal(image_array.pixels(mask), mask.astype(np.float32))
    assert code_of(image_array.pixels, page([0, 2], "u1").view(bool)) == "out_of_range"


@pytest.mark.parametrize(
    "shape", [(4, 28, 28), (4, 1, 28, 28), (4, 28, 28, 1), (4, 784), (4, 784, 1)], ids=str
)  # fmt: skip
def test_rows_may_have_any_of_these_shapes(shape: tuple[int, ...]) -> None:
    assert np.array_equal(image_array.of_npy(bytes(write_npy(DIGITS.reshape(shape))), 4), DIGITS)
    headers = {b"x-tensor-shape": ",".join(map(str, shape)).encode()}
    assert np.array_equal(image_array.of_raw(DIGITS.tobytes(), headers, 4), DIGITS)
    with pytest.raises(TooManyRows):
        image_array.of_npy(bytes(write_npy(DIGITS.reshape(shape))), 3)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (1, 28, 28), (784,), (1, 28, 28, 1)], ids=str)
def test_one_image_may_have_any_of_these(shape: tuple[int, ...]) -> None:
    assert np.array_equal(image_array.of_npy(bytes(write_npy(DIGITS[0].reshape(shape))), 1), DIGITS[:1])


@pytest.mark.parametrize("shape", [(1, 28, 28, 3), (3, 28, 28, 1, 1), (784, 1), (28, 56), (2, 392)], ids=str)
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    assert code_of(image_array.of_npy, bytes(write_npy(np.zeros(shape, np.uint8))), 9) == "wrong_shape"


@pytest.mark.parametrize("dtype", ["u1", "i8", "u2"])
def test_a_mask_of_0_and_1_is_brought_to_full_scale_row_by_row(dtype: str) -> None:
    digit, mask = DIGITS[0], (DIGITS[0] > 127).astype(np.uint8)
    blank = np.zeros_like(digit)
    rows = np.stack([digit, mask, blank, mask * 2, 1 - mask, blank + 1]).astype(dtype)
    wanted = np.stack([digit, mask * 255, blank, mask * 2, (1 - mask) * 255, blank + 255])
    found = image_array.pixels(rows)
    assert found.dtype == np.uint8
    assert np.array_equal(found, wanted)


# Raw tensors


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int64", "uint16"])
def test_a_described_tensor_is_what_its_headers_say(dtype: str) -> None:
    given = (UNIT if dtype[0] == "f" else DIGITS).astype(dtype)
    headers = {b"x-tensor-dtype": dtype.encode(), b"x-tensor-shape": b"4,1,28,28"}
    assert np.array_equal(image_array.of_raw(given.tobytes(), headers, 4), given)
    del headers[b"x-tensor-shape"]
    assert np.array_equal(image_array.of_raw(given.tobytes(), headers, 4), given)


def test_bytes_that_look_wider_are_taken_as_bytes_where_that_is_said() -> None:
    content = UNIT.astype("<f4").tobytes()
    assert len(image_array.of_raw(content, {b"x-tensor-dtype": b"uint8"}, 16)) == 16


@pytest.mark.parametrize("length", [783, 785, 1])
def test_a_tensor_of_another_length_is_refused(length: int) -> None:
    assert code_of(image_array.of_raw, bytes(length), {}, 4) == "wrong_size"


WIDER = {
    **{f"{dtype} of bytes": UNIT.astype(dtype) for dtype in ("<f2", "<f4", "<f8")},
    **{f"{dtype} of decoders": (1 / (1 + np.exp(10 - 20 * UNIT))).astype(dtype) for dtype in ("<f4", "<f8")},
    **{f"{dtype} of masks": (UNIT > 0.5).astype(dtype) for dtype in ("<f2", "<f4", "<f8")},
    **{dtype: DIGITS.astype(dtype) for dtype in ("<i2", "<u2", "<i4", "<i8", "<u8")},
}


@pytest.mark.parametrize("name", WIDER)
def test_a_wider_type_that_nothing_names_is_refused_and_not_taken_for_more_rows(name: str) -> None:
    for rows in (WIDER[name][:1], WIDER[name]):
        with pytest.raises(InvalidInput, match="X-Tensor-Dtype") as refusal:
            image_array.of_raw(rows.tobytes(), {}, 64)
        assert refusal.value.code == "wrong_type"


MADE_OF_DIGITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda images: images,
    "inverted": lambda images: 255 - images,
    "half as dark": lambda images: images // 2,
    "of 6 bits": lambda images: images // 4,
    "of 4 bits": lambda images: images // 16,
    "up to 60": lambda images: (images * 60.0 / 255).astype(np.uint8),
    "up to 63": lambda images: (images * 63.0 / 255).astype(np.uint8),
    "black and white": lambda images: (images > 127) * np.uint8(255),
    "masks": lambda images: (images > 127) * np.uint8(1),
    "by columns": lambda images: np.ascontiguousarray(images.swapaxes(1, 2)),
}


@pytest.mark.parametrize("name", MADE_OF_DIGITS)
@pytest.mark.parametrize("count", [2, 4, 8, 12, 16])
def test_no_digits_in_bytes_are_taken_for_a_wider_type(name: str, count: int) -> None:
    images = MADE_OF_DIGITS[name](digits.images())
    for start in range(0, len(images) - count + 1, count):
        assert image_array.wider_type(images[start : start + count].tobytes()) is None


def test_nor_are_blank_pages_lines_and_noise() -> None:
    line = np.zeros((8, 28, 28), np.uint8)
    line[:, 4:24, 16] = 255
    noise = np.random.default_rng(0).integers(0, 256, (8, 28, 28), np.uint8)
    for images in (np.zeros_like(line), np.full_like(line, 255), line, 255 - line, noise, noise // 4):
        assert image_array.wider_type(images.tobytes()) is None
