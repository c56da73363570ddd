"""Rows of a body: how many, of what shape, and which of them is at fault."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.codecs import rows
from service.errors import ImageTooLarge, InvalidInput, MalformedBody, ServiceError, TooManyRows


def test_rows_from_one_to_the_limit_pass() -> None:
    rows.check(1, 3)
    rows.check(3, 3)
    with pytest.raises(TooManyRows, match=r"4 rows.* 3 "):
        rows.check(4, 3)
    with pytest.raises(InvalidInput) as refusal:
        rows.check(0, 3)
    assert refusal.value.code == "no_rows"


def test_json_gives_the_list_under_its_one_key() -> None:
    assert rows.of_json(b'{"images": [1, "a", null]}', "images", 3) == [1, "a", None]


@pytest.mark.parametrize(
    "document", [b"[]", b"null", b"1", b"{}", b'{"images": 1}', b'{"Images": [1]}', b'{"images": [1], "more": 1}']
)
def test_json_of_another_form_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInput, match='"images"') as refusal:
        rows.of_json(document, "images", 3)
    assert refusal.value.code == "wrong_shape"


def test_json_of_many_small_things_is_refused_before_they_take_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(rows, "orjson")
    with pytest.raises(TooManyRows, match="3 rows"):
        rows.of_json(b'{"images": [[[]' + b",[]" * (1 << 20) + b"]]}", "images", 3)


@pytest.mark.parametrize("document", [b"", b"{", b'{"images": [NaN]}', b'{"images": ["\xff"]}', b"[" * 100_000])
def test_what_is_not_json_is_malformed(document: bytes) -> None:
    with pytest.raises(MalformedBody) as refusal:
        rows.of_json(document, "images", 3)
    assert refusal.value.code == "invalid_json"


def test_a_byte_order_mark_before_json_means_nothing() -> None:
    assert rows.of_json(b'\xef\xbb\xbf{"images": [1]}', "images", 3) == [1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_json_in_wide_characters_is_refused_by_name(encoding: str) -> None:
    for text in ('{"images": [1]}', '\ufeff{"images": [1]}'):
        with pytest.raises(MalformedBody, match="UTF-16 or UTF-32") as refusal:
            rows.of_json(text.encode(encoding), "images", 3)
        assert refusal.value.code == "invalid_json"


def test_json_of_too_many_rows_is_refused() -> None:
    with pytest.raises(TooManyRows):
        rows.of_json(b'{"images": [1, 2, 3, 4]}', "images", 3)


def test_numbers_are_taken_in_double_precision() -> None:
    found = rows.numbers([1, 0.1, 1e308], (3,))
    assert found.dtype == np.float64
    assert found.tolist() == [1, 0.1, 1e308]
    assert rows.numbers([[1, 2, 3], [4, 5, 6]], (2, 3)).tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("row", [[], [1], [1, 2, 3], [[1, 2]], "12", None, 7, {"0": 1, "1": 2}], ids=repr)
def test_a_row_of_another_length_is_refused_with_the_length_that_is_accepted(row: Any) -> None:
    with pytest.raises(InvalidInput, match="exactly 2 numbers") as refusal:
        rows.numbers(row, (2,))
    assert refusal.value.code == "wrong_shape"


@pytest.mark.parametrize("row", [[[1, 2]], [[1, 2], [3]], [[1, 2], 3], [1, 2, 3, 4], [[1, 2], "34"]], ids=repr)
def test_a_ragged_row_is_refused(row: Any) -> None:
    with pytest.raises(InvalidInput, match="exactly 2 × 2 numbers"):
        rows.numbers(row, (2, 2))


def test_a_row_may_have_one_of_several_shapes() -> None:
    for row in ([1, 2, 3, 4], [[1, 2], [3, 4]]):
        assert rows.numbers(row, (2, 2), (4,)).tolist() == [1, 2, 3, 4]
    with pytest.raises(InvalidInput, match="exactly 2 × 2 or 4 numbers"):
        rows.numbers([[1], [2], [3], [4], [5]], (2, 2), (4,))


@pytest.mark.parametrize("value", [True, "1", None, [1], {}], ids=repr)
def test_a_value_that_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        rows.numbers([0.5, value], (2,))
    assert refusal.value.code == "not_a_number"


def test_rows_are_stacked_in_their_order() -> None:
    def read(row: int) -> npt.NDArray[Any]:
        return np.array([row, -row])

    assert rows.stacked([3, 1, 2], read).tolist() == [[3, -3], [1, -1], [2, -2]]
    assert rows.stacked([3], read).tolist() == [[3, -3]]


def test_an_error_says_which_of_several_rows_is_at_fault_and_keeps_its_kind_and_code() -> None:
    def read(row: int) -> npt.NDArray[Any]:
        if row == 2:
            raise ImageTooLarge("Too large.", "much_too_large")
        return np.zeros(1)

    with pytest.raises(ServiceError, match=r"^Row 1: Too large\.$") as refusal:
        rows.stacked([1, 2, 2], read)
    assert (type(refusal.value), refusal.value.code) == (ImageTooLarge, "much_too_large")
    with pytest.raises(ImageTooLarge, match=r"^Too large\.$"):
        rows.stacked([2], read)
