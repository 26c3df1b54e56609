"""Lookup tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .. import init
from .._native import embedding_forward
from ..errors import ArgumentError
from ..tensor import Parameter
from ._signatures import indices
from .module import Module
from .utils import Array, count, element_type, parameter, size

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Embedding"]


class Embedding(Module):
    """Looks vectors up in a learned table.

    y[..., :] = weight[x[...], :]

    Args:
        num_embeddings: rows of the table.
        embedding_dim: length of the vectors.
        padding_idx: row that starts as zeros and gets no gradient; negative: counted from the end.
        max_norm: rows that are used and whose norm is larger are scaled down to it, in place.
        norm_type: p of the norm for max_norm.
        scale_grad_by_freq: scales gradients by the inverse frequency of each index.
        sparse: accepted for compatibility.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (*) of integers -> (*, embedding_dim).

    weight (num_embeddings, embedding_dim) starts from N(0, 1).

    Raises:
        IndexError: an index is negative or not smaller than num_embeddings.
        AssertionError: padding_idx is not a row.

    Example:
        >>> nn.Embedding(10, 3)(np.array([[1, 2, 4, 5], [4, 3, 2, 9]])).shape
        (2, 4, 3)
    """

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool
    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        self.num_embeddings = count(num_embeddings, "num_embeddings")
        self.embedding_dim = count(embedding_dim, "embedding_dim")
        if padding_idx is not None:
            row = size(padding_idx, "padding_idx")
            if not -self.num_embeddings <= row < max(self.num_embeddings, 1):
                raise ArgumentError(f"Padding_idx must be within num_embeddings={num_embeddings}, but got {padding_idx}")
            padding_idx = row + self.num_embeddings if row < 0 else row
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if _weight is None:
            self.weight = parameter((self.num_embeddings, self.embedding_dim), kind)
            self.reset_parameters()
        else:
            table = F._raw(_weight)
            if tuple(table.shape) != (self.num_embeddings, self.embedding_dim):
                raise ArgumentError(
                    f"Shape of weight does not match num_embeddings and embedding_dim: got {tuple(table.shape)}, "
                    f"expected {(self.num_embeddings, self.embedding_dim)}"
                )
            self.weight = Parameter(table)
        self.weight.requires_grad = not _freeze
        self.sparse = sparse

    def reset_parameters(self) -> None:
        """Draws a new table."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        if self.padding_idx is not None and self.num_embeddings:
            self.weight.data[self.padding_idx] = 0

    @indices
    def forward(self, input: Array) -> Array:
        if self.max_norm is None and self.padding_idx is None:
            return embedding_forward(input, self.weight, -1, self.scale_grad_by_freq)
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)

    def extra_repr(self) -> str:
        s = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            s += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            s += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            s += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            s += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        if self.sparse is not False:
            s += ", sparse=True"
        return s

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Array,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An Embedding round a given table, whose memory it shares.

        Args:
            embeddings: array (num_embeddings, embedding_dim) of floats.
            freeze: leaves the table out of training.
            padding_idx: row that gets no gradient.
            max_norm: see Embedding.
            norm_type: see Embedding.
            scale_grad_by_freq: see Embedding.
            sparse: see Embedding.

        Raises:
            AssertionError: embeddings is not 2-dimensional.

        Example:
            >>> nn.Embedding.from_pretrained(np.array([[1.0, 2.3, 3.0], [4.0, 5.1, 6.3]]))([1])
            array([[4. , 5.1, 6.3]])
        """
        table = F._raw(embeddings)
        if table.ndim != 2:
            raise ArgumentError(f"Embeddings parameter is expected to be 2-dimensional, but got shape {tuple(table.shape)}")
        if table.dtype.kind != "f":
            raise TypeError(f"embeddings must be an array of floats, but got {table.dtype}; convert it with embeddings.astype(np.float32)")
        return cls(
            table.shape[0],
            table.shape[1],
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=table.astype(np.float32) if table.dtype.itemsize < 4 else table,
            _freeze=freeze,
        )
