"""Products of matrices and vectors, and distances."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import _native
from ..tape import operation
from ._common import Array, Backward, _array, _fit, _quiet, _shape
from .elementwise import _power, _scaled, add, mul
from .reductions import norm, sum
from .shapes import diagonal, reshape

__all__ = [
    "addmm",
    "addmv",
    "baddbmm",
    "bmm",
    "cdist",
    "dot",
    "einsum",
    "ger",
    "matmul",
    "mm",
    "mv",
    "outer",
    "trace",
]


def _product(a: Any, b: Any) -> Any:
    """a @ b for float matrices (..., m, k) and (..., k, n), on the library's kernels."""
    if a.dtype.kind != "f" or b.dtype.kind != "f" or a.dtype != b.dtype or a.dtype.itemsize not in (4, 8) or b.ndim < 2 or a.ndim < 2:
        return np.matmul(a, b)
    return _native.matmul_forward(a, b)


@operation
def matmul(input: Array, other: Array) -> tuple[Any, Backward]:
    """The product of matrices or vectors, with leading dimensions broadcast."""
    input, other = np.asarray(input), np.asarray(other)
    if input.ndim == 0 or other.ndim == 0:
        raise ValueError(f"matmul: both arrays need at least one dimension, got shapes {input.shape} and {other.shape}")
    left = input[None] if input.ndim == 1 else input
    right = other[:, None] if other.ndim == 1 else other
    y = _product(left, right)
    shape = y.shape
    if other.ndim == 1:
        y = y[..., 0]
    if input.ndim == 1:
        y = y[..., 0] if other.ndim == 1 else y[..., 0, :]

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dy = dy.reshape(shape)
        da = db = None
        if w[0]:
            da = _fit(_product(dy, right.swapaxes(-1, -2)), _shape(left)).reshape(input.shape)
        if w[1]:
            if right.ndim == 2:
                # one product over all leading dimensions
                n = math.prod(left.shape[:-1])
                rows, columns = left.reshape(n, left.shape[-1]), dy.reshape(n, dy.shape[-1])
                db = _product(rows.T, columns).reshape(other.shape)
            else:
                db = _fit(_product(left.swapaxes(-1, -2), dy), _shape(right)).reshape(other.shape)
        return da, db

    return np.asarray(y), backward


def _dimensions(name: str, *arrays: tuple[str, Any, int]) -> None:
    for argument, array, ndim in arrays:
        if np.ndim(array) != ndim:
            raise ValueError(f"{name}: {argument} must have {ndim} dimension{'s' * (ndim > 1)}, got shape {np.shape(array)}")


def mm(input: Array, mat2: Array) -> Array:
    """The product of two matrices."""
    _dimensions("mm", ("input", input, 2), ("mat2", mat2, 2))
    return matmul(input, mat2)


def bmm(input: Array, mat2: Array) -> Array:
    """The products of the matrices of two batches (b, m, k) and (b, k, n)."""
    _dimensions("bmm", ("input", input, 3), ("mat2", mat2, 3))
    if np.shape(input)[0] != np.shape(mat2)[0]:
        raise ValueError(f"bmm: the batches must have one size, got shapes {np.shape(input)} and {np.shape(mat2)}")
    return matmul(input, mat2)


def mv(input: Array, vec: Array) -> Array:
    """The product of a matrix and a vector."""
    _dimensions("mv", ("input", input, 2), ("vec", vec, 1))
    return matmul(input, vec)


def dot(input: Array, tensor: Array) -> Array:
    """The inner product of two vectors.

    Example:
        >>> nn.dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
        array(11.)
    """
    _dimensions("dot", ("input", input, 1), ("tensor", tensor, 1))
    return matmul(input, tensor)


def outer(input: Array, vec2: Array) -> Array:
    """All products of an element of one vector and one of another.

    Example:
        >>> nn.outer(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
        array([[ 1., 10.],
               [ 2., 20.]])
    """
    _dimensions("outer", ("input", input, 1), ("vec2", vec2, 1))
    return mul(reshape(input, (-1, 1)), vec2)


ger = outer


def _plus(input: Any, product: Any, beta: float, alpha: float) -> Any:
    """beta · input + alpha · product; with beta = 0 input does not count, NaN or not."""
    if beta == 0:
        shape = np.broadcast_shapes(np.shape(input), product.shape)
        if shape == product.shape:
            return _scaled(product, alpha)
    return add(_scaled(input, beta), _scaled(product, alpha))


