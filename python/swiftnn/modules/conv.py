"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .. import init
from .._native import conv_forward, conv_transpose_forward
from ..errors import ShapeError
from ..parameter import UninitializedParameter
from ..tensor import Parameter
from ._signatures import input_and_size, one_input
from .lazy import LazyModuleMixin
from .module import Module
from .utils import Array, Size, count, element_type, parameter, size

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
# What _arguments are computed from.
_GEOMETRY = frozenset(
    ("kernel_size", "stride", "padding", "output_padding", "dilation", "groups", "padding_mode", "_reversed_padding_repeated_twice")
)


class _ConvNd(Module):
    """Parameters and checks of the convolutions, whatever their dimensions."""

    _dimensions: int
    transposed: bool = False

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Parameter
    bias: Parameter | None
    _reversed_padding_repeated_twice: list[int]
    # What forward passes on, recomputed after an attribute has been set; None: not computed yet.
    _arguments: list[Any] | None = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self._build(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype, 0)

    def _build(
        self, in_channels: Any, out_channels: Any, kernel_size: Size, stride: Size, padding: str | Size, dilation: Size, groups: Any,
        bias: bool, padding_mode: str, device: Any, dtype: DTypeLike | None, output_padding: Size,
    ) -> None:  # fmt: skip
        super().__init__()
        n = self._dimensions
        kind = element_type(device, dtype)
        groups = size(groups, "groups")
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, but got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if count(channels, name) % groups != 0:
                raise ValueError(f"{name} must be divisible by groups, but got {name}={channels} and groups={groups}")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {_PADDING_MODES}, but got padding_mode={padding_mode!r}")
        self.in_channels = size(in_channels, "in_channels")
        self.out_channels = size(out_channels, "out_channels")
        self.kernel_size = F._ints(kernel_size, n, "kernel_size")
        self.stride = F._as_given(stride, n, "stride")
        self.dilation = F._as_given(dilation, n, "dilation")
        self.padding = padding if isinstance(padding, str) else F._conv_padding(padding, n)
        self.output_padding = F._as_given(output_padding, n, "output_padding")
        self.groups = groups
        self.padding_mode = padding_mode
        sides = self._sides()
        self._reversed_padding_repeated_twice = [p for d in range(n - 1, -1, -1) for p in sides[2 * d : 2 * d + 2]]
        channels = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        self.weight = parameter((channels[0], channels[1] // groups, *self.kernel_size), kind)
        if bias:
            self.bias = parameter(self.out_channels, kind)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _sides(self) -> tuple[int, ...]:
        """The padding before and after each dimension."""
        n = self._dimensions
        if isinstance(self.padding, str):
            stride, dilation = F._ints(self.stride, n, "stride"), F._ints(self.dilation, n, "dilation")
            return F._named_padding(self.padding, self.kernel_size, stride, dilation)
        padding = F._conv_padding(self.padding, n)
        return padding if len(padding) == 2 * n else tuple(p for p in padding for _ in range(2))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _GEOMETRY:
            self.__dict__["_arguments"] = None

    def _prepare(self) -> tuple[Any, ...]:
        # In place before the attributes are read: a list that another thread's change takes away meanwhile is filled for nobody.
        kept = self.__dict__["_arguments"] = []
        arguments = self._geometry()
        kept.extend(arguments)
        return arguments

    def _geometry(self) -> tuple[Any, ...]:
        n = self._dimensions
        zeros = self.padding_mode == "zeros"
        padding = (0,) * n if not zeros else self._sides() if isinstance(self.padding, str) else F._conv_padding(self.padding, n)
        border = None if zeros else tuple(self._reversed_padding_repeated_twice)
        stride, dilation = F._ints(self.stride, n, "stride"), F._ints(self.dilation, n, "dilation")
        return stride, padding, dilation, size(self.groups, "groups"), -1, border

    def reset_parameters(self) -> None:
        """Draws new weights."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def _conv_forward(self, input: Array, weight: Array, bias: Array | None) -> Array:
        # Named, not passed on as *arguments: making a list and a tuple of them costs as much as a small convolution's checks.
        stride, padding, dilation, groups, activation, border = self._arguments or self._prepare()
        if border is not None:
            input = F.pad(input, border, self.padding_mode)
        return conv_forward(input, weight, bias, stride, padding, dilation, groups, activation)

    @one_input
    def forward(self, input: Array) -> Array:
        return self._conv_forward(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        n = self._dimensions
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * n:
            s += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            s += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        if self.padding_mode != "zeros":
            s += f", padding_mode={self.padding_mode}"
        return s


class Conv1d(_ConvNd):
    """Correlates signals with learned filters.

    y[n,o,p] = b[o] + Σ_{c,r} W[o,c,r] x[n, c, p·stride + r·dilation - padding]

    Args:
        in_channels: C, channels of the input.
        out_channels: O, channels of the output.
        kernel_size: R, length of the filters.
        stride: step of the filters.
        padding: added on both sides: an int, (before, after), 'valid' (none) or 'same' (the output is as long as the input).
        dilation: distance of the filters' taps.
        groups: number of blocks of channels that do not see each other; groups = in_channels is a depthwise convolution.
        bias: False leaves b out.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, L) or (C, L) -> (N, O, P) or (O, P), P = ⌊(L + 2·padding - dilation·(R-1) - 1) / stride⌋ + 1.

    weight (O, C/groups, R) and bias (O) start from U(-√k, √k), k = groups / (C·R).

    Raises:
        ValueError: groups does not divide the channels, the padding is unknown, or 'same' meets a stride.
        ShapeError: the input does not fit.

    Differences from PyTorch:
        Padding may be (left, right), where PyTorch raises; results are contiguous whatever the layout of the input.

    Example:
        >>> nn.Conv1d(16, 33, 3, stride=2)(np.ones((20, 16, 50), np.float32)).shape
        (20, 33, 24)
    """

    _dimensions = 1


class Conv2d(_ConvNd):
    """Correlates images with learned filters.

    y[n,o,p,q] = b[o] + Σ_{c,r,s} W[o,c,r,s] x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    Args:
        in_channels: C, channels of the input.
        out_channels: O, channels of the output.
        kernel_size: (R, S), size of the filters; one int stands for both, here and below.
        stride: step of the filters.
        padding: added on all sides: an int, (vertical, horizontal), (top, bottom, left, right), 'valid' (none) or 'same' (the
            output is as large as the input).
        dilation: distance of the filters' taps.
        groups: number of blocks of channels that do not see each other; groups = in_channels is a depthwise convolution.
        bias: False leaves b out.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, O, P, Q) or (O, P, Q),
    P = ⌊(H + 2·padding[0] - dilation[0]·(R-1) - 1) / stride[0]⌋ + 1, Q = ⌊(W + 2·padding[1] - dilation[1]·(S-1) - 1) / stride[1]⌋ + 1.

    weight (O, C/groups, R, S) and bias (O) start from U(-√k, √k), k = groups / (C·R·S).

    Raises:
        ValueError: groups does not divide the channels, the padding is unknown, or 'same' meets a stride.
        ShapeError: the input does not fit.

    Differences from PyTorch:
        Padding may be (top, bottom, left, right), where PyTorch raises; results are contiguous (N, O, P, Q), also for channels-last inputs.

    Example:
        >>> nn.Conv2d(3, 64, kernel_size=3, padding=1)(np.ones((16, 3, 24, 24), np.float32)).shape
        (16, 64, 24, 24)
    """

    _dimensions = 2


class Conv3d(_ConvNd):
    """Correlates volumes, or videos, with learned filters.

    y[n,o,e,p,q] = b[o] + Σ_{c,t,r,s} W[o,c,t,r,s] x[n, c, e·stride + t·dilation - padding, p·stride + r·dilation - padding,
    q·stride + s·dilation - padding]

    Args:
        in_channels: C, channels of the input.
        out_channels: O, channels of the output.
        kernel_size: (T, R, S), size of the filters; one int stands for all three, here and below.
        stride: step of the filters.
        padding: added on all sides: an int, three ints, six (before and after each dimension), 'valid' (none) or 'same' (the output is as
            large as the input).
        dilation: distance of the filters' taps.
        groups: number of blocks of channels that do not see each other.
        bias: False leaves b out.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, O, E, P, Q) or (O, E, P, Q),
    E = ⌊(D + 2·padding[0] - dilation[0]·(T-1) - 1) / stride[0]⌋ + 1, P and Q alike.

    weight (O, C/groups, T, R, S) and bias (O) start from U(-√k, √k), k = groups / (C·T·R·S).

    Raises:
        ValueError: groups does not divide the channels, the padding is unknown, or 'same' meets a stride.
        ShapeError: the input does not fit.

    Differences from PyTorch:
        Padding may be six ints, where PyTorch raises; results are contiguous whatever the layout of the input.

    Example:
        >>> nn.Conv3d(16, 33, 3, stride=2)(np.ones((2, 16, 10, 20, 20), np.float32)).shape
        (2, 33, 4, 9, 9)
    """

    _dimensions = 3

    def _conv_forward(self, input: Array, weight: Array, bias: Array | None) -> Array:
        stride, padding, dilation, groups, _, border = self._arguments or self._prepare()
        if border is not None:
            input = F.pad(input, border, self.padding_mode)
        return F._volumes(input, weight, bias, stride, padding, dilation, groups)


class _ConvTransposeNd(_ConvNd):
    """What the transposed convolutions share."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, but got padding_mode={padding_mode!r}')
        padding = F._as_given(padding, self._dimensions, "padding")
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype, output_padding
        )

    def _geometry(self) -> tuple[Any, ...]:
        n = self._dimensions
        steps = (F._ints(getattr(self, name), n, name) for name in ("stride", "padding", "output_padding", "dilation"))
        return *steps, size(self.groups, "groups")

    def _output_padding(self, shape: tuple[int, ...], output_size: Sequence[int], *steps: tuple[int, ...]) -> tuple[int, ...]:
        """What has to be added to the smallest result for an input of this shape. steps: stride, padding, dilation."""
        n = self._dimensions
        leading = len(shape) - n
        if not isinstance(output_size, Iterable):
            raise TypeError(f"output_size must be {n} ints, but got {output_size!r}")
        sizes = tuple(size(v, "output_size") for v in output_size)
        wanted = sizes[leading:] if len(sizes) == n + leading else sizes
        if len(wanted) != n:
            raise ValueError(f"output_size must have {n} or {n + leading} numbers for an input of shape {shape}, but got {output_size}")
        added: list[int] = []
        for length, k, stride, padding, dilation, want in zip(shape[leading:], self.kernel_size, *steps, wanted, strict=True):
            least = (length - 1) * stride - 2 * padding + dilation * (k - 1) + 1
            if not least <= want < least + stride:
                raise ValueError(
                    f"output_size is {tuple(output_size)}, but an input of shape {shape} gives from {least} to {least + stride - 1} where "
                    f"{want} is asked for"
                )
            added.append(want - least)
        return tuple(added)

    @input_and_size
    def forward(self, input: Array, output_size: Sequence[int] | None = None) -> Array:
        stride, padding, output_padding, dilation, groups = self._arguments or self._prepare()
        if output_size is not None:
            output_padding = self._output_padding(np.shape(input), output_size, stride, padding, dilation)
        if self._dimensions == 3:
            return F._volumes_transposed(input, self.weight, self.bias, stride, padding, output_padding, dilation, groups)
        return conv_transpose_forward(input, self.weight, self.bias, stride, padding, output_padding, dilation, groups)


