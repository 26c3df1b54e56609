"""Arithmetic, powers, exponentials, trigonometry, rounding, types: operations that work element by element."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _native
from ..tape import operation
from ._common import (
    _ADD,
    _DIVIDE,
    _MULTIPLY,
    _SUBTRACT,
    Array,
    Backward,
    _array,
    _binary,
    _combine,
    _constant,
    _fit,
    _flat,
    _floating,
    _inexact,
    _quiet,
    _raw,
    _shape,
    _unary,
    _weak,
)

__all__ = [
    "abs",
    "acos",
    "acosh",
    "add",
    "addcdiv",
    "addcmul",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clone",
    "contiguous",
    "cos",
    "cosh",
    "div",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "floor_divide",
    "fmod",
    "frac",
    "hypot",
    "lerp",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logit",
    "maximum",
    "minimum",
    "mul",
    "nan_to_num",
    "neg",
    "pow",
    "reciprocal",
    "remainder",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "sub",
    "tan",
    "trunc",
    "xlogy",
]

_LN2, _LN10 = math.log(2), math.log(10)

# Arithmetic.


def _scaled(x: Any, factor: Any) -> Any:
    """x times a number; a product of numbers stays one, which has no precision of its own."""
    return x if factor == 1 else x * factor if isinstance(x, (int, float)) else mul(x, factor)


@operation
def _add(a: Array, b: Array) -> tuple[Any, Backward]:
    a, b = _weak(a, b)
    sa, sb = _shape(a), _shape(b)
    return _combine(_ADD, a, b), lambda dy, w: (_fit(dy, sa) if w[0] else None, _fit(dy, sb) if w[1] else None)


def add(input: Array, other: Array, *, alpha: float = 1) -> Array:
    """input + alpha · other, with broadcasting.

    Example:
        >>> nn.add(np.array([1.0, 2.0]), np.array([3.0, 4.0]), alpha=10)
        array([31., 42.])
    """
    return _add(input, _scaled(other, alpha))


@operation
def _sub(a: Array, b: Array) -> tuple[Any, Backward]:
    a, b = _weak(a, b)
    sa, sb = _shape(a), _shape(b)
    return _combine(_SUBTRACT, a, b), lambda dy, w: (_fit(dy, sa) if w[0] else None, _fit(-dy, sb) if w[1] else None)


def sub(input: Array, other: Array, *, alpha: float = 1) -> Array:
    """input - alpha · other, with broadcasting."""
    return _sub(input, _scaled(other, alpha))


@operation
def mul(input: Array, other: Array) -> tuple[Any, Backward]:
    """a · b, with broadcasting."""
    input, other = _weak(input, other)
    return _combine(_MULTIPLY, input, other), lambda dy, w: (
        _fit(_combine(_MULTIPLY, dy, other), _shape(input)) if w[0] else None,
        _fit(_combine(_MULTIPLY, dy, input), _shape(other)) if w[1] else None,
    )


@operation
def _div(a: Array, b: Array) -> tuple[Any, Backward]:
    a, b = _inexact(*_weak(a, b))
    return _combine(_DIVIDE, a, b), lambda dy, w: (
        _fit(_combine(_DIVIDE, dy, b), _shape(a)) if w[0] else None,
        _fit(-dy * a / np.multiply(b, b), _shape(b)) if w[1] else None,
    )


@operation
def _rounded_div(a: Any, b: Any, floor: bool) -> tuple[Any, Backward]:
    a, b = _weak(a, b)
    sa, sb = _shape(a), _shape(b)
    with _quiet():
        if floor:
            y = np.floor_divide(a, b)
        elif np.result_type(a, b).kind == "f":
            y = np.trunc(np.true_divide(a, b))
        else:
            y = np.floor_divide(np.subtract(a, np.fmod(a, b)), b)
    return y, lambda dy, w: (_fit(_flat(dy), sa), _fit(_flat(dy), sb), None)


def div(input: Array, other: Array, *, rounding_mode: str | None = None) -> Array:
    """input / other, with broadcasting; rounding_mode "trunc" rounds towards 0 and "floor" down, with the derivative 0.

    Example:
        >>> nn.div(np.array([-7, 7]), 2, rounding_mode="trunc")
        array([-3,  3])
    """
    if rounding_mode is None:
        return _div(input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise ValueError(f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}")
    return _rounded_div(input, other, rounding_mode == "floor")


@_constant
def floor_divide(input: Array, other: Array) -> Array:
    """The quotient rounded down, without a derivative."""
    with _quiet():
        return np.floor_divide(input, other)


@_binary(lambda dy, a, b: dy, lambda dy, a, b: -dy * np.trunc(np.true_divide(a, b)), floats=False)
def fmod(input: Array, other: Array) -> Array:
    """The remainder of a division, with the sign of input.

    Example:
        >>> nn.fmod(np.array([-3.0, 3.0]), 2), nn.remainder(np.array([-3.0, 3.0]), 2)
        (array([-1.,  1.]), array([1., 1.]))
    """
    return np.fmod(input, other)


@_binary(lambda dy, a, b: dy, lambda dy, a, b: -dy * np.floor_divide(a, b), floats=False)
def remainder(input: Array, other: Array) -> Array:
    """The remainder of a division, with the sign of other: Python's %."""
    return np.remainder(input, other)


