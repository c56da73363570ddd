"""Scenarios are found by their names, and the quick ones stay few."""

import argparse

import pytest

from benchmarks.serving import __main__ as command
from benchmarks.serving.scenarios import ALL, QUICK, matching


def test_a_pattern_finds_scenarios_in_any_case() -> None:
    assert [scenario.name for scenario in matching("MIX|behind 4 ")] == ["mix of four verbs", "small behind 4 large"]


def test_quick_has_four_scenarios() -> None:
    assert len(QUICK) == 4
    assert set(QUICK) < set(ALL)


@pytest.mark.parametrize(("pattern", "reason"), [("nonesuch", "mix of four verbs"), ("(", "regular expression")])
def test_a_pattern_that_finds_nothing_is_refused_with_the_names(pattern: str, reason: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=reason):
        command._scenarios(pattern)
