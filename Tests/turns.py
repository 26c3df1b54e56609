"""NumPy's BLAS and swiftnn in turns: does either slow the other down by threads that spin after a call?

    python Tests/turns.py [--rounds N] [--most SHARE]

Times a matrix product of NumPy and a layer of swiftnn, each alone and after the other, in rounds, and prints medians of what a call takes
in turns as a share of what it takes alone in the same round. Fails where NumPy's share is above SHARE (1.05), or swiftnn's after a BLAS of
one thread. After a BLAS of several threads swiftnn's is only printed: those of OpenBLAS spin for 0.1 s and more after a product, which is
printed too, as processor time used while nothing is called. Calls take 20 ms and more, which hides that one of 1 ms finds the caches full
of the other's numbers and the threads asleep.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import swiftnn as nn

CALLS, IDLE = 6, 0.1


def seconds(calls: list[Callable[[], object]]) -> list[float]:
    """What a call of each takes, the calls made in turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(CALLS):
        for call, times in zip(calls, taken):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def used_after(call: Callable[[], object]) -> float:
    """The share of one CPU that this process uses for IDLE seconds after a call."""

    def used() -> float:
        return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])

    call()
    start = used()
    time.sleep(IDLE)
    return (used() - start) / IDLE


def main() -> int:
    parser = argparse.ArgumentParser(description="NumPy's BLAS and swiftnn in turns.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--most", type=float, default=1.05)
    parser.add_argument("--blas", choices=["one", "all"], help="only after a BLAS of so many threads")
    given = parser.parse_args()
    if not given.blas:  # a BLAS reads this when it is loaded
        one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
        failed = 0
        for name, environment in {"one": {**os.environ, **one}, "all": dict(os.environ)}.items():
            failed |= subprocess.run([sys.executable, *sys.argv, "--blas", name], env=environment).returncode
        return failed
    draw = np.random.default_rng(0)
    a, x = draw.standard_normal((1500, 1500), np.float32), draw.standard_normal((16384, 512), np.float32)
    images = draw.standard_normal((64, 64, 56, 56), np.float32)
    linear, convolution = nn.Linear(512, 512), nn.Conv2d(64, 64, 3, padding=1)
    layers: dict[str, Callable[[], object]] = {"Linear": lambda: linear(x), "Conv2d": lambda: convolution(images)}
    blas, failed = (lambda: a @ a), 0
    for name, ours in layers.items():
        shares = []
        for _ in range(given.rounds):
            alone = seconds([blas]) + seconds([ours])
            shares.append([both / one for both, one in zip(seconds([blas, ours]), alone)])
        of_blas, of_ours = (statistics.median(share) for share in zip(*shares))
        wrong = of_blas > given.most or (given.blas == "one" and of_ours > given.most)
        failed |= wrong
        print(
            f"{'FAIL' if wrong else 'ok':6} NumPy's matmul on {given.blas} and {name} on {nn.get_num_threads()} threads in turns: "
            f"{of_blas:.3f} and {of_ours:.3f} of what they take alone; "
            f"CPU used after a call: {used_after(blas):.2f} and {used_after(ours):.2f}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
