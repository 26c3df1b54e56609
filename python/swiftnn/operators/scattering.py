"""Elements put, added and repeated at indices and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tape import TensorBase, operation
from ._common import Array, Backward, _array, _fit, _one_axis, _quiet, _raw, _shape
from .elementwise import _scaled
from .indexing import index, take
from .shapes import broadcast_to, reshape

__all__ = [
    "index_add",
    "index_copy",
    "index_fill",
    "masked_scatter",
    "masked_select",
    "repeat_interleave",
    "scatter",
    "scatter_add",
    "scatter_reduce",
]


def _places(indices: Any, axis: int) -> tuple[Any, ...]:
    """The key of the elements that indices name along axis, each in the row of its own place."""
    places = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices
    return tuple(places)


def _scattered(name: str, x: Any, dim: int, given: Any, src: Any) -> tuple[Any, int, Any, Any]:
    """x, the axis, the indices and src cut to their shape, all checked."""
    x, indices = _array(x), _raw(_array(given))
    axis = _one_axis(dim, x.ndim)
    if indices.dtype.kind not in "iu":
        if indices.size:
            raise TypeError(f"{name}: index must have an integer dtype, got {indices.dtype}; convert it to int64")
        indices = indices.astype(np.int64)
    if indices.ndim != x.ndim or any(n > m for i, (n, m) in enumerate(zip(indices.shape, x.shape)) if i != axis):
        raise ValueError(f"{name}: index of shape {indices.shape} does not fit into input of shape {x.shape} apart from dimension {dim}")
    if indices.size and not (indices.min() >= 0 and indices.max() < x.shape[axis]):
        raise IndexError(
            f"{name}: index has {indices.min()} to {indices.max()}; expected 0 to {x.shape[axis] - 1}, the size of dimension {dim}"
        )
    if isinstance(src, (np.ndarray, TensorBase)) and src.ndim:
        if src.ndim != indices.ndim or any(n > m for n, m in zip(indices.shape, src.shape)):
            raise ValueError(f"{name}: index of shape {indices.shape} does not fit into src of shape {src.shape}")
        if src.shape != indices.shape:
            src = index(src, tuple(slice(n) for n in indices.shape))
    return x, axis, indices, src


@operation
def _put(x: Any, src: Any, key: Any) -> tuple[Any, Backward]:
    y = x.copy()
    y[key] = src
    shape = _shape(src)

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        dx = None
        if w[0]:
            dx = np.array(dy)
            dx[key] = 0
        return dx, _fit(dy[key], shape) if w[1] else None, None

    return y, backward


@operation
def _add_at(x: Any, src: Any, key: Any) -> tuple[Any, Backward]:
    y = x.copy()
    np.add.at(y, key, src)
    shape = _shape(src)
    return y, lambda dy, w: (dy if w[0] else None, _fit(dy[key], shape) if w[1] else None, None)


def scatter(input: Array, dim: int, index: Array, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Array:
    """A copy of input where y[index[i, j, ...], j, ...] = src[i, j, ...] for dim 0, and so on: the reverse of `gather`.

    Args:
        input: array.
        dim: dimension that index counts in.
        index: integers with as many dimensions as input.
        src: array at least as large as index, or a number (then also as `value`).
        value: a number, instead of src.
        reduce: "add" or "multiply" combines with what is there; None writes. Where an index occurs twice, the gradient of what was written
            first is not 0, as in PyTorch.

    Raises:
        ValueError: the shapes do not fit, or reduce is another word.
        IndexError: an index is out of range.

    Example:
        >>> nn.scatter(np.zeros((2, 3)), 1, np.array([[2], [0]]), 1.0)
        array([[0., 0., 1.],
               [1., 0., 0.]])
    """
    x, axis, indices, src = _scattered("scatter", input, dim, index, value if src is None else src)
    if reduce in ("add", "multiply"):
        filled = src if isinstance(src, (np.ndarray, TensorBase)) and src.ndim else np.full(indices.shape, _raw(src), x.dtype)
        return scatter_reduce(x, axis, indices, filled, "sum" if reduce == "add" else "prod")
    if reduce is not None:
        raise ValueError(f"scatter: reduce must be None, 'add' or 'multiply', got {reduce!r}")
    return _put(x, src, _places(indices, axis))


def scatter_add(input: Array, dim: int, index: Array, src: Array) -> Array:
    """A copy of input with src[i, j, ...] added at [index[i, j, ...], j, ...] for dim 0, and so on.

    Example:
        >>> nn.scatter_add(np.zeros(3), 0, np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]))
        array([4., 0., 2.])
    """
    x, axis, indices, src = _scattered("scatter_add", input, dim, index, _array(src))
    return _add_at(x, src, _places(indices, axis))


@operation
def _reduce_at(x: Any, src: Any, key: Any, reduce: str, include_self: bool) -> tuple[Any, Backward]:
    y = x.copy()
    if not include_self:
        least = {"prod": 1, "amax": -np.inf, "amin": np.inf}.get(reduce, 0)
        if np.isinf(least) and x.dtype.kind != "f":
            least = np.iinfo(x.dtype).min if least < 0 else np.iinfo(x.dtype).max
        y[key] = least
    {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce].at(y, key, src)
    count: Any = None
    if reduce == "mean":
        count = np.full(x.shape, int(include_self))
        np.add.at(count, key, 1)
        count = np.maximum(count, 1)
        count = count.astype(x.dtype)
        y = y / count if x.dtype.kind == "f" else y // count

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        untouched = np.ones(x.shape, bool)
        untouched[key] = False
        own = np.ones(x.shape, bool) if include_self else untouched
        with _quiet():
            if reduce in ("sum", "mean"):
                g = dy if count is None else dy / count
                return g * own, g[key], None, None, None
            if reduce == "prod":
                # Of all other factors: the product of those that are not 0, where no other one is.
                zeros, rest = np.where(own, x == 0, False).astype(np.int64), np.where(own & (x != 0), x, x.dtype.type(1))
                np.add.at(zeros, key, src == 0)
                np.multiply.at(rest, key, np.where(src == 0, src.dtype.type(1), src))

                def others(v: Any, z: Any, r: Any) -> Any:
                    return np.where(z == (v == 0), r / np.where(v == 0, 1, v), 0)

                return dy * others(x, zeros, rest) * own, dy[key] * others(src, zeros[key], rest[key]), None, None, None
            # Equal extremes share the gradient.
            mine, theirs = (x == y) & own, src == y[key]
            shares = mine.astype(x.dtype)
            np.add.at(shares, key, theirs)
            g = dy / shares
            return np.where(mine, g, 0), np.where(theirs, g[key], 0), None, None, None

    return y, backward


def scatter_reduce(input: Array, dim: int, index: Array, src: Array, reduce: str, *, include_self: bool = True) -> Array:
    """What src has for each element of input, combined: what many graph networks do with messages.

    Args:
        input: array.
        dim: dimension that index counts in.
        index: integers with as many dimensions as input.
        src: array at least as large as index.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether input's own elements take part where something arrives; others keep them.

    Raises:
        ValueError: the shapes do not fit, or reduce is another word.
        IndexError: an index is out of range.

    Example:
        >>> nn.scatter_reduce(np.zeros(3), 0, np.array([0, 2, 0]), np.array([1.0, 2.0, 4.0]), "mean", include_self=False)
        array([2.5, 0. , 2. ])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ValueError(f"scatter_reduce: reduce must be 'sum', 'prod', 'mean', 'amax' or 'amin', got {reduce!r}")
    x, axis, indices, src = _scattered("scatter_reduce", input, dim, index, _array(src))
    return _reduce_at(x, src, _places(indices, axis), reduce, include_self)


