"""torch.nn.functional for NumPy arrays: the functions behind the layers.

Every function takes ndarrays (or anything NumPy can read) and returns new ndarrays; a Tensor among the inputs makes the result a Tensor.
Arrays of float32 and float64 are read as they are, whatever their strides; other number types are converted once, to float32.
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from . import operators, random, tape
from ._native import (
    activation_forward,
    adaptive_avg_pool_forward,
    attention_forward,
    avg_pool_forward,
    batch_norm_forward,
    batch_stats_forward,
    bilinear_forward,
    conv_forward,
    dropout_forward,
    embedding_forward,
    group_norm_forward,
    interpolate_forward,
    layer_norm_forward,
    linear_forward,
    max_pool_forward,
    pad_forward,
    prelu_forward,
    rms_norm_forward,
    softmax_forward,
)
from .errors import ArgumentError, AttentionShapeError, ShapeError
from .tensor import Parameter, Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "cosine_similarity",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "gelu",
    "glu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "instance_norm",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "mish",
    "multi_head_attention_forward",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
    "upsample",
]

# An ndarray or a Tensor; results are of the inputs' kind.
Array: TypeAlias = Any

# The numbers of swiftnn.h.
_NONE = -1
_RELU, _RELU6, _LEAKY_RELU, _ELU, _GELU, _GELU_TANH, _SILU, _MISH, _SIGMOID, _TANH, _SOFTPLUS, _HARDSWISH = range(12)
_HARDTANH, _HARDSIGMOID, _LOGSIGMOID, _SELU, _SOFTSIGN = range(15, 20)
_PAD_MODES = {"constant": 0, "reflect": 1, "replicate": 2, "circular": 3}
_NEAREST, _LINEAR, _NEAREST_EXACT = range(3)


# Reading arguments.

_ARRAYS = (np.ndarray, Tensor)


def _as_array(x: Any, weight: Any = None) -> Any:
    """x itself where it is an ndarray or a Tensor, else the ndarray NumPy makes of it; lists of floats get the width of weight."""
    if isinstance(x, _ARRAYS):
        return x
    a = np.asarray(x)
    if a.dtype == object and hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    if a.dtype == np.float64 and not hasattr(x, "dtype"):
        return a.astype(np.float32 if weight is None else _width(weight))
    return a


def _width(a: Any) -> type[np.floating[Any]]:
    """The float type an operation computes in for a: its own, and float32 for all but floats of 32 and 64 bits."""
    return np.float64 if a.dtype.type is np.float64 else np.float32


def _raw(x: Any) -> Any:
    """The ndarray inside a Tensor or Parameter; an array as it is."""
    return x.data if isinstance(x, Tensor) else _as_array(x)


def _recorded(x: Any) -> bool:
    """Whether x decides that results are Tensors: Parameters never do."""
    return isinstance(x, Tensor) and not isinstance(x, Parameter)


def _beside(weight: Any, x: Any) -> Any:
    """weight in the form in which slices of it may be combined with x: the Parameter where x is a Tensor, else its memory."""
    return weight if _recorded(x) else _raw(weight)


def _ints(value: int | Iterable[int], count: int, name: str) -> tuple[int, ...]:
    """value as `count` ints: one int (or one in a tuple) stands for all."""
    try:
        return (operator.index(value),) * count  # type: ignore[arg-type]
    except TypeError:
        pass
    try:
        items = tuple(operator.index(v) for v in value)  # type: ignore[union-attr]
    except TypeError:
        raise TypeError(f"{name} must be an int or a tuple of {count} ints, but got {value!r}") from None
    if len(items) == 1:
        return items * count
    if len(items) != count:
        raise ValueError(f"{name} must be an int or a tuple of {count} int{'s' * (count > 1)}, but got {value!r} with {len(items)} values")
    return items


def _as_given(value: int | Iterable[int], count: int, name: str) -> tuple[int, ...]:
    """value as a tuple, checked; an int is repeated, a tuple of one int stays one, as in PyTorch."""
    items = _ints(value, count, name)
    return items if not isinstance(value, (tuple, list)) else tuple(operator.index(v) for v in value)


def _axis(dim: int, ndim: int, name: str = "dim") -> int:
    """dim counted from the front."""
    axes = max(ndim, 1)
    if not -axes <= dim < axes:
        raise IndexError(f"{name}={dim} is out of range for an array with {ndim} dimensions: expected {-axes} to {axes - 1}")
    return dim % axes


def _check_writable(x: Any) -> None:
    a = x.data if isinstance(x, Tensor) else x
    if not isinstance(a, np.ndarray):
        raise TypeError(f"inplace=True needs an ndarray to write into, but got {type(x).__name__}; use inplace=False")
    if not a.flags.writeable:
        raise ValueError("inplace=True cannot write into a read-only array; pass a copy (x.copy()) or use inplace=False")
    if a.dtype.kind != "f":
        raise TypeError(f"inplace=True needs an array of floats, but got {a.dtype}; convert it (x.astype(np.float32)) or use inplace=False")


def _write(x: Any, y: Any) -> Any:
    """y in the memory of x; a Tensor on the tape goes on as y, since earlier operations may need what it held."""
    if isinstance(x, Tensor):
        if isinstance(y, Tensor) and y.requires_grad:
            if x.is_leaf and x.requires_grad:
                raise RuntimeError(f"inplace=True cannot change a {type(x).__name__} that requires a gradient; use inplace=False")
            x._become(y)
            return x
        tape.wrote(x)
    _raw(x)[...] = _raw(y)
    return x


def _activate(x: Any, inplace: bool, kind: int, alpha: float = 0.0, beta: float = 0.0) -> Array:
    if not inplace:
        return activation_forward(x, kind, alpha, beta)
    _check_writable(x)
    return _write(x, activation_forward(x, kind, alpha, beta))


# Linear maps and tables.


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
    np.put_along_axis(y, classes[..., None].astype(np.int64, copy=False), 1, axis=-1)
    return y


# Convolution and padding.


def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Correlates a signal with filters.

    y[n,o,p] = b[o] + Σ_{c,r} W[o,c,r] x[n, c, p·stride + r·dilation - padding]

    Args:
        input: array (N, C, L) or (C, L).
        weight: array (O, C / groups, R).
        bias: array (O), or None.
        stride: step of the filter.
        padding: zeros on both sides: an int, (before, after), 'valid' or 'same'.
        dilation: distance of the filter's taps.
        groups: number of blocks of channels that do not see each other.

    **Shape**: (N, C, L) -> (N, O, P), P = ⌊(L + 2·padding - dilation·(R-1) - 1) / stride⌋ + 1.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, or padding is negative.

    Example:
        >>> nn.functional.conv1d(np.arange(5.0).reshape(1, 1, 5), np.ones((1, 1, 3)))
        array([[[3., 6., 9.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Correlates images with filters.

    y[n,o,p,q] = b[o] + Σ_{c,r,s} W[o,c,r,s] x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    Args:
        input: array (N, C, H, W) or (C, H, W).
        weight: array (O, C / groups, R, S).
        bias: array (O), or None.
        stride: step of the filter, an int or (vertical, horizontal).
        padding: zeros on all sides: an int, (vertical, horizontal), (top, bottom, left, right), 'valid' or 'same'.
        dilation: distance of the filter's taps.
        groups: number of blocks of channels that do not see each other.

    **Shape**: (N, C, H, W) -> (N, O, P, Q), P = ⌊(H + 2·padding[0] - dilation[0]·(R-1) - 1) / stride[0]⌋ + 1 and Q alike.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, or padding is negative.

    Example:
        >>> nn.functional.conv2d(np.ones((1, 3, 8, 8)), np.ones((4, 3, 3, 3)), padding=1).shape
        (1, 4, 8, 8)
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def _conv(count: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Array:
    stride = _ints(stride, count, "stride")
    dilation = _ints(dilation, count, "dilation")
    if isinstance(padding, str):
        padding = _named_padding(padding, tuple(np.shape(weight)[-count:]), stride, dilation)
    else:
        padding = _conv_padding(padding, count)
    return conv_forward(input, weight, bias, stride, padding, dilation, groups, _NONE)


def _conv_padding(padding: int | Iterable[int], count: int) -> tuple[int, ...]:
    """One number for each dimension, or two (before, after) where the sides differ."""
    if not isinstance(padding, int):
        try:
            items = tuple(operator.index(p) for p in padding)
        except TypeError:
            return _ints(padding, count, "padding")
        if len(items) == 2 * count:
            return items
        return _ints(items, count, "padding")
    return (padding,) * count


def _named_padding(padding: str, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """(before, after) of each dimension for 'valid' and 'same'; the odd one of 'same' goes after."""
    if padding == "valid":
        return (0, 0) * len(kernel_size)
    if padding != "same":
        raise ValueError(f"Invalid padding string {padding!r}, should be one of 'valid', 'same'")
    if any(s != 1 for s in stride):
        raise ValueError(
            f"padding='same' is not supported for strided convolutions, but got stride={tuple(stride)}; give padding as numbers"
        )
    sides: list[int] = []
    for k, d in zip(kernel_size, dilation, strict=True):
        total = d * (k - 1)
        sides += [total // 2, total - total // 2]
    return tuple(sides)


def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    """Puts a border round an array, or cuts one off where a number is negative.

    Args:
        input: array (*).
        pad: (before, after) of the last dimension, then of the one before it, and so on.
        mode: 'constant', 'reflect' (without the edge), 'replicate' (the edge) or 'circular' (the opposite side).
        value: what 'constant' fills in; None: 0.

    **Shape**: (..., D) -> (..., before + D + after).

    Raises:
        ValueError: the mode is unknown, pad has an odd number of values or more than input has dimensions.
        ShapeError: the border is wider than the mode allows.

    Example:
        >>> nn.functional.pad(np.array([[1.0, 2.0, 3.0]]), (1, 2), mode="replicate")
        array([[1., 1., 2., 3., 3., 3.]])
    """
    code = _PAD_MODES.get(mode)
    if code is None:
        raise ValueError(f"mode must be one of {', '.join(map(repr, _PAD_MODES))}, but got {mode!r}")
    if code and value:
        raise ValueError(f"value={value} has no meaning with mode={mode!r}; leave it out")
    pads = tuple(operator.index(p) for p in pad)
    ndim = np.ndim(_as_array(input))
    if len(pads) % 2:
        raise ShapeError(f"pad must hold pairs (before, after), but got {len(pads)} values: {pads}")
    if len(pads) > 2 * ndim:
        raise ShapeError(f"pad has {len(pads)} values, at most {2 * ndim} fit an array with {ndim} dimensions")
    return pad_forward(input, pads, code, 0.0 if value is None else value)


# Pooling.


def max_pool1d(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """Takes the maximum of each window of a signal.

    y[n,c,p] = max_r x[n, c, p·stride + r·dilation - padding]

    Args:
        input: array (N, C, L) or (C, L).
        kernel_size: length of the window.
        stride: step of the window; None: kernel_size.
        padding: -inf on both sides, at most half of kernel_size.
        dilation: distance of the window's elements.
        ceil_mode: rounds the output size up.
        return_indices: returns (y, positions of the maxima) instead of y.

    **Shape**: (N, C, L) -> (N, C, P), P = ⌊(L + 2·padding - dilation·(kernel_size-1) - 1) / stride⌋ + 1.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: a size is out of its range.

    Example:
        >>> nn.functional.max_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
        array([[3., 2.]])
    """
    y, indices = _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return (y, indices) if return_indices else y


def max_pool2d(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """Takes the maximum of each window of an image.

    y[n,c,p,q] = max_{r,s} x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    Args:
        input: array (N, C, H, W) or (C, H, W).
        kernel_size: size of the window, an int or (vertical, horizontal).
        stride: step of the window; None: kernel_size.
        padding: -inf on all sides, at most half of kernel_size.
        dilation: distance of the window's elements.
        ceil_mode: rounds the output size up; a window still starts inside the input or its left border.
        return_indices: returns (y, positions of the maxima in the H·W plane) instead of y.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊(H + 2·padding[0] - dilation[0]·(kernel_size[0]-1) - 1) / stride[0]⌋ + 1.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: a size is out of its range.

    Example:
        >>> nn.functional.max_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
        array([[[ 5.,  7.],
                [13., 15.]]])
    """
    y, indices = _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return (y, indices) if return_indices else y


def max_pool1d_with_indices(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Array, Array]:
    """max_pool1d that always returns (y, indices).

    **Shape**: (N, C, L) -> two of (N, C, P), see max_pool1d.

    Example:
        >>> nn.functional.max_pool1d_with_indices(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
        (array([[3., 2.]]), array([[1, 2]]))
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Array, Array]:
    """max_pool2d that always returns (y, indices).

    **Shape**: (N, C, H, W) -> two of (N, C, P, Q), see max_pool2d.

    Example:
        >>> nn.functional.max_pool2d_with_indices(np.arange(16.0).reshape(1, 4, 4), 4)
        (array([[[15.]]]), array([[[15]]]))
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _max_pool(
    count: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> tuple[Array, Array]:
    sizes = _window(count, kernel_size, stride, padding)
    y: tuple[Array, Array] = max_pool_forward(input, *sizes, _ints(dilation, count, "dilation"), ceil_mode, indices)
    return y


def _window(count: int, kernel_size: Any, stride: Any, padding: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    kernel = _ints(kernel_size, count, "kernel_size")
    # PyTorch's own functions also take an empty stride for "as kernel_size".
    if stride is None or (isinstance(stride, Sequence) and not stride):
        return kernel, kernel, _ints(padding, count, "padding")
    return kernel, _ints(stride, count, "stride"), _ints(padding, count, "padding")


def avg_pool1d(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Takes the mean of each window of a signal.

    y[n,c,p] = (1/k) Σ_r x[n, c, p·stride + r - padding]

    Args:
        input: array (N, C, L) or (C, L).
        kernel_size: length of the window.
        stride: step of the window; None: kernel_size.
        padding: zeros on both sides, at most half of kernel_size.
        ceil_mode: rounds the output size up.
        count_include_pad: counts the zeros of the padding in the mean.

    **Shape**: (N, C, L) -> (N, C, P), P = ⌊(L + 2·padding - kernel_size) / stride⌋ + 1.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.

    Example:
        >>> nn.functional.avg_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
        array([[2., 1.]])
    """
    return avg_pool_forward(input, *_window(1, kernel_size, stride, padding), ceil_mode, count_include_pad, 0)


