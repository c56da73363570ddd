"""What the verbs do with a request once its head is read: its form, its job, and the group in which it is answered."""

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from service.api.backend import Backend, RequestLimits
from service.api.reply import Reply, StreamReply
from service.api.request import Request
from service.api.routes import ROUTES, Route, parse
from service.api.schemas import ImageInputQuery, ImageOutputQuery, Limits
from service.api.verbs import group
from service.api.verbs.form import Form, fact_headers, form
from service.api.verbs.group import Found, Item
from service.codecs.files.header import ImageLimits
from service.codecs.outputs import JSON, NPY, PNG, RAW, ZIP, RenderOptions
from service.engine.door import Door
from service.engine.job import Job
from service.engine.model import Model
from service.engine.registry import Registry
from service.errors import InvalidInput, InvalidParameter, NotAcceptable, ServiceError, TooManyRows, UnknownModel
from tests.support import bundles, digits

ENCODE, DECODE, RECONSTRUCT, READ, SAMPLE, POST_SAMPLE = ROUTES
TENSOR, PICTURE, TEXT = "application/octet-stream", "image/png", "application/json"
DIGITS = digits.images()[:6]
UNIT = (DIGITS / np.float32(255))[:, np.newaxis]
LATENTS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(6, 2)


@pytest.fixture
def backend(tiny_registry: Registry) -> Iterator[Backend]:
    door = Door(max_group_rows=64, max_queue_rows=1000)
    limits = Limits(max_body_bytes=1 << 20, max_request_rows=8, max_sample_count=100, max_stream_count=1000)
    yield Backend(tiny_registry, door, RequestLimits(limits, ImageLimits(1 << 20), 7.0))
    door.close()


def planned(
    backend: Backend, route: Route, query: str = "", content: bytes = b"", kind: str = TENSOR, accept: str = JSON
) -> Job:
    request = Request(route.method, query.encode(), {b"content-type": kind.encode()}, 1 << 20)
    request.body.add(content)
    return route.plan(prepared(backend, route, query, accept), request, backend)


def prepared(backend: Backend, route: Route, query: str = "", accept: str = JSON) -> Form:
    return route.prepare(parse(route.query, query.encode()), accept, backend)


def answered(*jobs: Job) -> list[Any]:
    """As one group, which the jobs' keys must allow."""
    assert len({job.key for job in jobs}) == 1
    results = list(jobs[0].answer([job.item for job in jobs]))
    assert len(results) == len(jobs)
    return results


def document(reply: Any) -> dict[str, Any]:
    assert isinstance(reply, Reply), reply
    return dict(orjson.loads(bytes(reply.body)))


def array(reply: Any) -> np.ndarray:
    assert isinstance(reply, Reply), reply
    return np.load(io.BytesIO(reply.body))


def apart_from_rounding(found: Any, wanted: Any) -> None:
    """Equal, but for the last bits of floats, which may depend on what is computed beside them."""
    if isinstance(wanted, Mapping):
        assert list(found) == list(wanted)
        for name in wanted:
            apart_from_rounding(found[name], wanted[name])
    elif isinstance(wanted, list) and wanted and not isinstance(wanted[0], str):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    else:
        assert found == wanted


# What requests with one query and one Accept header have in common


def test_a_form_names_its_model_in_body_and_headers(backend: Backend) -> None:
    found = form(parse(ImageOutputQuery, b"pixels=true&columns=3"), "", (JSON, PNG), backend)
    assert found.model is backend.registry.default
    assert (found.media_type, found.options) == (JSON, RenderOptions(True, 3))
    assert found.metadata == {"model": "tiny-vae/1"}
    assert found.headers == ((b"x-model", b"tiny-vae/1"),)
    assert found.key is None


def test_a_deterministic_form_names_all_that_its_bits_depend_on(backend: Backend) -> None:
    found = form(parse(ImageInputQuery, b"deterministic=true&model=tiny-ae"), "", (JSON,), backend)
    model = backend.registry.model("tiny-ae")
    assert found.metadata == {"model": "tiny-ae/1", "model_digest": model.digest, "runtime": model.runtime}
    assert dict(found.headers) == {
        b"x-model": b"tiny-ae/1",
        b"x-model-digest": model.digest.encode(),
        b"x-runtime": model.runtime.encode(),
    }


