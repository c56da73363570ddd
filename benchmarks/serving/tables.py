"""A report in Markdown: ratios by scenario, servers by footprint."""

from collections.abc import Iterable, Sequence

from benchmarks.serving.measurement import Footprint, Measured, Report, latency, tail, throughput
from benchmarks.serving.rounds import Ratio
from benchmarks.serving.scenarios import MANY
from benchmarks.serving.targets import SERVICE, TWO_WORKERS

_APART = (SERVICE, TWO_WORKERS)  # which have no column of their own


def markdown(report: Report) -> str:
    alone = [each for each in report.measured if not each.scenario.behind]
    behind = [each for each in report.measured if each.scenario.behind]
    tables = ([ratios(alone)] if alone else []) + ([delays(behind)] if behind else [])
    parts = [f"### {report.model}", *tables, *_remarks(report.measured), servers(report)]
    if report.notes:
        parts.append("\n".join(f"- {note}" for note in report.notes))
    return "\n\n".join(parts)


def ratios(measured: Sequence[Measured]) -> str:
    """For each scenario what the service does, and its throughput divided by that of each other target.

    A line a scenario, or, where the targets are more, a column.
    """
    others = list(dict.fromkeys(name for each in measured for name in each.names if name not in _APART))
    lines = [["scenario", "requests/s", "images/s", "p50 / p99, ms", *(f"÷ {name}" for name in others), "rounds"]]
    for each in measured:
        rate = each.median(SERVICE, lambda turn: turn.requests_per_s)
        found = [_cell(throughput(each.rounds, name)) if name in each.names else "" for name in others]
        rows = f"{rate * each.scenario.rows:,.0f}"
        lines.append([each.scenario.name, f"{rate:,.0f}", rows, _delays(each, SERVICE), *found, str(len(each.rounds))])
    return _table(lines if len(others) <= len(measured) else list(zip(*lines, strict=True)))


def delays(measured: Sequence[Measured]) -> str:
    """For each scenario behind a load how long its requests take, and how much of the load each server gets done."""
    names = measured[0].names
    others = [name for name in names if name != SERVICE]
    heads = [heading for name in names for heading in (f"{name}: p50 / p99, ms", "large/s", "refused/s")]
    lines = [["scenario", *heads, *(f"p99 ÷ {name}'s" for name in others), "rounds"]]
    for each in measured:
        line = [each.scenario.name]
        for name in names:
            done = each.median(name, lambda turn: turn.others_per_s)
            refused = each.median(name, lambda turn: turn.others_refused_per_s)
            line += [_delays(each, name), f"{done:,.1f}", f"{refused:,.1f}"]
        lines.append([*line, *(_cell(tail(each.rounds, name)) for name in others), str(len(each.rounds))])
    return _table(lines)


def servers(report: Report) -> str:
    """Each server's line: its speed at 64 connections, its memory, its start."""
    heads = ["server", "processes", "MB idle", "peak", "after", "start, s", "core, idle"]
    many = next((each for each in report.measured if each.scenario == MANY), None)
    if many:
        heads[1:1] = ["requests/s", "p50 / p99, ms", "errors"]
    lines = [heads]
    for footprint in report.footprints:
        line = _cells(footprint)
        if many and footprint.name in many.names:
            rate = many.median(footprint.name, lambda turn: turn.requests_per_s)
            errors = sum(each.errors(footprint.name) for each in report.measured if footprint.name in each.names)
            line[1:1] = [f"{rate:,.0f}", _delays(many, footprint.name), str(errors)]
        lines.append(line)
    caption = f"{MANY.name}; memory and start are of the whole server; errors of all its scenarios."
    return _table(lines) + ("\n\n" + caption if many else "")


def _remarks(measured: Iterable[Measured]) -> list[str]:
    remarks = []
    for each in measured:
        if each.scenario.connections == 1:
            share = _cell(latency(each.rounds))
            remarks.append(
                f"{each.scenario.name}: p50 is {share} times minimal's and onnxruntime's for one image together."
            )
        if TWO_WORKERS in each.names:
            gain = _cell(throughput(each.rounds, SERVICE, of=TWO_WORKERS))
            remarks.append(f"{each.scenario.name}: 2 workers do {gain} times the requests of one.")
    return remarks


def _cells(footprint: Footprint) -> list[str]:
    return [
        f"{footprint.name} {footprint.version}".strip(),
        str(footprint.processes),
        f"{footprint.idle_bytes / 1e6:.0f}",
        f"{footprint.peak_bytes / 1e6:.0f}",
        f"{footprint.after_bytes / 1e6:.0f}",
        f"{footprint.start_s:.2f}",
        f"{footprint.idle_share:.0%}",
    ]


def _delays(measured: Measured, name: str) -> str:
    p50, p99 = (measured.median(name, value) for value in (lambda turn: turn.p50_ms, lambda turn: turn.p99_ms))
    return f"{p50:.2f} / {p99:.2f}"


def _cell(found: Ratio | None) -> str:
    return str(found) if found else "–"


def _table(lines: Sequence[Sequence[str]]) -> str:
    """Markdown with columns of equal width, so that it also reads well on a terminal."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[lines[0], ["-" * width for width in widths]], lines[1:]]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for part in padded
        for line in part
    )
