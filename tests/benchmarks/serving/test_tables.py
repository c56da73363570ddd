"""From rounds to the table that a reader sees."""

import pytest

from benchmarks.serving import page, tables
from benchmarks.serving.measurement import Footprint, Measured, Report, latency
from benchmarks.serving.scenarios import ALL, MANY, ONE
from benchmarks.serving.wrk import Turn

ROUNDS = [
    {
        "service": Turn(1000 * speed, 0.32 / speed, 0.48 / speed),
        "minimal": Turn(2000 * speed, 0.1 / speed, 0.2 / speed),
        "onnxruntime": Turn(4000 * speed, 0.05 / speed, 0.06 / speed),
    }
    for speed in (1.0, 0.5, 0.8)
]


def test_the_table_divides_the_service_by_each_other() -> None:
    head, _, line, _ = tables.ratios([Measured(MANY, ROUNDS), Measured(ONE, ROUNDS)]).splitlines()
    assert [cell.strip() for cell in head.split("|")[5:-2]] == ["÷ minimal", "÷ onnxruntime"]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:2] == ["encode PNG, 64 connections", "800"]
    assert cells[4:] == ["0.50 (0.50–0.50)", "0.25 (0.25–0.25)", "3"]


def test_where_targets_are_more_than_scenarios_each_has_a_line() -> None:
    lines = [line.split("|")[1:-1] for line in tables.ratios([Measured(MANY, ROUNDS)]).splitlines()]
    cells = {heading.strip(): cell.strip() for heading, cell in lines}
    assert cells["scenario"] == "encode PNG, 64 connections"
    assert cells["requests/s"] == "800"
    assert (cells["÷ minimal"], cells["÷ onnxruntime"]) == ("0.50 (0.50–0.50)", "0.25 (0.25–0.25)")


def test_latency_is_compared_with_what_cannot_be_saved() -> None:
    found = latency(ROUNDS)
    assert found
    assert found.median == pytest.approx(0.32 / 0.15)


def test_who_does_not_take_part_in_a_scenario_has_an_empty_cell() -> None:
    alone = [{name: turns[name] for name in ("service", "minimal")} for turns in ROUNDS]
    lines = tables.ratios([Measured(MANY, ROUNDS), Measured(ONE, alone)]).splitlines()
    assert [cell.strip() for cell in lines[3].split("|")[5:-2]] == ["0.50 (0.50–0.50)", ""]


def test_delays_behind_a_load_are_compared_by_their_tail() -> None:
    behind = next(scenario for scenario in ALL if scenario.behind)
    rounds = [
        {"service": Turn(9, 2.0, 3.0, others_per_s=4.0), "before": Turn(9, 2.0, tail, others_refused_per_s=1.5)}
        for tail in (6.0, 6.0, 12.0)
    ]
    text = tables.markdown(Report("digits/1", [Measured(MANY, ROUNDS), Measured(behind, rounds)]))
    cells = [cell.strip() for cell in text.split("p99 ÷ before's")[1].splitlines()[2].split("|")[1:-1]]
    assert cells[1:7] == ["2.00 / 3.00", "4.0", "0.0", "2.00 / 6.00", "0.0", "1.5"]
    assert cells[7:] == ["0.50 (0.38–0.50)", "3"]


def test_a_report_shows_memory_start_and_notes() -> None:
    footprint = Footprint("service", "", 0.51, 1, 90_000_000, 120_000_000, 95_000_000, 0.0)
    text = tables.markdown(Report("digits/1", [Measured(MANY, ROUNDS)], [footprint], ["mosec cannot be installed"]))
    (line,) = (line for line in text.splitlines() if line.startswith("| service"))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells == ["service", "800", "0.40 / 0.60", "0", "1", "90", "120", "95", "0.51", "0%"]
    assert text.endswith("- mosec cannot be installed")


def test_a_part_of_the_page_is_replaced_and_the_rest_is_kept() -> None:
    text = "# Page\n<!-- peers -->\nold\n<!-- /peers -->\nend\n"
    once = page.replaced(text, "peers", r"new \1")
    assert once == "# Page\n<!-- peers -->\n\nnew \\1\n\n<!-- /peers -->\nend\n"
    assert page.replaced(once, "peers", r"new \1") == once
    with pytest.raises(ValueError, match="no part"):
        page.replaced(text, "gpu", "new")
