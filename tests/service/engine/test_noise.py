"""Seeded noise: right in distribution, addressed by index, the same for ever."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine import noise

KNOWN_UNIFORMS = ["0x1.36da89edd58a1p-2", "0x1.cceffc977a08ap-1"]
KNOWN_NORMALS = [
    "0x1.07e9ca0000000p+0",
    "-0x1.02ae3e0000000p+0",
    "-0x1.dd61ee0000000p+0",
    "-0x1.a008fe0000000p+0",
    "0x1.5177040000000p-1",
    "-0x1.5f61040000000p-1",
]


def drawn(*page: Any) -> noise.Draw:
    return noise.draw([noise.Page(*page)])[0]


@pytest.mark.parametrize("given_seed", [0, 1, noise.MAX_SEED])
def test_a_given_seed_is_taken(given_seed: int) -> None:
    assert noise.seed(given_seed) == given_seed


def test_without_a_seed_each_call_gives_one_that_a_double_holds() -> None:
    seeds = [noise.seed(None) for _ in range(100)]
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**53 and int(float(seed)) == seed for seed in seeds)
    assert max(seeds) > 2**45  # or by chance once in 10²⁴⁰ runs


def test_quantiles_agree_with_the_standard_library() -> None:
    tails = 10.0 ** -np.arange(1, 301, 7)
    probabilities = np.concatenate([tails, np.linspace(0.001, 0.999, 997), 1 - tails[tails > 1e-12]])
    wanted = [NormalDist().inv_cdf(probability) for probability in probabilities]
    np.testing.assert_allclose(noise.normal_quantile(probabilities), wanted, rtol=1e-13, atol=1e-15)


def test_draws_are_standard_normal() -> None:
    uniforms, normals = drawn(1, noise.SAMPLE_STREAM, 0, 50_000, 20)
    n = normals.size
    assert abs(normals.mean()) < 5 / np.sqrt(n)
    assert abs(normals.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((normals**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs(np.corrcoef(normals, rowvar=False) - np.eye(20)).max() < 6 / np.sqrt(len(normals))
    assert abs(uniforms.mean() - 0.5) < 5 / np.sqrt(12 * len(uniforms))


def test_the_series_of_a_seed_never_changes() -> None:
    """Known answers: a change here would change every sample that a client once noted by its seed."""
    uniforms, normals = drawn(1, noise.SAMPLE_STREAM, 0, 2, 3)
    assert [value.hex() for value in uniforms] == KNOWN_UNIFORMS
    assert [float(value).hex() for value in normals.ravel()] == KNOWN_NORMALS


@given(
    seed=st.integers(0, noise.MAX_SEED),
    first=st.integers(0, 2**53),
    count=st.integers(1, 20),
    width=st.integers(1, 50),
    data=st.data(),
)
def test_a_row_depends_on_its_index_alone(seed: int, first: int, count: int, width: int, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, count - 1))
    uniforms, normals = drawn(seed, noise.SAMPLE_STREAM, first, count, width)
    uniform, normal = drawn(seed, noise.SAMPLE_STREAM, first + row, 1, width)
    assert uniform[0] == uniforms[row]
    assert (normal[0] == normals[row]).all()
    assert np.isfinite(normals).all()


def test_chosen_rows_are_those_of_the_whole_page() -> None:
    uniforms, normals = drawn(5, noise.SAMPLE_STREAM, 100, 50, 7)
    chosen = np.array([3, 0, 49])
    some = drawn(5, noise.SAMPLE_STREAM, 100, 50, 7, chosen)
    assert (some[0] == uniforms[chosen]).all()
    assert (some[1] == normals[chosen]).all()


@pytest.mark.parametrize(
    "other", [(2, noise.SAMPLE_STREAM, 0), (1, noise.POSTERIOR_STREAM, 0), (1, noise.SAMPLE_STREAM, 1)]
)
def test_seeds_streams_and_indices_differ(other: tuple[int, int, int]) -> None:
    seed, stream, first = other
    assert not np.isin(drawn(seed, stream, first, 1, 20)[1], drawn(1, 0, 0, 1, 20)[1]).any()


@given(
    st.lists(
        st.builds(
            noise.Page,
            st.integers(0, noise.MAX_SEED),
            st.integers(0, 5),
            st.integers(0, 2**53),
            st.integers(1, 5),
            st.integers(1, 9),
            st.sampled_from([None, np.array([0]), np.array([], np.intp)]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_page_does_not_depend_on_its_company(pages: list[noise.Page]) -> None:
    for page, together in zip(pages, noise.draw(pages), strict=True):
        (alone,) = noise.draw([page])
        assert together.normals.shape == (len(together.uniforms), page.width)
        assert (together.uniforms == alone.uniforms).all()
        assert (together.normals == alone.normals).all()
