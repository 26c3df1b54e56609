"""Pooling."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

from .._native import adaptive_avg_pool_forward, avg_pool_forward, max_pool_forward
from ..errors import ShapeError
from ._arguments import Array, _ints
from ._signatures import input_and_indices, maxima, one_input

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
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


@input_and_indices
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


@input_and_indices
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