def _lines(name: str, x: Any, dim: int, given: Any) -> tuple[Any, tuple[Any, ...]]:
    """x and the key of its parts with these indices along dim, checked."""
    x, indices = _array(x), _raw(_array(given)).reshape(-1)
    axis = _one_axis(dim, x.ndim)
    n = x.shape[axis] if x.ndim else 1
    if indices.size and not (indices.min() >= -n and indices.max() < n):
        raise IndexError(f"{name}: index has {indices.min()} to {indices.max()}; expected at most {n - 1}, dimension {dim} having size {n}")
    return x, (slice(None),) * axis + (indices.astype(np.int64, copy=False),)


def index_add(input: Array, dim: int, index: Array, source: Array, *, alpha: float = 1) -> Array:
    """A copy of input with alpha times the parts of source added to those with these indices along dim.

    Example:
        >>> nn.index_add(np.zeros((3, 2)), 0, np.array([2, 2]), np.ones((2, 2)))
        array([[0., 0.],
               [0., 0.],
               [2., 2.]])
    """
    x, key = _lines("index_add", input, dim, index)
    return _add_at(x, _scaled(_array(source), alpha), key)


def index_copy(input: Array, dim: int, index: Array, source: Array) -> Array:
    """A copy of input where the parts with these indices along dim are those of source."""
    x, key = _lines("index_copy", input, dim, index)
    return _put(x, _array(source), key)