def avg_pool2d(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Takes the mean of each window of an image.

    y[n,c,p,q] = (1/divisor) Σ_{r,s} x[n, c, p·stride + r - padding, q·stride + s - padding]

    Args:
        input: array (N, C, H, W) or (C, H, W).
        kernel_size: size of the window, an int or (vertical, horizontal).
        stride: step of the window; None: kernel_size.
        padding: zeros on all sides, at most half of kernel_size.
        ceil_mode: rounds the output size up.
        count_include_pad: counts the zeros of the padding in the mean.
        divisor_override: divisor to use instead of the window's size.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊(H + 2·padding[0] - kernel_size[0]) / stride[0]⌋ + 1.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: divisor_override is 0.

    Example:
        >>> nn.functional.avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
        array([[[ 2.5,  4.5],
                [10.5, 12.5]]])
    """
    if divisor_override == 0:
        raise ShapeError("divisor_override must not be 0; None divides by the size of the window")
    return avg_pool_forward(input, *_window(2, kernel_size, stride, padding), ceil_mode, count_include_pad, divisor_override or 0)


def adaptive_avg_pool1d(input: Array, output_size: int | Sequence[int | None] | None) -> Array:
    """Takes means so that the output has a given length.

    y[n,c,p] = mean of x[n, c, ⌊p·L/P⌋ : ⌈(p+1)·L/P⌉]

    Args:
        input: array (N, C, L) or (C, L).
        output_size: P.

    **Shape**: (N, C, L) -> (N, C, P).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.functional.adaptive_avg_pool1d(np.arange(6.0).reshape(1, 6), 2)
        array([[1., 4.]])
    """
    return adaptive_avg_pool_forward(input, _output_size(output_size, 1))


def adaptive_avg_pool2d(input: Array, output_size: int | Sequence[int | None] | None) -> Array:
    """Takes means so that the output has a given size.

    y[n,c,p,q] = mean of x[n, c, ⌊p·H/P⌋ : ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ : ⌈(q+1)·W/Q⌉]

    Args:
        input: array (N, C, H, W) or (C, H, W).
        output_size: an int or (P, Q); None stands for the input's own size.

    **Shape**: (N, C, H, W) -> (N, C, P, Q).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.functional.adaptive_avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 1)
        array([[[7.5]]])
    """
    return adaptive_avg_pool_forward(input, _output_size(output_size, 2))


def _output_size(size: Any, count: int) -> tuple[int, ...]:
    """-1 stands for the input's own size."""
    if size is None:
        return (-1,) * count
    if isinstance(size, int) or not isinstance(size, Iterable):
        items = _ints(size, count, "output_size")
        given: Iterable[int | None] = items
    else:
        given = tuple(size)
        items = _ints([0 if s is None else s for s in given], count, "output_size")
        if len(tuple(given)) == 1:
            given = tuple(given) * count
    if any(s < 0 for s in items):
        raise ShapeError(f"output_size must not be negative, but got {size!r}")
    return tuple(-1 if s is None else operator.index(s) for s in given)


