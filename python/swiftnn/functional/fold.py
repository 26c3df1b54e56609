"""Blocks of images as columns, and columns as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import tape
from .._native import fold_forward, unfold_forward
from ..errors import ShapeError
from ._arguments import Array, _floats, _ints
from ._signatures import one_input

__all__ = ["fold", "unfold"]


@one_input
def unfold(
    input: Array,
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Array:
    """Takes the blocks of an image that a window sees, each as a column.

    y[n, (c·R + r)·S + s, p·Q + q] = x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    Args:
        input: array (N, C, H, W) or (C, H, W).
        kernel_size: (R, S), size of the window; one int stands for both, here and below.
        dilation: distance of the window's elements.
        padding: zeros on all sides.
        stride: step of the window.

    **Shape**: (N, C, H, W) -> (N, C·R·S, P·Q), P = ⌊(H + 2·padding[0] - dilation[0]·(R-1) - 1) / stride[0]⌋ + 1 and Q alike.

    Raises:
        ShapeError: the input is too small or has the wrong number of dimensions.
        ValueError: a size is out of its range.

    Example:
        >>> nn.functional.unfold(np.arange(9.0).reshape(1, 3, 3), 2)
        array([[0., 1., 3., 4.],
               [1., 2., 4., 5.],
               [3., 4., 6., 7.],
               [4., 5., 7., 8.]])
    """
    x = _floats(input)
    if x.ndim not in (3, 4):
        raise ShapeError(f"unfold: input has shape {tuple(x.shape)}; expected 4 or 3 dimensions, (N, C, H, W) or (C, H, W)")
    return _unfold(x, _block(kernel_size, dilation, padding, stride))


@one_input
def fold(
    input: Array,
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Array:
    """Puts columns back as the blocks of an image, the other way round than `unfold`; where blocks overlap their numbers are added.

    y[n,c,i,j] = Σ x[n, (c·R + r)·S + s, p·Q + q] over all p, r with p·stride + r·dilation - padding = i, and q, s alike for j

    Args:
        input: array (N, C·R·S, P·Q) or (C·R·S, P·Q).
        output_size: (H, W), size of the image; one int stands for both, here and below.
        kernel_size: (R, S), size of the blocks.
        dilation: distance of a block's elements.
        padding: rows and columns that are left out on all sides.
        stride: step of the blocks.

    **Shape**: (N, C·R·S, P·Q) -> (N, C, H, W), P = ⌊(H + 2·padding[0] - dilation[0]·(R-1) - 1) / stride[0]⌋ + 1 and Q alike.

    Raises:
        ShapeError: the input has other sizes than those.
        ValueError: a size is out of its range.

    Example:
        >>> nn.functional.fold(np.ones((4, 4)), 3, 2)
        array([[[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]]])
    """
    return _fold(_floats(input), _ints(output_size, 2, "output_size"), _block(kernel_size, dilation, padding, stride))


def _block(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[tuple[int, ...], ...]:
    given = (("kernel_size", kernel_size), ("dilation", dilation), ("padding", padding), ("stride", stride))
    return tuple(_ints(value, 2, name) for name, value in given)


# Each is the other's derivative.


@tape.operation
def _unfold(x: Any, block: tuple[tuple[int, ...], ...]) -> Any:
    size = x.shape[-2:]
    return unfold_forward(x, *block), lambda dy, w: (fold_forward(dy, size, *block), None)


@tape.operation
def _fold(x: Any, size: tuple[int, ...], block: tuple[tuple[int, ...], ...]) -> Any:
    return fold_forward(x, size, *block), lambda dy, w: (unfold_forward(dy, *block), None, None)
