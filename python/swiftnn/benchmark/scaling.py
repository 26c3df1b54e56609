"""Curves: one size grows, all else stays; cost for each unit of work should not jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .cells import Cell
from .measure import Row

ODD = {31: 32, 33: 32, 63: 64, 65: 64, 127: 128, 129: 128}  # and the round neighbour
SIZES = (16, 31, 32, 33, 63, 64, 65, 127, 128, 129, 256)
POWERS = (1, 2, 4, 8, 16, 32, 64)
ODD_FACTOR = 1.25


def _curves() -> Iterator[tuple[str, int, Cell]]:
    for n in POWERS:
        yield "convolution, batch", n, Cell("Conv2d", (64, 64, 3), ((n, 64, 28, 28),), {"padding": 1})
    for size in SIZES:
        yield "convolution, image size", size, Cell("Conv2d", (32, 32, 3), ((1, 32, size, size),), {"padding": 1})
    for c in SIZES:
        yield "convolution, channels", c, Cell("Conv2d", (c, c, 3), ((1, c, 28, 28),), {"padding": 1})
    for c in SIZES:
        yield "depthwise, channels", c, Cell("Conv2d", (c, c, 3), ((4, c, 28, 28),), {"padding": 1, "groups": c})
    for size in SIZES:
        yield "depthwise, image size", size, Cell("Conv2d", (32, 32, 3), ((4, 32, size, size),), {"padding": 1, "groups": 32})
    for size in SIZES:
        yield "pooling, image size", size, Cell("MaxPool2d", (2, 2), ((4, 32, size, size),))
    for n in POWERS:
        yield "pooling, batch", n, Cell("MaxPool2d", (2, 2), ((n, 32, 56, 56),))
    for n in (*POWERS[:-2], *SIZES[1:]):
        yield "linear, batch", n, Cell("Linear", (512, 512), ((n, 512),))
    for size in SIZES:
        yield "linear, features", size, Cell("Linear", (size, size), ((64, size),))
    for layer in ("RNN", "LSTM"):
        for n in POWERS:
            yield f"{layer}, batch", n, Cell(layer, (128, 128), ((32, n, 128),))
        for t in (1, 2, 4, 8, *SIZES):
            yield f"{layer}, sequence length", t, Cell(layer, (64, 64), ((t, 8, 64),))
        for h in (*SIZES, 512):
            yield f"{layer}, hidden size", h, Cell(layer, (64, h), ((32, 8, 64),))
    for s in SIZES:
        yield "attention, sequence length", s, Cell("TransformerEncoderLayer", (256, 4, 1024), ((s, 2, 256),))
    for n in POWERS[:-1]:
        yield "attention, batch", n, Cell("TransformerEncoderLayer", (256, 4, 1024), ((32, n, 256),))


def scaling() -> Iterator[Cell]:
    for curve, size, cell in _curves():
        yield replace(cell, curve=curve, size=size)


def cost(row: Row) -> float:
    """Seconds for a multiply-add's half or, where there are none, for a byte."""
    return row.ours.seconds / (row.cell.work.flops or row.bytes_moved)


def curves(rows: list[Row]) -> dict[str, dict[int, Row]]:
    """Rows of one number of threads by curve and size."""
    found: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row.cell.curve:
            found.setdefault(row.cell.curve, {})[row.cell.size] = row
    return found


def odd_sizes(points: dict[int, Row]) -> dict[int, float]:
    """Odd size: its cost over its round neighbour's."""
    return {odd: cost(points[odd]) / cost(points[even]) for odd, even in ODD.items() if odd in points and even in points}


def largest_step(points: dict[int, Row]) -> tuple[int, float] | None:
    """The size whose cost rises most above that of the size before, odd sizes left aside; and the factor."""
    sizes = [size for size in sorted(points) if size not in ODD]
    steps = {size: cost(points[size]) / cost(points[before]) for before, size in zip(sizes, sizes[1:])}
    return max(steps.items(), key=lambda step: step[1]) if steps else None


def summary(rows: list[Row]) -> list[str]:
    """One line a curve."""
    lines = []
    for curve, points in curves(rows).items():
        odd = [f"{size} {ratio:.2f}{'!' if ratio > ODD_FACTOR else ''}" for size, ratio in odd_sizes(points).items()]
        step = largest_step(points)
        texts = [f"cost of a unit of work rises most at {step[0]}: {step[1]:.2f}"] if step else []
        texts += [f"odd sizes beside their round neighbours: {', '.join(odd)}"] if odd else []
        if texts:
            lines.append(f"{curve}: {'; '.join(texts)}")
    return lines
