"""A body that holds images: what it holds and costs is known before it is read, and every format gives the same."""

import base64
from typing import Any

import hypothesis.strategies as st
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.codecs import multipart
from service.codecs.files import digit_png, images
from service.codecs.files.images import Fit, ImageLimits, Invert
from service.codecs.files.png import write
from service.codecs.image_body import ImageBody, ImageOptions, read_images
from service.codecs.npy import write_npy
from service.errors import InvalidImage, InvalidInput, ServiceError, TooManyRows, UnsupportedMediaType
from tests.support import digits
from tests.support.image_files import DIGIT, LIMITS, RGB, SIGNATURE, header, jpeg, png, random_samples, saved

PNG, JPEG, NPY, RAW, JSON = (
    "image/png",
    "image/jpeg",
    "application/x-npy",
    "application/octet-stream",
    "application/json",
)
FORM = "multipart/form-data; boundary=frontier"
DIGITS = digits.images()[:5]
MEGAPIXEL = digits.png(np.zeros((1024, 1024), np.uint8))


def options(
    fit: Fit = "resize", invert: Invert = "auto", limits: ImageLimits = LIMITS, max_rows: int = 64
) -> ImageOptions:
    return ImageOptions(fit, invert, limits, max_rows)


def image_body(content: bytes | memoryview, content_type: str, chosen: ImageOptions | None = None) -> ImageBody:
    chosen, header = chosen or options(), content_type.encode()
    files = multipart.parse(bytes(content), header, chosen.max_rows).files if content_type == FORM else None
    return ImageBody(b"" if files else bytes(content), {b"content-type": header}, chosen, files)


def listed(*rows: Any) -> bytes:
    return orjson.dumps({"images": [base64.b64encode(row).decode() if isinstance(row, bytes) else row for row in rows]})


# What is known before it is read


@pytest.mark.parametrize("name", digits.bodies(DIGITS))
def test_rows_are_known_before_they_are_read(name: str) -> None:
    content_type, content = digits.bodies(DIGITS)[name]
    assert image_body(content, content_type).rows == 5


def test_a_picture_is_one_row_that_need_not_be_one() -> None:
    assert image_body(b"not a picture", PNG).rows == 1


def holders(*files: bytes) -> dict[str, tuple[str, bytes]]:
    """The same files as a form and as JSON."""
    return {"form": (FORM, digits.form(*files)), "json": (JSON, listed(*files))}


def cost_s(content: bytes, content_type: str, fit: Fit = "resize") -> float:
    return image_body(content, content_type, options(fit)).cost_s


def test_a_megapixel_in_a_kilobyte_costs_more_than_a_hundred_digits() -> None:
    assert len(MEGAPIXEL) < 2000
    assert cost_s(MEGAPIXEL, PNG) >= 10e-3
    assert cost_s(saved(Image.new("L", (1024, 1024)), "JPEG"), JPEG) >= 5e-3
    assert cost_s(digits.png(DIGIT), PNG) < 0.1e-3


@pytest.mark.parametrize("name", ["form", "json"])
def test_pixels_of_a_forms_and_of_jsons_pictures_are_counted_too(name: str) -> None:
    one, three = (holders(*[MEGAPIXEL] * count)[name] for count in (1, 3))
    assert cost_s(one[1], one[0]) >= 10e-3
    assert cost_s(three[1], three[0]) >= 30e-3
    small = holders(*[digits.png(DIGIT)] * 3)[name]
    assert cost_s(small[1], small[0]) < 0.3e-3


def test_pixels_are_counted_whether_or_not_they_can_be_decoded() -> None:
    broken = SIGNATURE + header(1000, 1000) + b"no more"
    body = image_body(broken, PNG)
    assert body.cost_s >= 10e-3
    with pytest.raises(InvalidImage):
        body.read()


@pytest.mark.parametrize("size", [(20_000, 20_000), (2**32 - 1, 2**32 - 1)])
def test_a_picture_beyond_the_limits_costs_nothing_since_it_is_not_decoded(size: tuple[int, int]) -> None:
    assert cost_s(SIGNATURE + header(*size), PNG) < 0.1e-3


def test_json_beyond_64_kib_is_not_parsed_before_it_is_read_and_costs_30_ms() -> None:
    content = listed(*[digits.png(random_samples(1).astype(np.uint8))] * 80)
    assert len(content) > 64 << 10
    body = image_body(content, JSON)
    assert body.cost_s >= 30e-3
    assert body.rows == 64  # as many as may be
    with pytest.raises(TooManyRows):
        body.read()


def test_the_files_of_a_form_beyond_64_kib_are_counted_but_not_looked_at() -> None:
    body = image_body(digits.form(*[MEGAPIXEL] * 60), FORM)
    assert body.rows == 60
    assert 30e-3 <= body.cost_s < 60 * 10e-3


