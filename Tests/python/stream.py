"""Test numbers from the reference's own generator: the same for ever, whatever NumPy's generators become."""

from __future__ import annotations

import math
import zlib

import numpy as np

from Reference.random import words


class Stream:
    """Random numbers that follow from a name."""

    def __init__(self, name: str) -> None:
        self._seed = zlib.crc32(name.encode())
        self._offset = 0

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        """In [0, 1), multiples of 2⁻²⁴: exact in float32 and float64."""
        count = math.prod(shape)
        drawn = words(count, self._seed, self._offset, 0)
        self._offset += count
        return ((drawn >> np.uint64(8)) * 2.0**-24).reshape(shape)

    def values(self, shape: tuple[int, ...]) -> np.ndarray:
        """In [-2, 2), exact in float32 and float64."""
        return np.asarray(self.random(shape) * 4 - 2)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:
        return low + (self.random(shape) * (high - low)).astype(np.int64)
