"""Threads and memory of the kernels."""

from __future__ import annotations

import operator
from typing import Any, cast

from . import _native

__all__ = ["get_num_threads", "get_winograd", "memory_stats", "release_memory", "set_num_threads", "set_winograd", "threads"]


def _count(function: str, n: Any) -> int:
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"{function}: n must be an integer, got {n!r}") from None
    if count < 1:
        raise ValueError(f"{function}: n must be at least 1, got {count}")
    return count


def set_num_threads(n: int) -> None:
    """Sets how many threads an operation may use, in the whole process; results do not depend on it.

    Args:
        n: at least 1. The default is `SWIFTNN_NUM_THREADS`, or the CPUs that this process may use.

    Raises:
        TypeError: n is not an integer.
        ValueError: n is less than 1.

    Example:
        >>> before = nn.get_num_threads()
        >>> nn.set_num_threads(1)
        >>> nn.get_num_threads()
        1
        >>> nn.set_num_threads(before)
    """
    _native.set_num_threads(_count("set_num_threads", n))


def get_num_threads() -> int:
    """How many threads an operation called from this thread may use."""
    return _native.get_num_threads()


class threads:
    """Limits the threads that operations called from this thread use inside a `with` block.

    Args:
        n: at least 1.

    Raises:
        TypeError: n is not an integer.
        ValueError: n is less than 1.

    Example:
        >>> with nn.threads(1):
        ...     y = nn.ReLU()(np.zeros(3, np.float32))
    """

    def __init__(self, n: int) -> None:
        self._n = _count("threads", n)
        self._before: list[int] = []

    def __enter__(self) -> threads:
        self._before.append(_native.set_thread_limit(self._n))
        return self

    def __exit__(self, *exception: object) -> None:
        _native.set_thread_limit(self._before.pop())


def set_winograd(enabled: bool) -> None:
    """Lets convolutions use Winograd's algorithm, in the whole process, or computes all of them directly.

    It is used for 3x3 filters of stride 1, and for few channels (up to 15 of 3x3; the 3 of images with filters of 5 to 11 columns and any
    strides) where the image is large enough.

    Winograd's algorithm needs a quarter of the multiplications, or half to two thirds of them where channels are few. Its rounding errors
    are up to four times as large, a NaN or an infinity in the input spreads over the 4x4 outputs computed together (four or eight of a
    row) instead of those that see it, and the transformed weights that a layer keeps take four times the memory of the weights. The choice
    of algorithm depends on the layer and the size of the image alone.

    Args:
        enabled: the default is True, or False if the environment has `SWIFTNN_WINOGRAD=0`.

    Example:
        >>> before = nn.get_winograd()
        >>> nn.set_winograd(False)
        >>> nn.get_winograd()
        False
        >>> nn.set_winograd(before)

    Reference: Lavin and Gray, `Fast Algorithms for Convolutional Neural Networks <https://arxiv.org/abs/1509.09308>`_.
    """
    _native.set_winograd(bool(enabled))


def get_winograd() -> bool:
    """Whether convolutions may use Winograd's algorithm."""
    return _native.get_winograd()


def memory_stats() -> dict[str, int]:
    """What the allocator of the results holds: bytes in use, bytes kept for the next results, and how often it reused them.

    Example:
        >>> all(value >= 0 for value in nn.memory_stats().values())
        True
    """
    return cast("dict[str, int]", _native.memory_stats())


def release_memory() -> int:
    """Gives memory that is kept for the next results back to the system and returns the number of bytes.

    Example:
        >>> nn.release_memory() >= 0
        True
    """
    return _native.release_memory()