class ConvTranspose1d(_ConvTransposeNd):
    """Adds up a learned filter for every number of a signal: upsampling that is learned. It is the gradient of `Conv1d` with respect to its
    input, also called a deconvolution, though it undoes none.

    y[n,o,i] = b[o] + Σ W[c,o,r] x[n,c,p] over all c, p and r with p·stride + r·dilation - padding = i

    Args:
        in_channels: C, channels of the input.
        out_channels: O, channels of the output.
        kernel_size: R, length of the filters.
        stride: distance of the filters in the output.
        padding: numbers taken off both ends of the output.
        output_padding: numbers added at its end, less than stride or dilation.
        groups: number of blocks of channels that do not see each other.
        bias: False leaves b out.
        dilation: distance of the filters' taps.
        padding_mode: 'zeros' is the only one.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, L) or (C, L) -> (N, O, P) or (O, P), P = (L - 1)·stride - 2·padding + dilation·(R-1) + output_padding + 1.
    `forward(input, output_size)` takes P instead of output_padding.

    weight (C, O/groups, R) and bias (O) start from U(-√k, √k), k = groups / (O·R).

    Raises:
        ValueError: groups does not divide the channels, the padding mode is not 'zeros', or output_padding is too large.
        ShapeError: the input does not fit.

    Example:
        >>> nn.ConvTranspose1d(16, 33, 4, stride=2, padding=1)(np.ones((20, 16, 50), np.float32)).shape
        (20, 33, 100)
    """

    _dimensions = 1