@operation
def pow(input: Array, exponent: Array) -> tuple[Any, Backward]:
    """a to the power of b, with broadcasting."""
    input, exponent = _weak(input, exponent)
    y = np.power(input, exponent)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        da = db = None
        if w[0]:
            # exponent = 0 gives 0 even where input is 0, as input constant has it.
            da = _fit(
                dy
                * np.where(
                    np.equal(exponent, 0), 0, exponent * np.power(input, np.where(np.equal(exponent, 0), 1, np.subtract(exponent, 1)))
                ),
                _shape(input),
            )
        if w[1]:
            with np.errstate(divide="ignore", invalid="ignore"):
                db = _fit(dy * np.where(np.equal(input, 0) & np.greater_equal(exponent, 0), 0, y * np.log(input)), _shape(exponent))
        return da, db

    return y, backward


@operation
def neg(input: Array) -> tuple[Any, Backward]:
    """-x"""
    return np.negative(input), lambda dy, w: (-dy,)


@operation
def abs(input: Array) -> tuple[Any, Backward]:
    """The absolute value; its derivative at 0 is 0."""
    return np.absolute(input), lambda dy, w: (dy * np.sign(input),)


@operation
def sign(input: Array) -> tuple[Any, Backward]:
    """-1, 0 or 1."""
    return np.sign(input), lambda dy, w: (np.zeros_like(dy),)


def _twice(x: Any) -> Any:
    return np.add(x, x)


@operation
def square(input: Array) -> tuple[Any, Backward]:
    """x²"""
    return np.square(input), lambda dy, w: (_twice(dy * input),)


@_unary(lambda dy, y: dy / _twice(y))
def sqrt(input: Array) -> Array:
    """√x"""
    return np.sqrt(input)


@_unary(lambda dy, y: -dy * y * y)
def reciprocal(input: Array) -> Array:
    """1 / x"""
    return np.reciprocal(input)


@_unary(lambda dy, y: dy * (y * y * y) * -0.5)
def rsqrt(input: Array) -> Array:
    """1 / √x"""
    return np.reciprocal(np.sqrt(input))


# Exponentials and logarithms.

_EXP, _LOG, _ERF = 12, 13, 14  # kinds of swiftnn.h


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


@_unary(lambda dy, y: dy * y)
def exp(input: Array) -> Array:
    """eˣ"""
    return _elementary(input, _EXP, np.exp)


@_unary(lambda dy, y: dy * (y * _LN2))
def exp2(input: Array) -> Array:
    """2ˣ"""
    return np.exp2(input)


