"""Distances and angles of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import operators
from ..errors import DomainError, ShapeError
from ._arguments import Array, _axis, _floats, _real
from ._signatures import one_input, pair

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


@pair
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """The cosine of the angle between vectors.

    y = x₁ · x₂ / (max(‖x₁‖, eps) · max(‖x₂‖, eps))

    Args:
        x1: array (*).
        x2: array whose shape broadcasts with x1's.
        dim: dimension of the vectors, counted in the common shape.
        eps: smallest norm.

    **Shape**: (*, D, *) , (*, D, *) -> (*, *).

    Raises:
        IndexError: dim is out of range.
        ShapeError: the shapes do not broadcast.

    Example:
        >>> nn.functional.cosine_similarity(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]]))
        array([0.6])
    """

    a, b = _broadcast(_floats(x1), _floats(x2))
    axis = _axis(dim, a.ndim)
    a = operators.div(a, operators.clamp(operators.norm(a, 2.0, axis, True), min=a.dtype.type(_real(eps, "eps"))))
    b = operators.div(b, operators.clamp(operators.norm(b, 2.0, axis, True), min=b.dtype.type(eps)))
    return operators.sum(operators.mul(a, b), axis)


@pair
def pairwise_distance(x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    """The distance of vectors.

    y = ‖x₁ - x₂ + eps‖ₚ, over the last dimension

    Args:
        x1: array (*, D).
        x2: array whose shape broadcasts with x1's.
        p: exponent of the norm.
        eps: added to the difference.
        keepdim: keeps the last dimension, with size 1.

    **Shape**: (N, D), (N, D) -> (N), or (N, 1) with keepdim.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> nn.functional.pairwise_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), eps=0.0)
        array([5.])
    """

    a, b = _broadcast(_floats(x1), _floats(x2))
    return operators.norm(a - b + a.dtype.type(_real(eps, "eps")), p, -1, keepdim)


@one_input
def pdist(input: Array, p: float = 2.0) -> Array:
    """The distances of all pairs of vectors, in the order of the triangle above the diagonal of the matrix of distances.

    y[k] = ‖x[i] - x[j]‖ₚ, i < j

    Args:
        input: array (N, D).
        p: exponent of the norm, at least 0.

    **Shape**: (N, D) -> (N·(N - 1)/2).

    Raises:
        ShapeError: input has not 2 dimensions.
        ValueError: p is negative or NaN.

    Differences from PyTorch:
        With p = ∞ coordinates that are equally far share the gradient, as in `pairwise_distance`; PyTorch's pdist gives it to each of them.

    Example:
        >>> nn.functional.pdist(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])).round(4)
        array([5.    , 1.    , 4.2426])
    """
    x = _floats(input)
    if x.ndim != 2:
        raise ShapeError(f"pdist: input has shape {tuple(x.shape)}; expected 2 dimensions, (N, D)")
    if not _real(p, "p") >= 0:
        raise DomainError(f"pdist: p must not be negative, but got {p}")
    i, j = np.triu_indices(x.shape[0], 1)
    between = operators.take(x, i, 0) - operators.take(x, j, 0)
    # Vectors without coordinates, of which there is no largest one, have the sum of none between them.
    return operators.norm(between, p if x.shape[1] else 1.0, -1)


def _broadcast(a: Any, b: Any) -> Any:
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ShapeError(f"x1 and x2 must have shapes that broadcast, but got {a.shape} and {b.shape}") from None
    return operators.broadcast_to(a, shape), operators.broadcast_to(b, shape)
