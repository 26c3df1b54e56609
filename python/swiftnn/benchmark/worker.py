"""A worker process: answers lines of JSON on stdin, {"do": handler, ...}, with lines on stdout until stdin is closed.

    python -m swiftnn.benchmark.worker ENGINE THREADS CPU,CPU,...

ENGINE is an engine's name, or `reference` (float64, by PyTorch if it is installed, else by swiftnn) or `limits`.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import engines
from .cells import Cell
from .limits import Limits

Handler = Callable[..., Any]
# A call that takes longer is not repeated just to warm the caches: they do not hold what it needs anyway.
WARM_SECONDS = 0.1
SETTLE_SECONDS = 1.0


def timed(call: Callable[[], object], calls: int) -> float:
    """Seconds for a call, each result dropped before the next call."""
    clock = time.perf_counter
    start = clock()
    for _ in range(calls):
        call()
    return (clock() - start) / calls


def calibrate(call: Callable[[], object], seconds: float) -> int:
    """The number of calls that take about that long."""
    calls = 1
    while True:
        each = timed(call, calls)
        if each * calls > seconds / 4:
            return max(1, round(seconds / each))
        calls *= 4


def settle() -> None:
    """Waits until the engine's threads are asleep: ONNX Runtime's spin for 50 ms after a call, on CPUs that the next engine needs."""
    end = time.perf_counter() + SETTLE_SECONDS
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(0.005)
        if time.process_time() - before < 0.0005:
            return


class Memory:
    """Resident bytes of this process, and their peak since the last reset where Linux can reset it, else since its start."""

    @staticmethod
    def _status(name: str) -> int:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024

    def reset(self) -> int | None:
        """The bytes now."""
        try:
            Path("/proc/self/clear_refs").write_text("5")
            return self._status("VmRSS")
        except OSError:
            return None

    def peak(self) -> int:
        try:
            return self._status("VmHWM")
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Timing:
    """One engine at work on one cell at a time."""

    def __init__(self, name: str, threads: int) -> None:
        self._engine = engines.load(name, threads)
        self._only = engines.ENTRIES[name].layers
        self._call: engines.Call | None = None
        self._calls = 1
        self._memory = Memory()
        self._before: int | None = None

    def about(self) -> str:
        return self._engine.about

    def prepare(self, cell: dict[str, Any], seconds: float) -> float:
        """Seconds that the first call took, which may compile."""
        self.clear()
        wanted = Cell.from_json(cell)
        if self._only and wanted.layer not in self._only:
            raise engines.Unsupported(f"measured on {', '.join(self._only)} only")
        self._before = self._memory.reset()
        self._call = self._engine.prepare(wanted)
        first = timed(self._call, 1)
        self._calls = calibrate(self._call, seconds)
        settle()
        return first

    def run(self) -> float:
        """Seconds for a call in a sample of calls."""
        call = self._prepared()
        gc.collect()
        gc.disable()
        try:
            if timed(call, 1) < WARM_SECONDS:
                timed(call, max(1, self._calls // 10))
            seconds = timed(call, self._calls)
        finally:
            gc.enable()
        settle()
        return seconds

    def error(self, reference: str) -> float:
        """The largest difference from the reference, relative to the reference's largest value."""
        expected = np.load(reference, mmap_mode="r")
        found = self._engine.output(self._prepared()())
        if found.shape != expected.shape:
            raise ValueError(f"result of shape {found.shape}, expected {expected.shape}")
        worst = largest = 0.0
        rows = max(1, 2**20 // max(1, expected[:1].size))
        for i in range(0, len(expected), rows):  # a few MB of float64 at a time
            part = np.asarray(expected[i : i + rows])
            worst = np.fmax(worst, np.abs(found[i : i + rows] - part).max())
            largest = max(largest, float(np.abs(part).max()))
            if not np.isfinite(found[i : i + rows]).all():
                raise ValueError("result is not finite")
        return float(worst) / largest if largest else float(worst)

    def memory(self) -> dict[str, int | None]:
        return {"before": self._before, "peak": self._memory.peak()}

    def clear(self) -> None:
        self._call = None
        gc.collect()
        self._engine.clear()

    def _prepared(self) -> engines.Call:
        if self._call is None:
            raise RuntimeError("no cell is prepared")
        return self._call


class Reference:
    """Cells in float64, with the weights and inputs of the cell's own type."""

    def __init__(self, threads: int) -> None:
        if engines.missing("torch"):
            from .engines.ours import Ours

            self._engine: Any = Ours()
        else:
            from .engines.torch_eager import Torch

            self._engine = Torch(threads)

    def about(self) -> str:
        return f"{self._engine.about} in float64"

    def store(self, cell: dict[str, Any], path: str) -> None:
        call = self._engine.prepare(Cell.from_json(cell), "float64")
        result = call()
        del call
        np.save(path, self._engine.output(result))


def age_heap() -> None:
    """Brings malloc to where it is in a program that has run for a while.

    glibc learns from the first large block that is freed to keep memory for the next one. Before, it returns a result of some MB to the
    system and takes it anew, page by page, at every call: a convolution of PyTorch then takes seven times as long.
    """
    np.empty(2**25 - 2**16, np.uint8)  # freed at once; the largest that glibc learns from is 32 MB


def serve(handlers: Mapping[str, Handler]) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"value": handlers[request.pop("do")](**request)}
        except engines.Unsupported as error:
            answer = {"unsupported": str(error)}
        except Exception as error:
            traceback.print_exc()
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def main(name: str, threads: str, cpus: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(map(int, cpus.split(","))))
    age_heap()
    served: Timing | Reference | Limits
    if name == "limits":
        served = Limits()
    elif name == "reference":
        served = Reference(int(threads))
    else:
        served = Timing(name, int(threads))
    serve({handler: getattr(served, handler) for handler in dir(served) if not handler.startswith("_")})


if __name__ == "__main__":
    main(*sys.argv[1:])