def test_facts_become_headers_of_lower_case_words() -> None:
    facts = {"min_confidence": 0.5, "seed": 2**64 - 1}
    assert fact_headers(facts) == ((b"x-min-confidence", b"0.5"), (b"x-seed", b"18446744073709551615"))
    assert fact_headers({"X-Tensor-Shape": "1,2"}, "") == ((b"x-tensor-shape", b"1,2"),)
    assert fact_headers({}) == ()


@pytest.mark.parametrize("route", ROUTES)
def test_what_no_form_can_have_is_refused_before_a_body_is_read(backend: Backend, route: Route) -> None:
    with pytest.raises(NotAcceptable):
        prepared(backend, route, accept="text/html")
    if route is not READ:
        with pytest.raises(UnknownModel):
            prepared(backend, route, "model=none")


@pytest.mark.parametrize("query", ["draw=true&model=tiny-ae", "draw=true&model=tiny-ae&seed=1"])
def test_an_autoencoders_draw_is_refused_before_a_body_is_read(backend: Backend, query: str) -> None:
    with pytest.raises(InvalidParameter, match="draw"):
        prepared(backend, RECONSTRUCT, query)


@pytest.mark.parametrize("route", [ENCODE, RECONSTRUCT])
def test_pictures_are_read_as_the_query_says_and_within_the_limits(backend: Backend, route: Route) -> None:
    reading = prepared(backend, route, "fit=mnist&invert=true").reading
    assert (reading.fit, reading.invert, reading.max_rows) == ("mnist", "true", 8)
    assert reading is prepared(backend, route, "invert=true&fit=mnist", NPY).reading


@pytest.mark.parametrize("route", ROUTES)
def test_a_row_costs_something_and_more_as_json_than_raw(backend: Backend, route: Route) -> None:
    json, raw = (prepared(backend, route, accept=accept).row_s for accept in (JSON, RAW))
    assert 0 < raw <= json


def test_scores_cost_more_than_a_picture(backend: Backend) -> None:
    assert prepared(backend, RECONSTRUCT, accept=ZIP).row_s > prepared(backend, DECODE, accept=ZIP).row_s


# Jobs, and which of them may go together

BODIES = {
    ENCODE: (DIGITS[:1].tobytes(), TENSOR),
    DECODE: (LATENTS[:1].tobytes(), TENSOR),
    RECONSTRUCT: (DIGITS[:1].tobytes(), TENSOR),
    READ: (DIGITS[:1].tobytes(), TENSOR),
    SAMPLE: (b"", ""),
    POST_SAMPLE: (b"{}", TEXT),
}


def key(backend: Backend, route: Route, query: str = "", accept: str = JSON) -> Any:
    return planned(backend, route, query, *BODIES[route], accept).key


@pytest.mark.parametrize("route", [route for route in ROUTES if route is not READ])
def test_equal_requests_go_together_and_deterministic_ones_alone(backend: Backend, route: Route) -> None:
    assert key(backend, route) == key(backend, route)
    assert key(backend, route, "deterministic=true") != key(backend, route, "deterministic=true")
    assert key(backend, route) != key(backend, route, "model=tiny-ae")


def test_verbs_do_not_mix_but_both_ways_of_asking_for_samples_do(backend: Backend) -> None:
    assert len({key(backend, route) for route in ROUTES}) == 5
    assert key(backend, SAMPLE) == key(backend, POST_SAMPLE)


@pytest.mark.parametrize(
    ("route", "first", "second"),
    [
        (ENCODE, ("fit=mnist", JSON), ("invert=true", NPY)),
        (DECODE, ("pixels=true", JSON), ("columns=2", PNG)),
        (RECONSTRUCT, ("fit=mnist", JSON), ("pixels=true", ZIP)),
        (READ, ("fit=mnist", JSON), ("split=true", ZIP)),
        (RECONSTRUCT, ("", NPY), ("columns=2", PNG)),
        (RECONSTRUCT, ("draw=true&seed=1", JSON), ("draw=true&seed=2", JSON)),
        (SAMPLE, ("seed=1&label=2&temperature=0.5", JSON), ("seed=2&count=3&offset=7", PNG)),
        (SAMPLE, ("min_confidence=0.5", JSON), ("min_confidence=0.9", JSON)),
    ],
)
def test_requests_for_the_same_computation_go_together(
    backend: Backend, route: Route, first: tuple[str, str], second: tuple[str, str]
) -> None:
    assert key(backend, route, *first) == key(backend, route, *second)