# Resizing.


def interpolate(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """Resizes signals or images.

    Args:
        input: array (N, C, L) or (N, C, H, W).
        size: the output's size, an int or one for each dimension.
        scale_factor: or the factor by which the size grows.
        mode: 'nearest', 'nearest-exact', 'linear' (3-D), 'bilinear' (4-D) or 'area'.
        align_corners: lays the corner elements on each other (linear and bilinear).
        recompute_scale_factor: computes the factor again from the rounded output size.
        antialias: not supported.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋.

    Raises:
        ValueError: both or none of size and scale_factor are given, or align_corners does not go with mode.
        NotImplementedError: mode does not go with the number of dimensions.

    Example:
        >>> nn.functional.interpolate(np.array([[[1.0, 2.0]]]), scale_factor=2)
        array([[[1., 1., 2., 2.]]])
    """
    x = _as_array(input)
    shape, count = x.shape, len(x.shape) - 2
    if mode in ("nearest", "nearest-exact", "area"):
        if align_corners is not None:
            raise ValueError(f"align_corners can only be set with mode 'linear' or 'bilinear', but got mode={mode!r}")
    elif {"linear": 1, "bilinear": 2}.get(mode) != count:
        raise NotImplementedError(
            f"mode={mode!r} does not go with an input with {count + 2} dimensions: "
            "expected 'nearest', 'nearest-exact' or 'area', 'linear' for (N, C, L), 'bilinear' for (N, C, H, W)"
        )
    if count not in (1, 2):
        raise NotImplementedError(f"input must be (N, C, L) or (N, C, H, W), but got shape {tuple(shape)}")
    if antialias:
        raise NotImplementedError("antialias=True is not supported; smooth the input before, or use mode='area'")
    if (size is None) == (scale_factor is None):
        raise ValueError("exactly one of size and scale_factor must be given")
    scales: tuple[float, ...] = (0.0,) * count
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor has no meaning with an explicit size")
        output = tuple(_ints(size, count, "size"))
        if isinstance(size, Sequence) and len(size) != count:
            raise ValueError(f"size must have {count} values for an input of shape {tuple(shape)}, but got {size!r}")
    else:
        given: Any = scale_factor
        factors: tuple[float, ...] = tuple(float(f) for f in given) if isinstance(given, Sequence) else (float(given),) * count
        if len(factors) != count:
            raise ValueError(f"scale_factor must have {count} values for an input of shape {tuple(shape)}, but got {scale_factor!r}")
        output = tuple(math.floor(n * f) for n, f in zip(shape[2:], factors, strict=True))
        if not recompute_scale_factor and mode != "area":
            scales = factors
    if mode == "area":
        return adaptive_avg_pool_forward(x, output)
    code = {"nearest": _NEAREST, "nearest-exact": _NEAREST_EXACT}.get(mode, _LINEAR)
    scale_h, scale_w = scales if count == 2 else (0.0, scales[0])
    return interpolate_forward(x, output, code, bool(align_corners), scale_h, scale_w)


def upsample(
    input: Array,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Array:
    """Resizes signals or images: the older name of interpolate.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊H·scale_factor⌋.

    Example:
        >>> nn.functional.upsample(np.ones((1, 1, 2, 2)), scale_factor=3).shape
        (1, 1, 6, 6)
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def pixel_shuffle(input: Array, upscale_factor: int) -> Array:
    """Moves blocks of r² channels into r times higher and wider planes.

    y[c, h·r + i, w·r + j] = x[c·r² + i·r + j, h, w]

    Args:
        input: array (*, C·r², H, W).
        upscale_factor: r.

    **Shape**: (*, C·r², H, W) -> (*, C, H·r, W·r).

    Raises:
        ShapeError: the channels are not a multiple of r².

    Example:
        >>> nn.functional.pixel_shuffle(np.ones((1, 9, 4, 4)), 3).shape
        (1, 1, 12, 12)
    """
    x, r = _as_array(input), operator.index(upscale_factor)
    if r <= 0:
        raise ShapeError(f"upscale_factor must be positive, but got {r}")
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(f"input must be (*, C, H, W) with C a multiple of upscale_factor²={r * r}, but got shape {tuple(x.shape)}")
    lead, (c, h, w) = tuple(x.shape[:-3]), x.shape[-3:]
    n, c = math.prod(lead), c // (r * r)
    return x.reshape((n, c, r, r, h, w)).transpose((0, 1, 4, 2, 5, 3)).reshape((*lead, c, h * r, w * r))


def pixel_unshuffle(input: Array, downscale_factor: int) -> Array:
    """Moves r times r blocks of each plane into r² channels: the reverse of pixel_shuffle.

    y[c·r² + i·r + j, h, w] = x[c, h·r + i, w·r + j]

    Args:
        input: array (*, C, H·r, W·r).
        downscale_factor: r.

    **Shape**: (*, C, H·r, W·r) -> (*, C·r², H, W).

    Raises:
        ShapeError: height or width is not a multiple of r.

    Example:
        >>> nn.functional.pixel_unshuffle(np.ones((1, 1, 12, 12)), 3).shape
        (1, 9, 4, 4)
    """
    x, r = _as_array(input), operator.index(downscale_factor)
    if r <= 0:
        raise ShapeError(f"downscale_factor must be positive, but got {r}")
    if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        raise ShapeError(f"input must be (*, C, H, W) with H and W multiples of downscale_factor={r}, but got shape {tuple(x.shape)}")
    lead, (c, h, w) = tuple(x.shape[:-3]), x.shape[-3:]
    n, h, w = math.prod(lead), h // r, w // r
    return x.reshape((n, c, h, r, w, r)).transpose((0, 1, 3, 5, 2, 4)).reshape((*lead, c * r * r, h, w))


def channel_shuffle(input: Array, groups: int) -> Array:
    """Mixes the channels of groups: channel g·(C/groups) + k goes to k·groups + g.

    Args:
        input: array (N, C, *).
        groups: number of groups.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ShapeError: C is not a multiple of groups.

    Example:
        >>> nn.functional.channel_shuffle(np.arange(4.0).reshape(1, 4, 1), 2).ravel()
        array([0., 2., 1., 3.])
    """
    x, g = _as_array(input), operator.index(groups)
    if g <= 0:
        raise ShapeError(f"groups must be positive, but got {g}")
    if x.ndim < 3 or x.shape[1] % g:
        raise ShapeError(f"input must be (N, C, *) with C a multiple of groups={g}, but got shape {tuple(x.shape)}")
    n, c, spatial = x.shape[0], x.shape[1], tuple(x.shape[2:])
    return x.reshape((n, g, c // g, math.prod(spatial))).transpose((0, 2, 1, 3)).reshape((n, c, *spatial))


# Activations.


def relu(input: Array, inplace: bool = False) -> Array:
    """Replaces negative values by 0.

    y = max(0, x)

    Args:
        input: array (*).
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and input is read-only.

    Example:
        >>> nn.functional.relu(np.array([-1.0, 2.0]))
        array([0., 2.])
    """
    return _activate(input, True, _RELU) if inplace else activation_forward(input, _RELU, 0.0, 0.0)


def relu6(input: Array, inplace: bool = False) -> Array:
    """Limits values to 0 ... 6.

    y = min(max(0, x), 6)

    Args:
        input: array (*).
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.relu6(np.array([-1.0, 2.0, 9.0]))
        array([0., 2., 6.])
    """
    return _activate(input, inplace, _RELU6)


def leaky_relu(input: Array, negative_slope: float = 0.01, inplace: bool = False) -> Array:
    """Scales negative values down.

    y = x if x > 0 else negative_slope · x

    Args:
        input: array (*).
        negative_slope: factor for negative values.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.leaky_relu(np.array([-4.0, 2.0]), 0.25)
        array([-1.,  2.])
    """
    return _activate(input, inplace, _LEAKY_RELU, negative_slope)


def prelu(input: Array, weight: Array) -> Array:
    """Scales negative values by a learned factor.

    y = x if x > 0 else weight · x

    Args:
        input: array (N, C, *).
        weight: array (1) or (C).

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ShapeError: weight has neither one value nor one for each channel.

    Example:
        >>> nn.functional.prelu(np.array([[-4.0, 2.0]]), np.array([0.25]))
        array([[-1.,  2.]])
    """
    return prelu_forward(input, weight)


def elu(input: Array, alpha: float = 1.0, inplace: bool = False) -> Array:
    """Bends negative values towards -alpha.

    y = x if x > 0 else alpha · (exp(x) - 1)

    Args:
        input: array (*).
        alpha: the limit at -∞, negated.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.elu(np.array([-np.inf, 2.0]))
        array([-1.,  2.])

    Reference: Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units (2015).
    """
    return _activate(input, inplace, _ELU, alpha)


def selu(input: Array, inplace: bool = False) -> Array:
    """The self-normalising exponential linear unit.

    y = scale · (max(0, x) + min(0, α · (exp(x) - 1))), α = 1.67326..., scale = 1.05070...

    Args:
        input: array (*).
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.selu(np.array([0.0, 1.0])).round(4)
        array([0.    , 1.0507])

    Reference: Klambauer et al., Self-Normalizing Neural Networks (2017).
    """
    return _activate(input, inplace, _SELU)


def gelu(input: Array, *, approximate: str = "none") -> Array:
    """Weights values by the normal distribution function.

    y = x · Φ(x), or with approximate='tanh' y = x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))

    Args:
        input: array (*).
        approximate: 'none' or 'tanh'.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: approximate is neither.

    Example:
        >>> nn.functional.gelu(np.array([0.0, 1.0])).round(4)
        array([0.    , 0.8413])

    Reference: Hendrycks and Gimpel, Gaussian Error Linear Units (2016).
    """
    if approximate == "none":
        return activation_forward(input, _GELU, 0.0, 0.0)
    if approximate == "tanh":
        return activation_forward(input, _GELU_TANH, 0.0, 0.0)
    raise ShapeError(f"approximate must be 'none' or 'tanh', but got {approximate!r}")


def silu(input: Array, inplace: bool = False) -> Array:
    """Weights values by their sigmoid (also called swish).

    y = x · σ(x)

    Args:
        input: array (*).
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.silu(np.array([0.0, 1.0])).round(4)
        array([0.    , 0.7311])
    """
    return _activate(input, inplace, _SILU)


def mish(input: Array, inplace: bool = False) -> Array:
    """Weights values by the tanh of their softplus.

    y = x · tanh(log(1 + exp(x)))

    Args:
        input: array (*).
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.mish(np.array([0.0, 1.0])).round(4)
        array([0.    , 0.8651])

    Reference: Misra, Mish: A Self Regularized Non-Monotonic Activation Function (2019).
    """
    return _activate(input, inplace, _MISH)


def sigmoid(input: Array) -> Array:
    """Maps values to 0 ... 1.

    y = 1 / (1 + exp(-x))

    Args:
        input: array (*).

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.sigmoid(np.array([0.0]))
        array([0.5])
    """
    return activation_forward(input, _SIGMOID, 0.0, 0.0)


def tanh(input: Array) -> Array:
    """Maps values to -1 ... 1.

    y = tanh(x)

    Args:
        input: array (*).

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.tanh(np.array([0.0, np.inf]))
        array([0., 1.])
    """
    return activation_forward(input, _TANH, 0.0, 0.0)


def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """A smooth relu.

    y = log(1 + exp(beta · x)) / beta, and y = x where beta · x > threshold

    Args:
        input: array (*).
        beta: sharpness.
        threshold: from where on the function is linear.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.softplus(np.array([0.0, 30.0])).round(4)
        array([ 0.6931, 30.    ])
    """
    return activation_forward(input, _SOFTPLUS, beta, threshold)


def hardswish(input: Array, inplace: bool = False) -> Array:
    """A piecewise approximation of silu.

    y = x · min(max(0, x + 3), 6) / 6

    Args:
        input: array (*).
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.hardswish(np.array([-4.0, 0.0, 4.0]))
        array([-0.,  0.,  4.])

    Reference: Howard et al., Searching for MobileNetV3 (2019).
    """
    return _activate(input, inplace, _HARDSWISH)


def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Array:
    """Limits values to min_val ... max_val.

    y = min(max(min_val, x), max_val)

    Args:
        input: array (*).
        min_val: lower limit.
        max_val: upper limit.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: min_val is greater than max_val.

    Example:
        >>> nn.functional.hardtanh(np.array([-4.0, 0.5, 4.0]))
        array([-1. ,  0.5,  1. ])
    """
    if min_val > max_val:
        raise ValueError(f"min_val must not be greater than max_val, but got min_val={min_val} and max_val={max_val}")
    return _activate(input, inplace, _HARDTANH, min_val, max_val)


def hardsigmoid(input: Array, inplace: bool = False) -> Array:
    """A piecewise approximation of sigmoid.

    y = min(max(0, x + 3), 6) / 6

    Args:
        input: array (*).
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.hardsigmoid(np.array([-4.0, 0.0, 4.0]))
        array([0. , 0.5, 1. ])
    """
    return _activate(input, inplace, _HARDSIGMOID)


def logsigmoid(input: Array) -> Array:
    """The logarithm of sigmoid, without overflow.

    y = log(1 / (1 + exp(-x)))

    Args:
        input: array (*).

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.logsigmoid(np.array([0.0, -1000.0])).round(4)
        array([-6.931e-01, -1.000e+03])
    """
    return activation_forward(input, _LOGSIGMOID, 0.0, 0.0)


def softsign(input: Array) -> Array:
    """Maps values to -1 ... 1, slower than tanh.

    y = x / (1 + |x|)

    Args:
        input: array (*).

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.softsign(np.array([-1.0, 3.0]))
        array([-0.5 ,  0.75])
    """
    return activation_forward(input, _SOFTSIGN, 0.0, 0.0)


def glu(input: Array, dim: int = -1) -> Array:
    """Gates one half of an array by the other.

    y = a · σ(b), a and b the halves of x along dim

    Args:
        input: array (*).
        dim: dimension to halve.

    **Shape**: (..., 2·D, ...) -> (..., D, ...).

    Raises:
        ShapeError: the size of dim is odd.

    Example:
        >>> nn.functional.glu(np.array([3.0, 5.0, 0.0, 0.0]))
        array([1.5, 2.5])

    Reference: Dauphin et al., Language Modeling with Gated Convolutional Networks (2016).
    """
    x = _as_array(input)
    if x.ndim == 0:
        raise ShapeError("input must have a dimension to halve, but is a scalar")
    axis = _axis(dim, x.ndim)
    size = x.shape[axis]
    if size % 2:
        raise ShapeError(f"input must have an even size along dim={dim}, but got shape {tuple(x.shape)}")
    before = (slice(None),) * axis
    gate = sigmoid(x[(*before, slice(size // 2, None))])
    return x[(*before, slice(None, size // 2))].astype(gate.dtype) * gate


def softmax(input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Array:
    """Turns values into probabilities along a dimension.

    y[i] = exp(x[i]) / Σⱼ exp(x[j])

    Args:
        input: array (*).
        dim: dimension whose values add up to 1.
        dtype: float type to convert input to before.

    **Shape**: (*) -> (*).

    Raises:
        IndexError: dim is out of range.

    Example:
        >>> nn.functional.softmax(np.array([0.0, 0.0]), dim=0)
        array([0.5, 0.5])
    """
    dim = _implicit_dim("softmax", input, _stacklevel) if dim is None else dim
    return softmax_forward(input if dtype is None else _as_array(input).astype(dtype), dim, False)


def log_softmax(input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Array:
    """The logarithm of softmax, without overflow.

    y[i] = x[i] - log Σⱼ exp(x[j])

    Args:
        input: array (*).
        dim: dimension along which the exponentials of y add up to 1.
        dtype: float type to convert input to before.

    **Shape**: (*) -> (*).

    Raises:
        IndexError: dim is out of range.

    Example:
        >>> nn.functional.log_softmax(np.array([0.0, 0.0]), dim=0).round(4)
        array([-0.6931, -0.6931])
    """
    dim = _implicit_dim("log_softmax", input, _stacklevel) if dim is None else dim
    return softmax_forward(input if dtype is None else _as_array(input).astype(dtype), dim, True)


def softmin(input: Array, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Array:
    """Turns values into probabilities, the smallest value into the largest.

    y[i] = exp(-x[i]) / Σⱼ exp(-x[j])

    Args:
        input: array (*).
        dim: dimension whose values add up to 1.
        dtype: float type to convert input to before.

    **Shape**: (*) -> (*).

    Raises:
        IndexError: dim is out of range.

    Example:
        >>> nn.functional.softmin(np.array([0.0, 0.0]), dim=0)
        array([0.5, 0.5])
    """
    dim = _implicit_dim("softmin", input, _stacklevel) if dim is None else dim
    x = _as_array(input)
    x = -x.astype(_width(x) if dtype is None else dtype, copy=False)
    # NumPy's operators turn arrays without dimensions into scalars.
    return softmax_forward(x if isinstance(x, Tensor) else np.asarray(x), dim, False)


def _implicit_dim(name: str, x: Any, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if np.ndim(_raw(x)) in (0, 1, 3) else 1


# Dropout.


def dropout(input: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """Sets elements to 0 at random and scales the others.

    y = x / (1-p) with probability 1-p, else 0

    Args:
        input: array (*).
        p: probability of 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: p is not in 0 ... 1.

    Example:
        >>> nn.functional.dropout(np.ones(3), p=0.5, training=False)
        array([1., 1., 1.])

    Reference: Hinton et al., Improving neural networks by preventing co-adaptation of feature detectors (2012).
    """
    _check_probability(p)
    if not training or p == 0:
        return input
    if not inplace:
        return _dropout(input, None, p)
    _check_writable(input)
    return _write(input, _dropout(input, None, p))


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _dropout(x: Any, residual: Any, p: float) -> Array:
    """residual + dropout(x), with fresh random numbers."""
    x = _as_array(x)
    seed, offset = random.reserve(math.prod(x.shape))
    return dropout_forward(x, residual, p, seed, offset)


def dropout1d(input: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """Sets whole channels of signals to 0 at random and scales the others.

    Args:
        input: array (N, C, L) or (C, L).
        p: probability of 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (N, C, L) -> (N, C, L).

    Raises:
        ValueError: p is not in 0 ... 1.
        ShapeError: input has the wrong number of dimensions.

    Example:
        >>> nn.functional.dropout1d(np.ones((2, 3, 4))).shape
        (2, 3, 4)
    """
    ndim = np.ndim(_as_array(input))
    if ndim not in (2, 3):
        raise ShapeError(f"input must be (C, L) or (N, C, L), but got {ndim} dimensions; use dropout for other arrays")
    return _channel_dropout(input, ndim - 1, p, training, inplace)


def dropout2d(input: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """Sets whole channels of images to 0 at random and scales the others.

    As in PyTorch a 3-D input is read as (N, C, L), with a warning.

    Args:
        input: array (N, C, H, W).
        p: probability of 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (N, C, H, W) -> (N, C, H, W).

    Raises:
        ValueError: p is not in 0 ... 1.
        ShapeError: input has fewer than 2 dimensions.

    Example:
        >>> nn.functional.dropout2d(np.ones((2, 3, 4, 4))).shape
        (2, 3, 4, 4)

    Reference: Tompson et al., Efficient Object Localization Using Convolutional Networks (2014).
    """
    ndim = np.ndim(_as_array(input))
    if ndim == 3:
        warnings.warn("dropout2d reads a 3-D input as (N, C, L); use dropout1d for that, or add a batch dimension", stacklevel=2)
    elif ndim != 4:
        warnings.warn(f"dropout2d expects (N, C, H, W), but got {ndim} dimensions; use dropout for other arrays", stacklevel=2)
    return _channel_dropout(input, ndim - 2, p, training, inplace)


def dropout3d(input: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """Sets whole channels of volumes to 0 at random and scales the others.

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        p: probability of 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (N, C, D, H, W) -> (N, C, D, H, W).

    Raises:
        ValueError: p is not in 0 ... 1.

    Example:
        >>> nn.functional.dropout3d(np.ones((2, 3, 2, 4, 4))).shape
        (2, 3, 2, 4, 4)
    """
    ndim = np.ndim(_as_array(input))
    if ndim not in (4, 5):
        warnings.warn(f"dropout3d expects (C, D, H, W) or (N, C, D, H, W), but got {ndim} dimensions; use dropout", stacklevel=2)
    return _channel_dropout(input, 3 if ndim == 4 else ndim - 2, p, training, inplace)


def _channel_dropout(input: Any, spatial: int, p: float, training: bool, inplace: bool) -> Array:
    """dropout with one decision for the last `spatial` dimensions together."""
    _check_probability(p)
    if not training or p == 0:
        return input
    if inplace:
        _check_writable(input)
    x = _as_array(input)
    if x.ndim < 2:
        raise ShapeError(f"input must have a batch and a channel dimension, but got shape {tuple(x.shape)}")
    # One (unbatched) or two dimensions decide; for (C, L) spatial is 1, for (N, C, *) all but two.
    lead = x.shape[: x.ndim - spatial]
    ones = np.ones((*lead, *(1,) * spatial), _width(x))
    y = x * _dropout(ones, None, p)
    return _write(input, y) if inplace else y


# Normalisation and distances.


def layer_norm(
    input: Array, normalized_shape: Sequence[int], weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Normalises the last dimensions of each sample.

    y = (x - E[x]) / √(Var[x] + eps) · weight + bias

    Args:
        input: array (*, normalized_shape).
        normalized_shape: sizes of the last dimensions, over which mean and (biased) variance are taken.
        weight: array of normalized_shape, or None.
        bias: array of normalized_shape, or None.
        eps: added to the variance.

    **Shape**: (*, normalized_shape) -> (*, normalized_shape).

    Raises:
        ShapeError: the input does not end in normalized_shape.

    Example:
        >>> nn.functional.layer_norm(np.array([[1.0, 3.0]]), (2,), eps=0.0)
        array([[-1.,  1.]])

    Reference: Ba et al., Layer Normalization (2016).
    """
    return layer_norm_forward(input, tuple(normalized_shape), weight, bias, eps)


