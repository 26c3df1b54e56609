"""What this machine can do: multiply-adds in registers, and libc's memcpy, memchr and memset.

The limit of a cell is the longer of two times: its multiply-adds at the peak; and its memory traffic at the speed of main memory, as
much of it as possible as a copy of inputs to results, the rest as reading or writing. Weights that every time step reads again are read
from whatever cache holds them. A small cell can pass 100% of a memory limit: what it reads is in a cache since the call before.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import _native

PEAK_SECONDS, READ_SECONDS = 0.01, 0.01
LARGE = 2**27  # more than the caches hold
# A call through ctypes costs a microsecond: smaller buffers would measure that.
SMALLEST = 2**18


def _best(call: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


class Limits:
    """One thread's part; the benchmark runs a process for each thread and adds them up."""

    def __init__(self) -> None:
        self._multiply_adds = ctypes.CDLL(str(Path(_native.__file__).with_name("libSwiftNN.so"))).snn_multiply_adds
        self._multiply_adds.argtypes = [ctypes.c_int32, ctypes.c_int64]
        self._multiply_adds.restype = ctypes.c_double
        libc = ctypes.CDLL(None)
        self._memchr, self._memset, self._memcpy = libc.memchr, libc.memset, libc.memcpy
        self._memchr.argtypes = self._memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        self._memcpy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self._memchr.restype = self._memset.restype = self._memcpy.restype = ctypes.c_void_p
        self._zeros, self._results = (np.full(LARGE, 0, np.uint8) for _ in range(2))  # full: touched now

    def about(self) -> str:
        return _native.isa()

    def peak(self, dtype: str) -> float:
        """Floating point operations a second."""
        rounds, kind = 1000, 1 if dtype == "float64" else 0
        while True:
            start = time.perf_counter()
            done: float = self._multiply_adds(kind, rounds)
            seconds = time.perf_counter() - start
            if seconds > PEAK_SECONDS / 2:
                return done / seconds
            rounds *= 4

    def bandwidth(self) -> dict[str, float]:
        """Main memory's bytes a second: copied (each read and written), only read, only written."""
        zeros, results = self._zeros.ctypes.data, self._results.ctypes.data
        return {
            "copy": LARGE / _best(lambda: self._memcpy(results, zeros, LARGE), 2),
            "read": LARGE / _best(lambda: self._memchr(zeros, 1, LARGE), 2),
            "write": LARGE / _best(lambda: self._memset(results, 0, LARGE), 2),
        }

    def reread(self, size: int) -> float:
        """Bytes a second of a buffer that is read again and again."""
        size = min(max(size, SMALLEST), LARGE)
        zeros = self._zeros.ctypes.data
        self._memchr(zeros, 1, size)
        seconds: list[float] = []
        end = time.perf_counter() + READ_SECONDS
        while len(seconds) < 3 or time.perf_counter() < end:
            seconds.append(_best(lambda: self._memchr(zeros, 1, size), 1))
        return size / float(np.median(seconds))
