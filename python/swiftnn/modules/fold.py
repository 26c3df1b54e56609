"""Layers that take images apart into blocks, and put them together."""

from __future__ import annotations

from .. import functional as F
from ._signatures import one_input
from .module import Module
from .utils import Array, Size, plain

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """Takes the blocks of an image that a window sees, each as a column: a convolution is a product of its filters with them.

    y[n, (c·R + r)·S + s, p·Q + q] = x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    Args:
        kernel_size: (R, S), size of the window; one int stands for both, here and below.
        dilation: distance of the window's elements.
        padding: zeros on all sides.
        stride: step of the window.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C·R·S, P·Q) or (C·R·S, P·Q),
    P = ⌊(H + 2·padding[0] - dilation[0]·(R-1) - 1) / stride[0]⌋ + 1 and Q alike.

    Raises:
        ValueError: a size is out of its range.
        ShapeError: the input is too small.

    Example:
        >>> nn.Unfold(kernel_size=(2, 3))(np.ones((2, 5, 3, 4), np.float32)).shape
        (2, 30, 4)
    """

    kernel_size: Size
    dilation: Size
    padding: Size
    stride: Size

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> None:
        super().__init__()
        self.kernel_size = plain(kernel_size, "kernel_size")
        self.dilation = plain(dilation, "dilation")
        self.padding = plain(padding, "padding")
        self.stride = plain(stride, "stride")

    @one_input
    def forward(self, input: Array) -> Array:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Puts columns back as the blocks of an image, the other way round than `Unfold`; where blocks overlap their numbers are added.

    y[n,c,i,j] = Σ x[n, (c·R + r)·S + s, p·Q + q] over all p, r with p·stride + r·dilation - padding = i, and q, s alike for j

    Args:
        output_size: (H, W), size of the image; one int stands for both, here and below.
        kernel_size: (R, S), size of the blocks.
        dilation: distance of a block's elements.
        padding: rows and columns that are left out on all sides.
        stride: step of the blocks.

    **Shape**: (N, C·R·S, P·Q) or (C·R·S, P·Q) -> (N, C, H, W) or (C, H, W),
    P = ⌊(H + 2·padding[0] - dilation[0]·(R-1) - 1) / stride[0]⌋ + 1 and Q alike.

    Raises:
        ValueError: a size is out of its range.
        ShapeError: the input has other sizes than those.

    Example:
        >>> nn.Fold(output_size=(4, 5), kernel_size=(2, 2))(np.ones((1, 3 * 2 * 2, 12), np.float32)).shape
        (1, 3, 4, 5)
    """

    output_size: Size
    kernel_size: Size
    dilation: Size
    padding: Size
    stride: Size

    def __init__(self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> None:
        super().__init__()
        self.output_size = plain(output_size, "output_size")
        self.kernel_size = plain(kernel_size, "kernel_size")
        self.dilation = plain(dilation, "dilation")
        self.padding = plain(padding, "padding")
        self.stride = plain(stride, "stride")

    @one_input
    def forward(self, input: Array) -> Array:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )
