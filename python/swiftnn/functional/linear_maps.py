"""Linear maps and tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._native import bilinear_forward, embedding_bag_forward, embedding_forward, linear_forward
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor
from ._arguments import _NONE, Array, _as_array, _raw
from ._signatures import input_and_weight, inputs_and_weight, table

__all__ = ["bilinear", "embedding", "embedding_bag", "linear", "one_hot"]


@input_and_weight
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """Applies an affine map to the last dimension.

    y = x Wᵀ + b

    Args:
        input: array (*, in_features).
        weight: array (out_features, in_features).
        bias: array (out_features), or None.

    **Shape**: (*, in_features) -> (*, out_features), * any number of dimensions.

    Raises:
        ShapeError: the last dimension of input is not in_features.
        TypeError: input and weight have different float types.

    Example:
        >>> nn.functional.linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
        array([[11.]])
    """
    return linear_forward(input, weight, bias, None, _NONE, 0, 0)


@inputs_and_weight
def bilinear(input1: Array, input2: Array, weight: Array, bias: Array | None = None) -> Array:
    """Applies a bilinear map to two arrays.

    y[o] = Σᵢⱼ x₁[i] W[o,i,j] x₂[j] + b[o]

    Args:
        input1: array (*, in1_features).
        input2: array (*, in2_features).
        weight: array (out_features, in1_features, in2_features).
        bias: array (out_features), or None.

    **Shape**: (*, in1_features), (*, in2_features) -> (*, out_features).

    Raises:
        ShapeError: the leading dimensions differ or a last dimension does not fit weight.

    Example:
        >>> nn.functional.bilinear(np.ones((5, 2)), np.ones((5, 3)), np.ones((4, 2, 3))).shape
        (5, 4)
    """
    return bilinear_forward(input1, input2, weight, bias)


@table
def embedding(
    input: Array,
    weight: Array,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Array:
    """Looks rows up in a table.

    y[..., :] = weight[input[...], :]

    Args:
        input: array of integers (*).
        weight: array (num_embeddings, embedding_dim).
        padding_idx: row that gets no gradient.
        max_norm: rows that are used and whose norm is larger are scaled down to it, in place in weight.
        norm_type: p of the norm for max_norm.
        scale_grad_by_freq: scales gradients by the inverse frequency of each index.
        sparse: accepted for compatibility.

    **Shape**: (*) -> (*, embedding_dim).

    Raises:
        IndexError: an index is negative or not smaller than num_embeddings.

    Example:
        >>> nn.functional.embedding([2, 0], np.arange(6.0).reshape(3, 2))
        array([[4., 5.],
               [0., 1.]])
    """
    skipped = -1
    if padding_idx is not None:
        rows = weight.shape[0] if isinstance(weight, (Tensor, np.ndarray)) else np.shape(weight)[0]
        if not -rows <= padding_idx < rows:
            raise ArgumentError(f"padding_idx must be within num_embeddings={rows}, but got {padding_idx}")
        skipped = padding_idx % rows
    if max_norm is not None:
        _renormalize_rows(_raw(weight), _raw(input), max_norm, norm_type)
    return embedding_forward(input, weight, skipped, scale_grad_by_freq)


def _renormalize_rows(weight: np.ndarray[Any, Any], indices: np.ndarray[Any, Any], max_norm: float, norm_type: float) -> None:
    rows = np.unique(indices)
    if rows.size and (rows[0] < 0 or rows[-1] >= weight.shape[0]):
        raise IndexError(f"input must hold indices from 0 to {weight.shape[0] - 1}, but holds {rows[0]} to {rows[-1]}")
    if not weight.flags.writeable:
        raise ValueError("max_norm scales rows of weight in place, but weight is read-only; pass a writable copy or max_norm=None")
    norms = np.linalg.norm(weight[rows], ord=norm_type, axis=1)
    large = norms > max_norm
    if large.any():
        weight[rows[large]] *= (max_norm / (norms[large] + 1e-7))[:, None].astype(weight.dtype)


@table
def embedding_bag(
    input: Array,
    weight: Array,
    offsets: Array | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array:
    """Looks rows up in a table and adds up those of each bag, or takes their mean or maximum.

    y[b, :] = Σᵢ s[i] weight[input[i], :] over the places i of bag b; mean: divided by their number; max: the largest. An empty bag gives
    zeros.

    Args:
        input: integers, bags of the same size (B, L), or all bags one after the other (N).
        weight: array (num_embeddings, embedding_dim).
        offsets: where in input (N) each bag starts, increasing from 0 (B); None for an input (B, L).
        max_norm: rows that are used and whose norm is larger are scaled down to it, in place in weight.
        norm_type: p of the norm for max_norm.
        scale_grad_by_freq: scales gradients by the inverse frequency of each index in input; not for 'max'.
        mode: 'sum', 'mean' or 'max'.
        sparse: accepted for compatibility; not for 'max'.
        per_sample_weights: s, floats of the shape of input, for 'sum'; None: ones.
        include_last_offset: the last offset is the end of the last bag, so that there is one bag less.
        padding_idx: index that is left out of its bag.

    **Shape**: (B, L), or (N) and offsets (B) -> (B, embedding_dim).

    Raises:
        IndexError: an index is negative or not smaller than num_embeddings.
        ValueError: mode is another one, or shapes or offsets do not fit.
        TypeError: input or offsets are no integers, or per_sample_weights have another float type than weight.
        NotImplementedError: per_sample_weights with 'mean' or 'max'.

    Differences from PyTorch:
        scale_grad_by_freq divides by how often the index itself occurs, where PyTorch on the CPU takes the number of another index.

    Example:
        >>> table = np.arange(8.0).reshape(4, 2)
        >>> nn.functional.embedding_bag(np.array([0, 1, 3, 3]), table, np.array([0, 2, 2]), mode="sum")
        array([[ 2.,  4.],
               [ 0.,  0.],
               [12., 14.]])
    """
    input, weight = _as_array(input), _as_array(weight)
    scales = None if per_sample_weights is None else _as_array(per_sample_weights, weight)
    if scales is not None and tuple(scales.shape) != tuple(input.shape):
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({tuple(scales.shape)}) is not None, then it must have the same shape as the input "
            f"({tuple(input.shape)})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be 2D, (num_embeddings, embedding_dim), but got shape {tuple(weight.shape)}")
    _require_integers(input, "input")
    if input.ndim not in (1, 2):
        raise ValueError(f"input has to be 1D or 2D, but got shape {tuple(input.shape)}")
    if (offsets is None) != (input.ndim == 2):
        raise ValueError(
            "offsets has to be 1D where input is 1D, but got None; give the place in input where each bag starts"
            if offsets is None
            else "if input is 2D, then offsets has to be None, as the rows of input are the bags, but got offsets "
            f"of type {type(offsets).__name__}"
        )
    starts: Any = None
    if offsets is not None:
        starts = _raw(offsets)
        if starts.ndim != 1:
            raise ValueError(f"offsets has to be 1D, but got shape {tuple(starts.shape)}")
        _require_integers(starts, "offsets")
        if not starts.size:
            if include_last_offset:
                raise ValueError("offsets has to have at least one number, the end of the last bag, where include_last_offset=True")
            starts = starts.astype(np.int64)
    if mode not in _BAG_MODES:
        raise ValueError(f"mode has to be one of 'sum', 'mean' or 'max', but got {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        name = "scale_grad_by_freq" if scale_grad_by_freq else "sparse"
        raise ValueError(f"mode 'max' does not support {name}=True; leave it out, or take another mode")
    if scales is not None:
        if mode != "sum":
            raise NotImplementedError(f"embedding_bag: per_sample_weights is only supported for mode='sum', but got mode={mode!r}")
        if scales.dtype.type is not weight.dtype.type:
            raise TypeError(f"per_sample_weights have to be {weight.dtype} as weight, but got {scales.dtype}; convert them")
    skipped = -1
    if padding_idx is not None:
        rows = weight.shape[0]
        if not -rows <= padding_idx < rows:
            raise ArgumentError(f"padding_idx must be within num_embeddings={rows}, but got {padding_idx}")
        skipped = padding_idx % rows
    if max_norm is not None:
        _renormalize_rows(_raw(weight), _raw(input), max_norm, norm_type)
    frequency, last = bool(scale_grad_by_freq), bool(include_last_offset)
    return embedding_bag_forward(input, weight, starts, scales, _BAG_MODES[mode], last, skipped, frequency, False)[0]


_BAG_MODES = {"sum": 0, "mean": 1, "max": 2}


def _require_integers(a: Any, name: str) -> None:
    if a.dtype.kind not in "iu" and a.size:
        raise TypeError(f"embedding_bag: {name} has dtype {a.dtype}; expected integers, {name}.astype(np.int64)")


def one_hot(input: Array, num_classes: int = -1) -> np.ndarray[Any, Any]:
    """Writes class numbers as vectors with a single one.

    y[..., c] = 1 if input[...] = c else 0

    Args:
        input: array of integers (*).
        num_classes: length of the vectors; -1: one more than the largest class in input.

    **Shape**: (*) -> (*, num_classes), int64.

    Raises:
        ValueError: a class is negative or not smaller than num_classes.
        TypeError: input does not hold integers.

    Example:
        >>> nn.functional.one_hot(np.array([0, 2]))
        array([[1, 0, 0],
               [0, 0, 1]])
    """
    classes = _raw(input)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"input must be an array of integers, but got {classes.dtype}; convert it with input.astype(np.int64)")
    # A copy: NumPy writes at indices that it has checked before, and another thread may write the caller's array.
    classes = classes.astype(np.int64)
    if classes.size == 0 and num_classes < 1:
        raise ShapeError("num_classes cannot be read off an empty input; pass num_classes")
    if classes.size:
        low, high = int(classes.min()), int(classes.max())
        if low < 0:
            raise ShapeError(f"input must hold class numbers from 0, but holds {low}")
        if num_classes == -1:
            num_classes = high + 1
        elif high >= num_classes:
            raise ShapeError(f"input must hold class numbers smaller than num_classes={num_classes}, but holds {high}")
    y = np.zeros((*classes.shape, num_classes), np.int64)
    np.put_along_axis(y, classes[..., None], 1, axis=-1)
    return y
