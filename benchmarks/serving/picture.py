"""Throughput against latency as connections rise, a line for each server. The only file here that needs matplotlib."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.serving.measurement import Report
from benchmarks.serving.scenarios import ENCODE_PNG
from benchmarks.serving.targets import ONNXRUNTIME, SERVICE


def draw(report: Report, path: Path) -> bool:
    """Of /encode with one PNG a request. False where too few of its scenarios were measured for a line."""
    measured = [each for each in report.measured if each.scenario in ENCODE_PNG]
    if len(measured) < 2:
        return False
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for name in measured[0].names:
        if name == ONNXRUNTIME:
            continue
        rates = [each.median(name, lambda turn: turn.requests_per_s) for each in measured]
        delays = [each.median(name, lambda turn: turn.p50_ms) for each in measured]
        width, zorder = (2.5, 3) if name == SERVICE else (1.2, 2)
        axes.plot(rates, delays, marker="o", markersize=4, label=name, linewidth=width, zorder=zorder)
    axes.set(xscale="log", yscale="log", xlabel="requests a second", ylabel="p50, ms")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.10g}")
    axes.legend(frameon=False, title="down and right is better")
    counts = ", ".join(str(each.scenario.connections) for each in measured)
    axes.set_title(f"/encode, one PNG a request, {counts} connections, {report.model}")
    axes.grid(visible=True, which="both", alpha=0.2)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True
