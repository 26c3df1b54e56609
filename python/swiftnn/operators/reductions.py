"""Sums, products, moments, extremes and norms, of all elements or along dimensions."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tape import TensorBase, operation
from ._common import Array, Backward, ValuesAndIndices, _array, _as, _axes, _floating, _one_axis, _opened, _quiet, _raw, _sum_type
from .elementwise import _EXP, _LOG, _elementary, _power, astype, maximum, minimum
from .indexing import gather
from .shapes import reshape

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
]


@operation
def _sum(x: Any, axes: tuple[int, ...], keepdim: bool, dtype: Any) -> tuple[Any, Backward]:
    shape = x.shape
    y = x.sum(axis=axes, keepdims=keepdim, dtype=dtype)
    return np.asarray(y), lambda dy, w: (np.broadcast_to(_opened(dy, axes, keepdim), shape), None, None, None)


def sum(input: Array, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Array:
    """The sum of all elements, or along dim (an int or several)."""
    x = _array(input)
    return _sum(x, _axes(dim, x.ndim), keepdim, _sum_type(x, dtype))


@operation
def _mean(x: Any, axes: tuple[int, ...], keepdim: bool) -> tuple[Any, Backward]:
    shape = x.shape
    n = math.prod(shape[i] for i in axes)
    y = x.mean(axis=axes, keepdims=keepdim)
    return np.asarray(y), lambda dy, w: (np.broadcast_to(_opened(dy / dy.dtype.type(n), axes, keepdim), shape), None, None)


def mean(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The mean of all elements, or along dim."""
    x = _array(input)
    return _mean(x, _axes(dim, x.ndim), keepdim)


@operation
def _var(x: Any, axes: tuple[int, ...], keepdim: bool, correction: float, root: bool) -> tuple[Any, Backward]:
    n = np.float64(builtins.max(math.prod(x.shape[i] for i in axes) - correction, 0))
    centred = x - x.mean(axis=axes, keepdims=True)
    with _quiet():
        y = np.asarray(np.square(centred).sum(axis=axes, keepdims=keepdim) / x.dtype.type(n))
        y = np.asarray(np.sqrt(y)) if root else y

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        with _quiet():
            if root:
                # Of a standard deviation of 0 it is 0.
                dy = np.where(y == 0, 0, dy / (2 * y))
            return _opened(dy, axes, keepdim) * centred * x.dtype.type(2 / n), None, None, None, None

    return y, backward


