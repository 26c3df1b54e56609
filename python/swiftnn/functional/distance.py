"""Distances and angles of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import operators
from ..errors import ShapeError
from ._arguments import Array, _axis, _floats, _real
from ._signatures import pair

__all__ = ["cosine_similarity", "pairwise_distance"]


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
    a = a / operators.clamp(operators.norm(a, 2.0, axis, True), min=a.dtype.type(_real(eps, "eps")))
    b = b / operators.clamp(operators.norm(b, 2.0, axis, True), min=b.dtype.type(eps))
    return operators.sum(a * b, axis)


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


def _broadcast(a: Any, b: Any) -> Any:
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ShapeError(f"x1 and x2 must have shapes that broadcast, but got {a.shape} and {b.shape}") from None
    return operators.broadcast_to(a, shape), operators.broadcast_to(b, shape)
