"""Layers that merge and split dimensions."""

from __future__ import annotations

import math
import operator
from typing import Any

from .. import functional as F
from ..errors import ShapeError
from ._signatures import one_input
from .module import Module
from .utils import Array, size

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Merges neighbouring dimensions into one; a view where the memory allows it.

    y[n, c·H·W + h·W + w] = x[n,c,h,w]

    Args:
        start_dim: first dimension to merge.
        end_dim: last dimension to merge.

    **Shape**: (N, C, H, W) -> (N, C·H·W).

    Raises:
        IndexError: a dimension is out of range.
        ShapeError: start_dim comes after end_dim.

    Example:
        >>> nn.Flatten()(np.ones((32, 1, 5, 5))).shape
        (32, 25)
    """

    start_dim: int
    end_dim: int

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = size(start_dim, "start_dim")
        self.end_dim = size(end_dim, "end_dim")

    @one_input
    def forward(self, input: Array) -> Array:
        x = F._as_array(input)
        shape = tuple(x.shape)
        start, end = F._axis(self.start_dim, x.ndim, "start_dim"), F._axis(self.end_dim, x.ndim, "end_dim")
        if start > end:
            raise ShapeError(f"start_dim={self.start_dim} comes after end_dim={self.end_dim} in an array of shape {shape}")
        return x.reshape((*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits a dimension into several; a view where the memory allows it.

    y[n, c, h, w] = x[n, c·H·W + h·W + w]

    Args:
        dim: dimension to split.
        unflattened_size: tuple or list of the new sizes; one of them may be -1 (the rest).

    **Shape**: (..., D, ...) -> (..., *unflattened_size, ...), where the sizes multiply to D.

    Raises:
        TypeError: unflattened_size is not a tuple or list of ints.
        ShapeError: the sizes do not multiply to D.
        IndexError: dim is out of range.

    Example:
        >>> nn.Unflatten(1, (2, 5, 5))(np.ones((2, 50))).shape
        (2, 2, 5, 5)
    """

    dim: int
    unflattened_size: tuple[int, ...] | list[int]

    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        super().__init__()
        self._require_sizes(unflattened_size)
        self.dim = size(dim, "dim")
        self.unflattened_size = unflattened_size

    @staticmethod
    def _require_sizes(sizes: Any) -> None:
        if not isinstance(sizes, (tuple, list)):
            raise TypeError(f"unflattened_size must be a tuple of ints, but found type {type(sizes).__name__}")
        for i, item in enumerate(sizes):
            if not hasattr(item, "__index__"):
                raise TypeError(f"unflattened_size must be tuple of ints, but found element of type {type(item).__name__} at pos {i}")

    @one_input
    def forward(self, input: Array) -> Array:
        x = F._as_array(input)
        shape = tuple(x.shape)
        axis = F._axis(self.dim, x.ndim)
        sizes = tuple(operator.index(s) for s in self.unflattened_size)
        known = math.prod(s for s in sizes if s != -1)
        rest = sizes.count(-1)
        whole = shape[axis]
        if rest > 1 or any(s < -1 for s in sizes) or (known != whole if not rest else known == 0 or whole % known != 0):
            raise ShapeError(f"unflattened_size={sizes} does not multiply up to the size of dim {self.dim}, {whole}, of shape {shape}")
        return x.reshape((*shape[:axis], *(whole // known if s == -1 else s for s in sizes), *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