@pytest.mark.parametrize(
    ("route", "first", "second"),
    [
        (RECONSTRUCT, ("", JSON), ("", NPY)),  # scored and not
        (RECONSTRUCT, ("", JSON), ("draw=true", JSON)),
        (SAMPLE, ("", JSON), ("min_confidence=0.5", JSON)),
    ],
)
def test_requests_for_other_computations_do_not(
    backend: Backend, route: Route, first: tuple[str, str], second: tuple[str, str]
) -> None:
    assert key(backend, route, *first) != key(backend, route, *second)


@pytest.mark.parametrize(
    ("route", "query", "content", "kind"),
    [
        (ENCODE, "", DIGITS.tobytes(), TENSOR),
        (DECODE, "", LATENTS.tobytes(), TENSOR),
        (RECONSTRUCT, "", DIGITS.tobytes(), TENSOR),
        (SAMPLE, "count=6", b"", ""),
        (POST_SAMPLE, "", b'{"count": 6}', TEXT),
    ],
)
def test_a_job_has_its_rows_its_cost_and_its_time(
    backend: Backend, route: Route, query: str, content: bytes, kind: str
) -> None:
    job = planned(backend, route, query, content, kind)
    assert (job.rows, job.timeout_s) == (6, 7.0)
    assert job.cost_s >= 6 * prepared(backend, route).row_s


def test_further_tries_cost_more(backend: Backend) -> None:
    plain, confident = (planned(backend, SAMPLE, query) for query in ("count=9", "count=9&min_confidence=0.5"))
    assert confident.cost_s > plain.cost_s


@pytest.mark.parametrize("route", [ENCODE, RECONSTRUCT])
def test_too_many_images_are_refused_before_there_is_a_job(backend: Backend, route: Route) -> None:
    assert planned(backend, route, "", bytes(784 * 8)).rows == 8
    with pytest.raises(TooManyRows):
        planned(backend, route, "", bytes(784 * 9))


def test_a_long_series_goes_alone_and_page_by_page(backend: Backend) -> None:
    job = planned(backend, SAMPLE, "count=500", accept=NPY)
    assert job.rows == 100
    assert job.key != planned(backend, SAMPLE, "count=500", accept=NPY).key
    (reply,) = answered(job)
    assert isinstance(reply, StreamReply)
    assert reply.length == 128 + 500 * 784 * 4


# Groups: each item gets its own rows, or its own error

FAULTS: dict[Route, list[tuple[bytes, str, str]]] = {
    ENCODE: [(b"%PDF-1.7", PICTURE, "unsupported_image_format"), (b'{"images": ["%"]}', TEXT, "bad_base64")],
    RECONSTRUCT: [(b"%PDF-1.7", PICTURE, "unsupported_image_format"), (b'{"images": ["%"]}', TEXT, "bad_base64")],
    DECODE: [(b"{", TEXT, "invalid_json"), (bytes(7), TENSOR, "wrong_size")],
}
ROWS = {ENCODE: DIGITS, RECONSTRUCT: DIGITS, DECODE: LATENTS}


@pytest.mark.parametrize("route", FAULTS)
@pytest.mark.parametrize("accept", [JSON, NPY])
def test_a_bad_item_has_its_own_error_and_the_others_their_own_rows(
    backend: Backend, route: Route, accept: str
) -> None:
    parts = [ROWS[route][:1], ROWS[route][1:3], ROWS[route][3:6]]
    (first, first_kind, first_code), (second, second_kind, second_code) = FAULTS[route]
    good = [planned(backend, route, "", part.tobytes(), accept=accept) for part in parts]
    bad = [
        planned(backend, route, "", first, first_kind, accept),
        planned(backend, route, "", second, second_kind, accept),
    ]
    found = answered(bad[0], good[0], good[1], bad[1], good[2])
    assert [error.code for error in (found[0], found[3]) if isinstance(error, ServiceError)] == [
        first_code,
        second_code,
    ]
    for reply, job, part in zip((found[1], found[2], found[4]), good, parts, strict=True):
        (alone,) = answered(job)
        if accept == JSON:
            assert {len(rows) for rows in document(reply).values() if isinstance(rows, list)} == {len(part)}
            apart_from_rounding(document(reply), document(alone))
        else:
            np.testing.assert_allclose(array(reply), array(alone), atol=1e-5)
        assert reply.headers == alone.headers


