"""The counter-based generator behind initialisation and dropout: the same numbers on every machine and for any thread count.

A draw is a pure function of (seed, position), so the only state is those two integers. Drawing reserves a range of positions; the
kernels then compute the numbers in any order and on any thread.
"""

from __future__ import annotations

import operator
import os

# threading would be a tenth of the package's import time; its Lock is this one.
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Generator", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "reserve", "seed", "set_rng_state"]

_INT64_MAX = 2**63 - 1


class Generator:
    """A stream of random numbers: a seed and the position reached so far.

    Args:
        seed: start of the stream; `None` takes one from the operating system.

    Example:
        >>> a = nn.init.uniform_(np.empty(3, np.float32), generator=nn.random.Generator(1))
        >>> b = nn.init.uniform_(np.empty(3, np.float32), generator=nn.random.Generator(1))
        >>> bool((a == b).all())
        True
    """

    def __init__(self, seed: int | None = None) -> None:
        self._lock = allocate_lock()
        if seed is None:
            self.seed()
        else:
            self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of `seed` from its beginning; -2⁶³ <= seed < 2⁶⁴, where negative ones count from 2⁶⁴ down as in PyTorch."""
        value = operator.index(seed)
        if not -(2**63) <= value < 2**64:
            raise ValueError(f"seed must be in [-2**63, 2**64), got {value}")
        value %= 2**64
        with self._lock:
            # The kernels take int64: fold the upper half onto the negative numbers.
            self._seed = value if value <= _INT64_MAX else value - 2**64
            self._offset = 0
        return self

    def seed(self) -> int:
        """Seeds from the operating system and returns the seed."""
        value = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(value)
        return value

    def initial_seed(self) -> int:
        """The seed in use, as a number in [0, 2⁶⁴)."""
        return self._seed % 2**64

    def get_state(self) -> NDArray[np.int64]:
        """The state as an int64 array (seed, position), which `set_state` takes."""
        with self._lock:
            return np.array([self._seed, self._offset], dtype=np.int64)

    def set_state(self, state: ArrayLike) -> Generator:
        """Goes back to a state that `get_state` returned."""
        array: NDArray[Any] = np.asarray(state)
        if array.shape != (2,) or array.dtype.kind not in "iu" or array[1] < 0:
            raise ValueError(f"state must be what get_state() returned: 2 integers (seed, position >= 0), got {state!r}")
        with self._lock:
            self._seed, self._offset = int(array[0]), int(array[1])
        return self

    def reserve(self, n: int) -> tuple[int, int]:
        """Takes the next `n` positions of the stream.

        Returns:
            (seed, offset): what `_native` operations need; nobody else gets the positions offset ... offset+n-1.
        """
        with self._lock:
            offset = self._offset
            self._offset = (offset + n) & _INT64_MAX
            return self._seed, offset

    def __getstate__(self) -> tuple[int, int]:
        with self._lock:
            return self._seed, self._offset

    def __setstate__(self, state: tuple[int, int]) -> None:
        self._lock = allocate_lock()
        self._seed, self._offset = state


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seeds initialisation and dropout; the same seed gives the same numbers on every machine and for any thread count.

    Args:
        seed: an integer in [-2⁶³, 2⁶⁴).

    Returns:
        The generator that is seeded.

    Raises:
        ValueError: seed is out of range.

    Example:
        >>> _ = nn.manual_seed(0)
        >>> a = nn.Linear(2, 3).weight.numpy()
        >>> _ = nn.manual_seed(0)
        >>> b = nn.Linear(2, 3).weight.numpy()
        >>> bool((a == b).all())
        True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seeds from the operating system and returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed in use, as a number in [0, 2⁶⁴)."""
    return default_generator.initial_seed()


def get_rng_state() -> NDArray[np.int64]:
    """The generator's state as an int64 array, which `set_rng_state` takes.

    Example:
        >>> state = nn.random.get_rng_state()
        >>> a = nn.init.normal_(np.empty(4, np.float32))
        >>> nn.random.set_rng_state(state)
        >>> b = nn.init.normal_(np.empty(4, np.float32))
        >>> bool((a == b).all())
        True
    """
    return default_generator.get_state()


def set_rng_state(new_state: ArrayLike) -> None:
    """Goes back to a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


def reserve(n: int) -> tuple[int, int]:
    """Takes the next `n` positions of the default stream and returns (seed, offset)."""
    return default_generator.reserve(n)