@_unary(lambda dy, y: dy * (y + 1))
def expm1(input: Array) -> Array:
    """eˣ - 1, exact for small x.

    Example:
        >>> nn.expm1(np.array([1e-20, 1.0]))
        array([1.00000000e-20, 1.71828183e+00])
    """
    return np.expm1(input)


@_unary(lambda dy, x: dy / x)
def log(input: Array) -> Array:
    """The natural logarithm."""
    return _elementary(input, _LOG, np.log)


@_unary(lambda dy, x: dy / (x * _LN2))
def log2(input: Array) -> Array:
    """The logarithm of base 2."""
    return np.log2(input)


@_unary(lambda dy, x: dy / (x * _LN10))
def log10(input: Array) -> Array:
    """The logarithm of base 10."""
    return np.log10(input)


@_unary(lambda dy, x: dy / (x + 1))
def log1p(input: Array) -> Array:
    """log(1 + x), exact for small x."""
    return np.log1p(input)


@_binary(lambda dy, a, b: dy / (1 + np.exp(np.subtract(b, a))), lambda dy, a, b: dy / (1 + np.exp(np.subtract(a, b))))
def logaddexp(input: Array, other: Array) -> Array:
    """log(eᵃ + eᵇ), also where the exponentials are too large."""
    return np.logaddexp(input, other)


@_binary(
    lambda dy, a, b: dy * np.where(np.equal(a, 0) & np.less_equal(b, 0), 0, np.log(b)),
    lambda dy, a, b: dy * np.true_divide(a, b),
)
def xlogy(input: Array, other: Array) -> Array:
    """a · log b, and 0 where a is 0 and b no NaN.

    Example:
        >>> nn.xlogy(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
        array([0., 0.])
    """
    return np.where(np.equal(input, 0) & ~np.isnan(other), np.zeros((), np.result_type(input, other)), np.multiply(input, np.log(other)))


@operation
def _logit(x: Any, eps: Any) -> tuple[Any, Backward]:
    x = _floating(x)
    z = x if eps is None else np.clip(x, x.dtype.type(eps), x.dtype.type(1 - eps))
    low, high = (0, 1) if eps is None else (eps, 1 - eps)
    outside = (x < low) | (x > high)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        with _quiet():
            return np.where(outside, np.nan if eps is None else 0, dy / np.absolute(z * (1 - z))).astype(x.dtype), None

    with _quiet():
        return _elementary(z / (1 - z), _LOG, np.log), backward


def logit(input: Array, eps: float | None = None) -> Array:
    """log(x / (1 - x)), the inverse of the sigmoid; eps keeps x between eps and 1 - eps.

    Example:
        >>> nn.logit(np.array([0.5, 0.0]), eps=0.25)
        array([ 0.        , -1.09861229])
    """
    return _logit(input, eps)


@_unary(lambda dy, x: dy * (_elementary(-x * x, _EXP, np.exp) * (2 / math.sqrt(math.pi))))
def erf(input: Array) -> Array:
    """The error function, 2/√π · ∫₀ˣ exp(-t²) dt.

    Example:
        >>> nn.erf(np.array([0.0, 1.0]))
        array([0.        , 0.84270079])
    """
    wide = input if input.dtype.type in (np.float32, np.float64) else input.astype(np.float32)
    return _native.activation_forward(wide, _ERF, 0.0, 0.0).astype(input.dtype, copy=False)


# Trigonometry.


@_unary(lambda dy, x: dy * np.cos(x))
def sin(input: Array) -> Array:
    """The sine."""
    return np.sin(input)


@_unary(lambda dy, x: -dy * np.sin(x))
def cos(input: Array) -> Array:
    """The cosine."""
    return np.cos(input)


@_unary(lambda dy, y: dy * (y * y + 1))
def tan(input: Array) -> Array:
    """The tangent."""
    return np.tan(input)


@_unary(lambda dy, x: dy / np.sqrt(1 - x * x))
def asin(input: Array) -> Array:
    """The angle whose sine is x."""
    return np.arcsin(input)


@_unary(lambda dy, x: -dy / np.sqrt(1 - x * x))
def acos(input: Array) -> Array:
    """The angle whose cosine is x."""
    return np.arccos(input)


