"""Arithmetic, reductions, shapes and indexing for arrays and Tensors: what `torch` offers beside its layers, written with NumPy.

Arrays in, arrays out; Tensors in, Tensors out, recorded where a gradient is wanted. Each function made by `operation` returns its result
and its derivative, which gives one gradient (or None) for each array argument. Matrix products run on the library's kernels.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _native
from .tape import TensorBase, operation

__all__ = [
    "abs",
    "add",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "astype",
    "broadcast_to",
    "cat",
    "chunk",
    "clamp",
    "clone",
    "contiguous",
    "cos",
    "cumsum",
    "div",
    "einsum",
    "exp",
    "expand",
    "flatten",
    "flip",
    "gather",
    "index",
    "log",
    "log1p",
    "masked_fill",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mul",
    "neg",
    "norm",
    "permute",
    "pow",
    "repeat",
    "reshape",
    "sign",
    "sin",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "swapaxes",
    "take",
    "tril",
    "triu",
    "unsqueeze",
    "var",
    "where",
]

Array = Any
Backward = Callable[[Any, Sequence[bool]], Any]


class _Extremum(NamedTuple):
    values: Any
    indices: Any


def _shape(x: Any) -> tuple[int, ...] | None:
    """The shape of an array; None for a number."""
    return x.shape if isinstance(x, np.ndarray) else None


def _fit(g: Any, shape: tuple[int, ...] | None) -> Any:
    """The gradient g of a broadcast array, summed to its shape; None for a number."""
    if shape is None or g.shape == shape:
        return None if shape is None else g
    return np.asarray(g.sum(axis=_broadcast_axes(g.shape, shape), keepdims=True)).reshape(shape)


def _broadcast_axes(shape: tuple[int, ...], original: tuple[int, ...]) -> tuple[int, ...]:
    added = len(shape) - len(original)
    return tuple(range(added)) + tuple(i + added for i, n in enumerate(original) if n == 1 and shape[i + added] != 1)


def _weak(a: Any, b: Any) -> tuple[Any, Any]:
    """a and b, a Python number among them in the other's float type: NumPy 1 takes it for float64 where the other has no dimensions."""
    if type(b) in (int, float) and isinstance(a, (np.ndarray, np.generic)) and a.dtype.kind == "f":
        return a, a.dtype.type(b)
    if type(a) in (int, float) and isinstance(b, (np.ndarray, np.generic)) and b.dtype.kind == "f":
        return b.dtype.type(a), b
    return a, b


# Arithmetic.


@operation
def add(a: Array, b: Array) -> tuple[Any, Backward]:
    """a + b, with broadcasting."""
    a, b = _weak(a, b)
    sa, sb = _shape(a), _shape(b)
    return np.add(a, b), lambda dy, w: (_fit(dy, sa) if w[0] else None, _fit(dy, sb) if w[1] else None)


@operation
def sub(a: Array, b: Array) -> tuple[Any, Backward]:
    """a - b, with broadcasting."""
    a, b = _weak(a, b)
    sa, sb = _shape(a), _shape(b)
    return np.subtract(a, b), lambda dy, w: (_fit(dy, sa) if w[0] else None, _fit(-dy, sb) if w[1] else None)


@operation
def mul(a: Array, b: Array) -> tuple[Any, Backward]:
    """a · b, with broadcasting."""
    a, b = _weak(a, b)
    return np.multiply(a, b), lambda dy, w: (_fit(dy * b, _shape(a)) if w[0] else None, _fit(dy * a, _shape(b)) if w[1] else None)


@operation
def div(a: Array, b: Array) -> tuple[Any, Backward]:
    """a / b, with broadcasting."""
    a, b = _weak(a, b)
    return np.true_divide(a, b), lambda dy, w: (
        _fit(dy / b, _shape(a)) if w[0] else None,
        _fit(-dy * a / np.multiply(b, b), _shape(b)) if w[1] else None,
    )


@operation
def pow(a: Array, b: Array) -> tuple[Any, Backward]:
    """a to the power of b, with broadcasting."""
    a, b = _weak(a, b)
    y = np.power(a, b)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        da = db = None
        if w[0]:
            # b = 0 gives 0 even where a is 0, as a constant has it.
            da = _fit(dy * np.where(np.equal(b, 0), 0, b * np.power(a, np.where(np.equal(b, 0), 1, np.subtract(b, 1)))), _shape(a))
        if w[1]:
            with np.errstate(divide="ignore", invalid="ignore"):
                db = _fit(dy * np.where(np.equal(a, 0) & np.greater_equal(b, 0), 0, y * np.log(a)), _shape(b))
        return da, db

    return y, backward


