"""Sorting, and what is found by it: the largest elements, medians, quantiles, different values. Gradients go where values came from."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..tape import operation
from ._common import Array, Backward, ValuesAndIndices, _array, _constant, _one_axis, _raw
from .elementwise import lerp
from .indexing import gather
from .reductions import _by_indices
from .shapes import movedim, reshape

__all__ = [
    "argsort",
    "kthvalue",
    "median",
    "mode",
    "nanmedian",
    "quantile",
    "sort",
    "topk",
    "unique",
]


def _order(x: Any, axis: int, descending: bool = False) -> Any:
    """The indices that sort x, equal elements in their order, NaN being the largest."""
    if not descending:
        return np.argsort(x, axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


def sort(input: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The pair (values, indices) of the elements in order along dim. Equal ones keep theirs, stable or not; NaN is the largest.

    Example:
        >>> values, indices = nn.sort(np.array([3.0, 1.0, 2.0]), descending=True)
        >>> values, indices
        (array([3., 2., 1.]), array([0, 2, 1]))
    """
    return _by_indices(input, dim, True, lambda x, axis: _order(x, axis, descending))


@_constant
def argsort(input: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Array:
    """The indices that sort the elements along dim, as those of `sort`."""
    x = np.asarray(input)
    return _order(x, _one_axis(dim, x.ndim), descending) if x.ndim else np.asarray(0)


def topk(input: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The pair (values, indices) of the k largest (or smallest) elements along dim, in order, sorted or not.

    Raises:
        RuntimeError: k is negative, or there are fewer elements.

    Example:
        >>> nn.topk(np.array([1.0, 4.0, 3.0]), 2).indices
        array([1, 2])
    """

    def find(x: Any, axis: int) -> Any:
        if not 0 <= k <= x.shape[axis]:
            raise RuntimeError(f"topk: k={k} is out of range for dimension {dim} of size {x.shape[axis]}")
        return np.take(_order(x, axis, largest), range(k), axis)

    return _by_indices(input, dim, True, find)


def _at_rank(input: Any, dim: int, keepdim: bool, name: str, rank: Callable[[Any, int], Any]) -> ValuesAndIndices:
    """The pair (values, indices) of the elements that are number rank(array, axis) in order along dim."""

    def find(x: Any, axis: int) -> Any:
        if x.shape[axis] == 0:
            raise IndexError(f"{name}: dimension {dim} of shape {x.shape} has no elements")
        return np.take_along_axis(_order(x, axis), rank(x, axis), axis)

    return _by_indices(input, dim, keepdim, find)


def kthvalue(input: Array, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The pair (values, indices) of the k-th smallest elements along dim, k counted from 1.

    Example:
        >>> nn.kthvalue(np.array([30.0, 10.0, 20.0]), 2).values
        array(20.)
    """

    def rank(x: Any, axis: int) -> Any:
        if not 1 <= k <= x.shape[axis]:
            raise RuntimeError(f"kthvalue: k={k} is out of range for dimension {dim} of size {x.shape[axis]}")
        return np.full([1 if i == axis else n for i, n in enumerate(x.shape)], k - 1)

    return _at_rank(input, dim, keepdim, "kthvalue", rank)


def _middle(x: Any, axis: int, skip_nan: bool) -> Any:
    numbers = x.shape[axis] - np.isnan(x).sum(axis, keepdims=True)
    if skip_nan:
        return np.maximum(numbers - 1, 0) // 2
    return np.where(numbers < x.shape[axis], numbers, (x.shape[axis] - 1) // 2)


@operation
def _median(x: Any, skip_nan: bool) -> tuple[Any, Backward]:
    line = x.reshape(-1)
    if line.size:
        place = int(_middle(line, 0, skip_nan)[0])
        y = np.partition(line, place)[place]
    else:
        y = x.dtype.type(np.nan)  # an array of integers has none, and raises

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        chosen = np.equal(x, y) | (np.isnan(x) & np.isnan(y))
        return dy * chosen / x.dtype.type(builtins.max(chosen.sum(), 1)), None

    return np.asarray(y), backward


def median(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, the lower of two, whose equals share the gradient; with dim the pair (values, indices) along it. NaN where one is NaN.

    Example:
        >>> nn.median(np.array([1.0, 9.0, 3.0, 2.0]))
        array(2.)
    """
    if dim is None:
        return _median(_array(input), False)
    return _at_rank(input, dim, keepdim, "median", lambda x, axis: _middle(x, axis, False))


def nanmedian(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of what is not NaN; with dim the pair (values, indices) along it."""
    if dim is None:
        return _median(_array(input), True)
    return _at_rank(input, dim, keepdim, "nanmedian", lambda x, axis: _middle(x, axis, True))


def mode(input: Array, dim: int = -1, keepdim: bool = False) -> Any:
    """The pair (values, indices) of the most frequent value along dim, the smallest of several, and where it stands last.

    Example:
        >>> nn.mode(np.array([2, 1, 2, 1, 3]))
        ValuesAndIndices(values=array(1), indices=array(3))
    """

    def rank(x: Any, axis: int) -> Any:
        s = np.moveaxis(np.sort(x, axis), axis, -1)
        places = np.arange(s.shape[-1])
        new = np.concatenate([np.ones_like(s[..., :1], bool), s[..., 1:] != s[..., :-1]], -1)
        runs = places - np.maximum.accumulate(np.where(new, places, 0), -1)
        return np.moveaxis(np.argmax(runs, -1, keepdims=True), -1, axis)

    return _at_rank(input, dim, keepdim, "mode", rank)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(input: Array, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Array:
    """The q-quantiles of all elements, or along dim; NaN where one is NaN.

    Args:
        input: array of floats.
        q: a number between 0 and 1, or several, which become the first dimension of the result.
        dim: dimension; None: all elements.
        keepdim: keeps dim, with size 1.
        interpolation: what is taken between two elements: "linear", "lower", "higher", "midpoint" or "nearest".

    Raises:
        TypeError: input has no floats.
        ValueError: a q is outside of 0 to 1, or interpolation another word.

    Example:
        >>> nn.quantile(np.array([0.0, 1.0, 2.0, 3.0]), [0.25, 0.5])
        array([0.75, 1.5 ])
    """
    x = _array(input)
    if x.dtype.kind != "f":
        raise TypeError(f"quantile: input must have a floating point dtype, got {x.dtype}; convert it to float32")
    places = np.asarray(_raw(q), x.dtype)
    if places.ndim > 1 or not ((places >= 0) & (places <= 1)).all():
        raise ValueError(f"quantile: q must be a number between 0 and 1, or a list of such numbers, got {q!r}")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"quantile: interpolation must be one of {', '.join(_INTERPOLATIONS)}, got {interpolation!r}")
    whole = dim is None or x.ndim == 0
    axis = 0 if whole else _one_axis(dim, x.ndim)
    lines = reshape(x, -1) if whole else movedim(x, axis, -1)
    n = lines.shape[-1]
    if n == 0:
        raise RuntimeError(f"quantile: input of shape {x.shape} has no elements there")
    s = sort(lines).values
    ranks = places.reshape(-1) * places.dtype.type(n - 1)
    # NaN is last in order.
    ranks = np.where(np.isnan(_raw(s)[..., -1:]), x.dtype.type(n - 1), ranks)
    if interpolation in ("lower", "higher", "nearest"):
        ranks = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}[interpolation](ranks)
    below = np.floor(ranks)
    y = gather(s, -1, below.astype(np.int64))
    if interpolation in ("linear", "midpoint"):
        weight = np.where(ranks > below, x.dtype.type(0.5), 0) if interpolation == "midpoint" else ranks - below
        y = lerp(y, gather(s, -1, np.ceil(ranks).astype(np.int64)), weight.astype(x.dtype))
    y = movedim(y, -1, 0)
    kept = tuple(1 if whole or i == axis else size for i, size in enumerate(x.shape))
    shape = kept if keepdim else () if whole else kept[:axis] + kept[axis + 1 :]
    return reshape(y, places.shape + shape)


@_constant
def unique(input: Array, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The different elements, in order, or the different parts along dim; no gradient flows through it.

    Args:
        input: array.
        sorted: they are sorted anyway.
        return_inverse: also gives, for each element, its place among the different ones.
        return_counts: also gives how often each occurs.
        dim: compares the parts along this dimension; None: elements.

    Example:
        >>> nn.unique(np.array([3, 1, 3]), return_counts=True)
        (array([1, 3]), array([1, 2]))
    """
    x = np.asarray(input)
    found = np.unique(x, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    inverse = found[1].reshape(x.shape if dim is None else -1)
    parts = (found[0], *((inverse,) if return_inverse else ()), *((found[2],) if return_counts else ()))
    return parts if len(parts) > 1 else parts[0]
