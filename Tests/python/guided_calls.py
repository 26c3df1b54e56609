"""Calls of random_calls.py whose choices libFuzzer makes, through Atheris: towards lines of the Python side that no call has reached yet.

    python Tests/python/guided_calls.py COUNT

Each choice takes the next bytes of libFuzzer's input, and what follows its end is drawn at random from them. A call that does anything but
compute or raise an exception that a user can read ends the run with its input; corpus and such inputs are kept in Tests/.cache/guided.
Needs atheris.
"""

from __future__ import annotations

import random
import sys
import warnings
import zlib
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["swiftnn"], enable_loader_override=False):
    import swiftnn  # noqa: F401

import numpy as np

import random_calls

CACHE = Path(__file__).resolve().parents[1] / ".cache/guided"


class Chosen(random.Random):
    """Random numbers made of given bytes, as long as there are any; those that follow come from a seed made of them."""

    def __init__(self, data: bytes) -> None:
        super().__init__(zlib.crc32(data))
        self.data, self.at = data, 0

    def getrandbits(self, k: int, /) -> int:
        size = -(-k // 8)
        taken = self.data[self.at : self.at + size]
        self.at += size
        return int.from_bytes(taken, "little") >> (8 * size - k) if len(taken) == size else super().getrandbits(k)

    def random(self) -> float:
        return self.getrandbits(8) / 256 if self.at < len(self.data) else super().random()


def main() -> None:
    count = int(sys.argv[1])
    counts: Counter[str] = Counter()
    warnings.simplefilter("ignore")
    swiftnn.set_num_threads(2)
    for index in range(len(random_calls.ROWS)):
        random_calls.plain(index)  # built once, before anything is watched

    def one_input(data: bytes) -> None:
        counts["inputs"] += 1
        with np.errstate(all="ignore"):
            random_calls.one_call(Chosen(data), counts)
        if counts["inputs"] == count:
            print(f"{count:,} calls that coverage chose: " + ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items())), flush=True)

    CACHE.mkdir(parents=True, exist_ok=True)
    options = [f"-runs={count}", "-max_len=96", "-len_control=0", "-timeout=60", "-rss_limit_mb=4096", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={CACHE}/", str(CACHE)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