class ConvTranspose2d(_ConvTransposeNd):
    """Adds up a learned filter for every pixel: upsampling that is learned, in decoders, generators and U-Nets. It is the gradient of
    `Conv2d` with respect to its input, also called a deconvolution, though it undoes none.

    y[n,o,i,j] = b[o] + Σ W[c,o,r,s] x[n,c,p,q] over all c, p, q, r and s with p·stride + r·dilation - padding = i, and
    q·stride + s·dilation - padding = j

    Args:
        in_channels: C, channels of the input.
        out_channels: O, channels of the output.
        kernel_size: (R, S), size of the filters; one int stands for both, here and below.
        stride: distance of the filters in the output.
        padding: rows and columns taken off all sides of the output.
        output_padding: rows and columns added at the bottom and on the right, less than stride or dilation.
        groups: number of blocks of channels that do not see each other.
        bias: False leaves b out.
        dilation: distance of the filters' taps.
        padding_mode: 'zeros' is the only one.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, O, P, Q) or (O, P, Q), P = (H - 1)·stride[0] - 2·padding[0] + dilation[0]·(R-1) +
    output_padding[0] + 1 and Q alike. `forward(input, output_size)` takes (P, Q) instead of output_padding.

    weight (C, O/groups, R, S) and bias (O) start from U(-√k, √k), k = groups / (O·R·S).

    Raises:
        ValueError: groups does not divide the channels, the padding mode is not 'zeros', or output_padding is too large.
        ShapeError: the input does not fit.

    Example:
        >>> up = nn.ConvTranspose2d(16, 8, kernel_size=2, stride=2)
        >>> up(np.ones((1, 16, 24, 24), np.float32)).shape
        (1, 8, 48, 48)
        >>> nn.ConvTranspose2d(16, 8, 3, stride=2)(np.ones((1, 16, 24, 24), np.float32), output_size=(50, 50)).shape
        (1, 8, 50, 50)
    """

    _dimensions = 2


