"""Comparisons and logic: results without derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._common import Array, _axes, _constant

__all__ = [
    "all",
    "allclose",
    "any",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "count_nonzero",
    "eq",
    "equal",
    "ge",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
]


@_constant
def eq(input: Array, other: Array) -> Array:
    """Where elements are equal.

    Example:
        >>> nn.eq(np.array([1.0, 2.0]), 2)
        array([False,  True])
    """
    return np.equal(input, other)


@_constant
def ne(input: Array, other: Array) -> Array:
    """Where elements differ."""
    return np.not_equal(input, other)


@_constant
def lt(input: Array, other: Array) -> Array:
    """Where elements are less."""
    return np.less(input, other)


@_constant
def le(input: Array, other: Array) -> Array:
    """Where elements are less or equal."""
    return np.less_equal(input, other)


@_constant
def gt(input: Array, other: Array) -> Array:
    """Where elements are greater."""
    return np.greater(input, other)


@_constant
def ge(input: Array, other: Array) -> Array:
    """Where elements are greater or equal."""
    return np.greater_equal(input, other)


@_constant
def logical_and(input: Array, other: Array) -> Array:
    """Where both elements are not 0."""
    return np.logical_and(input, other)


@_constant
def logical_or(input: Array, other: Array) -> Array:
    """Where one of two elements is not 0, or both are."""
    return np.logical_or(input, other)


@_constant
def logical_xor(input: Array, other: Array) -> Array:
    """Where just one of two elements is not 0."""
    return np.logical_xor(input, other)


@_constant
def logical_not(input: Array) -> Array:
    """Where elements are 0."""
    return np.logical_not(input)


@_constant
def bitwise_and(input: Array, other: Array) -> Array:
    """The bits that both integers have, or both booleans."""
    return np.bitwise_and(input, other)


@_constant
def bitwise_or(input: Array, other: Array) -> Array:
    """The bits that one of two integers has, or both, or such booleans."""
    return np.bitwise_or(input, other)


@_constant
def bitwise_xor(input: Array, other: Array) -> Array:
    """The bits that just one of two integers has, or such booleans."""
    return np.bitwise_xor(input, other)


@_constant
def bitwise_not(input: Array) -> Array:
    """The bits that integers do not have, or the opposite of booleans."""
    return np.invert(input)


@_constant
def isnan(input: Array) -> Array:
    """Where elements are NaN."""
    return np.isnan(input)


@_constant
def isinf(input: Array) -> Array:
    """Where elements are infinite."""
    return np.isinf(input)


@_constant
def isfinite(input: Array) -> Array:
    """Where elements are neither NaN nor infinite."""
    return np.isfinite(input)


@_constant
def isclose(input: Array, other: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Where |a - b| <= atol + rtol · |b|.

    Example:
        >>> nn.isclose(np.array([1.0, 1.1]), 1.0, atol=0.01)
        array([ True, False])
    """
    return np.isclose(input, other, rtol, atol, equal_nan)


@_constant
def allclose(input: Array, other: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |a - b| <= atol + rtol · |b| everywhere, as a bool."""
    return bool(np.isclose(input, other, rtol, atol, equal_nan).all())


@_constant
def equal(input: Array, other: Array) -> bool:
    """Whether two arrays have the same shape and elements, as a bool.

    Example:
        >>> nn.equal(np.zeros(2), np.zeros(2)), nn.equal(np.zeros(2), np.zeros((1, 2)))
        (True, False)
    """
    return np.array_equal(input, other)


@_constant
def all(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Whether no element is 0, or none along dim."""
    return np.all(input, axis=_axes(dim, np.ndim(input)), keepdims=keepdim)


@_constant
def any(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Whether an element is not 0, or one along dim."""
    return np.any(input, axis=_axes(dim, np.ndim(input)), keepdims=keepdim)


@_constant
def count_nonzero(input: Array, dim: Any = None) -> Array:
    """How many elements are not 0, of all or along dim."""
    return np.asarray(np.count_nonzero(input, axis=_axes(dim, np.ndim(input))), np.int64)