def rms_norm(input: Array, normalized_shape: Sequence[int], weight: Array | None = None, eps: float | None = None) -> Array:
    """Divides the last dimensions of each sample by their root mean square.

    y = x / √(E[x²] + eps) · weight

    Args:
        input: array (*, normalized_shape).
        normalized_shape: sizes of the last dimensions, over which the mean is taken.
        weight: array of normalized_shape, or None.
        eps: added to the mean square; None: the smallest step of the float type at 1.

    **Shape**: (*, normalized_shape) -> (*, normalized_shape).

    Raises:
        ShapeError: the input does not end in normalized_shape.

    Example:
        >>> nn.functional.rms_norm(np.array([[1.0, -1.0]]), (2,)).round(4)
        array([[ 1., -1.]])

    Reference: Zhang and Sennrich, Root Mean Square Layer Normalization (2019).
    """
    if eps is None:
        eps = float(np.finfo(_width(_as_array(input))).eps)
    return rms_norm_forward(input, tuple(normalized_shape), weight, eps)


def group_norm(input: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5) -> Array:
    """Normalises groups of channels of each sample.

    y = (x - E[x]) / √(Var[x] + eps) · weight[c] + bias[c], mean and variance over the channels of a group and all positions

    Args:
        input: array (N, C, *).
        num_groups: number of groups, a divisor of C.
        weight: array (C), or None.
        bias: array (C), or None.
        eps: added to the variance.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ShapeError: input has fewer than 2 dimensions or C is not a multiple of num_groups.
        ValueError: each group has one value only.

    Example:
        >>> nn.functional.group_norm(np.array([[1.0, 3.0, 5.0, 5.0]]), 2, eps=1e-30)
        array([[-1.,  1.,  0.,  0.]])

    Reference: Wu and He, Group Normalization (2018).
    """
    shape = np.shape(_as_array(input))
    if len(shape) < 2:
        raise ShapeError(f"input must be (N, C, *), but got shape {tuple(shape)}")
    if num_groups > 0 and shape[0] * shape[1] // num_groups * math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)} in {num_groups} groups")
    return group_norm_forward(input, num_groups, weight, bias, eps)


