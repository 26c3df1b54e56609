"""Layers that put a border round signals, images and volumes."""

from __future__ import annotations

from .. import functional as F
from ..errors import ShapeError
from ._signatures import one_input
from .module import Module
from .utils import Array, Size

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """A border of `padding` round the last dimensions."""

    _dimensions: int
    _mode: str
    padding: tuple[int, ...]

    def __init__(self, padding: Size) -> None:
        super().__init__()
        self.padding = F._ints(padding, 2 * self._dimensions, "padding")

    @one_input
    def forward(self, input: Array) -> Array:
        x = F._as_array(input)
        n = self._dimensions
        if x.ndim not in (n + 1, n + 2):
            raise ShapeError(f"expected {n + 1}D or {n + 2}D input (got {x.ndim}D input of shape {tuple(x.shape)})")
        return F.pad(x, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(Module):
    """A border of one value round the last dimensions of any array."""

    _dimensions: int
    padding: tuple[int, ...]
    value: float

    def __init__(self, padding: Size, value: float) -> None:
        super().__init__()
        self.padding = F._ints(padding, 2 * self._dimensions, "padding")
        self.value = value

    @one_input
    def forward(self, input: Array) -> Array:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Size) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class CircularPad1d(_PadNd):
    """Puts a border round signals that continues them from the opposite side.

    y[..., i] = x[..., (i - before) mod D]

    Args:
        padding: (left, right); one int stands for all sides.

    **Shape**: (N, C, L) or (C, L) -> (N, C, left + L + right) or (C, left + L + right).

    Raises:
        ValueError: padding is neither an int nor 2 ints.
        ShapeError: the input has the wrong number of dimensions, or a border is wider than the signal.

    Example:
        >>> nn.CircularPad1d(1)(np.ones((2, 3, 4), np.float32)).shape
        (2, 3, 6)
    """

    _dimensions = 1
    _mode = "circular"


class CircularPad2d(_PadNd):
    """Puts a border round images that continues them from the opposite side.

    y[..., i] = x[..., (i - before) mod D]

    Args:
        padding: (left, right, top, bottom); one int stands for all sides.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 4 ints.
        ShapeError: the input has the wrong number of dimensions, or a border is wider than the image.

    Example:
        >>> nn.CircularPad2d(1)(np.ones((2, 3, 4, 5), np.float32)).shape
        (2, 3, 6, 7)
    """

    _dimensions = 2
    _mode = "circular"


class CircularPad3d(_PadNd):
    """Puts a border round volumes that continues them from the opposite side.

    y[..., i] = x[..., (i - before) mod D]

    Args:
        padding: (left, right, top, bottom, front, back); one int stands for all sides.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, front + D + back, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 6 ints.
        ShapeError: the input has the wrong number of dimensions, or a border is wider than the volume.

    Example:
        >>> nn.CircularPad3d(1)(np.ones((2, 3, 4, 4, 5), np.float32)).shape
        (2, 3, 6, 6, 7)
    """

    _dimensions = 3
    _mode = "circular"


class ConstantPad1d(_ConstantPadNd):
    """Puts a border of one value round signals; negative numbers cut signals off.

    y[..., i] = x[..., i - before] inside, value outside

    Args:
        padding: (left, right); one int stands for all sides.
        value: what fills the border.

    **Shape**: (N, C, L) or (C, L) -> (N, C, left + L + right) or (C, left + L + right).

    Raises:
        ValueError: padding is neither an int nor 2 ints.

    Example:
        >>> nn.ConstantPad1d(1, 7.0)(np.ones((2, 3, 4), np.float32)).shape
        (2, 3, 6)
    """

    _dimensions = 1


class ConstantPad2d(_ConstantPadNd):
    """Puts a border of one value round images; negative numbers cut images off.

    y[..., i] = x[..., i - before] inside, value outside

    Args:
        padding: (left, right, top, bottom); one int stands for all sides.
        value: what fills the border.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 4 ints.

    Example:
        >>> nn.ConstantPad2d(1, 7.0)(np.ones((2, 3, 4, 5), np.float32)).shape
        (2, 3, 6, 7)
    """

    _dimensions = 2


class ConstantPad3d(_ConstantPadNd):
    """Puts a border of one value round volumes; negative numbers cut volumes off.

    y[..., i] = x[..., i - before] inside, value outside

    Args:
        padding: (left, right, top, bottom, front, back); one int stands for all sides.
        value: what fills the border.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, front + D + back, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 6 ints.

    Example:
        >>> nn.ConstantPad3d(1, 7.0)(np.ones((2, 3, 4, 4, 5), np.float32)).shape
        (2, 3, 6, 6, 7)
    """

    _dimensions = 3