class ConvTranspose3d(_ConvTransposeNd):
    """Adds up a learned filter for every voxel: upsampling that is learned, of volumes or videos. It is the gradient of `Conv3d` with
    respect to its input, also called a deconvolution, though it undoes none.

    y[n,o,i,j,k] = b[o] + Σ W[c,o,t,r,s] x[n,c,d,p,q] over all c, d, p, q, t, r and s with d·stride + t·dilation - padding = i,
    p·stride + r·dilation - padding = j, and q·stride + s·dilation - padding = k

    Args:
        in_channels: C, channels of the input.
        out_channels: O, channels of the output.
        kernel_size: (T, R, S), size of the filters; one int stands for all three, here and below.
        stride: distance of the filters in the output.
        padding: taken off all sides of the output.
        output_padding: added at the end of each dimension, less than stride or dilation.
        groups: number of blocks of channels that do not see each other.
        bias: False leaves b out.
        dilation: distance of the filters' taps.
        padding_mode: 'zeros' is the only one.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, O, E, P, Q) or (O, E, P, Q), E = (D - 1)·stride[0] - 2·padding[0] +
    dilation[0]·(T-1) + output_padding[0] + 1, P and Q alike. `forward(input, output_size)` takes (E, P, Q) instead of output_padding.

    weight (C, O/groups, T, R, S) and bias (O) start from U(-√k, √k), k = groups / (O·T·R·S).

    Raises:
        ValueError: groups does not divide the channels, the padding mode is not 'zeros', or output_padding is too large.
        ShapeError: the input does not fit.

    Example:
        >>> up = nn.ConvTranspose3d(16, 8, kernel_size=2, stride=2)
        >>> up(np.ones((1, 16, 4, 12, 12), np.float32)).shape
        (1, 8, 8, 24, 24)
    """

    _dimensions = 3


