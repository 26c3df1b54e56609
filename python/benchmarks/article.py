"""The article's five layers, swiftnn and PyTorch in turns in separate processes.

    python python/benchmarks/article.py [--torch-python PATH] [--threads 1,2] [--rounds 7] [--only LSTM] [--json FILE]

Each engine is a worker process that is told on stdin which cell to run and answers with a time on stdout; while one works, the other
waits for its line. A round measures swiftnn, then PyTorch, about 0.3 s each; the table has the median over rounds of each engine's time
per call and of the ratios of neighbours, which drifts of the machine's clock leave alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SECONDS, QUICK_SECONDS = 0.3, 0.01
# A pool that has just worked spins a moment before it sleeps: the next engine should not share the CPUs with it.
PAUSE = 0.02


@dataclass(frozen=True)
class Cell:
    layer: str  # evaluated with nn = swiftnn or torch.nn
    shapes: tuple[tuple[int, ...], ...]  # of the inputs, in the order of forward

    @property
    def name(self) -> str:
        return f"{self.layer} on {', '.join('x'.join(map(str, shape)) for shape in self.shapes)}"


CONV, POOL, LINEAR = "Conv2d(3, 64, 3, padding=1)", "MaxPool2d(2, 2)", "Linear(8, 8)"
TRANSFORMER = "Transformer(512, 8, 6, 6)"
CELLS = (
    Cell(CONV, ((1, 3, 32, 32),)),
    Cell(CONV, ((1, 3, 224, 224),)),
    Cell(CONV, ((16, 3, 224, 224),)),
    Cell(POOL, ((1, 1, 4, 4),)),
    Cell(POOL, ((1, 64, 224, 224),)),
    Cell("RNN(10, 20, 2)", ((5, 1, 10),)),
    Cell("RNN(10, 20, 2)", ((100, 32, 10),)),
    Cell("RNN(256, 512, 2)", ((128, 16, 256),)),
    Cell("LSTM(10, 20, 2)", ((5, 1, 10),)),
    Cell("LSTM(10, 20, 2)", ((100, 32, 10),)),
    Cell("LSTM(256, 512, 2)", ((128, 1, 256),)),
    Cell("LSTM(256, 512, 2)", ((128, 16, 256),)),
    Cell(TRANSFORMER, ((10, 1, 512), (20, 1, 512))),
    Cell(TRANSFORMER, ((10, 32, 512), (20, 32, 512))),
    Cell(TRANSFORMER, ((128, 8, 512), (128, 8, 512))),
    Cell(LINEAR, ((1, 8),)),
)


def measure(call: Callable[[], object], seconds: float) -> float:
    """Seconds a call takes: the best of at least three batches, which together take about `seconds`."""
    clock, calls = time.perf_counter, 1
    call()
    while True:  # a batch long enough for the clock
        start = clock()
        for _ in range(calls):
            call()
        taken = clock() - start
        if taken > seconds / 20:
            break
        calls = max(2 * calls, int(calls * seconds / 10 / taken) if taken else 0)
    best, end = taken / calls, clock() + seconds
    batches = 1
    while batches < 3 or clock() < end:
        start = clock()
        for _ in range(calls):
            call()
        best = min(best, (clock() - start) / calls)
        batches += 1
    return best


def engine(name: str) -> tuple[str, int, Callable[[int], None], Callable[[Cell], Callable[[], object]], Any]:
    """(description, default threads, set threads, cell -> call, context that calls run in)"""
    import numpy as np

    rng = np.random.default_rng(0)

    def arrays(cell: Cell) -> list[Any]:
        return [rng.standard_normal(shape, dtype=np.float32) for shape in cell.shapes]

    if name == "torch":
        try:
            import torch
        except ImportError as error:
            sys.exit(f"{sys.executable}: {error}; name an interpreter that has it with --torch-python PATH")
        warnings.simplefilter("ignore")  # what nn.Transformer says of its own fast path

        def torch_call(cell: Cell) -> Callable[[], object]:
            layer = eval(f"nn.{cell.layer}.eval()", {"nn": torch.nn})
            inputs = [torch.from_numpy(x) for x in arrays(cell)]
            return lambda: layer(*inputs)

        return f"PyTorch {torch.__version__}", torch.get_num_threads(), torch.set_num_threads, torch_call, torch.inference_mode()

    import swiftnn
    from swiftnn import _native

    def swiftnn_call(cell: Cell) -> Callable[[], object]:
        layer = eval(f"nn.{cell.layer}.eval()", {"nn": swiftnn})
        inputs = arrays(cell)
        return lambda: layer(*inputs)

    about = f"swiftnn {swiftnn.__version__} ({_native.isa()})"
    return about, swiftnn.get_num_threads(), swiftnn.set_num_threads, swiftnn_call, contextlib.nullcontext()


def work(name: str) -> None:
    """A worker: answers lines of stdin until it is closed."""
    about, threads, set_threads, make, context = engine(name)
    print(json.dumps({"about": about, "threads": threads}), flush=True)
    current, call = -1, None
    with context:
        for line in sys.stdin:
            cell, threads, seconds = json.loads(line)
            set_threads(threads)
            if cell != current:
                call = None  # before the next layer takes its memory
                current, call = cell, make(CELLS[cell])
            print(json.dumps(measure(call, seconds)), flush=True)


class Worker:
    def __init__(self, python: str, name: str) -> None:
        command = [python, os.path.abspath(__file__), "--worker", name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._name = name
        hello = self._answer()
        self.about, self.threads = hello["about"], hello["threads"]

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"error: the {self._name} worker ended with status {self._process.wait()}; its message is on stderr")
        return json.loads(line)

    def seconds(self, cell: int, threads: int, seconds: float) -> float:
        time.sleep(PAUSE)
        self._process.stdin.write(json.dumps([cell, threads, seconds]) + "\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def run(ours: Worker, theirs: Worker, cells: list[int], threads: list[int], rounds: int, seconds: float) -> Iterator[dict[str, Any]]:
    for cell in cells:
        for n in threads:
            pairs = [(ours.seconds(cell, n, seconds), theirs.seconds(cell, n, seconds)) for _ in range(rounds)]
            yield {
                "cell": CELLS[cell].name,
                "threads": n,
                "swiftnn": statistics.median(a for a, _ in pairs),
                "torch": statistics.median(b for _, b in pairs),
                "ratio": statistics.median(b / a for a, b in pairs),
                "rounds": pairs,
            }


def duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def main() -> int:
    parser = argparse.ArgumentParser(description="swiftnn and PyTorch in turns on the article's five layers")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PATH", help="an interpreter that has torch (default: this one)")
    parser.add_argument("--threads", default="1,all", help="comma-separated numbers, or all (default: 1,all)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", metavar="TEXT", help="only cells whose name contains TEXT")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")
    parser.add_argument("--json", metavar="FILE", help="also write everything measured to FILE")
    parser.add_argument("--worker", choices=("swiftnn", "torch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return 0
    cells = [i for i, cell in enumerate(CELLS) if options.only.lower() in cell.name.lower()]
    if not cells or options.rounds < 1:
        parser.error("--rounds has to be at least 1" if cells else f"no cell's name contains {options.only!r}")

    ours, theirs = Worker(sys.executable, "swiftnn"), Worker(options.torch_python, "torch")
    try:
        threads = sorted({ours.threads if word == "all" else int(word) for word in options.threads.split(",")})
        print(f"{ours.about}, {theirs.about}, Python {platform.python_version()}, {os.cpu_count()} CPUs\n")
        print("| layer and input | threads | swiftnn | PyTorch | PyTorch / swiftnn |\n|---|---:|---:|---:|---:|")
        rows = []
        rounds, seconds = (1, QUICK_SECONDS) if options.quick else (options.rounds, SECONDS)
        for row in run(ours, theirs, cells, threads, rounds, seconds):
            rows.append(row)
            times = f"{duration(row['swiftnn'])} | {duration(row['torch'])} | {row['ratio']:.2f}"
            print(f"| {row['cell']} | {row['threads']} | {times} |", flush=True)
    finally:
        ours.close()
        theirs.close()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"swiftnn": ours.about, "torch": theirs.about, "quick": options.quick, "rows": rows}, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