def test_the_rows_of_long_json_are_estimated_by_its_length() -> None:
    body = image_body(b"x" * 100_000, JSON, options(max_rows=1024))
    assert 100 <= body.rows <= 400
    assert body.cost_s >= 30e-3


def test_an_array_costs_by_its_bytes_unless_each_digit_is_framed() -> None:
    many = np.zeros((64, 28, 28), np.uint8).tobytes()
    assert cost_s(many, RAW) < 0.2e-3 < cost_s(many, RAW, "mnist")


# Reading


@pytest.mark.parametrize("fit", ["resize", "exact", "mnist"])
@pytest.mark.parametrize("invert", ["auto", "true", "false"])
def test_every_format_gives_the_same_pixels(fit: Fit, invert: Invert) -> None:
    chosen = options(fit, invert)
    found = {name: image_body(content, kind, chosen).read() for name, (kind, content) in digits.bodies(DIGITS).items()}
    assert {pixels.shape for pixels in found.values()} == {(5, 1, 28, 28)}
    assert {pixels.dtype for pixels in found.values()} == {np.dtype(np.float32)}
    for name, pixels in found.items():
        np.testing.assert_allclose(pixels, found["raw"], atol=1e-6, err_msg=name)
    if invert != "true":  # of floats, 1 − p is rounded otherwise than (255 − b) / 255
        assert len({pixels.tobytes() for pixels in found.values()}) == 1


@pytest.mark.parametrize("shape", [(28, 28), (784,), (1, 28, 28), (1, 1, 28, 28), (1, 784)], ids=str)
def test_an_array_of_one_digit_may_have_any_of_its_shapes(shape: tuple[int, ...]) -> None:
    assert np.array_equal(image_body(write_npy(DIGIT.reshape(shape)), NPY).read(), image_body(write(DIGIT), PNG).read())


@pytest.mark.parametrize("shape", [(), (28,), (27, 28), (2, 2, 28, 28), (1, 1, 1, 28, 28)], ids=str)
def test_an_array_of_another_shape_is_refused_before_it_is_read(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        image_body(write_npy(np.zeros(shape, np.uint8)), NPY)
    assert refusal.value.code == "wrong_shape"


@pytest.mark.parametrize("order", ["<f4", ">f4"])
@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0xFFC00000, 0x7F800000, 0xFF800000, 0x3F800001, 0x80000001])
@pytest.mark.parametrize("place", [0, 400, 783])
def test_what_is_no_number_from_0_to_1_is_refused(order: str, bits: int, place: int) -> None:
    """Also a signalling NaN, which must raise no warning, and the least float beyond each end."""
    words = np.zeros((28, 28), order.replace("f", "u"))
    words.flat[place] = bits
    with pytest.raises(InvalidInput) as refusal:
        image_body(write_npy(words.view(order)), NPY).read()
    assert refusal.value.code == "out_of_range"


def test_an_array_that_lies_askew_in_its_body_is_laid_straight() -> None:
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (28, 28)}  \n"
    head = b"\x93NUMPY\1\0" + bytes((len(text), 0)) + text
    tensor = image_body(head + np.full((28, 28), 0.25, "<f4").tobytes(), NPY).read()
    assert tensor.flags.aligned
    assert np.array_equal(tensor, np.full((1, 1, 28, 28), np.float32(0.25)))


@pytest.mark.parametrize("row", ["%%%", "data:image/png;base64,%", "é"])
def test_a_text_that_is_not_base64_is_refused_when_its_row_is_read(row: str) -> None:
    body = image_body(listed(DIGIT.ravel().tolist(), row), JSON)
    assert body.rows == 2
    with pytest.raises(InvalidInput):
        body.read()
    with pytest.raises(InvalidImage, match="Row 1: The text is not base64") as refusal:
        image_body(listed(write(DIGIT), row), JSON).read()
    assert refusal.value.code == "bad_base64"


