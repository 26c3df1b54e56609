"""`python -m swiftnn.benchmark`: the table.

python -m swiftnn.benchmark                                        the table, against every peer that is installed, at 1 and all threads
python -m swiftnn.benchmark --cells resnet50 bert --threads 1      two models' shapes at one thread
python -m swiftnn.benchmark --only 'LSTM.*1x128' --peers torch     some cells, one peer
python -m swiftnn.benchmark --cells scaling --peers none --chart scaling.png
python -m swiftnn.benchmark --isa avx2                             everybody held to AVX2
python -m swiftnn.benchmark --training                             forward and backward, against PyTorch
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
from dataclasses import replace
from typing import Any

from . import report, scaling
from .cells import Cell
from .engines import ENTRIES, PEERS, TRAINED, Unsupported
from .lists import LISTS, cells
from .measure import Benchmark, Row
from .workers import Failed, cpus

DTYPES = ("float32", "float64")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m swiftnn.benchmark", description="swiftnn beside its peers, in turns.")
    parser.add_argument("--cells", nargs="+", default=["table"], choices=[*LISTS, "all"], metavar="LIST", help=f"{', '.join(LISTS)}, all")
    parser.add_argument("--only", default="", metavar="REGEX", help="only cells whose name it is found in")
    parser.add_argument("--dtype", nargs="+", default=["float32"], choices=DTYPES, help="float32 (default), float64 or both")
    parser.add_argument("--training", action="store_true", help="forward and backward, with gradients of the inputs and all weights")
    parser.add_argument("--threads", nargs="+", default=["1", "all"], metavar="N", help="numbers, or all (default: 1 all)")
    peers = [*PEERS, "none"]
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=peers, metavar="PEER", help=", ".join(peers))
    parser.add_argument("--rounds", type=int, default=7, help="how often each engine has its turn on a cell (default: 7)")
    parser.add_argument("--seconds", type=float, default=0.05, help="of a sample: one call at least (default: 0.05)")
    parser.add_argument("--isa", choices=("base", "avx2", "avx512"), help="hold every engine to an instruction set level")
    parser.add_argument("--markdown", action="store_true", help="print markdown")
    parser.add_argument("--json", metavar="FILE", help="also write everything measured to FILE")
    parser.add_argument("--chart", metavar="FILE", help="also draw a picture, PNG or what else matplotlib writes")
    parser.add_argument("--list", action="store_true", help="print the names of the cells and measure nothing")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds has to be at least 1")
    if not options.seconds > 0:
        parser.error("--seconds has to be more than 0")
    if options.chart and importlib.util.find_spec("matplotlib") is None:
        parser.error("--chart needs matplotlib (pip install matplotlib)")
    try:
        options.only = re.compile(options.only)
    except re.error as error:
        parser.error(f"--only: {options.only!r} is no regular expression: {error}")
    available = len(cpus(sys.maxsize))
    words: list[str] = options.threads
    try:
        options.threads = sorted({available if word == "all" else int(word) for word in words})
    except ValueError:
        parser.error(f"--threads: numbers or all, got {' '.join(words)}")
    if not 1 <= options.threads[0] <= options.threads[-1] <= available:
        parser.error(f"--threads: this process may use 1 to {available} CPUs")
    options.peers = [name for name in PEERS if name in options.peers and (name in TRAINED or not options.training)]
    return options


def _cells(options: argparse.Namespace) -> list[Cell]:
    names = list(LISTS) if "all" in options.cells else options.cells
    found: dict[tuple[str, str, str], Cell] = {}
    for dtype in options.dtype:
        for name in names:
            for inference in cells(name, dtype):
                cell = replace(inference, training=options.training)
                if options.only.search(cell.name):
                    found.setdefault((dtype, cell.curve, cell.name), cell)
    return list(found.values())


def _run(options: argparse.Namespace, chosen: list[Cell]) -> tuple[list[Row], Benchmark]:
    benchmark = Benchmark(options.peers, options.rounds, options.seconds, options.isa)
    table = report.Table([name for name in options.peers if name not in benchmark.left_out], options.markdown)
    rows: list[Row] = []

    def lines(texts: list[str]) -> str:
        return "\n".join(f"- {text}" if options.markdown else text for text in texts)

    for threads in options.threads:
        for dtype in options.dtype:
            part: list[Row] = []
            for row in benchmark.run([cell for cell in chosen if cell.dtype == dtype], threads):
                if not rows and not part:
                    print(lines(report.heading(benchmark.about, benchmark.left_out)))
                if not part:
                    print(table.head(f"{dtype}, {threads} thread{'s' if threads > 1 else ''}"))
                print(table.row(row), flush=True)
                part.append(row)
            ended = [*report.summary(part), *scaling.summary(part)]
            print("\n" + lines(ended), flush=True)
            rows += part
    return rows, benchmark


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    chosen = _cells(options)
    if not chosen:
        print(f"error: no cell of {', '.join(options.cells)} matches {options.only.pattern!r}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{cell.group}: {cell.name}" for cell in chosen))
        return 0
    try:
        rows, benchmark = _run(options, chosen)
    except (Failed, Unsupported) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    names = ("cells", "dtype", "training", "threads", "peers", "rounds", "seconds", "isa")
    settings: dict[str, Any] = {name: getattr(options, name) for name in names}
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report.as_json(rows, benchmark.about, benchmark.left_out, settings), file, indent=1)
    if options.chart:
        from .chart import draw

        draw(rows, options.chart, ", ".join(benchmark.about[name] for name in ENTRIES if name in benchmark.about))
    return 0


if __name__ == "__main__":
    sys.exit(main())
