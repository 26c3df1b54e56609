"""Pooling."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import operators, tape
from .._native import (
    adaptive_avg_pool_forward,
    adaptive_max_pool_forward,
    avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
    max_unpool_forward,
)
from ..errors import DomainError, ShapeError
from ..init import _UNIFORM, _draw
from ..tensor import Tensor
from ._arguments import Array, _as_array, _floats, _ints, _raw, _real, _require_numbers, _sizes
from ._signatures import adaptive_maxima, fractional_maxima, input_and_indices, maxima, one_input, unpooled

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


@maxima
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


@maxima
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


@maxima
def max_pool3d(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """Takes the maximum of each window of a volume.

    y[n,c,o,p,q] = max_{t,r,s} x[n, c, o·stride + t·dilation - padding, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        kernel_size: size of the window, an int or (depth, vertical, horizontal).
        stride: step of the window; None: kernel_size.
        padding: -inf on all sides, at most half of kernel_size.
        dilation: distance of the window's elements.
        ceil_mode: rounds the output size up; a window still starts inside the input or its border before it.
        return_indices: returns (y, positions of the maxima in the D·H·W volume) instead of y.

    **Shape**: (N, C, D, H, W) -> (N, C, O, P, Q), O = ⌊(D + 2·padding[0] - dilation[0]·(kernel_size[0]-1) - 1) / stride[0]⌋ + 1.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: a size is out of its range.

    Example:
        >>> nn.functional.max_pool3d(np.arange(64.0).reshape(1, 4, 4, 4), (4, 2, 2))
        array([[[[53., 55.],
                 [61., 63.]]]])
    """
    y, indices = _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return (y, indices) if return_indices else y


@input_and_indices
def max_pool1d_with_indices(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Array, Array]:
    """max_pool1d that always returns (y, indices).

    **Shape**: (N, C, L) -> two of (N, C, P), see max_pool1d.

    Example:
        >>> nn.functional.max_pool1d_with_indices(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
        (array([[3., 2.]]), array([[1, 2]]))
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


@input_and_indices
def max_pool2d_with_indices(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Array, Array]:
    """max_pool2d that always returns (y, indices).

    **Shape**: (N, C, H, W) -> two of (N, C, P, Q), see max_pool2d.

    Example:
        >>> nn.functional.max_pool2d_with_indices(np.arange(16.0).reshape(1, 4, 4), 4)
        (array([[[15.]]]), array([[[15]]]))
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


@input_and_indices
def max_pool3d_with_indices(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Array, Array]:
    """max_pool3d that always returns (y, indices).

    **Shape**: (N, C, D, H, W) -> two of (N, C, O, P, Q), see max_pool3d.

    Example:
        >>> nn.functional.max_pool3d_with_indices(np.arange(64.0).reshape(1, 4, 4, 4), 4)
        (array([[[[63.]]]]), array([[[[63]]]]))
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _max_pool(
    count: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> tuple[Array, Array]:
    sizes = _window(count, kernel_size, stride, padding)
    steps = _ints(dilation, count, "dilation")
    if count == 3:
        return _max_pool_of_volumes(input, *sizes, steps, bool(ceil_mode), bool(indices))
    y: tuple[Array, Array] = max_pool_forward(input, *sizes, steps, ceil_mode, indices)
    return y


_Three = tuple[int, int, int] | tuple[int, ...]


def _volumes(name: str, input: Any) -> Any:
    """An array or Tensor of volumes, checked."""
    x = _as_array(input)
    _require_numbers(name, x)
    if x.ndim not in (4, 5):
        raise ShapeError(f"{name}: input has shape {tuple(x.shape)}; expected 5 or 4 dimensions, (N, C, D, H, W) or (C, D, H, W)")
    if 0 in x.shape[-4:]:
        raise ShapeError(f"{name}: input has shape {tuple(x.shape)}; only the batch may be empty")
    return x


def _check_windows(
    name: str, shape: tuple[int, ...], kernel: _Three, stride: _Three, padding: _Three, dilation: _Three, ceil_mode: bool
) -> None:
    """What the operations on planes check, whose messages would speak of other shapes."""
    for least, values, what in ((1, kernel, "kernel_size"), (1, stride, "stride"), (1, dilation, "dilation"), (0, padding, "padding")):
        if min(values) < least:
            raise ValueError(f"{name}: {what} is {values}; all of it has to be at least {least}")
    if any(2 * b > r for b, r in zip(padding, kernel, strict=True)):
        raise ValueError(f"{name}: padding {padding} has to be at most half of kernel_size {kernel}")
    spans = tuple(d * (r - 1) + 1 for d, r in zip(dilation, kernel, strict=True))
    if any(
        length + 2 * b - span + (s - 1 if ceil_mode else 0) < 0
        for length, b, span, s in zip(shape[-3:], padding, spans, stride, strict=True)
    ):
        raise _too_small(name, shape, spans)


def _too_small(name: str, shape: tuple[int, ...], spans: tuple[int, ...]) -> ShapeError:
    window = " x ".join(map(str, spans))
    return ShapeError(
        f"{name}: input of shape {tuple(shape)} is smaller than the window of ({window}); use a smaller kernel_size or pad the input"
    )


def _max_pool_of_volumes(
    input: Any, kernel: _Three, stride: _Three, padding: _Three, dilation: _Three, ceil_mode: bool, indices: bool
) -> tuple[Array, Array]:
    x = _volumes("max_pool3d", input)
    _check_windows("max_pool3d", x.shape, kernel, stride, padding, dilation, ceil_mode)
    # Without a gradient and without indices none are computed.
    followed = isinstance(x, Tensor) and x.requires_grad and tape.is_grad_enabled()
    y = _maxima_of_volumes(x, kernel, stride, padding, dilation, ceil_mode, indices, indices or followed)
    return y if indices else (y, None)


@tape.operation
def _maxima_of_volumes(
    x: Any, kernel: _Three, stride: _Three, padding: _Three, dilation: _Three, ceil_mode: bool, both: bool, indices: bool
) -> Any:
    """The maxima of planes, then those of the depth: as in one scan, NaN wins (the last one), of equal values the first."""
    *lead, d, h, w = x.shape
    planes = x.reshape(*lead[:-1], lead[-1] * d, h, w)
    flat, places = max_pool_forward(planes, kernel[1:], stride[1:], padding[1:], dilation[1:], ceil_mode, indices)
    p, q = flat.shape[-2:]
    lines = flat.reshape(*lead, d, p * q)
    y, depths = max_pool_forward(lines, (kernel[0], 1), (stride[0], 1), (padding[0], 0), (dilation[0], 1), ceil_mode, indices)
    shape = (*lead, y.shape[-2], p, q)
    found = _places_in_volumes(places, depths, shape, (d, h, w), stride, padding, dilation) if indices else None
    y = y.reshape(shape)

    def backward(dy: Any, wanted: Sequence[bool]) -> Any:
        # As signals, in which the indices count.
        count = math.prod(shape[-3:])
        gradient = (dy[0] if both else dy).reshape(*lead, count)
        dx = max_pool_backward(gradient, found.reshape(*lead, count), (*lead, d * h * w), (1,))  # type: ignore[union-attr]
        return dx.reshape(*lead, d, h, w), *(None,) * 7

    return ((y, found) if both else y), backward


def _places_in_volumes(
    places: Any, depths: Any, shape: tuple[int, ...], size: _Three, stride: _Three, padding: _Three, dilation: _Three
) -> Any:
    """Flat indices into volumes, in the memory of depths, from those into planes, and from those of the depth into the planes' maxima."""
    (d, h, w), (o, p, q) = size, shape[-3:]
    chosen = depths.reshape(-1, o * p * q)
    # Where all of a dilated window is outside, its place is that of its first tap that is not before the volume, which may lie behind it.
    beyond = chosen >= d * p * q
    found = np.take_along_axis(places.reshape(-1, d * p * q), np.where(beyond, 0, chosen), 1) if chosen.size else chosen
    found = found + chosen // (p * q) * (h * w)
    if beyond.any():
        first = [
            [i * s - b + max(0, -((i * s - b) // t)) * t for i in range(n)]
            for n, s, b, t in zip((o, p, q), stride, padding, dilation, strict=True)
        ]
        at = np.add.outer(np.add.outer(np.multiply(first[0], h), first[1]) * w, first[2])
        found = np.where(beyond, at.reshape(1, -1), found)
    chosen[...] = found
    return depths.reshape(shape)


@fractional_maxima
def fractional_max_pool2d(
    input: Array,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
) -> Array:
    """Takes the maximum of each window of an image, windows lying at random distances that give the output a size.

    y[n,c,p,q] = max_{r,s} x[n, c, i_p + r, j_q + s], i_p = ⌊(p + u)·α⌋ - ⌊u·α⌋, α = (H - R) / (P - 1), u from U(0, 1); i_{P-1} = H - R

    Args:
        input: array (N, C, H, W) or (C, H, W).
        kernel_size: R and S, the size of the window, an int or (vertical, horizontal).
        output_size: an int or (P, Q).
        output_ratio: or the part of the input's size that the output's is, a number or (vertical, horizontal), in 0 ... 1.
        return_indices: returns (y, positions of the maxima in the H·W plane) instead of y.
        _random_samples: array (N, C, 2) of the input's type, u in 0 ... 1 of columns and rows; None: from `nn.random`.

    **Shape**: (N, C, H, W) -> (N, C, P, Q); P + R - 1 is at most H.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: neither output_size nor output_ratio is given, or a value is out of its range.

    Differences from PyTorch:
        The draws are other ones: they come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> nn.functional.fractional_max_pool2d(np.arange(16.0).reshape(1, 4, 4), 2, output_size=(2, 1))
        array([[[ 7.],
                [15.]]])

    Reference: Graham, Fractional Max-Pooling (2014).
    """
    y = _fractional_max_pool(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return y if return_indices else y[0]


@fractional_maxima
def fractional_max_pool3d(
    input: Array,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
) -> Array:
    """Takes the maximum of each window of a volume, windows lying at random distances that give the output a size.

    As `fractional_max_pool2d` in three dimensions.

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        kernel_size: size of the window, an int or (depth, vertical, horizontal).
        output_size: an int or (O, P, Q).
        output_ratio: or the part of the input's size that the output's is, a number or three, in 0 ... 1.
        return_indices: returns (y, positions of the maxima in the D·H·W volume) instead of y.
        _random_samples: array (N, C, 3) of the input's type, numbers in 0 ... 1 for depth, rows and columns; None: from `nn.random`.

    **Shape**: (N, C, D, H, W) -> (N, C, O, P, Q).

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: neither output_size nor output_ratio is given, or a value is out of its range.

    Differences from PyTorch:
        The draws are other ones, as those of `fractional_max_pool2d`.

    Example:
        >>> nn.functional.fractional_max_pool3d(np.arange(64.0).reshape(1, 4, 4, 4), 2, output_size=1)
        array([[[[63.]]]])

    Reference: Graham, Fractional Max-Pooling (2014).
    """
    y = _fractional_max_pool(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return y if return_indices else y[0]


@input_and_indices
def fractional_max_pool2d_with_indices(
    input: Array,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
) -> tuple[Array, Array]:
    """fractional_max_pool2d that always returns (y, indices).

    **Shape**: (N, C, H, W) -> two of (N, C, P, Q), see fractional_max_pool2d.

    Example:
        >>> nn.functional.fractional_max_pool2d_with_indices(np.arange(16.0).reshape(1, 4, 4), 3, output_size=1)
        (array([[[15.]]]), array([[[15]]]))
    """
    return _fractional_max_pool(2, input, kernel_size, output_size, output_ratio, _random_samples)


@input_and_indices
def fractional_max_pool3d_with_indices(
    input: Array,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
) -> tuple[Array, Array]:
    """fractional_max_pool3d that always returns (y, indices).

    **Shape**: (N, C, D, H, W) -> two of (N, C, O, P, Q), see fractional_max_pool3d.

    Example:
        >>> nn.functional.fractional_max_pool3d_with_indices(np.arange(64.0).reshape(1, 4, 4, 4), 3, output_size=1)
        (array([[[[63.]]]]), array([[[[63]]]]))
    """
    return _fractional_max_pool(3, input, kernel_size, output_size, output_ratio, _random_samples)


def _fractional_max_pool(
    count: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any
) -> tuple[Array, Array]:
    name = f"fractional_max_pool{count}d"
    x = _floats(input)
    shape = tuple(x.shape)
    if len(shape) not in (count + 1, count + 2):
        raise ShapeError(f"{name}: input has shape {shape}; expected {count + 2} dimensions, or {count + 1} without a batch")
    if 0 in shape[-count - 1 :]:
        raise ShapeError(f"{name}: input has shape {shape}; only the batch may be empty")
    kernel = _ints(kernel_size, count, "kernel_size")
    if min(kernel) < 1:
        raise ValueError(f"{name}: kernel_size is {kernel}; all of it has to be at least 1")
    if output_size is not None:
        size = _ints(output_size, count, "output_size")
    elif output_ratio is not None:
        size = tuple(int(n * r) for n, r in zip(shape[-count:], _ratios(output_ratio, count), strict=True))
    else:
        raise ValueError(f"{name} requires either an output_size or an output_ratio")
    if min(size) < 0:
        raise ShapeError(f"{name}: output_size must not be negative, but got {size}")
    if any(p + r - 1 > n for p, r, n in zip(size, kernel, shape[-count:], strict=True)):
        raise ShapeError(
            f"{name}: output_size {size} with kernel_size {kernel} is too large for an input of shape {shape}, which has to have at least "
            "output_size + kernel_size - 1; use a smaller one of them"
        )
    lead = (1, *shape)[-count - 2 : -count]
    u = _draw((*lead, count), x.dtype, _UNIFORM, 0.0, 1.0, None) if samples is None else _samples(name, samples, (*lead, count), x.dtype)
    # PyTorch has the columns first of two dimensions, the depth first of three.
    starts = [
        _starts(u[..., i].reshape(-1, 1), n, r, p)
        for i, n, r, p in zip((1, 0) if count == 2 else (0, 1, 2), shape[-count:], kernel, size, strict=True)
    ]
    y: tuple[Array, Array] = _fractional_maxima(x, kernel, size, starts)
    return y


def _ratios(output_ratio: Any, count: int) -> tuple[float, ...]:
    ratios = tuple(output_ratio) if isinstance(output_ratio, (tuple, list)) else (output_ratio,)
    ratios = ratios * count if len(ratios) == 1 else ratios
    if len(ratios) != count or not all(0 <= _real(r, "output_ratio") <= 1 for r in ratios):
        raise DomainError(f"output_ratio must be between 0 and 1, a number or {count} of them, but got {output_ratio!r}")
    return tuple(map(float, ratios))


def _samples(name: str, samples: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    u = _floats(_raw(samples))
    if u.dtype != dtype:
        raise TypeError(f"{name}: _random_samples has dtype {u.dtype}, input {dtype}; convert one of them")
    if u.ndim != 3 or u.shape[0] < shape[0] or u.shape[1:] != shape[1:]:
        raise ShapeError(f"{name}: _random_samples has shape {u.shape}; expected {shape}")
    if not ((u >= 0) & (u <= 1)).all():
        raise DomainError(f"{name}: _random_samples must be numbers in 0 ... 1")
    return u[: shape[0]]


def _starts(u: Any, n: int, r: int, p: int) -> Any:
    """Where the p windows of each plane begin, the last one at the end, for samples u (planes, 1)."""
    starts = np.full((len(u), p), n - r, np.int64)
    if p > 1:
        alpha = u.dtype.type(n - r) / u.dtype.type(p - 1)
        found = ((np.arange(p - 1, dtype=u.dtype) + u) * alpha).astype(np.int64) - (u * alpha).astype(np.int64)
        np.minimum(found, n - r, out=starts[:, :-1])  # of more numbers than the type can tell apart, rounding may go beyond
    return starts


@tape.operation
def _fractional_maxima(x: Any, kernel: tuple[int, ...], size: tuple[int, ...], starts: Sequence[Any]) -> Any:
    """The maxima of the windows that start there, and their places: those of all windows are found, as the rules of NaN and ties are."""
    count, lead = len(kernel), x.shape[: -len(kernel)]
    spatial, planes = x.shape[-count:], math.prod(lead)
    _, places = _max_pool(count, x, kernel, 1, 0, 1, False, True)
    at = np.zeros((planes, 1), np.int64)
    for of_all, start in zip(places.shape[-count:], starts, strict=True):
        at = (at[..., None] * of_all + start[:, None]).reshape(planes, at.shape[1] * start.shape[1])
    found = np.take_along_axis(places.reshape(planes, math.prod(places.shape[-count:])), at, 1)
    y = np.take_along_axis(x.reshape(planes, math.prod(spatial)), found, 1)

    def backward(dy: Any, wanted: Sequence[bool]) -> Any:
        # As signals, in which the indices count.
        flat = (*lead, math.prod(size))
        dx = max_pool_backward(dy[0].reshape(flat), found.reshape(flat), (*lead, math.prod(spatial)), (1,))
        return dx.reshape(x.shape), None, None, None

    return (y.reshape(*lead, *size), found.reshape(*lead, *size)), backward


def _window(count: int, kernel_size: Any, stride: Any, padding: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    kernel = _ints(kernel_size, count, "kernel_size")
    # PyTorch's own functions also take an empty stride for "as kernel_size".
    if stride is None or (isinstance(stride, Sequence) and not stride):
        return kernel, kernel, _ints(padding, count, "padding")
    return kernel, _ints(stride, count, "stride"), _ints(padding, count, "padding")


@one_input
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


@one_input
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


@one_input
def avg_pool3d(
    input: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Takes the mean of each window of a volume.

    y[n,c,o,p,q] = (1/divisor) Σ_{t,r,s} x[n, c, o·stride + t - padding, p·stride + r - padding, q·stride + s - padding]

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        kernel_size: size of the window, an int or (depth, vertical, horizontal).
        stride: step of the window; None: kernel_size.
        padding: zeros on all sides, at most half of kernel_size.
        ceil_mode: rounds the output size up.
        count_include_pad: counts the zeros of the padding in the mean.
        divisor_override: divisor to use instead of the window's size.

    **Shape**: (N, C, D, H, W) -> (N, C, O, P, Q), O = ⌊(D + 2·padding[0] - kernel_size[0]) / stride[0]⌋ + 1.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: divisor_override is 0.

    Example:
        >>> nn.functional.avg_pool3d(np.arange(64.0).reshape(1, 4, 4, 4), (4, 2, 2))
        array([[[[26.5, 28.5],
                 [34.5, 36.5]]]])
    """
    if divisor_override == 0:
        raise ShapeError("divisor_override must not be 0; None divides by the size of the window")
    return _avg_pool_of_volumes(input, *_window(3, kernel_size, stride, padding), ceil_mode, count_include_pad, divisor_override or 0)


def _avg_pool_of_volumes(
    input: Any, kernel: _Three, stride: _Three, padding: _Three, ceil_mode: bool, count_include_pad: bool, divisor: int
) -> Array:
    """The sums of planes, those of the depth, and one division. divisor 0: by what counts in a window."""
    x = _volumes("avg_pool3d", input)
    _check_windows("avg_pool3d", x.shape, kernel, stride, padding, (1, 1, 1), ceil_mode)
    if any(r > length for r, length in zip(kernel, x.shape[-3:], strict=True)):  # PyTorch does not count the padding here
        raise _too_small("avg_pool3d", x.shape, kernel)
    *lead, d, h, w = x.shape
    whole = not ceil_mode or all((n + 2 * b - r) % s == 0 for n, b, r, s in zip((d, h, w), padding, kernel, stride, strict=True))
    if not divisor and whole and (count_include_pad or not any(padding)):
        divisor = math.prod(kernel)  # of all windows
    planes = operators.reshape(x, (*lead[:-1], lead[-1] * d, h, w))
    flat = avg_pool_forward(planes, kernel[1:], stride[1:], padding[1:], ceil_mode, True, 1)
    p, q = flat.shape[-2:]
    lines = operators.reshape(flat, (*lead, d, p * q))
    y = avg_pool_forward(lines, (kernel[0], 1), (stride[0], 1), (padding[0], 0), ceil_mode, True, divisor or 1)
    y = operators.reshape(y, (*lead, y.shape[-2], p, q))
    if divisor:
        return y
    sizes = np.ones((1, 1, 1), y.dtype)
    for axis, (n, length, r, s, b) in enumerate(zip(y.shape[-3:], (d, h, w), kernel, stride, padding, strict=True)):
        begin = np.arange(n) * s - b
        end = np.minimum(begin + r, length + b)
        if not count_include_pad:
            # A window that has nothing but padding has the sum 0.
            begin, end = np.maximum(begin, 0), np.maximum(np.minimum(end, length), np.maximum(begin, 0) + 1)
        sizes = sizes * (end - begin).astype(y.dtype).reshape([-1 if i == axis else 1 for i in range(3)])
    return _divided(y, sizes=sizes)


@tape.operation
def _divided(x: Any, *, sizes: Any) -> Any:
    """In place: x is what an operation has just computed, which nothing else needs."""
    return np.divide(x, sizes, out=x), lambda dy, w: (dy / sizes,)


@one_input
def lp_pool1d(
    input: Array, norm_type: float, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, ceil_mode: bool = False
) -> Array:
    """Takes the norm of each window of a signal.

    y[n,c,p] = (Σ_r x[n, c, p·stride + r]ᵏ)^(1/k), k = norm_type

    Args:
        input: array (N, C, L) or (C, L).
        norm_type: exponent of the norm; 1 gives sums, infinity maxima of absolute values.
        kernel_size: length of the window.
        stride: step of the window; None: kernel_size.
        ceil_mode: rounds the output size up; windows that reach over the end are scaled as if they were whole.

    **Shape**: (N, C, L) -> (N, C, P), P = ⌊(L - kernel_size) / stride⌋ + 1.

    A sum that is 0 gets no gradient. Odd exponents keep the sign, and a negative sum has no root: NaN.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: norm_type is 0.

    Example:
        >>> nn.functional.lp_pool1d(np.array([[3.0, 4.0, 0.0, 2.0]]), 2, 2)
        array([[5., 2.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@one_input
def lp_pool2d(
    input: Array, norm_type: float, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, ceil_mode: bool = False
) -> Array:
    """Takes the norm of each window of an image.

    y[n,c,p,q] = (Σ_{r,s} x[n, c, p·stride + r, q·stride + s]ᵏ)^(1/k), k = norm_type

    Args:
        input: array (N, C, H, W) or (C, H, W).
        norm_type: exponent of the norm; 1 gives sums, infinity maxima of absolute values.
        kernel_size: size of the window, an int or (vertical, horizontal).
        stride: step of the window; None: kernel_size.
        ceil_mode: rounds the output size up; windows that reach over the end are scaled as if they were whole.

    **Shape**: (N, C, H, W) -> (N, C, P, Q), P = ⌊(H - kernel_size[0]) / stride[0]⌋ + 1.

    A sum that is 0 gets no gradient. Odd exponents keep the sign, and a negative sum has no root: NaN.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: norm_type is 0.

    Example:
        >>> nn.functional.lp_pool2d(np.array([[[1.0, 1.0], [1.0, 1.0]]]), 2, 2)
        array([[[2.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@one_input
def lp_pool3d(
    input: Array, norm_type: float, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, ceil_mode: bool = False
) -> Array:
    """Takes the norm of each window of a volume.

    y[n,c,o,p,q] = (Σ_{t,r,s} x[n, c, o·stride + t, p·stride + r, q·stride + s]ᵏ)^(1/k), k = norm_type

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        norm_type: exponent of the norm; 1 gives sums, infinity maxima of absolute values.
        kernel_size: size of the window, an int or (depth, vertical, horizontal).
        stride: step of the window; None: kernel_size.
        ceil_mode: rounds the output size up; windows that reach over the end are scaled as if they were whole.

    **Shape**: (N, C, D, H, W) -> (N, C, O, P, Q), O = ⌊(D - kernel_size[0]) / stride[0]⌋ + 1.

    A sum that is 0 gets no gradient. Odd exponents keep the sign, and a negative sum has no root: NaN.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: norm_type is 0.

    Example:
        >>> nn.functional.lp_pool3d(np.full((1, 4, 2, 2), 2.0), 4, (4, 2, 2))
        array([[[[4.]]]])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(count: int, input: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool) -> Array:
    p = float(_real(norm_type, "norm_type"))
    if p == 0:
        raise ValueError("norm_type must not be 0: the sum of windows has no root of order 0")
    kernel, steps, border = _window(count, kernel_size, stride, 0)
    x = _floats(input)
    if math.isinf(p):
        sign = 1 if p > 0 else -1
        return sign * _max_pool(count, sign * operators.abs(x), kernel, steps, border, 1, ceil_mode, False)[0]
    powers = operators._raised(x, p, False)
    if count == 3:
        means = _avg_pool_of_volumes(powers, kernel, steps, border, ceil_mode, True, 0)
    else:
        means = avg_pool_forward(powers, kernel, steps, border, ceil_mode, True, 0)
    return operators._raised(means * math.prod(kernel), 1 / p, True)


@one_input
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


@one_input
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


@one_input
def adaptive_avg_pool3d(input: Array, output_size: int | Sequence[int | None] | None) -> Array:
    """Takes means so that the output has a given size.

    y[n,c,o,p,q] = mean of x[n, c, ⌊o·D/O⌋ : ⌈(o+1)·D/O⌉, ⌊p·H/P⌋ : ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ : ⌈(q+1)·W/Q⌉]

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        output_size: an int or (O, P, Q); None stands for the input's own size.

    **Shape**: (N, C, D, H, W) -> (N, C, O, P, Q).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.functional.adaptive_avg_pool3d(np.arange(64.0).reshape(1, 4, 4, 4), 1)
        array([[[[31.5]]]])
    """
    return _adaptive_avg_pool_of_volumes(input, _output_size(output_size, 3))


def _adaptive_avg_pool_of_volumes(input: Any, size: _Three) -> Array:
    """The means of planes, then those of the depth."""
    x = _volumes("adaptive_avg_pool3d", input)
    *lead, d, h, w = x.shape
    flat = adaptive_avg_pool_forward(operators.reshape(x, (*lead[:-1], lead[-1] * d, h, w)), size[1:])
    p, q = flat.shape[-2:]
    o = d if size[0] == -1 else size[0]
    if p * q == 0:
        return operators.reshape(flat, (*lead, o, p, q))
    return operators.reshape(adaptive_avg_pool_forward(operators.reshape(flat, (*lead, d, p * q)), (o, -1)), (*lead, o, p, q))


@adaptive_maxima
def adaptive_max_pool1d(input: Array, output_size: int | Sequence[int], return_indices: bool = False) -> Array:
    """Takes maxima so that the output has a given length.

    y[n,c,p] = max of x[n, c, ⌊p·L/P⌋ : ⌈(p+1)·L/P⌉]

    Args:
        input: array (N, C, L) or (C, L).
        output_size: P.
        return_indices: returns (y, positions of the maxima) instead of y.

    **Shape**: (N, C, L) -> (N, C, P).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.functional.adaptive_max_pool1d(np.array([[1.0, 5.0, 2.0, 0.0, 3.0]]), 2)
        array([[5., 3.]])
    """
    y, indices = _adaptive_max_pool(1, input, output_size, return_indices)
    return (y, indices) if return_indices else y


@adaptive_maxima
def adaptive_max_pool2d(input: Array, output_size: int | Sequence[int | None] | None, return_indices: bool = False) -> Array:
    """Takes maxima so that the output has a given size.

    y[n,c,p,q] = max of x[n, c, ⌊p·H/P⌋ : ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ : ⌈(q+1)·W/Q⌉]

    Args:
        input: array (N, C, H, W) or (C, H, W).
        output_size: an int or (P, Q); None stands for the input's own size.
        return_indices: returns (y, positions of the maxima in the H·W plane) instead of y.

    **Shape**: (N, C, H, W) -> (N, C, P, Q).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.functional.adaptive_max_pool2d(np.arange(16.0).reshape(1, 4, 4), (1, 2))
        array([[[13., 15.]]])
    """
    y, indices = _adaptive_max_pool(2, input, output_size, return_indices)
    return (y, indices) if return_indices else y


@adaptive_maxima
def adaptive_max_pool3d(input: Array, output_size: int | Sequence[int | None] | None, return_indices: bool = False) -> Array:
    """Takes maxima so that the output has a given size.

    y[n,c,o,p,q] = max of x[n, c, ⌊o·D/O⌋ : ⌈(o+1)·D/O⌉, ⌊p·H/P⌋ : ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ : ⌈(q+1)·W/Q⌉]

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        output_size: an int or (O, P, Q); None stands for the input's own size.
        return_indices: returns (y, positions of the maxima in the D·H·W volume) instead of y.

    **Shape**: (N, C, D, H, W) -> (N, C, O, P, Q).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.functional.adaptive_max_pool3d(np.arange(64.0).reshape(1, 4, 4, 4), (1, 1, 2))
        array([[[[61., 63.]]]])
    """
    y, indices = _adaptive_max_pool(3, input, output_size, return_indices)
    return (y, indices) if return_indices else y


@input_and_indices
def adaptive_max_pool1d_with_indices(input: Array, output_size: int | Sequence[int], return_indices: bool = False) -> tuple[Array, Array]:
    """adaptive_max_pool1d that always returns (y, indices).

    **Shape**: (N, C, L) -> two of (N, C, P), see adaptive_max_pool1d.

    Example:
        >>> nn.functional.adaptive_max_pool1d_with_indices(np.array([[1.0, 5.0, 2.0, 0.0, 3.0]]), 2)
        (array([[5., 3.]]), array([[1, 4]]))
    """
    return _adaptive_max_pool(1, input, output_size, True)


@input_and_indices
def adaptive_max_pool2d_with_indices(
    input: Array, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> tuple[Array, Array]:
    """adaptive_max_pool2d that always returns (y, indices).

    **Shape**: (N, C, H, W) -> two of (N, C, P, Q), see adaptive_max_pool2d.

    Example:
        >>> nn.functional.adaptive_max_pool2d_with_indices(np.arange(16.0).reshape(1, 4, 4), 1)
        (array([[[15.]]]), array([[[15]]]))
    """
    return _adaptive_max_pool(2, input, output_size, True)


@input_and_indices
def adaptive_max_pool3d_with_indices(
    input: Array, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> tuple[Array, Array]:
    """adaptive_max_pool3d that always returns (y, indices).

    **Shape**: (N, C, D, H, W) -> two of (N, C, O, P, Q), see adaptive_max_pool3d.

    Example:
        >>> nn.functional.adaptive_max_pool3d_with_indices(np.arange(64.0).reshape(1, 4, 4, 4), 1)
        (array([[[[63.]]]]), array([[[[63]]]]))
    """
    return _adaptive_max_pool(3, input, output_size, True)


def _adaptive_max_pool(count: int, input: Any, output_size: Any, indices: bool) -> tuple[Array, Array]:
    y: tuple[Array, Array] = adaptive_max_pool_forward(input, _output_size(output_size, count), bool(indices))
    return y


@unpooled
def max_unpool1d(
    input: Array,
    indices: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Puts the maxima of `max_pool1d` back where they came from, into zeros.

    y[n, c, indices[n,c,p]] = x[n,c,p]; of equal indices the last one stays.

    Args:
        input: array (N, C, P) or (C, P).
        indices: integers of the same shape, what max_pool1d returns with return_indices.
        kernel_size: that of the pooling, as are stride and padding.
        stride: None: kernel_size.
        padding: numbers that pooling added at both ends.
        output_size: (L) or (N, C, L), since several lengths give the same P; None: the one that pooling used up.

    **Shape**: (N, C, P) -> (N, C, L), L = (P - 1)·stride - 2·padding + kernel_size unless output_size says otherwise.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: output_size is farther than stride from L.
        IndexError: an index lies outside of the result.

    Example:
        >>> nn.functional.max_unpool1d(np.array([[3.0, 2.0]]), np.array([[1, 2]]), 2)
        array([[0., 3., 2., 0.]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@unpooled
def max_unpool2d(
    input: Array,
    indices: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Puts the maxima of `max_pool2d` back where they came from, into zeros.

    y[n, c, i, j] = x[n,c,p,q] where indices[n,c,p,q] = i·W + j; of equal indices the last one stays.

    Args:
        input: array (N, C, P, Q) or (C, P, Q).
        indices: integers of the same shape, what max_pool2d returns with return_indices.
        kernel_size: that of the pooling, as are stride and padding; an int or (vertical, horizontal).
        stride: None: kernel_size.
        padding: rows and columns that pooling added on all sides.
        output_size: (H, W) or (N, C, H, W), since several sizes give the same P and Q; None: the one that pooling used up.

    **Shape**: (N, C, P, Q) -> (N, C, H, W), H = (P - 1)·stride[0] - 2·padding[0] + kernel_size[0] unless output_size says otherwise.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: output_size is farther than stride from (H, W).
        IndexError: an index lies outside of the result.

    Example:
        >>> y, places = nn.functional.max_pool2d(np.arange(16.0).reshape(1, 4, 4), 2, return_indices=True)
        >>> nn.functional.max_unpool2d(y, places, 2)
        array([[[ 0.,  0.,  0.,  0.],
                [ 0.,  5.,  0.,  7.],
                [ 0.,  0.,  0.,  0.],
                [ 0., 13.,  0., 15.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@unpooled
def max_unpool3d(
    input: Array,
    indices: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Puts the maxima of `max_pool3d` back where they came from, into zeros.

    y[n, c, i, j, k] = x[n,c,o,p,q] where indices[n,c,o,p,q] = (i·H + j)·W + k; of equal indices the last one stays.

    Args:
        input: array (N, C, O, P, Q) or (C, O, P, Q).
        indices: integers of the same shape, what max_pool3d returns with return_indices.
        kernel_size: that of the pooling, as are stride and padding; an int or (depth, vertical, horizontal).
        stride: None: kernel_size.
        padding: planes, rows and columns that pooling added on all sides.
        output_size: (D, H, W) or (N, C, D, H, W), since several sizes give the same result; None: the one that pooling used up.

    **Shape**: (N, C, O, P, Q) -> (N, C, D, H, W), D = (O - 1)·stride[0] - 2·padding[0] + kernel_size[0] unless output_size says otherwise.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: output_size is farther than stride from (D, H, W).
        IndexError: an index lies outside of the result.

    Example:
        >>> nn.functional.max_unpool3d(np.full((1, 1, 1, 1), 5.0), np.full((1, 1, 1, 1), 3), (1, 2, 2))
        array([[[[0., 0.],
                 [0., 5.]]]])
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(count: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Array:
    kernel, steps, border = _window(count, kernel_size, stride, padding)
    if min(steps) < 1:
        raise ValueError(f"max_unpool{count}d: stride is {steps}; all of it has to be at least 1")
    x = _as_array(input)
    if x.ndim not in (count + 1, count + 2):
        raise ShapeError(
            f"max_unpool{count}d: input has shape {tuple(x.shape)}; expected {count + 2} dimensions, or {count + 1} without a batch"
        )
    size = tuple((n - 1) * s + r - 2 * b for n, s, r, b in zip(x.shape[-count:], steps, kernel, border, strict=True))
    if output_size is not None:
        wanted = _sizes(output_size, "output_size")
        wanted = wanted[2:] if len(wanted) == count + 2 else wanted
        if len(wanted) != count:
            raise ValueError(f"output_size must have {count} or {count + 2} numbers, but got {output_size!r}")
        for i, (n, s, want) in enumerate(zip(size, steps, wanted, strict=True)):
            if not n - s < want < n + s:
                raise ValueError(
                    f"output_size is {tuple(output_size)}, but in dimension {i} it has to be from {n - s + 1} to {n + s - 1} for an "
                    f"input of shape {tuple(x.shape)}"
                )
        size = wanted
    if min(size) < 0:
        raise ShapeError(
            f"max_unpool{count}d: the result of an input of shape {tuple(x.shape)} would have the size {size}; use a larger kernel_size or "
            "less padding"
        )
    return max_unpool_forward(x, indices, size)


def _output_size(size: Any, count: int) -> tuple[int, ...]:
    """-1 stands for the input's own size."""
    if size is None:
        return (-1,) * count
    if isinstance(size, (int, str, bytes)) or not isinstance(size, Iterable):
        items = _ints(size, count, "output_size")  # type: ignore[arg-type]
        given: Iterable[int | None] = items
    else:
        given = tuple(size)
        items = _ints([0 if s is None else s for s in given], count, "output_size")
        if len(tuple(given)) == 1:
            given = tuple(given) * count
    if any(s < 0 for s in items):
        raise ShapeError(f"output_size must not be negative, but got {size!r}")
    return tuple(-1 if s is None else operator.index(s) for s in given)
