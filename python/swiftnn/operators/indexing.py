"""Elements chosen by indices and masks."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tape import TensorBase, operation
from ._common import Array, Backward, _array, _axes, _constant, _fit, _one_axis, _raw, _shape

__all__ = [
    "gather",
    "index",
    "index_select",
    "masked_fill",
    "nonzero",
    "take",
    "where",
]


def _is_basic(key: Any) -> bool:
    parts = key if type(key) is tuple else (key,)
    return all(p is None or p is Ellipsis or isinstance(p, (builtins.slice, int, np.integer)) for p in parts)


@operation
def _index(x: Any, key: Any) -> tuple[Any, Backward]:
    shape, dtype = x.shape, x.dtype

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dx = np.zeros(shape, dtype)
        if _is_basic(key):
            dx[key] = dy
        else:
            np.add.at(dx, key, dy)
        return dx, None

    return np.asarray(x[key]), backward


def index(input: Array, key: Any) -> Array:
    """x[key], with Tensors allowed in key."""
    return _index(input, _plain_key(key))


def _plain_key(key: Any) -> Any:
    if type(key) is tuple:
        return tuple(_plain_key(k) for k in key)
    if isinstance(key, TensorBase):
        return key._data
    return key


@operation
def _assign(x: Any, value: Any, key: Any) -> tuple[Any, Backward]:
    y = x.copy()
    y[key] = value
    shape = _shape(value)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dx = dv = None
        if w[0]:
            dx = np.array(dy)
            dx[key] = 0
        if w[1]:
            dv = _fit(np.asarray(dy[key]), shape)
        return dx, dv, None

    return y, backward


def assign(input: Array, key: Any, value: Array) -> Array:
    """A copy of x with value at [key]."""
    return _assign(input, value, _plain_key(key))


@operation
def _take_along(x: Any, indices: Any, axis: int) -> tuple[Any, Backward]:
    shape, dtype = x.shape, x.dtype

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dx = np.zeros(shape, dtype)
        places = list(np.indices(indices.shape, sparse=True))
        places[axis] = indices
        np.add.at(dx, tuple(places), dy)
        return dx, None, None

    places = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices
    return x[tuple(places)], backward


def gather(input: Array, dim: int, index: Array) -> Array:
    """y[i, j, ...] = x[index[i, j, ...], j, ...] for dim 0, and so on."""
    x = _array(input)
    (axis,) = _axes(dim, x.ndim)
    indices = _raw(_array(index))
    if indices.ndim != x.ndim:
        raise ValueError(f"gather: index has {indices.ndim} dimensions; expected {x.ndim}, as many as the input")
    return _take_along(x, indices, axis)


@operation
def _take(x: Any, indices: Any, axis: int | None) -> tuple[Any, Backward]:
    shape, dtype = x.shape, x.dtype

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dx = np.zeros(shape, dtype)
        at: Any = (builtins.slice(None),) * (axis or 0) + (indices,)
        np.add.at(dx.reshape(-1) if axis is None else dx, at, dy)
        return dx, None, None

    return np.asarray(np.take(x, indices, axis)), backward


def take(input: Array, index: Array, dim: int | None = None) -> Array:
    """A copy of the elements with these indices in the flat array, or of the parts with these indices along dim.

    Example:
        >>> nn.take(np.array([[1.0, 2.0], [3.0, 4.0]]), [0, 3])
        array([1., 4.])
    """
    x = _array(input)
    return _take(x, _raw(_array(index)), None if dim is None else _one_axis(dim, x.ndim) if x.ndim else None)


def index_select(input: Array, dim: int, index: Array) -> Array:
    """A copy of the parts with these indices along dim.

    Example:
        >>> nn.index_select(np.array([[1.0, 2.0], [3.0, 4.0]]), 1, [1])
        array([[2.],
               [4.]])
    """
    return take(input, index, dim)


@operation
def _where(condition: Array, a: Array, b: Array) -> tuple[Any, Backward]:
    return np.where(condition, a, b), lambda dy, w: (
        None,
        _fit(np.where(condition, dy, 0), _shape(a)) if w[1] else None,
        _fit(np.where(condition, 0, dy), _shape(b)) if w[2] else None,
    )


def where(condition: Array, input: Any = None, other: Any = None) -> Any:
    """input where condition is True, else other, with broadcasting; without them the indices of True, as `nonzero` with as_tuple."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return _where(condition, input, other)


def masked_fill(input: Array, mask: Array, value: Any) -> Array:
    """x with `value` where mask is True."""
    x = _array(input)
    return _where(mask, value if isinstance(value, TensorBase) else x.dtype.type(value), x)


@_constant
def nonzero(input: Array, *, as_tuple: bool = False) -> Any:
    """The indices of elements that are not 0: a row for each, or with as_tuple an array for each dimension.

    Example:
        >>> nn.nonzero(np.array([[0, 5], [7, 0]]))
        array([[0, 1],
               [1, 0]])
    """
    x = np.asarray(input)
    return np.nonzero(np.atleast_1d(x)) if as_tuple else np.argwhere(x)
