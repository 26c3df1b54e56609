"""What operators share: dimensions, the derivative of broadcasting, and how functions of arrays become functions of Tensors."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .. import _native, tape
from ..tape import TensorBase, operation

__all__: list[str] = []

Array = Any
Backward = Callable[[Any, Sequence[bool]], Any]
_F = TypeVar("_F", bound=Callable[..., Any])


class ValuesAndIndices(NamedTuple):
    values: Any
    indices: Any


def _array(x: Any) -> Any:
    return x if isinstance(x, (np.ndarray, TensorBase)) else np.asarray(x)


def _raw(x: Any) -> Any:
    return x._data if isinstance(x, TensorBase) else x


def _as(x: Any, array: Any) -> Any:
    """array as a Tensor where x is one that decides the kind of results."""
    return tape._new_tensor(array, x._weak) if isinstance(x, TensorBase) else array


def _floating(x: Any) -> Any:
    """x as an array of floats: integers and booleans become float32."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)


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
    """a and b, a Python number among them in the other's float type: NumPy 1 takes it for float64 where the other has no dimensions.

    A Python float beside integers makes float32 of them.
    """
    if type(a) in (int, float) and isinstance(b, (np.ndarray, np.generic)):
        b, a = _weak(b, a)
    elif type(b) in (int, float) and isinstance(a, (np.ndarray, np.generic)):
        if type(b) is float and a.dtype.kind in "biu":
            a = a.astype(np.float32)
        if a.dtype.kind == "f":
            b = a.dtype.type(b)
    return a, b


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


_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE = range(4)  # kinds of swiftnn.h
_UFUNCS = (np.add, np.subtract, np.multiply, np.true_divide)


def _combine(kind: int, a: Any, b: Any) -> Any:
    """a + b, a - b, a · b or a / b: of arrays of one float type on the library's threads, else NumPy's."""
    # NumPy's numbers are Python's floats too, for which the library has no type.
    if isinstance(a, np.generic):
        a = np.asarray(a)
    if isinstance(b, np.generic):
        b = np.asarray(b)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.dtype == b.dtype and a.dtype.char in "fd":
        return _native.combine_forward(a, b, kind)
    with _quiet():
        return _UFUNCS[kind](a, b)


def _one_axis(dim: Any, ndim: int) -> int:
    """dim counted from the front; an array without dimensions has dimension 0 too."""
    return (_axes(operator.index(dim), ndim) or (0,))[0]


def _opened(g: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """g with the reduced dimensions back as size 1."""
    return g if keepdim else np.expand_dims(g, axes)


def _sizes(sizes: Any) -> tuple[Any, ...]:
    """Arguments given one by one or as one sequence."""
    return tuple(sizes[0]) if len(sizes) == 1 and np.ndim(sizes[0]) else tuple(sizes)


def _quiet() -> Any:
    """No warnings of infinities and NaN, as PyTorch has none."""
    return np.errstate(all="ignore")


def _unary(derivative: Callable[..., Any], floats: bool = True) -> Callable[[_F], _F]:
    """Makes an operation of a function of one array. `derivative(dy, ...)` gets those of x and y that it names, and only they are kept.

    floats: integers and booleans become float32.
    """
    names = derivative.__code__.co_varnames[1 : derivative.__code__.co_argcount]

    def make(function: _F) -> _F:
        @wraps(function)
        def compute(input: Any) -> tuple[Any, Backward]:
            x = _floating(input) if floats else np.asarray(input)
            with _quiet():
                y = function(x)
            saved = [x if name == "x" else y for name in names]

            def backward(dy: Any, w: Sequence[bool]) -> Any:
                with _quiet():
                    return (derivative(dy, *saved),)

            return y, backward

        return operation(compute)  # type: ignore[return-value]

    return make


def _inexact(a: Any, b: Any) -> tuple[Any, Any]:
    """a and b, both in float32 where both are integers or booleans."""
    return (a, b) if np.result_type(a, b).kind not in "biu" else (_floating(a), _floating(b))


def _binary(first: Callable[..., Any], second: Callable[..., Any], floats: bool = True) -> Callable[[_F], _F]:
    """Makes an operation of a function of two arrays that broadcast; its derivatives are first(dy, a, b) and second(dy, a, b).

    floats: two arrays of integers or booleans become float32.
    """

    def make(function: _F) -> _F:
        @wraps(function)
        def compute(input: Any, other: Any) -> tuple[Any, Backward]:
            a, b = _weak(input, other)
            if floats:
                a, b = _inexact(a, b)
            with _quiet():
                y = np.asarray(function(a, b))

            def backward(dy: Any, w: Sequence[bool]) -> Any:
                with _quiet():
                    da = _fit(first(dy, a, b), _shape(a)) if w[0] else None
                    return da, _fit(second(dy, a, b), _shape(b)) if w[1] else None

            return y, backward

        return operation(compute)  # type: ignore[return-value]

    return make


def _sum_type(x: Any, dtype: Any) -> Any:
    """dtype; None: int64 for the sums and products of integers and booleans of any size."""
    return np.int64 if dtype is None and x.dtype.kind in "biu" else dtype


def _flat(dy: Any) -> Any:
    """The derivative of a function of steps."""
    return np.zeros_like(dy)


def _constant(function: _F) -> _F:
    """Makes a function of arrays and Tensors out of one of arrays; no gradient flows through it."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        given = (*args, *options.values())
        tensors = [a for a in given if isinstance(a, TensorBase)]
        y = function(*map(_raw, args), **{name: _raw(value) for name, value in options.items()})
        if isinstance(y, np.generic):
            y = np.asarray(y)
        weak = builtins.all(t._weak for t in tensors)
        if not tensors or (weak and builtins.any(isinstance(a, np.ndarray) for a in given)):
            return y
        return tape._wrap(y, weak)

    return call  # type: ignore[return-value]