@pytest.mark.parametrize("content_type", ["text/plain", "", "text/html", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused_before_the_body_is_looked_at(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        image_body(b"anything", content_type)


def test_a_form_without_files_is_refused() -> None:
    with pytest.raises(InvalidInput) as refusal:
        image_body(digits.form(), FORM)
    assert refusal.value.code == "no_rows"


@pytest.mark.parametrize("content_type", ["", RAW, "text/plain", "application/x-www-form-urlencoded", "image/jpg"])
def test_a_picture_under_a_type_that_says_little_is_one(content_type: str) -> None:
    file = write(DIGIT)
    assert image_body(file, content_type).picture == file


def test_a_png_of_784_bytes_is_no_tensor() -> None:
    file = saved(Image.fromarray(random_samples(1).astype(np.uint8)[:24, :28]), "PNG", pnginfo=None)
    text = PngInfo()
    text.add_text("Comment", "x" * (784 - len(file) - 20))
    file = saved(Image.fromarray(random_samples(1).astype(np.uint8)[:24, :28]), "PNG", pnginfo=text)
    assert len(file) == 784
    assert image_body(file, RAW).picture == file


@pytest.mark.parametrize("nest", [lambda row: [row], lambda row: [[[pixel] for pixel in line] for line in row]])
def test_lists_may_have_axes_of_one(nest: Any) -> None:
    row = (DIGIT / 255).tolist()
    assert np.array_equal(image_body(listed(nest(row)), JSON).read(), image_body(listed(row), JSON).read())
    for wrong in (nest([line[1:] for line in row]), nest([*row[1:], row[0][:1]]), [row, row]):
        with pytest.raises(InvalidInput):
            image_body(listed(wrong), JSON).read()


MASK = (DIGIT > 127).astype(np.uint8)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (write_npy(MASK), NPY),
        (write_npy(MASK.astype(np.int64)), NPY),
        (write_npy(MASK.astype(bool)), NPY),
        (write_npy(MASK.astype(np.float64)), NPY),
        (MASK.tobytes(), RAW),
        (listed(MASK.tolist()), JSON),
        (write(MASK * np.uint8(255)), PNG),
    ],
    ids=["npy uint8", "npy int64", "npy bool", "npy float64", "raw", "json", "black and white"],
)
@pytest.mark.parametrize("invert", ["auto", "false"])
def test_a_mask_of_0_and_1_is_ink_in_every_format(content: bytes, content_type: str, invert: Invert) -> None:
    found = image_body(content, content_type, options(invert=invert)).read()
    assert np.array_equal(found, MASK[np.newaxis, np.newaxis].astype(np.float32))


def test_a_body_of_one_picture_gives_its_file() -> None:
    assert image_body(b"any bytes", JPEG).picture == b"any bytes"
    assert image_body(DIGIT.tobytes(), RAW).picture is None


# Reading several bodies at once

FILES = [
    *(write(digit) for digit in digits.images()[:6]),
    *(saved(Image.fromarray(255 - digit), "PNG") for digit in digits.images()[6:9]),
    saved(Image.fromarray(DIGIT), "JPEG"),
    png(random_samples(3), colour=RGB),
    write(DIGIT)[:-20],
    write(DIGIT).replace(b"IDAT", b"IDAX"),
    b"GIF89a",
    b"",
]
ALL_OPTIONS = [options(fit, invert) for fit in ("resize", "mnist", "exact") for invert in ("auto", "true")]
Outcome = bytes | tuple[type[ServiceError], str, str]


def alone(body: ImageBody) -> Outcome:
    try:
        return body.read().tobytes()
    except ServiceError as error:
        return type(error), error.code, error.detail


def together(bodies: list[ImageBody]) -> list[Outcome]:
    return [
        (type(found), found.code, found.detail) if isinstance(found, ServiceError) else found.tobytes()
        for found in read_images(bodies)
    ]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(FILES), st.sampled_from(ALL_OPTIONS)), min_size=1, max_size=30))
def test_pictures_read_together_are_those_read_alone(asked: list[tuple[bytes, ImageOptions]]) -> None:
    bodies = [image_body(file, PNG, chosen) for file, chosen in asked]
    assert together(bodies) == [alone(body) for body in bodies]


def test_a_bad_body_fails_alone_among_bodies_of_every_format() -> None:
    good = [image_body(content, kind) for kind, content in digits.bodies(DIGITS[:1]).values()]
    bad = [
        image_body(b"%PDF-1.7", PNG),
        image_body(listed("%%%"), JSON),
        image_body(write_npy(np.full((28, 28), 2, np.float32)), NPY),
        image_body(digits.form(write(DIGIT), b"junk"), FORM),
        image_body(png(DIGIT)[:-1], PNG),
    ]
    mixed = [body for pair in zip(good, bad * len(good), strict=False) for body in pair]
    found = together(mixed)
    assert found[::2] == [alone(body) for body in good]
    assert all(isinstance(outcome, bytes) for outcome in found[::2])
    assert [outcome[1] for outcome in found[1:10:2]] == [
        "unsupported_image_format", "bad_base64", "out_of_range", "unsupported_image_format", "bad_image",
    ]  # fmt: skip


def test_no_bodies_are_read_as_none() -> None:
    assert read_images([]) == []


def test_digits_of_equal_options_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read_digits = digit_png.read

    def counting(files: list[bytes], limits: ImageLimits) -> Any:
        asked.append(len(files))
        return read_digits(files, limits)

    monkeypatch.setattr(digit_png, "read", counting)
    monkeypatch.setattr(images, "decode", None)  # so that none is decoded alone
    found = read_images([image_body(write(digit), PNG) for digit in DIGITS])
    assert asked == [5]
    assert np.array_equal(
        np.concatenate([pixels for pixels in found if isinstance(pixels, np.ndarray)])[:, 0] * 255, DIGITS
    )


def test_the_pixels_of_a_jpeg_are_counted_behind_its_side_segments() -> None:
    large = jpeg(np.zeros((125, 125, 1)), size=(1000, 1000))
    assert cost_s(large, JPEG) >= 5e-3
