"""What the rows say, for people (plain or markdown) and for machines."""

from __future__ import annotations

import statistics
from typing import Any

from ..__main__ import system
from .engines import ENTRIES, OURS
from .measure import Row

TORCH = "torch"
# A peer this far ahead counts as ahead; an error this many times PyTorch's counts as too large.
AHEAD, ERROR_FACTOR = 1.05, 2.0


def duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def rate(row: Row) -> str:
    """Of what limits the cell."""
    work, seconds = row.cell.work, row.ours.seconds
    if row.compute_bound:
        return f"{work.flops / seconds / 1e9:.1f} GFLOP/s"
    again = sum(n * times for n, times in work.rereads) * row.cell.itemsize
    return f"{(row.bytes_moved + again) / seconds / 1e9:.1f} GB/s"


class Table:
    """Rows printed as they come: the columns are known before the first one."""

    def __init__(self, peers: list[str], markdown: bool) -> None:
        self._peers, self._markdown = peers, markdown
        titles = ["layer and input", "swiftnn", *(ENTRIES[name].title for name in peers)]
        titles += ["best peer / ours", "PyTorch / ours", "ours", "of the limit", "error (PyTorch's)"]
        self._titles = titles
        self._widths = [66, *(max(8, len(title)) for title in titles[1:-3]), 13, 12, 18]

    def head(self, title: str) -> str:
        lines = ["", f"## {title}" if self._markdown else title, "", self._line(self._titles)]
        if self._markdown:
            lines.append("|---|" + "---:|" * (len(self._titles) - 1))
        return "\n".join(lines)

    def row(self, row: Row) -> str:
        times = [duration(row.seen[name].seconds) if name in row.seen else "" for name in (OURS, *self._peers)]
        best = row.best_peer()
        ratios = [row.ratio(name) if name else None for name in (best, TORCH)]
        # In float64 PyTorch is the reference itself.
        theirs = row.seen[TORCH].error if TORCH in row.seen and row.cell.dtype == "float32" else None
        error = f"{row.ours.error:.1e}" + (f" ({theirs:.1e})" if theirs is not None else "")
        name = row.cell.name + (f" ×{row.cell.count}" if row.cell.count > 1 else "")
        limit = f"{row.share_of_limit():.0%} {'FMA' if row.compute_bound else 'memory'}"
        return self._line([name, *times, *(f"{r:.2f}" if r else "" for r in ratios), rate(row), limit, error])

    def _line(self, words: list[str]) -> str:
        if self._markdown:
            return f"| {' | '.join(words)} |"
        first, *rest = words
        return "  ".join([first.ljust(self._widths[0]), *(word.rjust(width) for word, width in zip(rest, self._widths[1:]))]).rstrip()


def summary(rows: list[Row]) -> list[str]:
    """Lines about rows of one float type and number of threads."""
    lines = []
    best = [(ratio, name, row) for row in rows if (name := row.best_peer()) and (ratio := row.ratio(name))]
    torch = [ratio for row in rows if (ratio := row.ratio(TORCH))]
    if best:
        mean = statistics.geometric_mean(ratio for ratio, *_ in best)
        lines.append(f"geometric mean of best peer / swiftnn: {mean:.2f} over {len(best)} cells")
    if torch:
        lines.append(f"geometric mean of PyTorch / swiftnn: {statistics.geometric_mean(torch):.2f} over {len(torch)} cells")
    ahead = sorted((ratio, name, row.cell.name) for ratio, name, row in best if ratio < 1)
    for ratio, peer, cell in ahead:
        mark = "ahead" if ratio * AHEAD < 1 else "level or slightly ahead"
        lines.append(f"{mark}: {ENTRIES[peer].title} on {cell}: {ratio:.2f}")
    if best and not ahead:
        lines.append("no peer is ahead on any cell")
    for row in rows:
        ours, theirs = row.ours.error, row.seen[TORCH].error if TORCH in row.seen else None
        if ours is not None and theirs is not None and ours > ERROR_FACTOR * theirs and theirs > 0 and row.cell.dtype == "float32":
            lines.append(f"error {ours / theirs:.1f} times PyTorch's: {row.cell.name}: {ours:.1e}, {theirs:.1e}")
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for engine, reason in row.left_out.items():
            if not reason.startswith("measured on"):  # engines with a list of layers say so in their column
                reasons.setdefault((ENTRIES[engine].title, reason), []).append(row.cell.name)
    lines += [f"left out: {engine} on {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") + f": {reason}"
              for (engine, reason), names in reasons.items()]  # fmt: skip
    return lines


def heading(about: dict[str, str], left_out: dict[str, str]) -> list[str]:
    """Who was measured and who was not."""
    here = system()
    lines = [f"{here['cpu']}, {here['cpus']} CPUs, Python {here['python']}, NumPy {here['numpy']}"]
    lines.append(", ".join(text for name, text in about.items() if name in ENTRIES))
    lines.append(f"limits: {about['limits']}; errors: largest difference from {about['reference']} over the largest value")
    lines += [f"left out: {ENTRIES[name].title}: {reason}" for name, reason in left_out.items()]
    return lines


def as_json(rows: list[Row], about: dict[str, str], left_out: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "system": system(),
        "settings": settings,
        "about": about,
        "left_out": {name: f"{ENTRIES[name].title}: {reason}" for name, reason in left_out.items()},
        "rows": [row.as_json() for row in rows],
    }
