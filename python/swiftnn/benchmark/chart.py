"""The rows as a picture: bars for each layer, a roofline, and the scaling curves."""

from __future__ import annotations

import importlib
import statistics
from typing import Any

from . import scaling
from .engines import ENTRIES, OURS
from .measure import Row

COLORS = {"swiftnn": "#e4572e", "torch": "#4c78a8", "compile": "#9ecae9", "onnxruntime": "#54a24b", "openvino": "#b279a2", "jax": "#eeca3b"}


def _bars(axes: Any, rows: list[Row]) -> None:
    """Time of each engine over ours; the bar of a faster one ends left of the line."""
    height = 0.8 / max(len(row.seen) for row in rows)
    for name in ENTRIES:
        # An engine's place among those that the row has, round the row's number
        at = [(i + height * (list(row.seen).index(name) - (len(row.seen) - 1) / 2), row.ratio(name))
              for i, row in enumerate(rows) if name in row.seen]  # fmt: skip
        if at:
            axes.barh([y for y, _ in at], [ratio for _, ratio in at], height, color=COLORS[name], label=ENTRIES[name].title)
    axes.set_yticks(range(len(rows)), [row.cell.name for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="both", labelsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("time / swiftnn's time")
    axes.legend(fontsize=7)


def _roofline(axes: Any, rows: list[Row]) -> None:
    """FLOP/s against FLOPs for each byte of inputs, weights and results."""
    counted = [row for row in rows if row.cell.work.flops]
    if not counted:
        axes.set_axis_off()
        return
    peak = statistics.median(peak for row in counted for peak in row.peaks)
    bandwidth = statistics.median(rate["read"] for row in counted for rate in row.bandwidths)
    intensities = [row.cell.work.flops / row.bytes_moved for row in counted]
    ends = [min([*intensities, peak / bandwidth]) / 2, max([*intensities, peak / bandwidth]) * 2]
    line = sorted([*ends, peak / bandwidth])
    label = f"{peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.0f} GB/s read"
    axes.plot(line, [min(peak, x * bandwidth) / 1e9 for x in line], color="black", label=label)
    for name in reversed(ENTRIES):
        points = [(x, row.cell.work.flops / row.seen[name].seconds / 1e9) for x, row in zip(intensities, counted) if name in row.seen]
        if points:
            size = 28 if name == OURS else 12
            axes.scatter(*zip(*points), s=size, color=COLORS[name], label=ENTRIES[name].title)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("FLOP for each byte of inputs, weights and results")
    axes.set_ylabel("GFLOP/s")
    axes.legend(fontsize=7)


def _curve(axes: Any, curve: str, points: dict[int, Row]) -> None:
    rows = sorted(points.values(), key=lambda row: row.cell.work.flops or row.bytes_moved)
    work = [row.cell.work.flops or row.bytes_moved for row in rows]
    for name in ENTRIES:
        at = [(w, row.seen[name].seconds) for w, row in zip(work, rows) if name in row.seen]
        if at:
            axes.plot(*zip(*at), marker=".", color=COLORS[name], label=ENTRIES[name].title)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(curve, fontsize=8)
    axes.set_xlabel("FLOP" if rows[0].cell.work.flops else "bytes", fontsize=7)
    axes.set_ylabel("seconds", fontsize=7)
    axes.tick_params(which="both", labelsize=6)
    axes.legend(fontsize=6)


def draw(rows: list[Row], path: str, title: str) -> None:
    """One band of the picture for each float type and number of threads, then one for their curves."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    plt: Any = importlib.import_module("matplotlib.pyplot")

    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.cell.dtype, row.threads), []).append(row)
    bands: list[tuple[str, Any, float]] = []  # label, what to draw, height in inches
    for (dtype, threads), group in groups.items():
        label = f"{dtype}, {threads} thread{'s' if threads > 1 else ''}"
        layers = [row for row in group if not row.cell.curve]
        if layers:
            bands.append((label, layers, max(4.5, 0.35 * len(layers) + 1)))
        found = list(scaling.curves(group).items())
        for i in range(0, len(found), 4):
            bands.append((label, found[i : i + 4], 3))
    figure = plt.figure(figsize=(16, sum(height for *_, height in bands)), layout="constrained")
    figure.suptitle(title, fontsize=9)
    parts = figure.subfigures(len(bands), 1, height_ratios=[height for *_, height in bands], squeeze=False)[:, 0]
    for part, (label, content, _) in zip(parts, bands):
        part.suptitle(label, fontsize=10)
        if isinstance(content[0], Row):
            bars, roofline = part.subplots(1, 2, width_ratios=(3, 2))
            _bars(bars, content)
            _roofline(roofline, content)
        else:
            places = part.subplots(1, 4)
            for axes, (curve, points) in zip(places, content):
                _curve(axes, curve, points)
            for axes in places[len(content) :]:
                axes.set_axis_off()
    figure.savefig(path, dpi=110)
    plt.close(figure)