def addmm(input: Array, mat1: Array, mat2: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    """beta · input + alpha · mat1 @ mat2; with beta = 0 input does not count, NaN or not.

    Example:
        >>> nn.addmm(np.ones(2), np.eye(2), np.eye(2), alpha=2)
        array([[3., 1.],
               [1., 3.]])
    """
    return _plus(input, mm(mat1, mat2), beta, alpha)


def addmv(input: Array, mat: Array, vec: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    """beta · input + alpha · mat @ vec; with beta = 0 input does not count, NaN or not."""
    return _plus(input, mv(mat, vec), beta, alpha)


def baddbmm(input: Array, batch1: Array, batch2: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    """beta · input + alpha · batch1 @ batch2 for batches of matrices; with beta = 0 input does not count, NaN or not."""
    return _plus(input, bmm(batch1, batch2), beta, alpha)


def trace(input: Array) -> Array:
    """The sum of a matrix's diagonal.

    Example:
        >>> nn.trace(np.array([[1.0, 2.0], [3.0, 4.0]]))
        array(5.)
    """
    _dimensions("trace", ("input", input, 2))
    return sum(diagonal(input))


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


# Distances.

_PIECE = 1 << 20  # elements of differences that are held at once


@operation
def _cdist(a: Any, b: Any, p: float, product: bool) -> tuple[Any, Backward]:
    rows, columns, width = a.shape[-2], b.shape[-2], a.shape[-1]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])

    def pieces() -> Iterator[tuple[Any, Any]]:
        """Some rows at once, with their differences."""
        step = builtins.max(1, _PIECE // builtins.max(1, math.prod(lead) * columns * width))
        for start in range(0, rows, step):
            part = (..., slice(start, start + step), slice(None))
            yield part, a[part][..., :, None, :] - b[..., None, :, :]

    if product:
        squares = np.square(a).sum(-1)[..., :, None] + np.square(b).sum(-1)[..., None, :]
        y = np.sqrt(np.maximum(squares - 2 * _product(a, np.swapaxes(b, -1, -2)), 0))
    else:
        y = np.empty((*lead, rows, columns), np.result_type(a, b))
        for part, difference in pieces():
            y[part] = norm(difference, p, -1) if width else 0

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        da, db = np.zeros((*lead, rows, width), y.dtype), np.zeros((*lead, columns, width), y.dtype)
        with _quiet():
            if product:
                weight = np.where(y == 0, 0, dy / y)
                turned = np.swapaxes(weight, -1, -2)
                da = a * weight.sum(-1)[..., None] - _product(weight, np.broadcast_to(b, db.shape))
                db = b * turned.sum(-1)[..., None] - _product(turned, np.broadcast_to(a, da.shape))
                return _fit(da, _shape(a)), _fit(db, _shape(b)), None, None
            for part, d in pieces():
                length, g = y[part][..., None], np.sign(d)
                if p == 0:
                    g = np.zeros_like(d)
                elif math.isinf(p):
                    g = np.where(np.absolute(d) == length, g, 0)
                elif p != 1:
                    g = np.where((d == 0) | (length == 0), 0, g * _power(np.absolute(d) / length, p - 1)) if p != 2 else d / length
                    g = np.where(length == 0, 0, g)
                g = g * dy[part][..., None]
                da[part] = g.sum(-2)
                db -= g.sum(-3)
        return _fit(da, _shape(a)), _fit(db, _shape(b)), None, None

    return y, backward


_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


def cdist(x1: Array, x2: Array, p: float = 2.0, compute_mode: str = _MODES[0]) -> Array:
    """The distances of each row of x1 from each of x2; the derivative of a distance 0 is 0.

    y[..., i, j] = ‖x1[..., i] - x2[..., j]‖ₚ

    Args:
        x1: array (..., P, M) of floats.
        x2: array (..., R, M); the leading dimensions broadcast.
        p: exponent of the norm, from 0 to infinity.
        compute_mode: whether Euclidean distances come from a product of matrices, which is fast and inexact for near rows: PyTorch's words
            for always, never, and (by default) where P or R is more than 25.

    **Shape**: (..., P, M), (..., R, M) -> (..., P, R).

    Raises:
        ValueError: the shapes do not fit, p is negative, or compute_mode another word.

    Example:
        >>> nn.cdist(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
        array([[5., 1.]])
    """
    a, b = _array(x1), _array(x2)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"cdist: x1 and x2 must be (..., P, M) and (..., R, M) with one M, got shapes {a.shape} and {b.shape}")
    if not p >= 0:
        raise ValueError(f"cdist: p must be 0 or more, got {p!r}")
    if compute_mode not in _MODES:
        raise ValueError(f"cdist: compute_mode must be one of {', '.join(_MODES)}, got {compute_mode!r}")
    many = builtins.max(a.shape[-2], b.shape[-2]) > 25
    return _cdist(a, b, float(p), p == 2 and (compute_mode == _MODES[1] or (compute_mode == _MODES[0] and many)))
