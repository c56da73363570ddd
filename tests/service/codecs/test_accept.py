"""What a client accepts, weighed against what there is."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from service.codecs.accept import negotiate
from service.errors import NotAcceptable

OFFERS = ("application/json", "image/png", "application/x-npy")
BEYOND_THE_CACHE = " " * 300  # a longer header is weighed anew each time; trailing space means nothing


def chosen(accept: str) -> str:
    """The offer that is taken, empty where none is acceptable."""
    try:
        return negotiate(accept, OFFERS)
    except NotAcceptable:
        return ""


@pytest.mark.parametrize(
    ("accept", "offer"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/*", "image/png"),
        ("application/x-npy, image/png", "image/png"),  # the order of the offers, not of the ranges
        ("application/json;q=0.5, application/x-npy;q=0.7", "application/x-npy"),
        ("Application/X-NPY ; Q=1", "application/x-npy"),
        ("application/x-npy;version=1;q=0.2, image/png;q=0.1", "application/x-npy"),
        (",, ,image/png,", "image/png"),
        ("text/html, image/png", "image/png"),
        ('text/html;x="a,image/png", application/x-npy', "application/x-npy"),
        ('image/png;x="1;q=0";q=0.3, application/x-npy;q="0.2"', "image/png"),
    ],
)
def test_the_offer_of_the_highest_quality_is_taken(accept: str, offer: str) -> None:
    assert chosen(accept) == offer


@pytest.mark.parametrize(
    ("accept", "offer"),
    [
        ("*/*;q=1, application/json;q=0.1", "image/png"),
        ("application/json;q=0.1, */*;q=1", "image/png"),
        ("application/*;q=0.9, application/json;q=0.2, */*;q=0.3", "application/x-npy"),
        ("*/*;q=0.3, application/json;q=0.2, application/*;q=0.1", "image/png"),
        ("image/*;q=0.4, */*;q=0.5", "application/json"),
    ],
)
def test_a_more_precise_range_counts_wherever_it_stands(accept: str, offer: str) -> None:
    assert chosen(accept) == offer


@pytest.mark.parametrize(
    ("accept", "offer"),
    [
        ("*/*, application/json;q=0", "image/png"),
        ("application/*;q=0, */*", "image/png"),
        ("application/json;q=0.000", ""),
        ("*/*;q=0", ""),
    ],
)
def test_quality_0_excludes(accept: str, offer: str) -> None:
    assert chosen(accept) == offer


@pytest.mark.parametrize("quality", ["x", "", "-1", "1.1", "inf", "nan", "1e400"])
def test_a_quality_outside_0_to_1_counts_as_0(quality: str) -> None:
    assert chosen(f"image/png;q={quality}") == ""
    assert chosen(f"application/json;q={quality}, image/png;q=0.1") == "image/png"


def test_a_refusal_names_the_offers_and_not_what_was_sent() -> None:
    with pytest.raises(NotAcceptable) as refusal:
        negotiate("text/canary", OFFERS)
    assert all(offer in refusal.value.detail for offer in OFFERS)
    assert "canary" not in refusal.value.detail


def test_a_header_has_at_most_4096_characters() -> None:
    assert negotiate("image/png".ljust(4096), OFFERS) == "image/png"
    with pytest.raises(NotAcceptable, match="4096"):
        negotiate("image/png".ljust(4097), OFFERS)


ranges = st.sampled_from([*OFFERS, "application/*", "image/*", "*/*", "text/html", "*", "a/b/c", ""])
qualities = st.sampled_from(["", ";q=0", ";q=0.5", ";q=1", ";q=x", "; q=0.25", ";level=1;q=0.5"])
headers = st.lists(st.builds("{}{}".format, ranges, qualities), min_size=1, max_size=6).map(", ".join)


@given(headers | st.text(st.characters(max_codepoint=255), min_size=1, max_size=200))
def test_a_header_is_weighed_alike_with_and_without_the_cache(accept: str) -> None:
    first, again = chosen(accept), chosen(accept)
    assert first == again == chosen(accept + BEYOND_THE_CACHE)


@given(headers.filter(len))
def test_the_order_of_different_ranges_changes_nothing(accept: str) -> None:
    parts = {part.partition(";")[0]: part for part in accept.split(", ")}
    assert chosen(", ".join(parts.values())) == chosen(", ".join(reversed(parts.values())))


def test_equal_headers_are_weighed_for_each_list_of_offers_on_its_own() -> None:
    assert negotiate("image/*, */*;q=0.1", OFFERS) == "image/png"
    assert negotiate("image/*, */*;q=0.1", OFFERS[::2]) == "application/json"