@operation
def neg(x: Array) -> tuple[Any, Backward]:
    """-x"""
    return np.negative(x), lambda dy, w: (-dy,)


@operation
def abs(x: Array) -> tuple[Any, Backward]:
    """The absolute value; its derivative at 0 is 0."""
    return np.absolute(x), lambda dy, w: (dy * np.sign(x),)


@operation
def sign(x: Array) -> tuple[Any, Backward]:
    """-1, 0 or 1."""
    return np.sign(x), lambda dy, w: (np.zeros_like(dy),)


def _twice(x: Any) -> Any:
    return np.add(x, x)


@operation
def square(x: Array) -> tuple[Any, Backward]:
    """x²"""
    return np.square(x), lambda dy, w: (_twice(dy * x),)


@operation
def sqrt(x: Array) -> tuple[Any, Backward]:
    """√x"""
    y = np.sqrt(x)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (dy / _twice(y),)

    return y, backward


_EXP, _LOG = 12, 13  # kinds of swiftnn.h


def _elementary(x: Any, kind: int, function: np.ufunc) -> Any:
    """eˣ or log x: of float32 and float64 on the library's kernels, since NumPy's have other bits on another CPU."""
    x = np.asarray(x)
    if x.dtype.type in (np.float32, np.float64):
        return _native.activation_forward(x, kind, 0.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return function(x)


def _power(x: Any, p: float) -> Any:
    """x to the power of p for x >= 0, with the same bits on every CPU; the relative error is about p |log x| times float64's rounding."""
    return _elementary(p * _elementary(x.astype(np.float64), _LOG, np.log), _EXP, np.exp).astype(x.dtype)


def _any_power(x: Any, p: float) -> Any:
    """x to the power of p as np.power has it, with the same bits on every CPU."""
    if p == 0.5:
        with np.errstate(invalid="ignore"):
            return np.sqrt(x)
    if p % 1 == 0 and builtins.abs(p) <= 16:
        return _whole_power(x, int(p))
    y = _power(np.absolute(x), p)
    if p % 2 == 1:
        return np.copysign(y, x)
    return y if p % 1 == 0 else np.where(np.less(x, 0) & np.isfinite(x), x.dtype.type(np.nan), y)


def _whole_power(x: Any, n: int) -> Any:
    """Products, which are exact where they can be."""
    if n == 0:
        return np.ones_like(x)
    with np.errstate(divide="ignore", over="ignore"):
        if n < 0:
            return 1 / _whole_power(x, -n)
        half = _whole_power(x, n // 2) if n > 1 else x
        return half if n == 1 else half * half * x if n % 2 else half * half


@operation
def _raised(x: Any, p: float, flat: bool) -> tuple[Any, Backward]:
    """x to the power of a constant; flat: its derivative where x = 0 is 0, whatever it is."""

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        with np.errstate(invalid="ignore", over="ignore"):
            dx = dy * (x.dtype.type(p) * _any_power(x, p - 1))
        return np.where(np.equal(x, 0), x.dtype.type(0), dx) if flat else dx, None, None

    with np.errstate(over="ignore"):
        return _any_power(x, p), backward


@operation
def exp(x: Array) -> tuple[Any, Backward]:
    """eˣ"""
    y = _elementary(x, _EXP, np.exp)
    return y, lambda dy, w: (dy * y,)


@operation
def log(x: Array) -> tuple[Any, Backward]:
    """The natural logarithm."""

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (dy / x,)

    return _elementary(x, _LOG, np.log), backward


@operation
def log1p(x: Array) -> tuple[Any, Backward]:
    """log(1 + x)"""
    return np.log1p(x), lambda dy, w: (dy / np.add(*_weak(x, 1)),)


@operation
def sin(x: Array) -> tuple[Any, Backward]:
    """The sine."""
    return np.sin(x), lambda dy, w: (dy * np.cos(x),)


@operation
def cos(x: Array) -> tuple[Any, Backward]:
    """The cosine."""
    return np.cos(x), lambda dy, w: (-dy * np.sin(x),)


def _shared(a: Any, b: Any, y: Any) -> tuple[Any, Any]:
    """Which part of the gradient of maximum or minimum a and b get: equal elements share it."""
    first, second = np.equal(a, y) | np.isnan(a), np.equal(b, y) | np.isnan(b)
    return np.where(first & second, 0.5, first), np.where(first & second, 0.5, second)


@operation
def maximum(a: Array, b: Array) -> tuple[Any, Backward]:
    """The larger of a and b, element by element; equal elements share the gradient."""
    y = np.maximum(a, b)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        pa, pb = _shared(a, b, y)
        return _fit(dy * pa, _shape(a)) if w[0] else None, _fit(dy * pb, _shape(b)) if w[1] else None

    return y, backward


@operation
def minimum(a: Array, b: Array) -> tuple[Any, Backward]:
    """The smaller of a and b, element by element; equal elements share the gradient."""
    y = np.minimum(a, b)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        pa, pb = _shared(a, b, y)
        return _fit(dy * pa, _shape(a)) if w[0] else None, _fit(dy * pb, _shape(b)) if w[1] else None

    return y, backward


@operation
def _clamp(x: Any, least: Any, most: Any) -> tuple[Any, Backward]:
    y = x
    if least is not None:
        y = np.maximum(y, least)
    if most is not None:
        y = np.minimum(y, most)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        low = False if least is None else np.less(x, least)
        high = False if most is None else np.greater(x, most)
        return (
            np.where(low | high, 0, dy) if w[0] else None,
            _fit(np.where(low & ~np.asarray(high), dy, 0), _shape(least)) if w[1] else None,
            _fit(np.where(high, dy, 0), _shape(most)) if w[2] else None,
        )

    return np.asarray(y), backward


def clamp(x: Array, min: Any = None, max: Any = None) -> Array:
    """x where it lies between min and max, else the bound that it passed; None is no bound.

    Example:
        >>> nn.clamp(np.array([-2.0, 0.5, 3.0]), min=0, max=1)
        array([0. , 0.5, 1. ])
    """
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    x = _array(x)
    return _clamp(x, _weak(_raw(x), min)[1], _weak(_raw(x), max)[1])


@operation
def where(condition: Array, a: Array, b: Array) -> tuple[Any, Backward]:
    """a where condition is True, else b, with broadcasting."""
    return np.where(condition, a, b), lambda dy, w: (
        None,
        _fit(np.where(condition, dy, 0), _shape(a)) if w[1] else None,
        _fit(np.where(condition, 0, dy), _shape(b)) if w[2] else None,
    )


def masked_fill(x: Array, mask: Array, value: Any) -> Array:
    """x with `value` where mask is True."""
    x = _array(x)
    return where(mask, value if isinstance(value, TensorBase) else x.dtype.type(value), x)


@operation
def _astype(x: Any, dtype: Any, copy: bool) -> tuple[Any, Backward]:
    before = x.dtype
    return x.astype(dtype, copy=copy), lambda dy, w: (dy.astype(before, copy=False), None, None)


def astype(x: Array, dtype: Any, copy: bool = True) -> Array:
    """The elements converted to dtype."""
    return _astype(x, dtype, copy)


@operation
def clone(x: Array) -> tuple[Any, Backward]:
    """A copy with memory of its own."""
    return np.copy(x), lambda dy, w: (dy,)


@operation
def contiguous(x: Array) -> tuple[Any, Backward]:
    """A copy in C order."""
    return np.array(x, order="C"), lambda dy, w: (dy,)


# Matrix products.


def _product(a: Any, b: Any) -> Any:
    """a @ b for float matrices (..., m, k) and (..., k, n), on the library's kernels."""
    if a.dtype.kind != "f" or b.dtype.kind != "f" or a.dtype != b.dtype or a.dtype.itemsize not in (4, 8) or b.ndim < 2 or a.ndim < 2:
        return np.matmul(a, b)
    return _native.matmul_forward(a, b)


@operation
def matmul(a: Array, b: Array) -> tuple[Any, Backward]:
    """The product of matrices or vectors, with leading dimensions broadcast."""
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: both arrays need at least one dimension, got shapes {a.shape} and {b.shape}")
    left = a[None] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    y = _product(left, right)
    shape = y.shape
    if b.ndim == 1:
        y = y[..., 0]
    if a.ndim == 1:
        y = y[..., 0] if b.ndim == 1 else y[..., 0, :]

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dy = dy.reshape(shape)
        da = db = None
        if w[0]:
            da = _fit(_product(dy, right.swapaxes(-1, -2)), _shape(left)).reshape(a.shape)
        if w[1]:
            if right.ndim == 2:
                # one product over all leading dimensions
                rows, columns = left.reshape(-1, left.shape[-1]), dy.reshape(-1, dy.shape[-1])
                db = _product(rows.T, columns).reshape(b.shape)
            else:
                db = _fit(_product(left.swapaxes(-1, -2), dy), _shape(right)).reshape(b.shape)
        return da, db

    return np.asarray(y), backward


def einsum(equation: str, *operands: Array) -> Array:
    """Sums of products of elements in Einstein's notation, without repeated letters in one operand and without "...".

    Example:
        >>> nn.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((3, 2)))
        array([[3., 3.],
               [3., 3.]])
    """
    terms, arrow, result = equation.replace(" ", "").partition("->")
    inputs = terms.split(",")
    letters = "".join(inputs)
    if not arrow:
        result = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    if len(inputs) != len(operands):
        raise ValueError(f"einsum: {equation!r} names {len(inputs)} operands, but {len(operands)} were given")
    if "." in equation or any(len(set(t)) != len(t) for t in (*inputs, result)) or not set(result) <= set(letters):
        raise ValueError(f"einsum: {equation!r} is not supported: letters once in each operand, no ellipsis; use matmul, sum and indexing")
    return _einsum(*operands, inputs=tuple(inputs), result=result)


@operation
def _einsum(*operands: Any, inputs: tuple[str, ...], result: str) -> tuple[Any, Backward]:
    y = np.einsum(",".join(inputs) + "->" + result, *operands, optimize=len(operands) > 1)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        gradients: list[Any] = []
        for i, term in enumerate(inputs):
            if not w[i]:
                gradients.append(None)
                continue
            others = [inputs[j] for j in range(len(inputs)) if j != i]
            known = set(result).union(*others)
            kept = "".join(c for c in term if c in known)
            g = np.einsum(
                ",".join([result, *others]) + "->" + kept,
                dy,
                *(operands[j] for j in range(len(inputs)) if j != i),
                optimize=len(inputs) > 1,
            )
            # Letters that stand in this operand alone were summed: every element gets the gradient of the sum.
            places = tuple(builtins.slice(None) if c in known else None for c in term)
            gradients.append(np.broadcast_to(g[places], operands[i].shape))
        return gradients

    return np.asarray(y), backward


# Reductions.


def _axes(dim: Any, ndim: int) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(ndim))
    dims = (dim,) if np.ndim(dim) == 0 else tuple(dim)
    out = []
    for d in dims:
        d = operator.index(d)
        if not -builtins.max(ndim, 1) <= d < builtins.max(ndim, 1):
            raise IndexError(f"dim={d} is out of range for an array with {ndim} dimensions: expected {-ndim} to {ndim - 1}")
        out.append(d % builtins.max(ndim, 1))
    return tuple(sorted(out)) if ndim else ()


def _opened(g: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """g with the reduced dimensions back as size 1."""
    return g if keepdim else np.expand_dims(g, axes)


@operation
def _sum(x: Any, axes: tuple[int, ...], keepdim: bool, dtype: Any) -> tuple[Any, Backward]:
    shape = x.shape
    y = x.sum(axis=axes, keepdims=keepdim, dtype=dtype)
    return np.asarray(y), lambda dy, w: (np.broadcast_to(_opened(dy, axes, keepdim), shape), None, None, None)


def sum(x: Array, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Array:
    """The sum of all elements, or along dim (an int or several)."""
    x = _array(x)
    return _sum(x, _axes(dim, x.ndim), keepdim, dtype)


@operation
def _mean(x: Any, axes: tuple[int, ...], keepdim: bool) -> tuple[Any, Backward]:
    shape = x.shape
    n = math.prod(shape[i] for i in axes)
    y = x.mean(axis=axes, keepdims=keepdim)
    return np.asarray(y), lambda dy, w: (np.broadcast_to(_opened(dy / dy.dtype.type(n), axes, keepdim), shape), None, None)


def mean(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The mean of all elements, or along dim."""
    x = _array(x)
    return _mean(x, _axes(dim, x.ndim), keepdim)


@operation
def _var(x: Any, axes: tuple[int, ...], keepdim: bool, correction: float) -> tuple[Any, Backward]:
    n = math.prod(x.shape[i] for i in axes)
    centred = x - x.mean(axis=axes, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.square(centred).sum(axis=axes, keepdims=keepdim) / x.dtype.type(builtins.max(n - correction, 0))

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        return _opened(dy, axes, keepdim) * centred * x.dtype.type(2 / builtins.max(n - correction, 0)), None, None, None

    return np.asarray(y), backward


def var(x: Array, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: float | None = None) -> Array:
    """The variance, divided by n - correction, 1 unless unbiased is False."""
    x = _array(x)
    if isinstance(unbiased, (int, np.integer)) and not isinstance(unbiased, (bool, np.bool_)):
        raise TypeError(f"var: unbiased must be a bool, got {unbiased!r}; several dimensions are a tuple: dim=(0, 1)")
    return _var(x, _axes(dim, x.ndim), keepdim, (1 if unbiased else 0) if correction is None else correction)


def std(x: Array, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: float | None = None) -> Array:
    """The standard deviation: the root of the variance."""
    return sqrt(var(x, dim, unbiased, keepdim, correction))


@operation
def _extreme(x: Any, axes: tuple[int, ...], keepdim: bool, largest: bool) -> tuple[Any, Backward]:
    reduce = np.max if largest else np.min
    y = reduce(x, axis=axes, keepdims=True)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        chosen = np.equal(x, y) | (np.isnan(x) & np.isnan(y))
        # Equal elements share the gradient.
        return _opened(dy, axes, keepdim) * chosen / chosen.sum(axis=axes, keepdims=True, dtype=x.dtype), None, None, None

    return np.asarray(y if keepdim else y.reshape([n for i, n in enumerate(y.shape) if i not in axes])), backward


def amax(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The largest of all elements, or along dim; equal ones share the gradient."""
    x = _array(x)
    return _extreme(x, _axes(dim, x.ndim), keepdim, True)


def amin(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The smallest of all elements, or along dim; equal ones share the gradient."""
    x = _array(x)
    return _extreme(x, _axes(dim, x.ndim), keepdim, False)


def _along(x: Any, dim: int, keepdim: bool, find: Any) -> _Extremum:
    (axis,) = _axes(dim, x.ndim) or (0,)
    raw = _raw(x)
    if raw.ndim == 0:
        return _Extremum(x, 0)
    indices = find(raw, axis=axis, keepdims=True)
    values = gather(x, axis, indices)
    return _Extremum(values if keepdim else squeeze(values, axis), _as(x, indices if keepdim else indices.squeeze(axis)))


def max(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with an int `dim` the pair (values, indices) along it; with an array as `dim` the larger of both."""
    x = _array(x)
    if isinstance(dim, (np.ndarray, TensorBase)):
        return maximum(x, dim)
    return amax(x) if dim is None else _along(x, dim, keepdim, np.argmax)


def min(x: Array, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; with an int `dim` the pair (values, indices) along it; with an array as `dim` the smaller of both."""
    x = _array(x)
    if isinstance(dim, (np.ndarray, TensorBase)):
        return minimum(x, dim)
    return amin(x) if dim is None else _along(x, dim, keepdim, np.argmin)


def argmax(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the largest element, or of the largest along dim."""
    x = _array(x)
    return _as(x, np.asarray(np.argmax(_raw(x), axis=dim, keepdims=keepdim)))


def argmin(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the smallest element, or of the smallest along dim."""
    x = _array(x)
    return _as(x, np.asarray(np.argmin(_raw(x), axis=dim, keepdims=keepdim)))


@operation
def _cumsum(x: Any, axis: int) -> tuple[Any, Backward]:
    return np.cumsum(x, axis=axis), lambda dy, w: (np.flip(np.cumsum(np.flip(dy, axis), axis=axis), axis), None)


def cumsum(x: Array, dim: int) -> Array:
    """The sums of the first elements along dim."""
    return _cumsum(_array(x), dim)


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


def norm(x: Array, p: float = 2.0, dim: Any = None, keepdim: bool = False) -> Array:
    """The p-norm of all elements, or of vectors along dim; its derivative at 0 is 0."""
    x = _array(x)
    return _norm(x, float(p), _axes(dim, x.ndim), keepdim)


# Shapes.


@operation
def _reshape(x: Any, shape: tuple[int, ...]) -> tuple[Any, Backward]:
    before = x.shape
    return x.reshape(shape), lambda dy, w: (dy.reshape(before), None)


def reshape(x: Array, shape: Any) -> Array:
    """The same elements in another shape; one size may be -1."""
    return _reshape(_array(x), shape)


@operation
def _transpose(x: Any, axes: tuple[int, ...]) -> tuple[Any, Backward]:
    back = tuple(int(i) for i in np.argsort([a % x.ndim for a in axes])) if x.ndim else ()
    return x.transpose(axes), lambda dy, w: (dy.transpose(back), None)


def permute(x: Array, dims: Any) -> Array:
    """The dimensions in another order."""
    return _transpose(_array(x), tuple(dims))


@operation
def _swapaxes(x: Any, a: int, b: int) -> tuple[Any, Backward]:
    return x.swapaxes(a, b), lambda dy, w: (dy.swapaxes(a, b), None, None)


def swapaxes(x: Array, dim0: int, dim1: int) -> Array:
    """Two dimensions exchanged."""
    return _swapaxes(_array(x), dim0, dim1)


def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """The dimensions from start_dim to end_dim as one."""
    x = _array(x)
    shape = x.shape
    if not shape:
        return reshape(x, (1,))
    (first,), (last,) = _axes(start_dim, len(shape)), _axes(end_dim, len(shape))
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim}")
    return reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def squeeze(x: Array, dim: Any = None) -> Array:
    """Without the dimensions of size 1, or without dim where its size is 1."""
    x = _array(x)
    axes = _axes(dim, x.ndim)
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in axes))


def unsqueeze(x: Array, dim: int) -> Array:
    """With a new dimension of size 1 at dim."""
    x = _array(x)
    (axis,) = _axes(dim, x.ndim + 1)
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


@operation
def _broadcast_to(x: Any, shape: tuple[int, ...]) -> tuple[Any, Backward]:
    before = x.shape
    return np.broadcast_to(x, shape), lambda dy, w: (_fit(dy, before), None)


def broadcast_to(x: Array, shape: Any) -> Array:
    """x repeated along dimensions of size 1 or new ones, without a copy; the result cannot be written."""
    return _broadcast_to(_array(x), tuple(shape))


def expand(x: Array, *sizes: Any) -> Array:
    """broadcast_to where -1 keeps a size."""
    x = _array(x)
    shape = tuple(sizes[0]) if len(sizes) == 1 and np.ndim(sizes[0]) else sizes
    added = len(shape) - x.ndim
    return broadcast_to(x, tuple(x.shape[i - added] if n == -1 and i >= added else n for i, n in enumerate(shape)))


@operation
def _tile(x: Any, repeats: tuple[int, ...]) -> tuple[Any, Backward]:
    padded = (1,) * (len(repeats) - x.ndim) + x.shape
    before = x.shape

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        split_shape = [n for pair in zip(repeats, padded, strict=True) for n in pair]
        return dy.reshape(split_shape).sum(axis=tuple(range(0, 2 * len(padded), 2))).reshape(before), None

    return np.tile(x, repeats), backward


def repeat(x: Array, *repeats: Any) -> Array:
    """x laid side by side, as often along each dimension as repeats say."""
    x = _array(x)
    counts = tuple(repeats[0]) if len(repeats) == 1 and np.ndim(repeats[0]) else repeats
    if len(counts) < x.ndim:
        raise ValueError(f"repeat: {len(counts)} counts for {x.ndim} dimensions; give one for each")
    return _tile(x, tuple(counts))


@operation
def _flip(x: Any, axes: Any) -> tuple[Any, Backward]:
    return np.flip(x, axes), lambda dy, w: (np.flip(dy, axes), None)


def flip(x: Array, dims: Any) -> Array:
    """The order of the elements along dims reversed."""
    x = _array(x)
    return _flip(x, _axes(dims, x.ndim))


@operation
def _triangle(x: Any, k: int, lower: bool) -> tuple[Any, Backward]:
    cut = np.tril if lower else np.triu
    return cut(x, k), lambda dy, w: (cut(dy, k), None, None)


def tril(x: Array, diagonal: int = 0) -> Array:
    """The elements on and below a diagonal, the others 0."""
    return _triangle(_array(x), diagonal, True)


def triu(x: Array, diagonal: int = 0) -> Array:
    """The elements on and above a diagonal, the others 0."""
    return _triangle(_array(x), diagonal, False)


# Joining and cutting.


@operation
def _concatenate(*arrays: Any, axis: int) -> tuple[Any, Backward]:
    sizes = [a.shape[axis] for a in arrays]

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        return np.split(dy, np.cumsum(sizes)[:-1], axis=axis)

    return np.concatenate(arrays, axis=axis), backward


def cat(arrays: Iterable[Array], dim: int = 0) -> Array:
    """Arrays put together along a dimension they have.

    Example:
        >>> nn.cat([np.zeros(2), np.ones(1)])
        array([0., 0., 1.])
    """
    parts = [_array(a) for a in arrays]
    if not parts:
        raise ValueError("cat: expected a non-empty list of arrays")
    return _concatenate(*parts, axis=dim)


def stack(arrays: Iterable[Array], dim: int = 0) -> Array:
    """Arrays of one shape put together along a new dimension."""
    parts = [_array(a) for a in arrays]
    if not parts:
        raise ValueError("stack: expected a non-empty list of arrays")
    return _concatenate(*(unsqueeze(a, dim) for a in parts), axis=dim)


def split(x: Array, split_size_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """Pieces of one size (the last may be smaller), or of the sizes given, along dim; they share the memory of x."""
    x = _array(x)
    (axis,) = _axes(dim, x.ndim)
    n = x.shape[axis]
    if np.ndim(split_size_or_sections) == 0:
        size = operator.index(split_size_or_sections)
        if size <= 0:
            raise ValueError(f"split: split_size must be positive, got {size}")
        sizes = [builtins.min(size, n - i) for i in range(0, n, size)] or [0]
    else:
        sizes = list(split_size_or_sections)
        if builtins.sum(sizes) != n:
            raise ValueError(f"split: sizes {sizes} must add up to {n}, the size of dimension {dim}")
    pieces, start = [], 0
    for size in sizes:
        pieces.append(index(x, (builtins.slice(None),) * axis + (builtins.slice(start, start + size),)))
        start += size
    return tuple(pieces)


def chunk(x: Array, chunks: int, dim: int = 0) -> tuple[Array, ...]:
    """At most `chunks` pieces of one size along dim."""
    x = _array(x)
    (axis,) = _axes(dim, x.ndim)
    if chunks <= 0:
        raise ValueError(f"chunk: chunks must be positive, got {chunks}")
    return split(x, builtins.max(1, -(-x.shape[axis] // chunks)), dim)


# Indexing.


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


def index(x: Array, key: Any) -> Array:
    """x[key], with Tensors allowed in key."""
    return _index(x, _plain_key(key))


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
            dx = dy.copy()
            dx[key] = 0
        if w[1]:
            dv = _fit(np.asarray(dy[key]), shape)
        return dx, dv, None

    return y, backward


def assign(x: Array, key: Any, value: Array) -> Array:
    """A copy of x with value at [key]."""
    return _assign(x, value, _plain_key(key))


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


def gather(x: Array, dim: int, index: Array) -> Array:
    """y[i, j, ...] = x[index[i, j, ...], j, ...] for dim 0, and so on."""
    x = _array(x)
    (axis,) = _axes(dim, x.ndim)
    indices = _raw(_array(index))
    if indices.ndim != x.ndim:
        raise ValueError(f"gather: index has {indices.ndim} dimensions; expected {x.ndim}, as many as the input")
    return _take_along(x, indices, axis)


@operation
def _take(x: Any, indices: Any, axis: int) -> tuple[Any, Backward]:
    shape, dtype = x.shape, x.dtype

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dx = np.zeros(shape, dtype)
        at: Any = (builtins.slice(None),) * axis + (indices,)
        np.add.at(dx, at, dy)
        return dx, None, None

    return np.take(x, indices, axis), backward


def take(x: Array, indices: Array, dim: int) -> Array:
    """A copy of the parts of x with these indices along dim."""
    x = _array(x)
    (axis,) = _axes(dim, x.ndim)
    return _take(x, _raw(_array(indices)), axis)


# Helpers.


def _array(x: Any) -> Any:
    return x if isinstance(x, (np.ndarray, TensorBase)) else np.asarray(x)


def _raw(x: Any) -> Any:
    return x._data if isinstance(x, TensorBase) else x


def _as(x: Any, array: Any) -> Any:
    """array as a Tensor where x is one that decides the kind of results."""
    if not isinstance(x, TensorBase):
        return array
    from . import tape

    return tape._new_tensor(array, x._weak)