class ReflectionPad1d(_PadNd):
    """Puts a border round signals that mirrors them at their edge elements.

    y[..., i] = x[..., |i - before|] at the front, mirrored alike at the end

    Args:
        padding: (left, right); one int stands for all sides.

    **Shape**: (N, C, L) or (C, L) -> (N, C, left + L + right) or (C, left + L + right).

    Raises:
        ValueError: padding is neither an int nor 2 ints.
        ShapeError: the input has the wrong number of dimensions, or a border is as wide as the signal or wider.

    Example:
        >>> nn.ReflectionPad1d(1)(np.ones((2, 3, 4), np.float32)).shape
        (2, 3, 6)
    """

    _dimensions = 1
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """Puts a border round images that mirrors them at their edge elements.

    y[..., i] = x[..., |i - before|] at the front, mirrored alike at the end

    Args:
        padding: (left, right, top, bottom); one int stands for all sides.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 4 ints.
        ShapeError: the input has the wrong number of dimensions, or a border is as wide as the image or wider.

    Example:
        >>> nn.ReflectionPad2d(1)(np.ones((2, 3, 4, 5), np.float32)).shape
        (2, 3, 6, 7)
    """

    _dimensions = 2
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """Puts a border round volumes that mirrors them at their edge elements.

    y[..., i] = x[..., |i - before|] at the front, mirrored alike at the end

    Args:
        padding: (left, right, top, bottom, front, back); one int stands for all sides.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, front + D + back, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 6 ints.
        ShapeError: the input has the wrong number of dimensions, or a border is as wide as the volume or wider.

    Example:
        >>> nn.ReflectionPad3d(1)(np.ones((2, 3, 4, 4, 5), np.float32)).shape
        (2, 3, 6, 6, 7)
    """

    _dimensions = 3
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """Puts a border round signals that repeats their edge elements.

    y[..., i] = x[..., min(max(0, i - before), D - 1)]

    Args:
        padding: (left, right); one int stands for all sides.

    **Shape**: (N, C, L) or (C, L) -> (N, C, left + L + right) or (C, left + L + right).

    Raises:
        ValueError: padding is neither an int nor 2 ints.
        ShapeError: the input has the wrong number of dimensions, or the signal is empty.

    Example:
        >>> nn.ReplicationPad1d(1)(np.ones((2, 3, 4), np.float32)).shape
        (2, 3, 6)
    """

    _dimensions = 1
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """Puts a border round images that repeats their edge elements.

    y[..., i] = x[..., min(max(0, i - before), D - 1)]

    Args:
        padding: (left, right, top, bottom); one int stands for all sides.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 4 ints.
        ShapeError: the input has the wrong number of dimensions, or the image is empty.

    Example:
        >>> nn.ReplicationPad2d(1)(np.ones((2, 3, 4, 5), np.float32)).shape
        (2, 3, 6, 7)
    """

    _dimensions = 2
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """Puts a border round volumes that repeats their edge elements.

    y[..., i] = x[..., min(max(0, i - before), D - 1)]

    Args:
        padding: (left, right, top, bottom, front, back); one int stands for all sides.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, front + D + back, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 6 ints.
        ShapeError: the input has the wrong number of dimensions, or the volume is empty.

    Example:
        >>> nn.ReplicationPad3d(1)(np.ones((2, 3, 4, 4, 5), np.float32)).shape
        (2, 3, 6, 6, 7)
    """

    _dimensions = 3
    _mode = "replicate"


class ZeroPad1d(_ZeroPadNd):
    """Puts a border of zeros round signals; negative numbers cut signals off.

    y[..., i] = x[..., i - before] inside, 0 outside

    Args:
        padding: (left, right); one int stands for all sides.

    **Shape**: (N, C, L) or (C, L) -> (N, C, left + L + right) or (C, left + L + right).

    Raises:
        ValueError: padding is neither an int nor 2 ints.

    Example:
        >>> nn.ZeroPad1d(1)(np.ones((2, 3, 4), np.float32)).shape
        (2, 3, 6)
    """

    _dimensions = 1


class ZeroPad2d(_ZeroPadNd):
    """Puts a border of zeros round images; negative numbers cut images off.

    y[..., i] = x[..., i - before] inside, 0 outside

    Args:
        padding: (left, right, top, bottom); one int stands for all sides.

    **Shape**: (N, C, H, W) or (C, H, W) -> (N, C, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 4 ints.

    Example:
        >>> nn.ZeroPad2d(1)(np.ones((2, 3, 4, 5), np.float32)).shape
        (2, 3, 6, 7)
    """

    _dimensions = 2


class ZeroPad3d(_ZeroPadNd):
    """Puts a border of zeros round volumes; negative numbers cut volumes off.

    y[..., i] = x[..., i - before] inside, 0 outside

    Args:
        padding: (left, right, top, bottom, front, back); one int stands for all sides.

    **Shape**: (N, C, D, H, W) or (C, D, H, W) -> (N, C, front + D + back, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: padding is neither an int nor 6 ints.

    Example:
        >>> nn.ZeroPad3d(1)(np.ones((2, 3, 4, 4, 5), np.float32)).shape
        (2, 3, 6, 6, 7)
    """

    _dimensions = 3