def index_fill(input: Array, dim: int, index: Array, value: Any) -> Array:
    """A copy of input where the parts with these indices along dim are filled with a number.

    Example:
        >>> nn.index_fill(np.zeros(3), 0, np.array([1]), 5.0)
        array([0., 5., 0.])
    """
    x, key = _lines("index_fill", input, dim, index)
    return _put(x, value, key)


def masked_select(input: Array, mask: Array) -> Array:
    """The elements where mask is True, in one dimension; both broadcast.

    Example:
        >>> nn.masked_select(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
        array([1., 3.])
    """
    x, chosen = _array(input), _raw(_array(mask))
    shape = np.broadcast_shapes(x.shape, chosen.shape)
    return index(x if x.shape == shape else broadcast_to(x, shape), np.broadcast_to(chosen, shape))


def masked_scatter(input: Array, mask: Array, source: Array) -> Array:
    """A copy of input with the first elements of source, in their order, where mask is True; input and mask broadcast.

    Example:
        >>> nn.masked_scatter(np.zeros(3), np.array([True, False, True]), np.array([1.0, 2.0]))
        array([1., 0., 2.])
    """
    x, chosen, source = _array(input), _raw(_array(mask)), _array(source)
    shape = np.broadcast_shapes(x.shape, chosen.shape)
    chosen = np.broadcast_to(chosen, shape)
    n, given = int(chosen.sum()), int(np.prod(source.shape))
    if given < n:
        raise ValueError(f"masked_scatter: mask has {n} elements that are True, but source of shape {source.shape} has {given}")
    return _put(x if x.shape == shape else broadcast_to(x, shape), index(reshape(source, -1), slice(n)), chosen)


def repeat_interleave(input: Array, repeats: Any, dim: int | None = None) -> Array:
    """Each element (or each part along dim) repeated in its place; repeats is a number, or one for each.

    Example:
        >>> nn.repeat_interleave(np.array([1.0, 2.0]), 2)
        array([1., 1., 2., 2.])
    """
    x = _array(input)
    if dim is None or x.ndim == 0:
        x, axis = reshape(x, -1), 0
    else:
        axis = _one_axis(dim, x.ndim)
    counts = np.asarray(_raw(repeats))
    if counts.ndim > 1 or counts.size not in (1, x.shape[axis]):
        raise ValueError(f"repeat_interleave: repeats has shape {counts.shape}; expected a number or {x.shape[axis]} of them")
    return take(x, np.repeat(np.arange(x.shape[axis]), counts), axis)
