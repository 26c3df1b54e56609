"""Arrays like others: constants and random numbers, without derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _native
from ..random import Generator, default_generator
from ._common import Array, _constant

__all__ = [
    "bernoulli",
    "empty_like",
    "full_like",
    "ones_like",
    "rand_like",
    "randn_like",
    "zeros_like",
]


@_constant
def zeros_like(input: Array, *, dtype: Any = None) -> Array:
    """Zeros in the shape and dtype of input.

    Example:
        >>> nn.zeros_like(nn.Tensor([1.0, 2.0]))
        Tensor([0., 0.])
    """
    return np.zeros(np.shape(input), _dtype(input, dtype))


@_constant
def ones_like(input: Array, *, dtype: Any = None) -> Array:
    """Ones in the shape and dtype of input."""
    return np.ones(np.shape(input), _dtype(input, dtype))


@_constant
def full_like(input: Array, fill_value: Any, *, dtype: Any = None) -> Array:
    """A number in the shape and dtype of input."""
    return np.full(np.shape(input), fill_value, _dtype(input, dtype))


@_constant
def empty_like(input: Array, *, dtype: Any = None) -> Array:
    """Memory for the shape and dtype of input, whose values are still to be set."""
    return np.empty(np.shape(input), _dtype(input, dtype))


@_constant
def rand_like(input: Array, *, dtype: Any = None, generator: Generator | None = None) -> Array:
    """Random numbers between 0 and 1 in the shape and dtype of input."""
    return _drawn(np.shape(input), _dtype(input, dtype), 0, generator)


@_constant
def randn_like(input: Array, *, dtype: Any = None, generator: Generator | None = None) -> Array:
    """Normal random numbers in the shape and dtype of input, the same on every machine for one seed.

    Example:
        >>> nn.randn_like(np.zeros((2, 3), np.float32)).shape
        (2, 3)
    """
    return _drawn(np.shape(input), _dtype(input, dtype), 1, generator)


@_constant
def bernoulli(input: Array, *, generator: Generator | None = None) -> Array:
    """1 with the probability that input says for each element, else 0.

    Example:
        >>> nn.bernoulli(np.array([0.0, 1.0]))
        array([0., 1.])
    """
    x = np.asarray(input)
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError("bernoulli: input must hold probabilities, between 0 and 1")
    return (_drawn(x.shape, x.dtype, 0, generator) < x).astype(x.dtype)


def _dtype(x: Any, dtype: Any) -> np.dtype[Any]:
    return np.dtype(np.asarray(x).dtype if dtype is None else dtype)


def _drawn(shape: tuple[int, ...], dtype: np.dtype[Any], kind: int, generator: Generator | None) -> Any:
    """kind: 0 uniform, 1 normal (swiftnn.h)."""
    if dtype.kind != "f":
        raise TypeError(f"random numbers need a floating point dtype, got {dtype}; pass dtype=np.float32")
    seed, offset = (generator or default_generator).reserve(int(np.prod(shape)))
    return _native.random_forward(shape, int(dtype.itemsize > 4), kind, 0.0, 1.0, seed, offset).astype(dtype, copy=False)