@pytest.mark.parametrize("route", FAULTS)
def test_where_all_are_bad_nothing_is_computed(backend: Backend, route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    for verb in ("encode", "decode", "reconstruct"):
        monkeypatch.delattr(Model, verb)
    found = answered(*(planned(backend, route, "", content, kind) for content, kind, _ in FAULTS[route]))
    assert [error.code for error in found] == [code for _, _, code in FAULTS[route]]


def test_a_group_of_encodings_goes_through_the_model_at_once(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    encode = Model.encode

    def counting(self: Model, images: Any, *, deterministic: bool = False) -> Any:
        sizes.append(len(images))
        return encode(self, images, deterministic=deterministic)

    monkeypatch.setattr(Model, "encode", counting)
    found = answered(*(planned(backend, ENCODE, "", digit.tobytes()) for digit in DIGITS))
    assert sizes == [6]
    np.testing.assert_allclose(
        [document(reply)["mean"][0] for reply in found], bundles.mean(UNIT), rtol=1e-5, atol=1e-6
    )


def test_each_of_a_group_has_the_form_that_it_asked_for(backend: Backend) -> None:
    asked = [("pixels=true", JSON), ("", JSON), ("", NPY), ("", RAW), ("", PNG), ("columns=2", PNG), ("", ZIP)]
    jobs = [
        planned(backend, DECODE, query, LATENTS[i : i + 1].tobytes(), accept=accept)
        for i, (query, accept) in zip(itertools.cycle(range(6)), asked, strict=False)
    ]
    found = answered(*jobs)
    assert [reply.media_type for reply in found] == [accept for _, accept in asked]
    np.testing.assert_allclose(document(found[0])["images"], bundles.image(LATENTS[:1])[:, 0], atol=1e-5)
    np.testing.assert_allclose(array(found[2]), bundles.image(LATENTS[2:3]), atol=1e-5)
    np.testing.assert_allclose(
        np.frombuffer(found[3].body, np.float32).reshape(1, 1, 28, 28), bundles.image(LATENTS[3:4]), atol=1e-5
    )
    for reply, (_, accept) in zip(found, asked, strict=True):
        names = dict(reply.headers)
        assert names[b"x-model"] == b"tiny-vae/1"
        assert (b"x-tensor-shape" in names) == (accept in (NPY, RAW))


def test_draws_of_a_group_have_their_own_seeds_and_the_pixels_of_one_alone(backend: Backend) -> None:
    jobs = [
        planned(backend, RECONSTRUCT, f"draw=true&pixels=true&seed={seed}", DIGITS[:size].tobytes())
        for seed, size in ((1, 2), (2, 1), (1, 3))
    ]
    found = answered(*jobs)
    assert [document(reply)["seed"] for reply in found] == [1, 2, 1]
    assert [dict(reply.headers)[b"x-seed"] for reply in found] == [b"1", b"2", b"1"]
    for reply, job in zip(found, jobs, strict=True):
        apart_from_rounding(document(reply), document(answered(job)[0]))
    np.testing.assert_allclose(document(found[0])["images"], document(found[2])["images"][:2], atol=1e-5)


def test_a_draw_without_a_seed_says_which_it_got(backend: Backend) -> None:
    content = DIGITS[:1].tobytes()
    seeds = {planned(backend, RECONSTRUCT, "draw=true", content).item.facts["seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert planned(backend, RECONSTRUCT, "", content).item.facts == {}


def test_percentiles_of_a_group_are_each_items_own(backend: Backend) -> None:
    jobs = [planned(backend, RECONSTRUCT, "", DIGITS[i : i + 2].tobytes()) for i in (0, 2, 4)]
    found = [document(reply) for reply in answered(*jobs)]
    whole = document(answered(planned(backend, RECONSTRUCT, "", DIGITS.tobytes()))[0])
    for name in ("mse", "elbo", "kl", "log_likelihood"):
        of_items = [value for each in found for value in each["percentiles"][name]]
        np.testing.assert_allclose(of_items, whole["percentiles"][name], rtol=1e-4, atol=1e-3)


def test_samples_of_a_group_are_those_of_one_alone(backend: Backend) -> None:
    asked = [
        "seed=1&count=3&pixels=true",
        "seed=2&label=1&pixels=true",
        "seed=1&offset=1&count=2&temperature=0.5&label=balanced&pixels=true",
    ]
    jobs = [planned(backend, SAMPLE, query) for query in asked]
    for reply, job in zip(answered(*jobs), jobs, strict=True):
        apart_from_rounding(document(reply), document(answered(job)[0]))
        assert len(document(reply)["images"]) == job.rows
        facts = dict(reply.headers)
        for name in ("seed", "offset", "temperature"):
            assert facts[f"x-{name}".encode()] == str(document(reply)[name]).encode()


def test_a_confidence_of_one_item_is_not_anothers(backend: Backend) -> None:
    jobs = [planned(backend, SAMPLE, f"seed=3&count=4&min_confidence={share}") for share in (0.1, 0.6)]
    for reply, job, share in zip(answered(*jobs), jobs, (0.1, 0.6), strict=True):
        assert document(reply)["min_confidence"] == share
        apart_from_rounding(document(reply), document(answered(job)[0]))


# The group itself, whatever the verb


def item(backend: Backend, name: str, facts: Mapping[str, Any] | None = None) -> Item:
    return Item(prepared(backend, DECODE, accept=JSON), name, facts or {})


def test_a_group_passes_on_good_items_alone_with_their_counts(backend: Backend) -> None:
    refused = InvalidInput("No.", "no")
    sources: dict[str, Any] = {
        "a": np.full((1, 1), 1.0),
        "b": refused,
        "c": np.full((3, 1), 3.0),
        "d": np.full((2, 1), 4.0),
    }
    items = [item(backend, name) for name in sources]
    seen: list[tuple[list[str], list[int]]] = []

    def run(whole: Any, good: Sequence[Item], counts: Sequence[int]) -> Found:
        seen.append(([each.source for each in good], list(counts)))
        rows = whole[:, 0]
        return Found({"value": rows, "twice": 2 * rows}, "value", {"places": {"half": rows / 2}})

    found = group.answer(lambda names: [sources[name] for name in names], run, items)
    assert seen == [(["a", "c", "d"], [1, 3, 2])]
    assert found[1] is refused
    assert [document(reply) for reply in (found[0], found[2], found[3])] == [
        {
            "model": "tiny-vae/1",
            "value": [value] * size,
            "twice": [2 * value] * size,
            "places": {"half": [value / 2] * size},
        }
        for value, size in ((1.0, 1), (3.0, 3), (4.0, 2))
    ]


def test_one_item_has_all_that_was_found_as_it_is(backend: Backend) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)

    def run(whole: Any, good: Sequence[Item], counts: Sequence[int]) -> Found:
        assert whole is rows  # not copied
        return Found({"mean": whole}, "mean")

    single = item(backend, "only")
    single = single._replace(form=single.form._replace(media_type=RAW))
    (reply,) = group.answer(lambda names: [rows], run, [single])
    assert isinstance(reply, Reply)
    assert np.shares_memory(np.frombuffer(reply.body, np.uint8), rows)


def test_facts_are_of_their_own_answer_alone(backend: Backend) -> None:
    items = [item(backend, "a", {"seed": 1}), item(backend, "b"), item(backend, "c", {"seed": 3, "offset": 5})]
    rows = Found({"value": np.arange(3)}, "value")
    found = group.replies(items, [1, 1, 1], rows)
    assert [document(reply) for reply in found] == [
        {"model": "tiny-vae/1", "seed": 1, "value": [0]},
        {"model": "tiny-vae/1", "value": [1]},
        {"model": "tiny-vae/1", "seed": 3, "offset": 5, "value": [2]},
    ]
    assert [tuple(reply.headers) for reply in found] == [
        ((b"x-model", b"tiny-vae/1"), (b"x-seed", b"1")),
        ((b"x-model", b"tiny-vae/1"),),
        ((b"x-model", b"tiny-vae/1"), (b"x-seed", b"3"), (b"x-offset", b"5")),
    ]
    assert [tuple(each.form.headers) for each in items] == [((b"x-model", b"tiny-vae/1"),)] * 3