@_unary(lambda dy, x: dy / (x * x + 1))
def atan(input: Array) -> Array:
    """The angle whose tangent is x."""
    return np.arctan(input)


def _per_square(v: Any, a: Any, b: Any) -> Any:
    square = np.multiply(a, a) + np.multiply(b, b)
    return np.where(square == 0, 0, v / square)


@_binary(lambda dy, a, b: dy * _per_square(b, a, b), lambda dy, a, b: -dy * _per_square(a, a, b))
def atan2(input: Array, other: Array) -> Array:
    """The angle of the point (x, y) = (other, input), between -π and π; its derivative at (0, 0) is 0.

    Example:
        >>> nn.atan2(np.array([1.0, -1.0]), np.array([-1.0, -1.0]))
        array([ 2.35619449, -2.35619449])
    """
    return np.arctan2(input, other)


@_unary(lambda dy, x: dy * np.cosh(x))
def sinh(input: Array) -> Array:
    """The hyperbolic sine."""
    return np.sinh(input)


@_unary(lambda dy, x: dy * np.sinh(x))
def cosh(input: Array) -> Array:
    """The hyperbolic cosine."""
    return np.cosh(input)


@_unary(lambda dy, x: dy / np.sqrt(x * x + 1))
def asinh(input: Array) -> Array:
    """The inverse of the hyperbolic sine."""
    return np.arcsinh(input)


@_unary(lambda dy, x: dy / np.sqrt(x * x - 1))
def acosh(input: Array) -> Array:
    """The inverse of the hyperbolic cosine."""
    return np.arccosh(input)


@_unary(lambda dy, x: dy / (1 - x * x))
def atanh(input: Array) -> Array:
    """The inverse of the hyperbolic tangent."""
    return np.arctanh(input)


@_binary(lambda dy, a, b: dy * (a / np.hypot(a, b)), lambda dy, a, b: dy * (b / np.hypot(a, b)))
def hypot(input: Array, other: Array) -> Array:
    """√(a² + b²)"""
    return np.hypot(input, other)


# Rounding: the derivatives are 0.


def _steps(function: Callable[[Any], Any], x: Any) -> Any:
    return function(x) if x.dtype.kind == "f" else x.copy()


@_unary(_flat, floats=False)
def floor(input: Array) -> Array:
    """Rounded down."""
    return _steps(np.floor, input)


@_unary(_flat, floats=False)
def ceil(input: Array) -> Array:
    """Rounded up."""
    return _steps(np.ceil, input)


@_unary(_flat, floats=False)
def trunc(input: Array) -> Array:
    """Rounded towards 0."""
    return _steps(np.trunc, input)


@_unary(lambda dy: dy)
def frac(input: Array) -> Array:
    """What trunc takes away, with the sign of x."""
    return input - np.trunc(input)


@operation
def _round(x: Any, decimals: int) -> tuple[Any, Backward]:
    return _steps(lambda a: np.asarray(np.round(a, decimals)), x), lambda dy, w: (_flat(dy), None)


def round(input: Array, *, decimals: int = 0) -> Array:
    """Rounded to a number of decimals, halves to the even neighbour.

    Example:
        >>> nn.round(np.array([0.5, 1.5, 2.5]))
        array([0., 2., 2.])
    """
    return _round(_array(input), decimals)


# Bounds and mixtures.


def _shared(a: Any, b: Any, y: Any) -> tuple[Any, Any]:
    """Which part of the gradient of maximum or minimum a and b get: equal elements share it."""
    first, second = np.equal(a, y) | np.isnan(a), np.equal(b, y) | np.isnan(b)
    return np.where(first & second, 0.5, first), np.where(first & second, 0.5, second)


@operation
def maximum(input: Array, other: Array) -> tuple[Any, Backward]:
    """The larger of a and b, element by element; equal elements share the gradient."""
    y = np.maximum(input, other)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        pa, pb = _shared(input, other, y)
        return _fit(dy * pa, _shape(input)) if w[0] else None, _fit(dy * pb, _shape(other)) if w[1] else None

    return y, backward


