"""Lookup tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .. import init
from .._native import embedding_forward
from ..errors import ArgumentError
from ..tensor import Parameter
from ._signatures import bags, indices
from .module import Module
from .utils import Array, count, element_type, parameter, size

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """The weights that lookups share."""

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool
    weight: Parameter

    def _make_table(
        self, num_embeddings: Any, embedding_dim: Any, padding_idx: Any, weight: Any, device: Any, dtype: DTypeLike | None
    ) -> None:
        kind = element_type(device, dtype)
        self.num_embeddings = count(num_embeddings, "num_embeddings")
        self.embedding_dim = count(embedding_dim, "embedding_dim")
        if padding_idx is not None:
            row = size(padding_idx, "padding_idx")
            if not -self.num_embeddings <= row < max(self.num_embeddings, 1):
                raise ArgumentError(f"Padding_idx must be within num_embeddings={num_embeddings}, but got {padding_idx}")
            padding_idx = row + self.num_embeddings if row < 0 else row
        self.padding_idx = padding_idx
        if weight is None:
            self.weight = parameter((self.num_embeddings, self.embedding_dim), kind)
            self.reset_parameters()
        else:
            table = F._raw(weight)
            if tuple(table.shape) != (self.num_embeddings, self.embedding_dim):
                raise ArgumentError(
                    f"Shape of weight does not match num_embeddings and embedding_dim: got {tuple(table.shape)}, "
                    f"expected {(self.num_embeddings, self.embedding_dim)}"
                )
            self.weight = Parameter(table)

    def reset_parameters(self) -> None:
        """Draws a new table."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        if self.padding_idx is not None and self.num_embeddings:
            self.weight.data[self.padding_idx] = 0


def _pretrained(embeddings: Any) -> NDArray[Any]:
    """A given table of floats that kernels read."""
    table: NDArray[Any] = F._raw(embeddings)
    if table.ndim != 2:
        raise ArgumentError(f"Embeddings parameter is expected to be 2-dimensional, but got shape {tuple(table.shape)}")
    if table.dtype.kind != "f":
        raise TypeError(f"embeddings must be an array of floats, but got {table.dtype}; convert it with embeddings.astype(np.float32)")
    return table.astype(np.float32) if table.dtype.itemsize < 4 else table


class Embedding(_Table):
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
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self._make_table(num_embeddings, embedding_dim, padding_idx, _weight, device, dtype)
        self.weight.requires_grad = not _freeze
        self.sparse = sparse

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
        table = _pretrained(embeddings)
        return cls(
            table.shape[0],
            table.shape[1],
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=table,
            _freeze=freeze,
        )


class EmbeddingBag(_Table):
    """Looks vectors up in a learned table and adds up those of each bag, or takes their mean or maximum, as of the words of a text.

    y[b, :] = Σᵢ s[i] weight[x[i], :] over the places i of bag b; mean: divided by their number; max: the largest. An empty bag gives zeros.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: length of the vectors.
        max_norm: rows that are used and whose norm is larger are scaled down to it, in place.
        norm_type: p of the norm for max_norm.
        scale_grad_by_freq: scales gradients by the inverse frequency of each index; not for 'max'.
        mode: 'sum', 'mean' or 'max'.
        sparse: accepted for compatibility; not for 'max'.
        include_last_offset: the last offset is the end of the last bag, so that there is one bag less.
        padding_idx: index that is left out of its bag; its row starts as zeros. Negative: counted from the end.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: `forward(input, offsets=None, per_sample_weights=None)` takes integers (B, L), bags of the same size, or (N) and offsets (B),
    the places in (N) where the bags start; s, for 'sum' alone, has the shape of input -> (B, embedding_dim).

    weight (num_embeddings, embedding_dim) starts from N(0, 1).

    Raises:
        IndexError: an index is negative or not smaller than num_embeddings.
        ValueError: mode is another one, or shapes or offsets do not fit.
        AssertionError: padding_idx is not a row.

    Example:
        >>> bag = nn.EmbeddingBag(10, 3, mode="sum")
        >>> bag(np.array([1, 2, 4, 5, 4, 3, 2, 9]), np.array([0, 4])).shape
        (2, 3)
        >>> bag(np.array([[1, 2, 4, 5], [4, 3, 2, 9]])).shape
        (2, 3)
    """

    mode: str
    include_last_offset: bool

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self._make_table(num_embeddings, embedding_dim, padding_idx, _weight, device, dtype)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    @bags
    def forward(self, input: Array, offsets: Array | None = None, per_sample_weights: Array | None = None) -> Array:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        s = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            s += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            s += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            s += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        s += f", mode={self.mode!r}"
        if self.padding_idx is not None:
            s += f", padding_idx={self.padding_idx}"
        return s

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Array,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """An EmbeddingBag round a given table, whose memory it shares.

        Args:
            embeddings: array (num_embeddings, embedding_dim) of floats.
            freeze: leaves the table out of training.
            max_norm: see EmbeddingBag.
            norm_type: see EmbeddingBag.
            scale_grad_by_freq: see EmbeddingBag.
            mode: see EmbeddingBag.
            sparse: see EmbeddingBag.
            include_last_offset: see EmbeddingBag.
            padding_idx: index that is left out of its bag.

        Raises:
            AssertionError: embeddings is not 2-dimensional.

        Example:
            >>> nn.EmbeddingBag.from_pretrained(np.array([[1.0, 2.3, 3.0], [4.0, 5.1, 6.3]]))([[1, 0]])
            array([[2.5 , 3.7 , 4.65]])
        """
        table = _pretrained(embeddings)
        bag = cls(
            table.shape[0],
            table.shape[1],
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            table,
            include_last_offset,
            padding_idx,
        )
        bag.weight.requires_grad = not freeze
        return bag
