"""Convolution, and the other way round."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._native import conv_forward, conv_transpose_forward
from ._arguments import _NONE, Array, _ints
from ._signatures import input_and_weight

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


@input_and_weight
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


@input_and_weight
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


@input_and_weight
def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Adds up a filter for every number of a signal: the gradient of `conv1d` with respect to its input.

    y[n,o,i] = b[o] + Σ W[c,o,r] x[n,c,p] over all c, p and r with p·stride + r·dilation - padding = i

    Args:
        input: array (N, C, L) or (C, L).
        weight: array (C, O / groups, R).
        bias: array (O), or None.
        stride: distance of the filters in the result.
        padding: numbers taken off both ends of the result.
        output_padding: numbers added at its end, less than stride or dilation.
        groups: number of blocks of channels that do not see each other.
        dilation: distance of the filter's taps.

    **Shape**: (N, C, L) -> (N, O, P), P = (L - 1)·stride - 2·padding + dilation·(R-1) + output_padding + 1.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, padding is negative, or output_padding is too large.

    Example:
        >>> nn.functional.conv_transpose1d(np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 3.0]]]))
        array([[[ 1., 12., 23., 30.]]])
    """
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@input_and_weight
def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Adds up a filter for every pixel: the gradient of `conv2d` with respect to its input.

    y[n,o,i,j] = b[o] + Σ W[c,o,r,s] x[n,c,p,q] over all c, p, q, r and s with p·stride + r·dilation - padding = i, and
    q·stride + s·dilation - padding = j

    Args:
        input: array (N, C, H, W) or (C, H, W).
        weight: array (C, O / groups, R, S).
        bias: array (O), or None.
        stride: distance of the filters in the result, an int or (vertical, horizontal).
        padding: rows and columns taken off all sides of the result.
        output_padding: rows and columns added at the bottom and on the right, less than stride or dilation.
        groups: number of blocks of channels that do not see each other.
        dilation: distance of the filter's taps.

    **Shape**: (N, C, H, W) -> (N, O, P, Q), P = (H - 1)·stride[0] - 2·padding[0] + dilation[0]·(R-1) + output_padding[0] + 1 and Q alike.

    Raises:
        ShapeError: shapes do not fit each other.
        ValueError: stride, dilation or groups is not positive, padding is negative, or output_padding is too large.

    Example:
        >>> nn.functional.conv_transpose2d(np.ones((1, 4, 8, 8)), np.ones((4, 3, 2, 2)), stride=2).shape
        (1, 3, 16, 16)
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv_transpose(
    count: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any
) -> Array:
    stride, padding = _ints(stride, count, "stride"), _ints(padding, count, "padding")
    output_padding, dilation = _ints(output_padding, count, "output_padding"), _ints(dilation, count, "dilation")
    return conv_transpose_forward(input, weight, bias, stride, padding, output_padding, dilation, groups)


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
