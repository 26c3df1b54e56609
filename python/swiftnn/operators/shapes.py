"""Shapes, and the joining and cutting of arrays."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..tape import operation
from ._common import Array, Backward, _array, _axes, _fit, _one_axis, _raw, _sizes
from .indexing import assign, index, take

__all__ = [
    "broadcast_to",
    "cat",
    "chunk",
    "concat",
    "diag",
    "diag_embed",
    "diagonal",
    "expand",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "meshgrid",
    "moveaxis",
    "movedim",
    "narrow",
    "permute",
    "repeat",
    "reshape",
    "reshape_as",
    "roll",
    "select",
    "split",
    "split_with_sizes",
    "squeeze",
    "stack",
    "swapaxes",
    "swapdims",
    "t",
    "tensor_split",
    "tile",
    "transpose",
    "tril",
    "triu",
    "unbind",
    "unflatten",
    "unfold",
    "unsqueeze",
]


@operation
def _reshape(x: Any, shape: tuple[int, ...]) -> tuple[Any, Backward]:
    before = x.shape
    return x.reshape(shape), lambda dy, w: (dy.reshape(before), None)


def reshape(input: Array, shape: Any) -> Array:
    """The same elements in another shape; one size may be -1."""
    return _reshape(_array(input), shape)


def reshape_as(input: Array, other: Array) -> Array:
    """The same elements in the shape of other."""
    return reshape(input, tuple(_array(other).shape))


def unflatten(input: Array, dim: int, sizes: Sequence[int]) -> Array:
    """Dimension dim as several; one size may be -1.

    Example:
        >>> nn.unflatten(np.zeros((2, 6)), 1, (3, -1)).shape
        (2, 3, 2)
    """
    x = _array(input)
    axis = _one_axis(dim, x.ndim)
    n, sizes = x.shape[axis], tuple(sizes)
    known = math.prod(s for s in sizes if s != -1)
    if sizes.count(-1) == 1 and known and n % known == 0:
        sizes = tuple(n // known if s == -1 else s for s in sizes)
    if math.prod(sizes) != n or -1 in sizes:
        raise ValueError(f"unflatten: sizes {sizes} do not multiply up to {n}, the size of dimension {dim}")
    return reshape(x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))


@operation
def _transpose(x: Any, axes: tuple[int, ...]) -> tuple[Any, Backward]:
    back = tuple(int(i) for i in np.argsort([a % x.ndim for a in axes])) if x.ndim else ()
    return x.transpose(axes), lambda dy, w: (dy.transpose(back), None)


def permute(input: Array, dims: Any) -> Array:
    """The dimensions in another order."""
    return _transpose(_array(input), tuple(dims))


@operation
def _swapaxes(x: Any, a: int, b: int) -> tuple[Any, Backward]:
    return x.swapaxes(a, b), lambda dy, w: (dy.swapaxes(a, b), None, None)


def swapaxes(input: Array, dim0: int, dim1: int) -> Array:
    """Two dimensions exchanged."""
    return _swapaxes(_array(input), dim0, dim1)


transpose = swapdims = swapaxes


def t(input: Array) -> Array:
    """A matrix transposed."""
    x = _array(input)
    if x.ndim > 2:
        raise RuntimeError(f"t() expects at most 2 dimensions, but this array has {x.ndim}; use transpose or mT")
    return permute(x, range(x.ndim)[::-1])


def movedim(input: Array, source: Any, destination: Any) -> Array:
    """The dimensions of source moved to the places of destination, the others in their order.

    Example:
        >>> nn.movedim(np.zeros((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    x = _array(input)
    before, after = ([_one_axis(d, x.ndim) for d in _sizes((dims,))] for dims in (source, destination))
    if len(before) != len(after) or len({*before}) != len(before) or len({*after}) != len(after):
        raise ValueError(f"movedim: source={source} and destination={destination} must be as many different dimensions")
    order = [i for i in range(x.ndim) if i not in before]
    for place, dim in sorted(zip(after, before, strict=True)):
        order.insert(place, dim)
    return permute(x, order[: x.ndim])


moveaxis = movedim


def flatten(input: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """The dimensions from start_dim to end_dim as one."""
    x = _array(input)
    shape = x.shape
    if not shape:
        return reshape(x, (1,))
    (first,), (last,) = _axes(start_dim, len(shape)), _axes(end_dim, len(shape))
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim}")
    return reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def squeeze(input: Array, dim: Any = None) -> Array:
    """Without the dimensions of size 1, or without dim where its size is 1."""
    x = _array(input)
    axes = _axes(dim, x.ndim)
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in axes))


def unsqueeze(input: Array, dim: int) -> Array:
    """With a new dimension of size 1 at dim."""
    x = _array(input)
    (axis,) = _axes(dim, x.ndim + 1)
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


@operation
def _broadcast_to(x: Any, shape: tuple[int, ...]) -> tuple[Any, Backward]:
    before = x.shape
    return np.broadcast_to(x, shape), lambda dy, w: (_fit(dy, before), None)


def broadcast_to(input: Array, shape: Any) -> Array:
    """x repeated along dimensions of size 1 or new ones, without a copy; the result cannot be written."""
    return _broadcast_to(_array(input), tuple(shape))


def expand(input: Array, *sizes: Any) -> Array:
    """broadcast_to where -1 keeps a size."""
    x = _array(input)
    shape = tuple(sizes[0]) if len(sizes) == 1 and np.ndim(sizes[0]) else sizes
    added = len(shape) - x.ndim
    return broadcast_to(x, tuple(x.shape[i - added] if n == -1 and i >= added else n for i, n in enumerate(shape)))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Array, ...]:
    """The coordinates of a grid: array k varies along dimension k alone; with indexing="xy" the first two change places.

    Example:
        >>> rows, columns = nn.meshgrid(np.arange(2), np.arange(3))
        >>> columns
        array([[0, 1, 2],
               [0, 1, 2]])
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    lines = [reshape(a, -1) for a in given]
    grid = tuple(
        broadcast_to(reshape(a, [-1 if i == k else 1 for i in range(len(lines))]), [len(b) for b in lines]) for k, a in enumerate(lines)
    )
    return tuple(swapaxes(a, 0, 1) for a in grid) if indexing == "xy" and len(lines) > 1 else grid


@operation
def _tile(x: Any, repeats: tuple[int, ...]) -> tuple[Any, Backward]:
    padded = (1,) * (len(repeats) - x.ndim) + x.shape
    before = x.shape

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        split_shape = [n for pair in zip(repeats, padded, strict=True) for n in pair]
        return dy.reshape(split_shape).sum(axis=tuple(range(0, 2 * len(padded), 2))).reshape(before), None

    return np.tile(x, repeats), backward


def repeat(input: Array, *repeats: Any) -> Array:
    """x laid side by side, as often along each dimension as repeats say."""
    x = _array(input)
    counts = tuple(repeats[0]) if len(repeats) == 1 and np.ndim(repeats[0]) else repeats
    if len(counts) < x.ndim:
        raise ValueError(f"repeat: {len(counts)} counts for {x.ndim} dimensions; give one for each")
    return _tile(x, tuple(counts))


def tile(input: Array, dims: Sequence[int]) -> Array:
    """x laid side by side; counts that are missing in front are 1.

    Example:
        >>> nn.tile(np.array([[1, 2]]), (2,))
        array([[1, 2, 1, 2]])
    """
    x = _array(input)
    dims = tuple(dims) if np.ndim(dims) else (operator.index(dims),)  # type: ignore[arg-type]
    return _tile(x, (1,) * (x.ndim - len(dims)) + dims)


@operation
def _flip(x: Any, axes: Any) -> tuple[Any, Backward]:
    return np.flip(x, axes), lambda dy, w: (np.flip(dy, axes), None)


def flip(input: Array, dims: Any) -> Array:
    """The order of the elements along dims reversed."""
    x = _array(input)
    return _flip(x, _axes(dims, x.ndim))


def flipud(input: Array) -> Array:
    """The order along the first dimension reversed."""
    return flip(input, 0)


def fliplr(input: Array) -> Array:
    """The order along the second dimension reversed."""
    return flip(input, 1)


@operation
def _roll(x: Any, shifts: Any, axes: Any) -> tuple[Any, Backward]:
    return np.roll(x, shifts, axes), lambda dy, w: (np.roll(dy, np.negative(shifts), axes), None, None)


def roll(input: Array, shifts: Any, dims: Any = None) -> Array:
    """The elements moved on by shifts along dims, those at the end coming in again; without dims in the flat array.

    Example:
        >>> nn.roll(np.array([[1, 2, 3], [4, 5, 6]]), 1, 1)
        array([[3, 1, 2],
               [6, 4, 5]])
    """
    x = _array(input)
    shifts, axes = _sizes((shifts,)), None if dims is None else _sizes((dims,))
    if len(shifts) != (1 if axes is None else len(axes)):
        raise ValueError(f"roll: {len(shifts)} shifts for {'the flat array' if axes is None else f'{len(axes)} dims'}; give one for each")
    return _roll(x, shifts if axes else shifts[0], axes and tuple(_one_axis(a, x.ndim) for a in axes) if x.ndim else None)


@operation
def _triangle(x: Any, k: int, lower: bool) -> tuple[Any, Backward]:
    cut = np.tril if lower else np.triu
    return cut(x, k), lambda dy, w: (cut(dy, k), None, None)


def tril(input: Array, diagonal: int = 0) -> Array:
    """The elements on and below a diagonal, the others 0."""
    return _triangle(_array(input), diagonal, True)


def triu(input: Array, diagonal: int = 0) -> Array:
    """The elements on and above a diagonal, the others 0."""
    return _triangle(_array(input), diagonal, False)


def diagonal(input: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """A copy of the diagonals of the matrices in dim1 and dim2, which become the last dimension.

    Example:
        >>> nn.diagonal(np.array([[1, 2, 3], [4, 5, 6]]), 1)
        array([2, 6])
    """
    x = movedim(input, (dim1, dim2), (-2, -1))
    places = np.arange(builtins.max(builtins.min(x.shape[-2] + builtins.min(offset, 0), x.shape[-1] - builtins.max(offset, 0)), 0))
    return index(x, (..., places - builtins.min(offset, 0), places + builtins.max(offset, 0)))


_diagonal = diagonal


def diag_embed(input: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """Matrices in dim1 and dim2 with the last dimension of x on a diagonal, and 0 elsewhere.

    Example:
        >>> nn.diag_embed(np.array([1.0, 2.0]))
        array([[1., 0.],
               [0., 2.]])
    """
    x = _array(input)
    n = x.shape[-1] + builtins.abs(offset)
    places = np.arange(x.shape[-1])
    y = assign(np.zeros((*x.shape[:-1], n, n), x.dtype), (..., places - builtins.min(offset, 0), places + builtins.max(offset, 0)), x)
    return movedim(y, (-2, -1), (dim1, dim2))


def diag(input: Array, diagonal: int = 0) -> Array:
    """The matrix with a vector on a diagonal, or the diagonal of a matrix."""
    x = _array(input)
    if x.ndim not in (1, 2):
        raise ValueError(f"diag: input must have 1 or 2 dimensions, got shape {x.shape}; use diagonal or diag_embed")
    return diag_embed(x, diagonal) if x.ndim == 1 else _diagonal(x, diagonal)


# Joining and cutting.


@operation
def _concatenate(*arrays: Any, axis: int) -> tuple[Any, Backward]:
    sizes = [a.shape[axis] for a in arrays]

    def backward(dy: Any, w: Sequence[bool]) -> Any:
        return np.split(dy, np.cumsum(sizes)[:-1], axis=axis)

    return np.concatenate(arrays, axis=axis), backward


def cat(tensors: Iterable[Array], dim: int = 0) -> Array:
    """Arrays put together along a dimension they have.

    Example:
        >>> nn.cat([np.zeros(2), np.ones(1)])
        array([0., 0., 1.])
    """
    parts = [_array(a) for a in tensors]
    if not parts:
        raise ValueError("cat: expected a non-empty list of arrays")
    return _concatenate(*parts, axis=dim)


concat = cat


def stack(tensors: Iterable[Array], dim: int = 0) -> Array:
    """Arrays of one shape put together along a new dimension."""
    parts = [_array(a) for a in tensors]
    if not parts:
        raise ValueError("stack: expected a non-empty list of arrays")
    return _concatenate(*(unsqueeze(a, dim) for a in parts), axis=dim)


def split(input: Array, split_size_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """Pieces of one size (the last may be smaller), or of the sizes given, along dim; they share the memory of x."""
    x = _array(input)
    (axis,) = _axes(dim, x.ndim)
    n = x.shape[axis]
    if np.ndim(split_size_or_sections) == 0:
        size = operator.index(split_size_or_sections)
        if size <= 0:
            raise ValueError(f"split: split_size must be positive, got {size}")
        sizes = [builtins.min(size, n - i) for i in range(0, n, size)] or [0]
    else:
        sizes = list(split_size_or_sections)
        if builtins.sum(sizes) != n:
            raise ValueError(f"split: sizes {sizes} must add up to {n}, the size of dimension {dim}")
    pieces, start = [], 0
    for size in sizes:
        pieces.append(index(x, (builtins.slice(None),) * axis + (builtins.slice(start, start + size),)))
        start += size
    return tuple(pieces)


def split_with_sizes(input: Array, split_sizes: Sequence[int], dim: int = 0) -> tuple[Array, ...]:
    """Pieces of the sizes given, along dim."""
    return split(input, tuple(split_sizes), dim)


def chunk(input: Array, chunks: int, dim: int = 0) -> tuple[Array, ...]:
    """At most `chunks` pieces of one size along dim."""
    x = _array(input)
    (axis,) = _axes(dim, x.ndim)
    if chunks <= 0:
        raise ValueError(f"chunk: chunks must be positive, got {chunks}")
    return split(x, builtins.max(1, -(-x.shape[axis] // chunks)), dim)


def tensor_split(input: Array, indices_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """So many pieces, the first ones larger by 1 where they cannot be equal, or pieces that end before the indices given.

    Example:
        >>> [piece.shape for piece in nn.tensor_split(np.zeros(7), 3)]
        [(3,), (2,), (2,)]
    """
    x = _array(input)
    axis = _one_axis(dim, x.ndim)
    n, given = x.shape[axis], _raw(indices_or_sections)
    if np.ndim(given) == 0:
        sections = operator.index(given)
        if sections <= 0:
            raise ValueError(f"tensor_split: the number of sections must be positive, got {sections}")
        given = [n // sections * i + builtins.min(i, n % sections) for i in range(1, sections)]
    ends = [operator.index(i) for i in given]
    return tuple(index(x, (slice(None),) * axis + (slice(a, b),)) for a, b in zip([0, *ends], [*ends, n], strict=True))


def unbind(input: Array, dim: int = 0) -> tuple[Array, ...]:
    """The parts for each index of dim."""
    x = _array(input)
    axis = _one_axis(dim, x.ndim)
    return tuple(index(x, (slice(None),) * axis + (i,)) for i in range(x.shape[axis]))


def narrow(input: Array, dim: int, start: int, length: int) -> Array:
    """The part of so many indices of dim from start on; it shares the memory of x.

    Example:
        >>> nn.narrow(np.arange(5), 0, 1, 3)
        array([1, 2, 3])
    """
    x = _array(input)
    axis = _one_axis(dim, x.ndim)
    n, first = x.shape[axis], operator.index(start)
    first = first + n if first < 0 else first
    if length < 0 or not 0 <= first <= n - length:
        raise IndexError(f"narrow: start={start} and length={length} leave dimension {dim} of size {n}")
    return index(x, (slice(None),) * axis + (slice(first, first + length),))


_part = index


def select(input: Array, dim: int, index: int) -> Array:
    """The part for one index of dim; it shares the memory of x.

    Example:
        >>> nn.select(np.array([[1, 2], [3, 4]]), 1, -1)
        array([2, 4])
    """
    x = _array(input)
    return _part(x, (slice(None),) * _one_axis(dim, x.ndim) + (operator.index(index),))


def unfold(input: Array, dimension: int, size: int, step: int) -> Array:
    """A copy of the windows of so many elements along a dimension, every step; they become the last dimension.

    Example:
        >>> nn.operators.unfold(np.arange(5), 0, 3, 2)
        array([[0, 1, 2],
               [2, 3, 4]])
    """
    x = _array(input)
    axis = _one_axis(dimension, x.ndim)
    n = x.shape[axis]
    if not 0 <= size <= n or step <= 0:
        raise ValueError(
            f"unfold: size={size} and step={step} for dimension {dimension} of size {n}; expected 0 to {n}, and a positive step"
        )
    places = np.arange(0, n - size + 1, step)[:, None] + np.arange(size)
    return movedim(take(x, places, axis), axis + 1, -1)