@operation
def minimum(input: Array, other: Array) -> tuple[Any, Backward]:
    """The smaller of a and b, element by element; equal elements share the gradient."""
    y = np.minimum(input, other)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        pa, pb = _shared(input, other, y)
        return _fit(dy * pa, _shape(input)) if w[0] else None, _fit(dy * pb, _shape(other)) if w[1] else None

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


def clamp(input: Array, min: Any = None, max: Any = None) -> Array:
    """x where it lies between min and max, else the bound that it passed; None is no bound.

    Example:
        >>> nn.clamp(np.array([-2.0, 0.5, 3.0]), min=0, max=1)
        array([0. , 0.5, 1. ])
    """
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    x = _array(input)
    return _clamp(x, _weak(_raw(x), min)[1], _weak(_raw(x), max)[1])


def clamp_min(input: Array, min: Any) -> Array:
    """The larger of x and min, which gets the gradient where x is less."""
    return clamp(input, min=min)


def clamp_max(input: Array, max: Any) -> Array:
    """The smaller of x and max, which gets the gradient where x is more."""
    return clamp(input, max=max)


@operation
def _nan_to_num(x: Any, nan: Any, posinf: Any, neginf: Any) -> tuple[Any, Backward]:
    finite = np.isfinite(x)
    return np.asarray(np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)), lambda dy, w: (dy * finite, None, None, None)


def nan_to_num(input: Array, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """With numbers in place of NaN and infinities: None stands for 0, the largest and the smallest finite number.

    Example:
        >>> nn.nan_to_num(np.array([np.nan, np.inf, 2.0]), posinf=9)
        array([0., 9., 2.])
    """
    return _nan_to_num(_array(input), 0.0 if nan is None else nan, posinf, neginf)


@operation
def lerp(input: Array, end: Array, weight: Array) -> tuple[Any, Backward]:
    """input + weight · (end - input), with broadcasting.

    Example:
        >>> nn.lerp(np.array([0.0, 10.0]), np.array([10.0, 20.0]), 0.25)
        array([ 2.5, 12.5])
    """
    input, weight = _weak(_floating(input), weight)
    way = np.subtract(end, input)
    # From the nearer end, so that weight 1 gives just it.
    y = np.where(np.less(np.absolute(weight), 0.5), input + weight * way, end - way * np.subtract(1, weight).astype(way.dtype))

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        return (
            _fit(dy * np.subtract(1, weight), _shape(input)) if w[0] else None,
            _fit(dy * weight, _shape(end)) if w[1] else None,
            _fit(dy * way, _shape(weight)) if w[2] else None,
        )

    return y, backward


def addcmul(input: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> Array:
    """input + value · tensor1 · tensor2, with broadcasting."""
    return _add(input, _scaled(mul(tensor1, tensor2), value))


def addcdiv(input: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> Array:
    """input + value · tensor1 / tensor2, with broadcasting.

    Example:
        >>> nn.addcdiv(np.ones(2), np.array([1.0, 2.0]), np.array([2.0, 4.0]), value=-1)
        array([0.5, 0.5])
    """
    return _add(input, _scaled(_div(tensor1, tensor2), value))


# Types and copies.


@operation
def _astype(x: Any, dtype: Any, copy: bool) -> tuple[Any, Backward]:
    before = x.dtype
    return x.astype(dtype, copy=copy), lambda dy, w: (dy.astype(before, copy=False), None, None)


def astype(input: Array, dtype: Any, copy: bool = True) -> Array:
    """The elements converted to dtype."""
    return _astype(input, dtype, copy)


@operation
def clone(input: Array) -> tuple[Any, Backward]:
    """A copy with memory of its own."""
    return np.copy(input), lambda dy, w: (dy,)


@operation
def contiguous(input: Array) -> tuple[Any, Backward]:
    """A copy in C order."""
    return np.array(input, order="C"), lambda dy, w: (dy,)