def batch_norm(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalises each channel over the batch.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    Args:
        input: array (N, C, *).
        running_mean: array (C); with training it is moved towards the batch's mean, in place.
        running_var: array (C); with training it is moved towards the batch's unbiased variance, in place.
        weight: array (C), or None.
        bias: array (C), or None.
        training: takes mean and (biased) variance from the batch instead of the running ones.
        momentum: how far the running statistics move: r = (1 - momentum) · r + momentum · batch.
        eps: added to the variance.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: training and each channel has one value only; or eps is not positive.
        ShapeError: the shapes do not fit.

    Example:
        >>> nn.functional.batch_norm(np.array([[1.0], [3.0]]), None, None, training=True, eps=1e-30)
        array([[-1.],
               [ 1.]])

    Reference: Ioffe and Szegedy, Batch Normalization (2015).
    """
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be {'positive' if training else 'non-negative'}, but got {eps}")
    if not training:
        if running_mean is None or running_var is None:
            raise ShapeError("running_mean and running_var must be given when training=False")
        return batch_norm_forward(input, running_mean, running_var, weight, bias, eps, False)
    x = _as_array(input)
    shape = x.shape
    if len(shape) < 2:
        raise ShapeError(f"input must be (N, C, *), but got shape {tuple(shape)}")
    count = math.prod(shape[2:]) * shape[0]
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}; use eval()")
    # Everything is checked before the running statistics move.
    for name, array in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if array is not None and tuple(_as_array(array).shape) != (shape[1],):
            got = tuple(_as_array(array).shape)
            raise ShapeError(f"batch_norm: {name} has shape {got}; expected ({shape[1]},), the channels of input {tuple(shape)}")
    mean, variance = batch_stats_forward(_raw(x))
    y = batch_norm_forward(x, mean, variance, weight, bias, eps, True)  # may fail for want of memory
    if count:
        _move(running_mean, mean, momentum)
        _move(running_var, variance, momentum, count / (count - 1))
    return y


def _move(running: Any, batch: Any, momentum: float, factor: float = 1.0) -> None:
    """running = (1 - momentum) running + momentum factor batch, in the memory of running."""
    if running is not None:
        a = _raw(running)
        a[...] = a * (1.0 - momentum) + (momentum * factor) * _raw(batch)  # in one step: nothing comes in between


def instance_norm(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalises each channel of each sample.

    y = (x - mean[n,c]) / √(var[n,c] + eps) · weight[c] + bias[c]

    Args:
        input: array (N, C, *).
        running_mean: array (C) that follows the mean of the samples' means, in place; or None.
        running_var: array (C) that follows the mean of the samples' unbiased variances, in place; or None.
        weight: array (C), or None.
        bias: array (C), or None.
        use_input_stats: takes mean and variance from the input instead of the running ones.
        momentum: how far the running statistics move.
        eps: added to the variance.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: use_input_stats and a channel has one position only.
        ShapeError: the shapes do not fit.

    Example:
        >>> nn.functional.instance_norm(np.array([[[1.0, 3.0]]]), eps=1e-30)
        array([[[-1.,  1.]]])

    Reference: Ulyanov et al., Instance Normalization (2016).
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ShapeError("running_mean and running_var must be given when use_input_stats=False")
        return batch_norm_forward(input, running_mean, running_var, weight, bias, eps, False)
    x = _as_array(input)
    shape = x.shape
    if len(shape) < 2:
        raise ShapeError(f"input must be (N, C, *), but got shape {tuple(shape)}")
    count = math.prod(shape[2:])
    if count == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {list(shape)}")
    y = group_norm_forward(x, shape[1], weight, bias, eps)
    if count and shape[0] and (running_mean is not None or running_var is not None):
        mean, variance = batch_stats_forward(_raw(x).reshape((1, shape[0] * shape[1], count)))
        _move(running_mean, mean.reshape(shape[:2]).mean(axis=0), momentum)
        _move(running_var, variance.reshape(shape[:2]).mean(axis=0), momentum, count / (count - 1))
    return y


def normalize(input: Array, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Array:
    """Divides vectors by their norm.

    y = x / max(‖x‖ₚ, eps)

    Args:
        input: array (*).
        p: exponent of the norm.
        dim: dimension of the vectors.
        eps: smallest divisor.

    **Shape**: (*) -> (*).

    Raises:
        IndexError: dim is out of range.

    Example:
        >>> nn.functional.normalize(np.array([[3.0, 4.0]]))
        array([[0.6, 0.8]])
    """

    x = _floats(input)
    return x / operators.clamp(operators.norm(x, p, _axis(dim, x.ndim), True), min=x.dtype.type(eps))


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
    a = a / operators.clamp(operators.norm(a, 2.0, axis, True), min=a.dtype.type(eps))
    b = b / operators.clamp(operators.norm(b, 2.0, axis, True), min=b.dtype.type(eps))
    return operators.sum(a * b, axis)


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
    return operators.norm(a - b + a.dtype.type(eps), p, -1, keepdim)


def _floats(x: Any) -> Any:
    """x as an array or Tensor of float32 or float64."""
    a = _as_array(x)
    width = _width(a)
    return a if a.dtype == width else a.astype(width)


def _broadcast(a: Any, b: Any) -> Any:
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ShapeError(f"x1 and x2 must have shapes that broadcast, but got {a.shape} and {b.shape}") from None
    return operators.broadcast_to(a, shape), operators.broadcast_to(b, shape)


# Attention.


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:
    """Weights values by how well their keys match the queries.

    y = softmax(scale · Q Kᵀ + mask) V

    A query that may attend to nothing gives zeros.

    Args:
        query: array (*, nh, L, E).
        key: array (*, nh, S, E).
        value: array (*, nh, S, Ev).
        attn_mask: array whose shape broadcasts to (*, nh, L, S): floats are added, a bool True MAY attend (the opposite of
            MultiheadAttention).
        dropout_p: probability with which a weight is set to 0. It is applied whenever it is positive.
        is_causal: query i may attend to keys 0 ... i only.
        scale: None: 1/√E.
        enable_gqa: lets key and value have fewer heads, a divisor of query's.

    **Shape**: (*, nh, L, E), (*, nh, S, E), (*, nh, S, Ev) -> (*, nh, L, Ev).

    Raises:
        ShapeError: the shapes do not fit each other.
        ValueError: attn_mask and is_causal are both given.

    Example:
        >>> q = np.ones((1, 2, 5, 8))
        >>> nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
        (1, 2, 5, 8)

    Reference: Vaswani et al., Attention Is All You Need (2017).
    """
    q, k, v = _as_array(query), _as_array(key), _as_array(value)
    for name, a in (("query", q), ("key", k), ("value", v)):
        if a.ndim < 2:
            raise ShapeError(f"{name} must have at least 2 dimensions, but got shape {tuple(a.shape)}")
    if attn_mask is not None:
        if is_causal:
            raise ShapeError("attn_mask and is_causal=True cannot be given together; put the causal mask into attn_mask")
        mask = _mask(attn_mask, "attn_mask", q)
        attn_mask = np.logical_not(_raw(mask)) if mask.dtype == np.bool_ else mask
    _check_probability(dropout_p)
    lead = tuple(q.shape[:-2])
    if q.ndim != 4 or k.ndim != 4 or v.ndim != 4:
        q, k, v, attn_mask = _four_dimensions(q, k, v, attn_mask)
    if not enable_gqa and k.shape[1] not in (1, q.shape[1]):
        raise ShapeError(
            f"key has {k.shape[1]} heads and query {q.shape[1]}: pass enable_gqa=True to share the keys, or give them as many heads"
        )
    # The operation reads scale 0 as "the default", so a literal 0 becomes a number that rounds to it.
    scale = 0.0 if scale is None else scale or 1e-300
    y = _attention(q, k, v, attn_mask, None, is_causal, scale, dropout_p, False, False, False)[0]
    return y if len(lead) == 2 else y.reshape((*lead, *y.shape[-2:]))


def _four_dimensions(q: Any, k: Any, v: Any, mask: Any) -> tuple[Any, Any, Any, Any]:
    """Any number of leading dimensions as (batch, heads)."""
    if max(q.ndim, k.ndim, v.ndim) <= 4:
        missing = (None,) * (4 - q.ndim)
        return q[missing], k[(None,) * (4 - k.ndim)], v[(None,) * (4 - v.ndim)], mask
    lead, (length, source) = tuple(q.shape[:-3]), (q.shape[-2], k.shape[-2])
    if tuple(k.shape[:-3]) != lead or tuple(v.shape[:-3]) != lead:
        raise ShapeError(f"query, key and value must have the same leading dimensions, but got {q.shape}, {k.shape} and {v.shape}")
    batch = math.prod(lead)
    if mask is not None and mask.ndim > 3:
        heads = mask.shape[-3]
        mask = operators.broadcast_to(mask, (*lead, heads, length, source)).reshape((batch, heads, length, source))
    return (*(a.reshape((batch, *a.shape[-3:])) for a in (q, k, v)), mask)


def _attention(
    q: Any, k: Any, v: Any, mask: Any, padding: Any, causal: bool, scale: float, p: float, heads_last: bool, average: bool, weights: bool
) -> tuple[Array, Array | None]:
    if isinstance(padding, Tensor) and padding.requires_grad and padding.dtype != np.bool_:
        # The operation has a gradient for one mask.
        padding = padding.reshape((padding.shape[0], 1, 1, padding.shape[1]))
        if mask is not None:
            mask = operators.masked_fill(np.zeros(mask.shape, padding.dtype), mask, -np.inf) if mask.dtype == np.bool_ else mask
            padding = padding + mask
        mask, padding = padding, None
    seed, offset = random.reserve(q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2]) if p > 0 else (0, 0)
    y, w, _ = attention_forward(q, k, v, mask, padding, causal, scale, p, seed, offset, heads_last, average, weights, False)
    return y, w


def _mask(mask: Any, name: str, x: Any) -> Any:
    """A mask as the attention takes it: bools, or floats of any width (NumPy makes float64 where nothing else is said)."""
    m = _beside(_as_array(mask), x)
    if m.dtype.kind not in "bf":
        raise ArgumentError(f"only bool and floating types of {name} are supported, but got {m.dtype}; use {name}.astype(bool)")
    return m


def multi_head_attention_forward(
    query: Array,
    key: Array,
    value: Array,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Array | None,
    in_proj_bias: Array | None,
    bias_k: Array | None,
    bias_v: Array | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Array,
    out_proj_bias: Array | None,
    training: bool = True,
    key_padding_mask: Array | None = None,
    need_weights: bool = True,
    attn_mask: Array | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Array | None = None,
    k_proj_weight: Array | None = None,
    v_proj_weight: Array | None = None,
    static_k: Array | None = None,
    static_v: Array | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Array, Array | None]:
    """The computation of MultiheadAttention with all its parameters as arguments.

    y = concat(head₁, ..., headₙ) W_oᵀ + b_o, headᵢ = softmax(Qᵢ Kᵢᵀ / √head_dim + masks) Vᵢ

    Args:
        query: array (L, N, E) or (L, E).
        key: array (S, N, Ek) or (S, Ek).
        value: array (S, N, Ev) or (S, Ev).
        embed_dim_to_check: E.
        num_heads: number of heads, a divisor of E.
        in_proj_weight: array (3E, E), the projections of query, key and value below each other.
        in_proj_bias: array (3E), or None.
        bias_k: array (1, 1, E), a key to append; or None.
        bias_v: array (1, 1, E), its value; or None.
        add_zero_attn: appends a key and a value of zeros.
        dropout_p: probability with which a weight is set to 0 in training.
        out_proj_weight: array (E, E).
        out_proj_bias: array (E), or None.
        training: False: no dropout.
        key_padding_mask: array (N, S) or (S): True may NOT be attended to, floats are added.
        need_weights: returns the weights too.
        attn_mask: array (L, S) or (N·num_heads, L, S): True may NOT attend, floats are added.
        use_separate_proj_weight: takes q_proj_weight, k_proj_weight and v_proj_weight instead of in_proj_weight.
        q_proj_weight: array (E, E).
        k_proj_weight: array (E, Ek).
        v_proj_weight: array (E, Ev).
        static_k: array (N·num_heads, S, E/num_heads) to use as the projected keys.
        static_v: array (N·num_heads, S, E/num_heads) to use as the projected values.
        average_attn_weights: averages the weights over the heads.
        is_causal: query i may attend to keys 0 ... i only.

    **Shape**: (L, N, E) -> ((L, N, E), (N, L, S) or (N, num_heads, L, S) or None).

    Raises:
        ShapeError: the shapes do not fit each other.

    Example:
        >>> x = np.ones((5, 2, 4))
        >>> w, o = np.ones((12, 4)), np.ones((4, 4))
        >>> y, a = nn.functional.multi_head_attention_forward(x, x, x, 4, 2, w, None, None, None, False, 0.0, o, None)
        >>> y.shape, a.shape
        ((5, 2, 4), (2, 5, 5))
    """
    return _multi_head_attention(
        query,
        key,
        value,
        embed_dim_to_check,
        num_heads,
        None if use_separate_proj_weight else in_proj_weight,
        (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None,
        in_proj_bias,
        bias_k,
        bias_v,
        add_zero_attn,
        dropout_p if training else 0.0,
        out_proj_weight,
        out_proj_bias,
        key_padding_mask,
        need_weights,
        attn_mask,
        average_attn_weights,
        is_causal,
        static_k=static_k,
        static_v=static_v,
    )


def _multi_head_attention(
    query: Any,
    key: Any,
    value: Any,
    embed_dim: int,
    num_heads: int,
    in_proj_weight: Any,
    separate_weights: tuple[Any, Any, Any] | None,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    key_padding_mask: Any,
    need_weights: bool,
    attn_mask: Any,
    average_attn_weights: bool,
    is_causal: bool,
    *,
    batch_first: bool = False,
    residual: Any = None,
    static_k: Any = None,
    static_v: Any = None,
) -> tuple[Array, Array | None]:
    """residual + attention, with the sequence dimension first or second. No head is copied: the operation reads strided views."""
    x = _as_array(query, out_proj_weight)
    x_key = x if key is query else _as_array(key, out_proj_weight)
    x_value = x_key if value is key else x if value is query else _as_array(value, out_proj_weight)
    if key_padding_mask is not None:
        key_padding_mask = _mask(key_padding_mask, "key_padding_mask", x)
    if attn_mask is not None:
        attn_mask = _mask(attn_mask, "attn_mask", x)
    batched = x.ndim == 3
    seq, bat = (1, 0) if batch_first or not batched else (0, 1)
    _check_attention(x, x_key, x_value, key_padding_mask, attn_mask, embed_dim, num_heads, batched, seq, bat, separate_weights is not None)
    if not batched:
        one_key, one_value = x_key is x, x_value is x_key
        x = x[None]
        x_key = x if one_key else x_key[None]
        x_value = x_key if one_value else x_value[None]
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask[None]
    shape = x.shape
    length, batch = shape[seq], shape[bat]
    head_dim = embed_dim // num_heads

    def project(y: Any, first: int, last: int) -> Any:
        """Projections first ... last-1 of query, key and value, from their rows of the weights, as (last-first, N, nh, L, hd)."""
        n = last - first
        if separate_weights is None:
            y = linear_forward(y, in_proj_weight, in_proj_bias, None, _NONE, first * embed_dim, n * embed_dim)
        else:
            b = None if in_proj_bias is None else _beside(in_proj_bias, y)[first * embed_dim : last * embed_dim]
            y = linear_forward(y, separate_weights[first], b, None, _NONE, 0, 0)
        rows, columns, _ = y.shape
        return y.reshape((rows, columns, n, num_heads, head_dim)).transpose((2, 0, 3, 1, 4) if seq else (2, 1, 3, 0, 4))

    if separate_weights is None and x_key is x_value:
        if x is x_key:
            p = project(x, 0, 3)
            q, k, v = p[0], p[1], p[2]
        else:
            q = project(x, 0, 1)[0]
            p = project(x_key, 1, 3)
            k, v = p[0], p[1]
    else:
        q, k, v = project(x, 0, 1)[0], project(x_key, 1, 2)[0], project(x_value, 2, 3)[0]
    if static_k is not None:
        k = _static(static_k, "static_k", batch, num_heads, head_dim)
    if static_v is not None:
        v = _static(static_v, "static_v", batch, num_heads, head_dim)

    if attn_mask is not None and attn_mask.ndim == 3:
        attn_mask = attn_mask.reshape((batch, num_heads, length, k.shape[2]))
    extra = (bias_k is not None) + bool(add_zero_attn)
    # With a mask is_causal is a promise about it, kept here only where nothing else is asked for (as in PyTorch).
    if is_causal and attn_mask is not None:
        if key_padding_mask is None and not need_weights and not extra:
            attn_mask = None
        else:
            is_causal = False
    if extra:
        if is_causal:
            attn_mask, is_causal = np.triu(np.ones((length, k.shape[2]), np.bool_), 1), False
        if (bias_k is None) != (bias_v is None):
            raise ArgumentError("bias_k and bias_v must both be given or both be None")
        if bias_k is not None:
            if static_k is not None or static_v is not None:
                raise ArgumentError("bias_k and bias_v cannot be added to static_k or static_v")
            k, v = (_append(a, _beside(b, a).reshape((1, num_heads, 1, head_dim))) for a, b in ((k, bias_k), (v, bias_v)))
        if add_zero_attn:
            zeros = np.zeros((1, 1, 1, 1), k.dtype)
            k, v = _append(k, zeros), _append(v, zeros)
        # What is appended may always be attended to.
        if attn_mask is not None:
            attn_mask = _append(attn_mask, np.zeros((1,) * attn_mask.ndim, attn_mask.dtype), -1, extra)
        if key_padding_mask is not None:
            key_padding_mask = _append(key_padding_mask, np.zeros((1, 1), key_padding_mask.dtype), -1, extra)
    y, weights = _attention(q, k, v, attn_mask, key_padding_mask, is_causal, 0.0, dropout_p, True, average_attn_weights, need_weights)
    if not batched:
        y = y.reshape((length, embed_dim))
        weights = weights if weights is None else weights[0]
    else:
        y = y.reshape((batch, length, embed_dim))
        if not seq:
            y = y.transpose((1, 0, 2))
    return linear_forward(y, out_proj_weight, out_proj_bias, residual, _NONE, 0, 0), weights


def _append(a: Any, entry: Any, axis: int = 2, times: int = 1) -> Any:
    """a with `entry`, broadcast to its other dimensions, put behind it."""
    shape = list(a.shape)
    shape[axis] = times
    return operators.cat([a, operators.broadcast_to(entry, shape)], axis % a.ndim)


def _static(a: Any, name: str, batch: int, num_heads: int, head_dim: int) -> Any:
    a = _as_array(a)
    if a.ndim != 3 or a.shape[0] != batch * num_heads or a.shape[2] != head_dim:
        raise AttentionShapeError(f"{name} must have shape ({batch * num_heads}, S, {head_dim}), but got {tuple(a.shape)}")
    return a.reshape((batch, num_heads, a.shape[1], head_dim))


def _check_attention(
    x: Any,
    key: Any,
    value: Any,
    key_padding_mask: Any,
    attn_mask: Any,
    embed_dim: int,
    num_heads: int,
    batched: bool,
    seq: int,
    bat: int,
    separate: bool,
) -> None:
    """Errors in terms of the caller's arrays; what remains, the operations check."""
    if x is key is value and key_padding_mask is None and attn_mask is None and x.ndim in (2, 3) and x.shape[-1] == embed_dim:
        return
    ndim = x.ndim
    if ndim not in (2, 3):
        raise AttentionShapeError(f"query must be 2-D (unbatched) or 3-D (batched), but got shape {tuple(x.shape)}")
    if key.ndim != ndim or value.ndim != ndim:
        raise AttentionShapeError(
            f"For {'batched' if batched else 'unbatched'} ({ndim}-D) `query`, expected `key` and `value` to be {ndim}-D "
            f"but found {key.ndim}-D and {value.ndim}-D"
        )
    if x.shape[-1] != embed_dim:
        raise AttentionShapeError(f"was expecting embedding dimension of {embed_dim}, but got {x.shape[-1]} in query {tuple(x.shape)}")
    if separate:
        if key.shape[:-1] != value.shape[:-1]:
            raise AttentionShapeError(
                f"key's sequence and batch dims {tuple(key.shape[:-1])} do not match value's {tuple(value.shape[:-1])}"
            )
    elif key.shape != value.shape:
        raise AttentionShapeError(f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}")
    if key_padding_mask is None and attn_mask is None and not batched:
        return
    at = seq if batched else 0
    length, source, batch = x.shape[at], key.shape[at], x.shape[bat] if batched else 1
    if batched and key.shape[bat] != batch:
        raise AttentionShapeError(f"key must have the batch size of query, {batch}, but got {key.shape[bat]}: shape {tuple(key.shape)}")
    if key_padding_mask is not None:
        expected: tuple[int, ...] = (batch, source) if batched else (source,)
        if key_padding_mask.ndim != len(expected):
            raise AttentionShapeError(
                f"For {'batched' if batched else 'unbatched'} ({ndim}-D) `query`, expected `key_padding_mask` to be `None` or "
                f"{len(expected)}-D but found {key_padding_mask.ndim}-D instead"
            )
        if tuple(key_padding_mask.shape) != expected:
            raise AttentionShapeError(f"key_padding_mask must have shape {expected}, but got {tuple(key_padding_mask.shape)}")
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AttentionShapeError(f"attn_mask must be 2-D or 3-D, but got shape {tuple(attn_mask.shape)}")
        expected = (length, source) if attn_mask.ndim == 2 else (batch * num_heads, length, source)
        if tuple(attn_mask.shape) != expected:
            raise AttentionShapeError(
                f"The shape of the {attn_mask.ndim}D attn_mask is {tuple(attn_mask.shape)}, but should be {expected}."
            )


# Losses: a file of their own, which needs what stands above.

from . import loss_functions  # noqa: E402
from .loss_functions import *  # noqa: E402, F403

__all__ += loss_functions.__all__