def _moment(name: str, x: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> Any:
    if isinstance(unbiased, (int, np.integer)) and not isinstance(unbiased, (bool, np.bool_)):
        raise TypeError(f"{name}: unbiased must be a bool, got {unbiased!r}; several dimensions are a tuple: dim=(0, 1)")
    x = _array(x)
    return _var(x, _axes(dim, x.ndim), keepdim, (1 if unbiased else 0) if correction is None else correction, name == "std")


def var(input: Array, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: float | None = None) -> Array:
    """The variance, divided by n - correction, 1 unless unbiased is False."""
    return _moment("var", input, dim, unbiased, keepdim, correction)


def std(input: Array, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: float | None = None) -> Array:
    """The standard deviation: the root of the variance; its derivative at 0 is 0."""
    return _moment("std", input, dim, unbiased, keepdim, correction)


def _totalled(input: Any, dtype: Any) -> Any:
    """input in the type of its sums and products."""
    x = _array(input)
    dtype = _sum_type(x, dtype)
    return x if dtype is None or x.dtype == dtype else astype(x, dtype)


@operation
def _prod(x: Any, axis: int, keepdim: bool) -> tuple[Any, Backward]:
    def backward(dy: Any, w: Sequence[bool]) -> Any:
        # Of all others: those before times those behind. A quotient would not do where an element is 0.
        one = np.ones_like(x.take([0], axis)) if x.shape[axis] else x
        inner = [slice(None)] * x.ndim
        inner[axis] = slice(0, -1)
        before = np.concatenate([one, np.cumprod(x, axis)[tuple(inner)]], axis)
        behind = np.concatenate([one, np.cumprod(np.flip(x, axis), axis)[tuple(inner)]], axis)
        return _opened(dy, (axis,), keepdim) * (before * np.flip(behind, axis)), None, None

    return np.asarray(np.prod(x, axis=axis, keepdims=keepdim)), backward


def prod(input: Array, dim: int | None = None, keepdim: bool = False, dtype: Any = None) -> Array:
    """The product of all elements, or along dim.

    Example:
        >>> x = nn.Tensor([2.0, 0.0, 4.0], requires_grad=True)
        >>> x.prod().backward()
        >>> x.grad
        array([0., 8., 0.], dtype=float32)
    """
    x = _totalled(input, dtype)
    if dim is None or x.ndim == 0:
        return reshape(_prod(reshape(x, -1), 0, False), (1,) * x.ndim if keepdim else ())
    return _prod(x, _one_axis(dim, x.ndim), keepdim)


@operation
def _logsumexp(x: Any, axes: tuple[int, ...], keepdim: bool) -> tuple[Any, Backward]:
    x = _floating(x)
    with _quiet():
        largest = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
        largest = np.where(np.isfinite(largest), largest, x.dtype.type(0))
        total = np.asarray(_elementary(x - largest, _EXP, np.exp).sum(axis=axes, keepdims=True))
        y = _elementary(total, _LOG, np.log) + largest

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        with _quiet():
            return _opened(dy, axes, keepdim) * _elementary(x - y, _EXP, np.exp), None, None

    return y if keepdim else y.reshape([n for i, n in enumerate(y.shape) if i not in axes]), backward


def logsumexp(input: Array, dim: Any, keepdim: bool = False) -> Array:
    """log Σ eˣ along dim (an int or several), also where the exponentials are too large.

    Example:
        >>> nn.logsumexp(np.array([1000.0, 1000.0]), 0)
        array(1000.69314718)
    """
    x = _array(input)
    return _logsumexp(x, _axes(dim, x.ndim), keepdim)


@operation
def _extreme(x: Any, axes: tuple[int, ...], keepdim: bool, largest: bool) -> tuple[Any, Backward]:
    reduce = np.max if largest else np.min
    y = reduce(x, axis=axes, keepdims=True)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        chosen = np.equal(x, y) | (np.isnan(x) & np.isnan(y))
        # Equal elements share the gradient.
        return _opened(dy, axes, keepdim) * chosen / chosen.sum(axis=axes, keepdims=True, dtype=x.dtype), None, None, None

    return np.asarray(y if keepdim else y.reshape([n for i, n in enumerate(y.shape) if i not in axes])), backward


def amax(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The largest of all elements, or along dim; equal ones share the gradient."""
    x = _array(input)
    return _extreme(x, _axes(dim, x.ndim), keepdim, True)


def amin(input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The smallest of all elements, or along dim; equal ones share the gradient."""
    x = _array(input)
    return _extreme(x, _axes(dim, x.ndim), keepdim, False)


def _by_indices(input: Any, dim: Any, keepdim: bool, find: Any) -> ValuesAndIndices:
    """The pair (values, indices) of the indices along dim that find(array, axis) gives; they leave a dimension of size 1 to be dropped."""
    x = _array(input)
    lines = reshape(x, (1,)) if x.ndim == 0 else x
    axis = _one_axis(dim, x.ndim)
    indices = find(_raw(lines), axis)
    values = gather(lines, axis, indices)
    shape = values.shape if keepdim else values.shape[:axis] + values.shape[axis + 1 :]
    shape = shape if x.ndim else ()
    return ValuesAndIndices(values if values.shape == shape else reshape(values, shape), _as(x, indices.reshape(shape)))


def max(input: Array, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with an int `dim` the pair (values, indices) along it; with an array as `dim` the larger of both."""
    if isinstance(dim, (np.ndarray, TensorBase)):
        return maximum(_array(input), dim)
    return amax(input) if dim is None else _by_indices(input, dim, keepdim, lambda x, axis: np.argmax(x, axis, keepdims=True))


def min(input: Array, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; with an int `dim` the pair (values, indices) along it; with an array as `dim` the smaller of both."""
    if isinstance(dim, (np.ndarray, TensorBase)):
        return minimum(_array(input), dim)
    return amin(input) if dim is None else _by_indices(input, dim, keepdim, lambda x, axis: np.argmin(x, axis, keepdims=True))


def argmax(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the largest element, or of the largest along dim."""
    x = _array(input)
    return _as(x, np.asarray(np.argmax(_raw(x), axis=dim, keepdims=keepdim)))


def argmin(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the smallest element, or of the smallest along dim."""
    x = _array(input)
    return _as(x, np.asarray(np.argmin(_raw(x), axis=dim, keepdims=keepdim)))


@operation
def _cumsum(x: Any, axis: int) -> tuple[Any, Backward]:
    return np.cumsum(x, axis=axis), lambda dy, w: (np.flip(np.cumsum(np.flip(dy, axis), axis=axis), axis), None)


def cumsum(input: Array, dim: int, dtype: Any = None) -> Array:
    """The sums of the first elements along dim."""
    x = _totalled(input, dtype)
    return _cumsum(x, _one_axis(dim, x.ndim)) if x.ndim else x


@operation
def _cumprod(x: Any, axis: int) -> tuple[Any, Backward]:
    y = np.cumprod(x, axis=axis)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        # dxₖ = y[k-1] · sₖ with sₖ = dyₖ + x[k+1] · s[k+1]: no quotient, so that elements may be 0.
        dx, s, factor = np.empty_like(dy), 0, 0
        xs, ys, dys, dxs = (np.moveaxis(a, axis, 0) for a in (x, y, dy, dx))
        for k in reversed(range(x.shape[axis])):
            s = dys[k] + factor * s
            dxs[k] = s * ys[k - 1] if k else s
            factor = xs[k]
        return dx, None

    return y, backward


def cumprod(input: Array, dim: int, dtype: Any = None) -> Array:
    """The products of the first elements along dim.

    Example:
        >>> nn.cumprod(np.array([1.0, 2.0, 3.0]), 0)
        array([1., 2., 6.])
    """
    x = _totalled(input, dtype)
    return _cumprod(x, _one_axis(dim, x.ndim)) if x.ndim else x


@operation
def _norm(x: Any, p: float, axes: tuple[int, ...], keepdim: bool) -> tuple[Any, Backward]:
    if p == 2:
        y = np.sqrt(np.square(x).sum(axis=axes, keepdims=True))
    elif p == math.inf:
        y = np.absolute(x).max(axis=axes, keepdims=True)
    elif p == -math.inf:
        y = np.absolute(x).min(axis=axes, keepdims=True)
    elif p == 1:
        y = np.absolute(x).sum(axis=axes, keepdims=True)
    elif p == 0:
        y = (x != 0).sum(axis=axes, keepdims=True).astype(x.dtype)
    else:
        y = _power(_power(np.absolute(x), p).sum(axis=axes, keepdims=True), 1 / p)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dy = _opened(dy, axes, keepdim)
        if p == 0:
            return np.zeros_like(x), None, None, None
        with np.errstate(divide="ignore", invalid="ignore"):
            if p == 1:
                g = dy * np.sign(x)
            elif math.isinf(p):
                chosen = np.absolute(x) == y
                g = dy * np.sign(x) * chosen / chosen.sum(axis=axes, keepdims=True)
            elif p == 2:
                g = np.where(y == 0, 0, dy * (x / y))
            else:
                g = np.where((y == 0) | (x == 0), 0, dy * np.sign(x) * _power(np.absolute(x) / y, p - 1))
        return g.astype(x.dtype, copy=False), None, None, None

    return np.asarray(y if keepdim else y.reshape([n for i, n in enumerate(y.shape) if i not in axes])), backward


def norm(input: Array, p: float = 2.0, dim: Any = None, keepdim: bool = False) -> Array:
    """The p-norm of all elements, or of vectors along dim; its derivative at 0 is 0."""
    x = _array(input)
    return _norm(x, float(p), _axes(dim, x.ndim), keepdim)