class _LazyConvNd(LazyModuleMixin, _ConvNd):
    """What makes a convolution lazy: in_channels is 0 until the first input."""

    def _wait(self, out_channels: Any, bias: bool, device: Any, dtype: DTypeLike | None) -> None:
        self.out_channels = count(out_channels, "out_channels")
        if self.out_channels % self.groups != 0:
            raise ValueError(f"out_channels must be divisible by groups, but got out_channels={out_channels} and groups={self.groups}")
        self.weight = UninitializedParameter(True, device, dtype)
        if bias:
            self.bias = UninitializedParameter(True, device, dtype)

    def reset_parameters(self) -> None:
        """Draws new weights, once their shape is known."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Array, *args: Any, **kwargs: Any) -> None:
        """Takes in_channels from the input, and draws weights that have not been loaded."""
        n, groups = self._dimensions, self.groups
        shape = np.shape(input)
        if len(shape) not in (n + 1, n + 2):
            raise ShapeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but got input of size: {shape}"
            )
        c, o = shape[-n - 1], self.out_channels
        if c % groups != 0:
            raise ValueError(f"in_channels must be divisible by groups, but input of shape {shape} has {c} channels and groups={groups}")
        channels = (c, o // groups) if self.transposed else (o, c // groups)
        self._start({"in_channels": c}, weight=(*channels, *self.kernel_size), bias=(o,))


class _LazyConv(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._wait(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode)
        self._wait(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` that takes in_channels from its first input.

    y[n,o,p] = b[o] + Σ_{c,r} W[o,c,r] x[n, c, p·stride + r·dilation - padding]

    Its weight and bias are uninitialised until it is called, or an initialised state dict is loaded; with the first call it becomes a
    `Conv1d`.

    Args:
        out_channels: O, channels of the output.
        kernel_size: size of the filters.
        stride: step of the filters.
        padding: see `Conv1d`.
        dilation: distance of the filters' taps.
        groups: number of blocks of channels that do not see each other, a divisor of the channels.
        bias: False leaves b out.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, L) or (C, L) -> (N, O, P) or (O, P), as of `Conv1d`.

    Raises:
        ValueError: groups does not divide the channels, an option is wrong, or weights are used before the first call.
        ShapeError: the input does not fit.

    Example:
        >>> layer = nn.LazyConv1d(33, 3)
        >>> layer(np.ones((2, 16, 50), np.float32)).shape
        (2, 33, 48)
        >>> layer
        Conv1d(16, 33, kernel_size=(3,), stride=(1,))
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` that takes in_channels from its first input.

    y[n,o,p,q] = b[o] + Σ_{c,r,s} W[o,c,r,s] x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding]

    Its weight and bias are uninitialised until it is called, or an initialised state dict is loaded; with the first call it becomes a
    `Conv2d`.

    Args:
        out_channels: O, channels of the output.
        kernel_size: size of the filters.
        stride: step of the filters.
        padding: see `Conv2d`.
        dilation: distance of the filters' taps.
        groups: number of blocks of channels that do not see each other, a divisor of the channels.
        bias: False leaves b out.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, O, P, Q) or (O, P, Q), as of `Conv2d`.

    Raises:
        ValueError: groups does not divide the channels, an option is wrong, or weights are used before the first call.
        ShapeError: the input does not fit.

    Example:
        >>> layer = nn.LazyConv2d(33, 3)
        >>> layer(np.ones((2, 16, 9, 9), np.float32)).shape
        (2, 33, 7, 7)
        >>> layer
        Conv2d(16, 33, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` that takes in_channels from its first input.

    y[n,o,e,p,q] = b[o] + Σ_{c,t,r,s} W[o,c,t,r,s] x[n, c, e·stride + t·dilation - padding, p·stride + r·dilation - padding,
    q·stride + s·dilation - padding]

    Its weight and bias are uninitialised until it is called, or an initialised state dict is loaded; with the first call it becomes a
    `Conv3d`.

    Args:
        out_channels: O, channels of the output.
        kernel_size: size of the filters.
        stride: step of the filters.
        padding: see `Conv3d`.
        dilation: distance of the filters' taps.
        groups: number of blocks of channels that do not see each other, a divisor of the channels.
        bias: False leaves b out.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, O, E, P, Q) or (O, E, P, Q), as of `Conv3d`.

    Raises:
        ValueError: groups does not divide the channels, an option is wrong, or weights are used before the first call.
        ShapeError: the input does not fit.

    Example:
        >>> layer = nn.LazyConv3d(33, 3)
        >>> layer(np.ones((2, 16, 5, 9, 9), np.float32)).shape
        (2, 33, 3, 7, 7)
        >>> layer
        Conv3d(16, 33, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` that takes in_channels from its first input.

    y[n,o,i] = b[o] + Σ W[c,o,r] x[n,c,p] over all c, p and r with p·stride + r·dilation - padding = i

    Its weight and bias are uninitialised until it is called, or an initialised state dict is loaded; with the first call it becomes a
    `ConvTranspose1d`.

    Args:
        out_channels: O, channels of the output.
        kernel_size: size of the filters.
        stride: distance of the filters in the output.
        padding: see `ConvTranspose1d`.
        output_padding: see `ConvTranspose1d`.
        groups: number of blocks of channels that do not see each other, a divisor of the channels.
        bias: False leaves b out.
        dilation: distance of the filters' taps.
        padding_mode: 'zeros' is the only one.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, L) or (C, L) -> (N, O, P) or (O, P), as of `ConvTranspose1d`.

    Raises:
        ValueError: groups does not divide the channels, an option is wrong, or weights are used before the first call.
        ShapeError: the input does not fit.

    Example:
        >>> layer = nn.LazyConvTranspose1d(33, 3)
        >>> layer(np.ones((2, 16, 50), np.float32)).shape
        (2, 33, 52)
        >>> layer
        ConvTranspose1d(16, 33, kernel_size=(3,), stride=(1,))
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` that takes in_channels from its first input.

    y[n,o,i,j] = b[o] + Σ W[c,o,r,s] x[n,c,p,q] over all c, p, q, r and s with p·stride + r·dilation - padding = i, and
    q·stride + s·dilation - padding = j

    Its weight and bias are uninitialised until it is called, or an initialised state dict is loaded; with the first call it becomes a
    `ConvTranspose2d`.

    Args:
        out_channels: O, channels of the output.
        kernel_size: size of the filters.
        stride: distance of the filters in the output.
        padding: see `ConvTranspose2d`.
        output_padding: see `ConvTranspose2d`.
        groups: number of blocks of channels that do not see each other, a divisor of the channels.
        bias: False leaves b out.
        dilation: distance of the filters' taps.
        padding_mode: 'zeros' is the only one.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, O, P, Q) or (O, P, Q), as of `ConvTranspose2d`.

    Raises:
        ValueError: groups does not divide the channels, an option is wrong, or weights are used before the first call.
        ShapeError: the input does not fit.

    Example:
        >>> layer = nn.LazyConvTranspose2d(33, 3)
        >>> layer(np.ones((2, 16, 9, 9), np.float32)).shape
        (2, 33, 11, 11)
        >>> layer
        ConvTranspose2d(16, 33, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` that takes in_channels from its first input.

    y[n,o,i,j,k] = b[o] + Σ W[c,o,t,r,s] x[n,c,d,p,q] over all c, d, p, q, t, r and s with d·stride + t·dilation - padding = i,
    p·stride + r·dilation - padding = j, and q·stride + s·dilation - padding = k

    Its weight and bias are uninitialised until it is called, or an initialised state dict is loaded; with the first call it becomes a
    `ConvTranspose3d`.

    Args:
        out_channels: O, channels of the output.
        kernel_size: size of the filters.
        stride: distance of the filters in the output.
        padding: see `ConvTranspose3d`.
        output_padding: see `ConvTranspose3d`.
        groups: number of blocks of channels that do not see each other, a divisor of the channels.
        bias: False leaves b out.
        dilation: distance of the filters' taps.
        padding_mode: 'zeros' is the only one.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, O, E, P, Q) or (O, E, P, Q), as of `ConvTranspose3d`.

    Raises:
        ValueError: groups does not divide the channels, an option is wrong, or weights are used before the first call.
        ShapeError: the input does not fit.

    Example:
        >>> layer = nn.LazyConvTranspose3d(33, 3)
        >>> layer(np.ones((2, 16, 5, 9, 9), np.float32)).shape
        (2, 33, 7, 11, 11)
        >>> layer
        ConvTranspose3d(16, 33, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    cls_to_become = ConvTranspose3d
