"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import functional as F
from .._native import adaptive_avg_pool_forward, adaptive_max_pool_forward, avg_pool_forward, max_pool_forward
from ..errors import ShapeError
from ._signatures import one_input, unpooled
from .module import Module
from .utils import Array, Size, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _Pool(Module):
    """Keeps the attributes as the user wrote them and what the operation takes beside them."""

    _dimensions: int
    # What forward passes on, recomputed after an attribute has been set; None: not computed yet.
    _arguments: list[Any] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__["_arguments"] = None

    def _prepare(self) -> tuple[Any, ...]:
        # In place before the attributes are read: a list that another thread's change takes away meanwhile is filled for nobody.
        kept = self.__dict__["_arguments"] = []
        arguments = self._operands()
        kept.extend(arguments)
        return arguments

    def _operands(self) -> tuple[Any, ...]:
        raise NotImplementedError


class _MaxPoolNd(_Pool):
    kernel_size: Size
    stride: Size
    padding: Size
    dilation: Size
    return_indices: bool
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = plain(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else plain(stride, "stride")
        self.padding = plain(padding, "padding")
        self.dilation = plain(dilation, "dilation")
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _operands(self) -> tuple[Any, ...]:
        n = self._dimensions
        return (
            *F._window(n, self.kernel_size, self.stride, self.padding),
            F._ints(self.dilation, n, "dilation"),
            bool(self.ceil_mode),
            bool(self.return_indices),
        )

    @one_input
    def forward(self, input: Array) -> Array:
        kernel_size, stride, padding, dilation, ceil_mode, return_indices = self._arguments or self._prepare()
        y = max_pool_forward(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return y if return_indices else y[0]

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Takes the maximum of each window of a signal.

    y[n,c,p] = max_r x[n, c, p·stride + r·dilation - padding]

    NaN wins over every number; of equal maxima the first one gives the index.

    Args:
        kernel_size: length of the window.
        stride: step of the window; None: kernel_size.
        padding: -∞ on both sides, at most half of kernel_size.
        dilation: distance of the window's elements.
        return_indices: returns (y, positions of the maxima) instead of y.
        ceil_mode: rounds the output size up; a window still starts inside the input or its left border.

    **Shape**: (N, C, L) or (C, L) -> (N, C, P) or (C, P), P = ⌊(L + 2·padding - dilation·(kernel_size-1) - 1) / stride⌋ + 1.

    Raises:
        ValueError: a size is out of its range.
        ShapeError: the input is too small.

    Example:
        >>> nn.MaxPool1d(3, stride=2)(np.ones((20, 16, 50), np.float32)).shape
        (20, 16, 24)
    """

    _dimensions = 1


class MaxPool2d(_MaxPoolNd):
    """Takes the maximum of each window of an image.

    y[n,c,p,q] = max_{r,s} x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    NaN wins over every number; of equal maxima the first one gives the index.

    Args:
        kernel_size: size of the window; one int stands for both directions, here and below.
        stride: step of the window; None: kernel_size.
        padding: -∞ on all sides, at most half of kernel_size.
        dilation: distance of the window's elements.
        return_indices: returns (y, positions of the maxima in the H·W plane) instead of y.
        ceil_mode: rounds the output size up; a window still starts inside the input or its left border.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, P, Q) or (C, P, Q),
    P = ⌊(H + 2·padding[0] - dilation[0]·(kernel_size[0]-1) - 1) / stride[0]⌋ + 1 and Q alike.

    Raises:
        ValueError: a size is out of its range.
        ShapeError: the input is too small.

    Example:
        >>> nn.MaxPool2d(kernel_size=2, stride=2)(np.ones((16, 64, 24, 24), np.float32)).shape
        (16, 64, 12, 12)
    """

    _dimensions = 2


class MaxPool3d(_MaxPoolNd):
    """Takes the maximum of each window of a volume.

    y[n,c,o,p,q] = max_{t,r,s} x[n, c, o·stride + t·dilation - padding, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    NaN wins over every number; of equal maxima the first one gives the index.

    Args:
        kernel_size: size of the window; one int stands for all directions, here and below.
        stride: step of the window; None: kernel_size.
        padding: -∞ on all sides, at most half of kernel_size.
        dilation: distance of the window's elements.
        return_indices: returns (y, positions of the maxima in the D·H·W volume) instead of y.
        ceil_mode: rounds the output size up; a window still starts inside the input or its border before it.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, O, P, Q) or (C, O, P, Q),
    O = ⌊(D + 2·padding[0] - dilation[0]·(kernel_size[0]-1) - 1) / stride[0]⌋ + 1, P and Q alike.

    Raises:
        ValueError: a size is out of its range.
        ShapeError: the input is too small.

    Example:
        >>> nn.MaxPool3d(kernel_size=(1, 2, 2))(np.ones((2, 8, 4, 24, 24), np.float32)).shape
        (2, 8, 4, 12, 12)
    """

    _dimensions = 3

    @one_input
    def forward(self, input: Array) -> Array:
        kernel_size, stride, padding, dilation, ceil_mode, return_indices = self._arguments or self._prepare()
        y = F._max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return y if return_indices else y[0]


class _AvgPoolNd(_Pool):
    kernel_size: Size
    stride: Size
    padding: Size
    ceil_mode: bool
    count_include_pad: bool

    @one_input
    def forward(self, input: Array) -> Array:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor = self._arguments or self._prepare()
        return avg_pool_forward(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """Takes the mean of each window of a signal.

    y[n,c,p] = (1/k) Σ_r x[n, c, p·stride + r - padding]

    Args:
        kernel_size: length of the window.
        stride: step of the window; None: kernel_size.
        padding: zeros on both sides, at most half of kernel_size.
        ceil_mode: rounds the output size up.
        count_include_pad: counts the zeros of the padding in the mean.

    **Shape**: (N, C, L) or (C, L) -> (N, C, P) or (C, P), P = ⌊(L + 2·padding - kernel_size) / stride⌋ + 1.

    Raises:
        ValueError: a size is out of its range.
        ShapeError: the input is too small.

    Example:
        >>> nn.AvgPool1d(3, stride=2)(np.array([[1.0, 2, 3, 4, 5, 6, 7]]))
        array([[2., 4., 6.]])
    """

    _dimensions = 1

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False, count_include_pad: bool = True
    ) -> None:
        super().__init__()
        self.kernel_size = F._ints(kernel_size, 1, "kernel_size")
        self.stride = self.kernel_size if stride is None else F._ints(stride, 1, "stride")
        self.padding = F._ints(padding, 1, "padding")
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def _operands(self) -> tuple[Any, ...]:
        return (*F._window(1, self.kernel_size, self.stride, self.padding), bool(self.ceil_mode), bool(self.count_include_pad), 0)


class _AvgPoolWithDivisor(_AvgPoolNd):
    divisor_override: int | None

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = plain(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else plain(stride, "stride")
        self.padding = plain(padding, "padding")
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def _operands(self) -> tuple[Any, ...]:
        if self.divisor_override == 0:
            raise ShapeError("divisor_override must not be 0; None divides by the size of the window")
        window = F._window(self._dimensions, self.kernel_size, self.stride, self.padding)
        return (*window, bool(self.ceil_mode), bool(self.count_include_pad), self.divisor_override or 0)


class AvgPool2d(_AvgPoolWithDivisor):
    """Takes the mean of each window of an image.

    y[n,c,p,q] = (1/divisor) Σ_{r,s} x[n, c, p·stride + r - padding, q·stride + s - padding]

    Args:
        kernel_size: size of the window; one int stands for both directions, here and below.
        stride: step of the window; None: kernel_size.
        padding: zeros on all sides, at most half of kernel_size.
        ceil_mode: rounds the output size up.
        count_include_pad: counts the zeros of the padding in the mean.
        divisor_override: divisor to use instead of the window's size.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, P, Q) or (C, P, Q), P = ⌊(H + 2·padding[0] - kernel_size[0]) / stride[0]⌋ + 1.

    Raises:
        ValueError: a size is out of its range, or divisor_override is 0.
        ShapeError: the input is too small.

    Example:
        >>> nn.AvgPool2d(3, stride=2)(np.ones((20, 16, 50, 32), np.float32)).shape
        (20, 16, 24, 15)
    """

    _dimensions = 2


class AvgPool3d(_AvgPoolWithDivisor):
    """Takes the mean of each window of a volume.

    y[n,c,o,p,q] = (1/divisor) Σ_{t,r,s} x[n, c, o·stride + t - padding, p·stride + r - padding, q·stride + s - padding]

    Args:
        kernel_size: size of the window; one int stands for all directions, here and below.
        stride: step of the window; None: kernel_size.
        padding: zeros on all sides, at most half of kernel_size.
        ceil_mode: rounds the output size up.
        count_include_pad: counts the zeros of the padding in the mean.
        divisor_override: divisor to use instead of the window's size.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, O, P, Q) or (C, O, P, Q),
    O = ⌊(D + 2·padding[0] - kernel_size[0]) / stride[0]⌋ + 1, P and Q alike.

    Raises:
        ValueError: a size is out of its range, or divisor_override is 0.
        ShapeError: the input is too small.

    Example:
        >>> nn.AvgPool3d(3, stride=2)(np.ones((20, 16, 50, 44, 31), np.float32)).shape
        (20, 16, 24, 21, 15)
    """

    _dimensions = 3

    @one_input
    def forward(self, input: Array) -> Array:
        return F._avg_pool_of_volumes(input, *(self._arguments or self._prepare()))


class _AdaptiveAvgPoolNd(_Pool):
    output_size: Any

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def _operands(self) -> tuple[Any, ...]:
        return (F._output_size(self.output_size, self._dimensions),)

    @one_input
    def forward(self, input: Array) -> Array:
        (output_size,) = self._arguments or self._prepare()
        return adaptive_avg_pool_forward(input, output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Takes means so that the output has a given length.

    y[n,c,p] = mean of x[n, c, ⌊p·L/P⌋ : ⌈(p+1)·L/P⌉]

    Args:
        output_size: P.

    **Shape**: (N, C, L) or (C, L) -> (N, C, P) or (C, P).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.AdaptiveAvgPool1d(5)(np.ones((1, 64, 8), np.float32)).shape
        (1, 64, 5)
    """

    _dimensions = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Takes means so that the output has a given size.

    y[n,c,p,q] = mean of x[n, c, ⌊p·H/P⌋ : ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ : ⌈(q+1)·W/Q⌉]

    Args:
        output_size: an int or (P, Q); None stands for the input's own size.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, P, Q) or (C, P, Q).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.AdaptiveAvgPool2d((5, None))(np.ones((1, 64, 8, 9), np.float32)).shape
        (1, 64, 5, 9)
    """

    _dimensions = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Takes means so that the output has a given size.

    y[n,c,o,p,q] = mean of x[n, c, ⌊o·D/O⌋ : ⌈(o+1)·D/O⌉, ⌊p·H/P⌋ : ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ : ⌈(q+1)·W/Q⌉]

    Args:
        output_size: an int or (O, P, Q); None stands for the input's own size.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, O, P, Q) or (C, O, P, Q).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.AdaptiveAvgPool3d((5, None, 9))(np.ones((1, 64, 8, 9, 10), np.float32)).shape
        (1, 64, 5, 9, 9)
    """

    _dimensions = 3

    @one_input
    def forward(self, input: Array) -> Array:
        (output_size,) = self._arguments or self._prepare()
        return F._adaptive_avg_pool_of_volumes(input, output_size)


class _AdaptiveMaxPoolNd(_Pool):
    output_size: Any
    return_indices: bool

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def _operands(self) -> tuple[Any, ...]:
        return F._output_size(self.output_size, self._dimensions), bool(self.return_indices)

    @one_input
    def forward(self, input: Array) -> Array:
        output_size, return_indices = self._arguments or self._prepare()
        y = adaptive_max_pool_forward(input, output_size, return_indices)
        return y if return_indices else y[0]

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Takes maxima so that the output has a given length.

    y[n,c,p] = max of x[n, c, ⌊p·L/P⌋ : ⌈(p+1)·L/P⌉]

    NaN wins over every number; of equal maxima the first one gives the index.

    Args:
        output_size: P.
        return_indices: returns (y, positions of the maxima) instead of y.

    **Shape**: (N, C, L) or (C, L) -> (N, C, P) or (C, P).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.AdaptiveMaxPool1d(5)(np.ones((1, 64, 8), np.float32)).shape
        (1, 64, 5)
    """

    _dimensions = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Takes maxima so that the output has a given size.

    y[n,c,p,q] = max of x[n, c, ⌊p·H/P⌋ : ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ : ⌈(q+1)·W/Q⌉]

    NaN wins over every number; of equal maxima the first one gives the index.

    Args:
        output_size: an int or (P, Q); None stands for the input's own size.
        return_indices: returns (y, positions of the maxima in the H·W plane) instead of y.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, P, Q) or (C, P, Q).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.AdaptiveMaxPool2d((5, None))(np.ones((1, 64, 8, 9), np.float32)).shape
        (1, 64, 5, 9)
    """

    _dimensions = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Takes maxima so that the output has a given size.

    y[n,c,o,p,q] = max of x[n, c, ⌊o·D/O⌋ : ⌈(o+1)·D/O⌉, ⌊p·H/P⌋ : ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ : ⌈(q+1)·W/Q⌉]

    NaN wins over every number; of equal maxima the first one gives the index.

    Args:
        output_size: an int or (O, P, Q); None stands for the input's own size.
        return_indices: returns (y, positions of the maxima in the D·H·W volume) instead of y.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, O, P, Q) or (C, O, P, Q).

    Raises:
        ShapeError: the input has the wrong number of dimensions or is empty.

    Example:
        >>> nn.AdaptiveMaxPool3d((5, None, 9))(np.ones((1, 64, 8, 9, 10), np.float32)).shape
        (1, 64, 5, 9, 9)
    """

    _dimensions = 3


class _FractionalMaxPoolNd(Module):
    _dimensions: int

    kernel_size: tuple[int, ...]
    output_size: tuple[int, ...] | None
    output_ratio: tuple[float, ...] | None
    return_indices: bool
    _random_samples: NDArray[Any] | None

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: NDArray[Any] | None = None,
    ) -> None:
        super().__init__()
        n, name = self._dimensions, self._get_name()
        self.kernel_size = F._ints(kernel_size, n, "kernel_size")
        if min(self.kernel_size) < 1:
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else F._ints(output_size, n, "output_size")
        self.output_ratio = None if output_ratio is None else F._ratios(output_ratio, n)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name} requires exactly one of output_size and output_ratio, but got {output_size!r} and {output_ratio!r}")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    @one_input
    def forward(self, input: Array) -> Array:
        y = F._fractional_max_pool(self._dimensions, input, self.kernel_size, self.output_size, self.output_ratio, self._random_samples)
        return y if self.return_indices else y[0]


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Takes the maximum of each window of an image, windows lying at random distances that give the output a size.

    y[n,c,p,q] = max_{r,s} x[n, c, i_p + r, j_q + s], i_p = ⌊(p + u)·α⌋ - ⌊u·α⌋, α = (H - R) / (P - 1), u from U(0, 1); i_{P-1} = H - R

    NaN wins over every number; of equal maxima the first one gives the index. The draws are new in every call, also in eval mode.

    Args:
        kernel_size: R and S, the size of the window; one int stands for both directions, here and below.
        output_size: P and Q.
        output_ratio: or the part of the input's size that the output's is, between 0 and 1.
        return_indices: returns (y, positions of the maxima in the H·W plane) instead of y.
        _random_samples: array (N, C, 2) of the input's type, u of columns and rows for every call.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, P, Q) or (C, P, Q); P + R - 1 is at most H.

    Raises:
        ValueError: none or both of output_size and output_ratio are given, or a value is out of its range.
        ShapeError: the input is too small or has the wrong number of dimensions.

    Differences from PyTorch:
        The draws are other ones: they come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> nn.FractionalMaxPool2d(3, output_ratio=0.5)(np.ones((20, 16, 50, 32), np.float32)).shape
        (20, 16, 25, 16)

    Reference: Graham, Fractional Max-Pooling (2014).
    """

    _dimensions = 2


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Takes the maximum of each window of a volume, windows lying at random distances that give the output a size.

    y[n,c,o,p,q] = max_{t,r,s} x[n, c, h_o + t, i_p + r, j_q + s], h, i and j as in `FractionalMaxPool2d`

    Args:
        kernel_size: size of the window; one int stands for all directions, here and below.
        output_size: O, P and Q.
        output_ratio: or the part of the input's size that the output's is, between 0 and 1.
        return_indices: returns (y, positions of the maxima in the D·H·W volume) instead of y.
        _random_samples: array (N, C, 3) of the input's type, u of depth, rows and columns for every call.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, O, P, Q) or (C, O, P, Q).

    Raises:
        ValueError: none or both of output_size and output_ratio are given, or a value is out of its range.
        ShapeError: the input is too small or has the wrong number of dimensions.

    Differences from PyTorch:
        The draws are other ones, as those of `FractionalMaxPool2d`. An input of just output_size + kernel_size - 1 is no error.

    Example:
        >>> nn.FractionalMaxPool3d(3, output_size=(13, 12, 11))(np.ones((2, 16, 50, 32, 16), np.float32)).shape
        (2, 16, 13, 12, 11)

    Reference: Graham, Fractional Max-Pooling (2014).
    """

    _dimensions = 3


class _LPPoolNd(Module):
    _dimensions: int

    norm_type: float
    kernel_size: Size
    stride: Size | None
    ceil_mode: bool

    def __init__(self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = plain(kernel_size, "kernel_size")
        self.stride = None if stride is None else plain(stride, "stride")
        self.ceil_mode = ceil_mode

    @one_input
    def forward(self, input: Array) -> Array:
        return F._lp_pool(self._dimensions, input, self.norm_type, self.kernel_size, self.stride, bool(self.ceil_mode))

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPoolNd):
    """Takes the norm of each window of a signal.

    y[n,c,p] = (Σ_r x[n, c, p·stride + r]ᵏ)^(1/k), k = norm_type

    A sum that is 0 gets no gradient. Odd exponents keep the sign, and a negative sum has no root: NaN.

    Args:
        norm_type: exponent of the norm; 1 gives sums, infinity maxima of absolute values.
        kernel_size: length of the window.
        stride: step of the window; None: kernel_size.
        ceil_mode: rounds the output size up; windows that reach over the end are scaled as if they were whole.

    **Shape**: (N, C, L) or (C, L) -> (N, C, P) or (C, P), P = ⌊(L - kernel_size) / stride⌋ + 1.

    Raises:
        ValueError: a size is out of its range, or norm_type is 0.
        ShapeError: the input is too small.

    Example:
        >>> nn.LPPool1d(2, 3, stride=2)(np.ones((20, 16, 50), np.float32)).shape
        (20, 16, 24)
    """

    _dimensions = 1


class LPPool2d(_LPPoolNd):
    """Takes the norm of each window of an image.

    y[n,c,p,q] = (Σ_{r,s} x[n, c, p·stride + r, q·stride + s]ᵏ)^(1/k), k = norm_type

    A sum that is 0 gets no gradient. Odd exponents keep the sign, and a negative sum has no root: NaN.

    Args:
        norm_type: exponent of the norm; 1 gives sums, infinity maxima of absolute values.
        kernel_size: size of the window; one int stands for both directions, here and below.
        stride: step of the window; None: kernel_size.
        ceil_mode: rounds the output size up; windows that reach over the end are scaled as if they were whole.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, P, Q) or (C, P, Q), P = ⌊(H - kernel_size[0]) / stride[0]⌋ + 1 and Q alike.

    Raises:
        ValueError: a size is out of its range, or norm_type is 0.
        ShapeError: the input is too small.

    Example:
        >>> nn.LPPool2d(1.2, (3, 2), stride=(2, 1))(np.ones((20, 16, 50, 32), np.float32)).shape
        (20, 16, 24, 31)
    """

    _dimensions = 2


class LPPool3d(_LPPoolNd):
    """Takes the norm of each window of a volume.

    y[n,c,o,p,q] = (Σ_{t,r,s} x[n, c, o·stride + t, p·stride + r, q·stride + s]ᵏ)^(1/k), k = norm_type

    A sum that is 0 gets no gradient. Odd exponents keep the sign, and a negative sum has no root: NaN.

    Args:
        norm_type: exponent of the norm; 1 gives sums, infinity maxima of absolute values.
        kernel_size: size of the window; one int stands for all directions, here and below.
        stride: step of the window; None: kernel_size.
        ceil_mode: rounds the output size up; windows that reach over the end are scaled as if they were whole.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, O, P, Q) or (C, O, P, Q),
    O = ⌊(D - kernel_size[0]) / stride[0]⌋ + 1, P and Q alike.

    Raises:
        ValueError: a size is out of its range, or norm_type is 0.
        ShapeError: the input is too small.

    Example:
        >>> nn.LPPool3d(2, 3, stride=2)(np.ones((2, 16, 10, 21, 32), np.float32)).shape
        (2, 16, 4, 10, 15)
    """

    _dimensions = 3


class _MaxUnpoolNd(Module):
    _dimensions: int

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        n = self._dimensions
        self.kernel_size = F._as_given(kernel_size, n, "kernel_size")
        self.stride = self.kernel_size if stride is None else F._as_given(stride, n, "stride")
        self.padding = F._as_given(padding, n, "padding")

    @unpooled
    def forward(self, input: Array, indices: Array, output_size: Sequence[int] | None = None) -> Array:
        return F._max_unpool(self._dimensions, input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the maxima of `MaxPool1d` back where they came from, into zeros.

    y[n, c, indices[n,c,p]] = x[n,c,p]; of equal indices the last one stays.

    Args:
        kernel_size: that of the pooling, as are stride and padding.
        stride: None: kernel_size.
        padding: numbers that pooling added at both ends.

    **Shape**: (N, C, P) or (C, P), twice -> (N, C, L) or (C, L), L = (P - 1)·stride - 2·padding + kernel_size.
    `forward(input, indices, output_size)` takes the size of y, since several give the same size of x.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: output_size is farther than stride from that.
        IndexError: an index lies outside of the result.

    Example:
        >>> pool, unpool = nn.MaxPool1d(2, return_indices=True), nn.MaxUnpool1d(2)
        >>> y, indices = pool(np.ones((1, 3, 9), np.float32))
        >>> unpool(y, indices).shape, unpool(y, indices, output_size=(1, 3, 9)).shape
        ((1, 3, 8), (1, 3, 9))
    """

    _dimensions = 1


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts the maxima of `MaxPool2d` back where they came from, into zeros.

    y[n, c, i, j] = x[n,c,p,q] where indices[n,c,p,q] = i·W + j; of equal indices the last one stays.

    Args:
        kernel_size: that of the pooling, as are stride and padding; one int stands for both directions.
        stride: None: kernel_size.
        padding: rows and columns that pooling added on all sides.

    **Shape**: (N, C, P, Q) or (C, P, Q), twice -> (N, C, H, W) or (C, H, W),
    H = (P - 1)·stride[0] - 2·padding[0] + kernel_size[0] and W alike.
    `forward(input, indices, output_size)` takes the size of y, since several give the same size of x.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: output_size is farther than stride from that.
        IndexError: an index lies outside of the result.

    Example:
        >>> pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        >>> y, indices = pool(np.ones((1, 3, 8, 9), np.float32))
        >>> unpool(y, indices).shape, unpool(y, indices, output_size=(1, 3, 8, 9)).shape
        ((1, 3, 8, 8), (1, 3, 8, 9))
    """

    _dimensions = 2


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts the maxima of `MaxPool3d` back where they came from, into zeros.

    y[n, c, i, j, k] = x[n,c,o,p,q] where indices[n,c,o,p,q] = (i·H + j)·W + k; of equal indices the last one stays.

    Args:
        kernel_size: that of the pooling, as are stride and padding; one int stands for all directions.
        stride: None: kernel_size.
        padding: planes, rows and columns that pooling added on all sides.

    **Shape**: (N, C, O, P, Q) or (C, O, P, Q), twice -> (N, C, D, H, W) or (C, D, H, W),
    D = (O - 1)·stride[0] - 2·padding[0] + kernel_size[0], H and W alike.
    `forward(input, indices, output_size)` takes the size of y, since several give the same size of x.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: output_size is farther than stride from that.
        IndexError: an index lies outside of the result.

    Example:
        >>> pool, unpool = nn.MaxPool3d(2, return_indices=True), nn.MaxUnpool3d(2)
        >>> y, indices = pool(np.ones((1, 3, 4, 8, 9), np.float32))
        >>> unpool(y, indices).shape, unpool(y, indices, output_size=(1, 3, 4, 8, 9)).shape
        ((1, 3, 4, 8, 8), (1, 3, 4, 8, 9))
    """

    _dimensions = 3
