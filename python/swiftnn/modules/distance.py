"""Distances and similarities of vectors."""

from __future__ import annotations

from .. import functional as F
from .module import Module
from .utils import Array

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """The distance of vectors.

    y = ‖x₁ - x₂ + eps‖ₚ

    Args:
        p: exponent of the norm.
        eps: added to the difference.
        keepdim: keeps the last dimension, with size 1.

    **Shape**: (N, D), (N, D) -> (N), or (N, 1) with keepdim; (D), (D) -> ().

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> nn.PairwiseDistance(p=2)(np.ones((100, 128)), np.zeros((100, 128))).shape
        (100,)
    """

    norm: float
    eps: float
    keepdim: bool

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Array, x2: Array) -> Array:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The cosine of the angle between vectors.

    y = x₁ · x₂ / (max(‖x₁‖, eps) · max(‖x₂‖, eps))

    Args:
        dim: dimension of the vectors.
        eps: smallest norm.

    **Shape**: (*, D, *), (*, D, *) -> (*, *).

    Raises:
        ShapeError: the shapes do not broadcast.
        IndexError: dim is out of range.

    Example:
        >>> nn.CosineSimilarity(dim=1)(np.ones((100, 128)), np.ones((100, 128))).shape
        (100,)
    """

    dim: int
    eps: float

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Array, x2: Array) -> Array:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
