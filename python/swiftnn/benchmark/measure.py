"""Cells measured: engines in turns within a round, several rounds."""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import engines
from .cells import Cell
from .workers import Failed, LimitWorkers, Worker, cpus

# No rounding makes a difference of this part of the largest value.
WRONG = 0.01


@dataclass
class Seen:
    """What one engine did on one cell."""

    samples: list[float] = field(default_factory=list)  # seconds for a call, one a round
    first: float = 0.0  # seconds of the first call, which may compile
    error: float | None = None  # from float64, relative to the largest value
    memory: dict[str, int | None] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return statistics.median(self.samples)


@dataclass
class Row:
    """One cell at one number of threads."""

    cell: Cell
    threads: int
    seen: dict[str, Seen] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # engine: why
    # The machine's limits, one a round: FLOP/s, main memory's bytes a second, and seconds for the weights that steps read again
    peaks: list[float] = field(default_factory=list)
    bandwidths: list[dict[str, float]] = field(default_factory=list)
    reread_seconds: list[float] = field(default_factory=list)

    @property
    def ours(self) -> Seen:
        return self.seen[engines.OURS]

    def ratio(self, engine: str) -> float | None:
        """engine / swiftnn: the median over rounds."""
        if engine not in self.seen:
            return None
        pairs = zip(self.seen[engine].samples, self.ours.samples)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def best_peer(self) -> str | None:
        ratios = {name: self.ratio(name) or 0.0 for name in self.seen if name != engines.OURS}
        return min(ratios, key=ratios.__getitem__) if ratios else None

    @property
    def bytes_moved(self) -> int:
        return (self.cell.work.read + self.cell.work.written) * self.cell.itemsize

    @property
    def compute_seconds(self) -> list[float]:
        return [self.cell.work.flops / peak for peak in self.peaks]

    @property
    def memory_seconds(self) -> list[float]:
        read, written = self.cell.work.read * self.cell.itemsize, self.cell.work.written * self.cell.itemsize
        both = min(read, written)
        return [
            both / rate["copy"] + (read - both) / rate["read"] + (written - both) / rate["write"] + again
            for rate, again in zip(self.bandwidths, self.reread_seconds)
        ]

    @property
    def compute_bound(self) -> bool:
        return statistics.median(self.compute_seconds) > statistics.median(self.memory_seconds)

    def share_of_limit(self, engine: str = engines.OURS) -> float:
        """The limit's time over the engine's: the median over rounds."""
        limits = zip(self.compute_seconds, self.memory_seconds, self.seen[engine].samples)
        return statistics.median(max(compute, memory) / seconds for compute, memory, seconds in limits)

    def as_json(self) -> dict[str, Any]:
        work = self.cell.work
        return {
            "cell": self.cell.name,
            **self.cell.as_json(),
            "threads": self.threads,
            "flops": work.flops,
            "bytes_read": work.read * self.cell.itemsize,
            "bytes_written": work.written * self.cell.itemsize,
            "limit": {
                "bound": "compute" if self.compute_bound else "memory",
                "flops_per_second": self.peaks,
                "bytes_per_second": self.bandwidths,
                "memory_seconds": self.memory_seconds,
                "share": self.share_of_limit(),
            },
            "best_peer": self.best_peer(),
            "engines": {
                name: {
                    "seconds": seen.seconds,
                    "samples": seen.samples,
                    "ratio": self.ratio(name),
                    "first_seconds": seen.first,
                    "error": seen.error,
                    "resident_bytes": seen.memory,
                }
                for name, seen in self.seen.items()
            },
            "left_out": self.left_out,
        }


class Benchmark:
    """Workers of every engine, for one number of threads at a time."""

    def __init__(self, peers: Iterable[str], rounds: int, seconds: float, isa: str | None) -> None:
        self._rounds, self._seconds, self.isa = rounds, seconds, isa
        self.about: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self._names = [engines.OURS]
        for name in peers:
            reason = engines.missing(name)
            if not reason and isa and not engines.ENTRIES[name].isa:
                reason = f"nothing holds it to {isa}"
            if reason:
                self.left_out[name] = reason
            else:
                self._names.append(name)
        self._errors: dict[tuple[str, str], dict[str, float]] = {}  # (cell, type): engine: error

    def run(self, cells: list[Cell], threads: int) -> Iterator[Row]:
        every = cpus(sys.maxsize)
        workers: dict[str, Worker] = {}
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as open_workers:
            limits = LimitWorkers(threads, self.isa)
            open_workers.callback(limits.close)
            for name in (*self._names, "reference"):
                held_to = every if name == "reference" else cpus(threads)
                workers[name] = Worker(name, len(held_to), held_to, self.isa if name != "reference" else None)
                open_workers.callback(workers[name].close)
            for name, worker in workers.items():
                self.about[name] = worker.ask("about")
            self.about["limits"] = f"multiply-adds of level {limits.isa}; memchr, memset and memcpy of libc"
            reference = workers.pop("reference")
            for cell in cells:
                row = Row(cell, threads, {name: Seen() for name in self._names})
                self._time(row, workers, limits)
                self._compare(row, workers, reference, Path(folder))
                for name in list(row.seen):
                    self._ask(row, workers, name, "clear")
                yield row

    def _ask(self, row: Row, workers: dict[str, Worker], name: str, do: str, **arguments: Any) -> Any:
        """The worker's answer; a peer that has none is left out of the row."""
        try:
            return workers[name].ask(do, **arguments)
        except (engines.Unsupported, Failed) as error:
            if name == engines.OURS:
                raise
            row.left_out[name] = str(error)
            del row.seen[name]

    def _time(self, row: Row, workers: dict[str, Worker], limits: LimitWorkers) -> None:
        cell, rereads, size = row.cell, row.cell.work.rereads, row.cell.itemsize
        for name in list(row.seen):
            first = self._ask(row, workers, name, "prepare", cell=cell.as_json(), seconds=self._seconds)
            if name in row.seen:
                row.seen[name].first = first
        for number in range(self._rounds):
            names = list(row.seen)
            for name in names if number % 2 == 0 else reversed(names):
                seconds = self._ask(row, workers, name, "run")
                if name in row.seen:
                    row.seen[name].samples.append(seconds)
            row.peaks.append(limits.peak(cell.dtype))
            row.bandwidths.append(limits.bandwidth())
            again = {n: n * size / limits.reread(n * size) for n in {n for n, _ in rereads}}
            row.reread_seconds.append(sum(again[n] * times for n, times in rereads))
        for name in list(row.seen):
            row.seen[name].memory = self._ask(row, workers, name, "memory")

    def _compare(self, row: Row, workers: dict[str, Worker], reference: Worker, folder: Path) -> None:
        """Errors, which are the same for any number of threads and found once."""
        known = self._errors.setdefault((row.cell.name, row.cell.dtype), {})
        if not known.keys() >= row.seen.keys():
            path = folder / "reference.npy"
            reference.ask("store", cell=row.cell.as_json(), path=str(path))
            for name in list(row.seen):
                error = self._ask(row, workers, name, "error", reference=str(path))
                if name in row.seen:
                    known[name] = error
            path.unlink()
        for name in list(row.seen):
            row.seen[name].error = known[name]
            if known[name] > WRONG:
                reason = f"computes something else: differs by {known[name]:.1e} of the largest value"
                if name == engines.OURS:
                    raise Failed(f"{row.cell.name}: swiftnn {reason}")
                row.left_out[name] = reason
                del row.seen[name]
