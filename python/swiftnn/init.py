"""Initial values for parameters: the functions of torch.nn.init, in place on an ndarray or a Parameter.

All random numbers come from swiftnn's counter-based generator, so a seed gives the same weights on every machine.
"""

from __future__ import annotations

import math
import warnings
from _thread import _local
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from . import _native, random
from .tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .random import Generator

    FanMode = Literal["fan_in", "fan_out"]

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

ArrayT = TypeVar("ArrayT", bound="NDArray[Any] | Tensor")

_FLOAT32, _FLOAT64 = 0, 1
_UNIFORM, _NORMAL = 0, 1
# Drawn piece by piece, a large array needs no second one beside it, and a piece stays in the cache until it is copied.
_PIECE = 1 << 16


class _Skipping(_local):
    """Whether this thread draws no values, as utils.skip_init wants it."""

    now = False


_skipping = _Skipping()


def _memory(tensor: Any, function: str) -> NDArray[Any]:
    """The array to write into."""
    array = tensor.data if isinstance(tensor, Tensor) else tensor
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{function}: tensor must be an ndarray, Tensor or Parameter to write into, got {type(tensor).__name__}")
    if not array.flags.writeable:
        raise ValueError(f"{function}: tensor is read-only; pass a writeable array, e.g. tensor.copy()")
    return array


def _code(dtype: np.dtype[Any]) -> int:
    """The kernel's type to draw in, whatever the byte order of the array."""
    return _FLOAT64 if dtype.itemsize > 4 else _FLOAT32


def _draw(shape: tuple[int, ...], dtype: np.dtype[Any], kind: int, a: float, b: float, generator: Generator | None) -> NDArray[Any]:
    seed, offset = (generator or random.default_generator).reserve(math.prod(shape))
    result: NDArray[Any] = _native.random_forward(shape, _code(dtype), kind, a, b, seed, offset)
    return result


def _fill(array: NDArray[Any], kind: int, a: float, b: float, generator: Generator | None, function: str) -> None:
    """Draws into `array`, whose elements take consecutive positions of the stream in C order, whatever its strides are."""
    if array.dtype.kind != "f":
        raise TypeError(f"{function}: tensor must have a floating point dtype, got {array.dtype}; convert it with astype(np.float32)")
    if _skipping.now:
        return
    if not array.flags.c_contiguous:
        array[...] = _draw(array.shape, array.dtype, kind, a, b, generator)
        return
    flat = array.reshape(-1)
    seed, offset = (generator or random.default_generator).reserve(flat.size)
    code = _code(array.dtype)
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        piece[...] = _native.random_forward((piece.size,), code, kind, a, b, seed, offset + start)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights grow to keep the variance of a layer's output through this nonlinearity.

    linear, conv…, sigmoid: 1; tanh: 5/3; relu: √2; leaky_relu: √(2 / (1 + slope²)); selu: 3/4.

    Args:
        nonlinearity: name of the function in `nn.functional`.
        param: negative slope of leaky_relu, 0.01 if `None`.

    Raises:
        ValueError: the nonlinearity is unknown or param is not a number.

    Example:
        >>> round(nn.init.calculate_gain("leaky_relu", 0.2), 4)
        1.3868
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope: Any = 0.01 if param is None else param
        if isinstance(slope, (bool, np.bool_)) or not isinstance(slope, (int, float, np.integer, np.floating)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + float(slope) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4  # found empirically in PyTorch
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}; use one of {', '.join([*_LINEAR, *_NONLINEAR])}")


_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
_NONLINEAR = ("sigmoid", "tanh", "relu", "leaky_relu", "selu")


def _calculate_fan_in_and_fan_out(tensor: NDArray[Any] | Tensor) -> tuple[int, int]:
    """(inputs of an output, outputs of an input) for a weight (out, in, kernel sizes...)."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got shape {shape}")
    receptive_field = math.prod(shape[2:])
    return shape[1] * receptive_field, shape[0] * receptive_field


def _calculate_correct_fan(tensor: NDArray[Any] | Tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode.lower() == "fan_in" else fan_out


def uniform_(tensor: ArrayT, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> ArrayT:
    """Fills with the uniform distribution U(a, b).

    Args:
        tensor: array to write into.
        a: lower bound.
        b: upper bound.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        TypeError: tensor is not an array of floats.
        ValueError: a > b, or tensor is read-only.

    Example:
        >>> w = nn.init.uniform_(np.empty((3, 5), np.float32), -1, 1)
        >>> bool((abs(w) <= 1).all())
        True
    """
    if not a <= b:
        raise ValueError(f"uniform_: expected a <= b, got a={a} and b={b}")
    _fill(_memory(tensor, "uniform_"), _UNIFORM, a, b, generator, "uniform_")
    return tensor


def normal_(tensor: ArrayT, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> ArrayT:
    """Fills with the normal distribution N(mean, std²).

    Args:
        tensor: array to write into.
        mean: mean.
        std: standard deviation, at least 0.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        TypeError: tensor is not an array of floats.
        ValueError: std < 0, or tensor is read-only.

    Example:
        >>> nn.init.normal_(np.empty((3, 5), np.float32)).shape
        (3, 5)
    """
    if not std >= 0:
        raise ValueError(f"normal_: expected std >= 0, got std={std}")
    _fill(_memory(tensor, "normal_"), _NORMAL, mean, std, generator, "normal_")
    return tensor


def trunc_normal_(
    tensor: ArrayT, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Generator | None = None
) -> ArrayT:
    """Fills with N(mean, std²) confined to [a, b]: values outside are drawn again.

    Args:
        tensor: array to write into.
        mean: mean of the normal distribution.
        std: its standard deviation, greater than 0.
        a: smallest value.
        b: largest value.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        TypeError: tensor is not an array of floats.
        ValueError: std <= 0, a > b, or tensor is read-only.

    Example:
        >>> w = nn.init.trunc_normal_(np.empty((3, 5), np.float32), std=0.02, a=-0.04, b=0.04)
        >>> bool((abs(w) <= 0.04).all())
        True
    """
    array = _memory(tensor, "trunc_normal_")
    if array.dtype.kind != "f":
        raise TypeError(f"trunc_normal_: tensor must have a floating point dtype, got {array.dtype}; convert it with astype(np.float32)")
    if not std > 0:
        raise ValueError(f"trunc_normal_: expected std > 0, got std={std}")
    if not a <= b:
        raise ValueError(f"trunc_normal_: expected a <= b, got a={a} and b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.", stacklevel=2
        )
    # Bounds as the array can represent them, so that no value rounds to the outside.
    low, high = array.dtype.type(a), array.dtype.type(b)
    inside = (math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))) / 2
    values = np.empty(array.size, array.dtype)
    pending = np.arange(array.size)
    if inside > 0.3:
        while pending.size:
            drawn = _draw((pending.size,), array.dtype, _NORMAL, mean, std, generator).astype(array.dtype, copy=False)
            accepted = (drawn >= low) & (drawn <= high)
            values[pending[accepted]] = drawn[accepted]
            pending = pending[~accepted]
    else:
        # Hardly any normal draw would fall inside: draw uniformly in [a, b] and accept in proportion to the density.
        log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
        while pending.size:
            drawn = _draw((pending.size,), array.dtype, _UNIFORM, a, b, generator).astype(array.dtype, copy=False)
            level = _draw((pending.size,), np.dtype(np.float64), _UNIFORM, 0.0, 1.0, generator)
            density = np.exp(-0.5 * ((drawn.astype(np.float64) - mean) / std) ** 2 - log_peak)
            accepted = (level < density) & (drawn >= low) & (drawn <= high)
            values[pending[accepted]] = drawn[accepted]
            pending = pending[~accepted]
    array[...] = values.reshape(array.shape)
    return tensor


def constant_(tensor: ArrayT, val: float) -> ArrayT:
    """Fills with the value `val`.

    Args:
        tensor: array to write into.
        val: the value.

    Returns:
        tensor

    Example:
        >>> nn.init.constant_(np.empty(3, np.float32), 0.5)
        array([0.5, 0.5, 0.5], dtype=float32)
    """
    _memory(tensor, "constant_")[...] = val
    return tensor


def ones_(tensor: ArrayT) -> ArrayT:
    """Fills with 1.

    Args:
        tensor: array to write into.

    Returns:
        tensor

    Example:
        >>> nn.init.ones_(np.empty(3, np.float32))
        array([1., 1., 1.], dtype=float32)
    """
    _memory(tensor, "ones_")[...] = 1
    return tensor


def zeros_(tensor: ArrayT) -> ArrayT:
    """Fills with 0.

    Args:
        tensor: array to write into.

    Returns:
        tensor

    Example:
        >>> nn.init.zeros_(np.ones(3, np.float32))
        array([0., 0., 0.], dtype=float32)
    """
    _memory(tensor, "zeros_")[...] = 0
    return tensor


def eye_(tensor: ArrayT) -> ArrayT:
    """Fills a matrix with the identity, so that a Linear layer passes on as many inputs as possible.

    Args:
        tensor: array (n, m) to write into.

    Returns:
        tensor

    Raises:
        ValueError: tensor does not have 2 dimensions.

    Example:
        >>> nn.init.eye_(np.empty((2, 3), np.float32))
        array([[1., 0., 0.],
               [0., 1., 0.]], dtype=float32)
    """
    array = _memory(tensor, "eye_")
    if array.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got shape {array.shape}")
    array[...] = 0
    diagonal = np.arange(min(array.shape))
    array[diagonal, diagonal] = 1
    return tensor


def dirac_(tensor: ArrayT, groups: int = 1) -> ArrayT:
    """Fills a convolution's weight so that it passes on as many input channels as possible.

    Args:
        tensor: array (out, in/groups, kernel sizes...) of 3, 4 or 5 dimensions to write into.
        groups: groups of the convolution; each passes on its own channels.

    Returns:
        tensor

    Raises:
        ValueError: tensor has another number of dimensions, or groups does not divide its first one.

    Example:
        >>> nn.init.dirac_(np.empty((2, 2, 3), np.float32))[0]
        array([[0., 1., 0.],
               [0., 0., 0.]], dtype=float32)
    """
    array = _memory(tensor, "dirac_")
    if array.ndim not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got shape {array.shape}")
    if groups < 1 or array.shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups, got shape {array.shape} and groups={groups}")
    out_per_group = array.shape[0] // groups
    channels = np.arange(min(out_per_group, array.shape[1]))
    array[...] = 0
    for group in range(groups):
        array[(group * out_per_group + channels, channels, *(size // 2 for size in array.shape[2:]))] = 1
    return tensor


def xavier_uniform_(tensor: ArrayT, gain: float = 1.0, generator: Generator | None = None) -> ArrayT:
    """Fills with U(-a, a), a = gain · √(6 / (fan_in + fan_out)).

    Args:
        tensor: weight (out, in, kernel sizes...) to write into.
        gain: factor for the nonlinearity, see `calculate_gain`.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        ValueError: tensor has fewer than 2 dimensions.

    Example:
        >>> w = nn.init.xavier_uniform_(np.empty((3, 5), np.float32), gain=nn.init.calculate_gain("relu"))
        >>> bool((abs(w) <= 2 ** 0.5 * (6 / 8) ** 0.5).all())
        True

    Reference:
        Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks (2010).
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / float(fan_in + fan_out))
    _fill(_memory(tensor, "xavier_uniform_"), _UNIFORM, -bound, bound, generator, "xavier_uniform_")
    return tensor


def xavier_normal_(tensor: ArrayT, gain: float = 1.0, generator: Generator | None = None) -> ArrayT:
    """Fills with N(0, std²), std = gain · √(2 / (fan_in + fan_out)).

    Args:
        tensor: weight (out, in, kernel sizes...) to write into.
        gain: factor for the nonlinearity, see `calculate_gain`.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        ValueError: tensor has fewer than 2 dimensions.

    Example:
        >>> nn.init.xavier_normal_(np.empty((3, 5), np.float32)).shape
        (3, 5)

    Reference:
        Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks (2010).
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    _fill(_memory(tensor, "xavier_normal_"), _NORMAL, 0.0, std, generator, "xavier_normal_")
    return tensor


def kaiming_uniform_(
    tensor: ArrayT, a: float = 0, mode: FanMode = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator | None = None
) -> ArrayT:
    """Fills with U(-bound, bound), bound = gain · √(3 / fan).

    Args:
        tensor: weight (out, in, kernel sizes...) to write into.
        a: negative slope of the leaky_relu after the layer.
        mode: "fan_in" keeps the variance of the forward pass, "fan_out" that of the backward pass.
        nonlinearity: name of the function after the layer, see `calculate_gain`.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        ValueError: tensor has fewer than 2 dimensions, or mode or nonlinearity is unknown.

    Example:
        >>> w = nn.init.kaiming_uniform_(np.empty((3, 6), np.float32), nonlinearity="relu")
        >>> bool((abs(w) <= 1).all())
        True

    Reference:
        He et al.: Delving deep into rectifiers (2015).
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    bound = math.sqrt(3.0) * std
    _fill(_memory(tensor, "kaiming_uniform_"), _UNIFORM, -bound, bound, generator, "kaiming_uniform_")
    return tensor


def kaiming_normal_(
    tensor: ArrayT, a: float = 0, mode: FanMode = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator | None = None
) -> ArrayT:
    """Fills with N(0, std²), std = gain / √fan.

    Args:
        tensor: weight (out, in, kernel sizes...) to write into.
        a: negative slope of the leaky_relu after the layer.
        mode: "fan_in" keeps the variance of the forward pass, "fan_out" that of the backward pass.
        nonlinearity: name of the function after the layer, see `calculate_gain`.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        ValueError: tensor has fewer than 2 dimensions, or mode or nonlinearity is unknown.

    Example:
        >>> nn.init.kaiming_normal_(np.empty((3, 5), np.float32), mode="fan_out").shape
        (3, 5)

    Reference:
        He et al.: Delving deep into rectifiers (2015).
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    _fill(_memory(tensor, "kaiming_normal_"), _NORMAL, 0.0, std, generator, "kaiming_normal_")
    return tensor


def orthogonal_(tensor: ArrayT, gain: float = 1, generator: Generator | None = None) -> ArrayT:
    """Fills with a (semi-)orthogonal matrix times `gain`.

    Args:
        tensor: array to write into; dimensions after the first count as one.
        gain: factor.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        ValueError: tensor has fewer than 2 dimensions.

    Example:
        >>> w = nn.init.orthogonal_(np.empty((3, 5)))
        >>> bool(np.allclose(w @ w.T, np.eye(3)))
        True

    Reference:
        Saxe et al.: Exact solutions to the nonlinear dynamics of learning in deep linear neural networks (2013).
    """
    array = _memory(tensor, "orthogonal_")
    if array.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got shape {array.shape}")
    if array.dtype.kind != "f":
        raise TypeError(f"orthogonal_: tensor must have a floating point dtype, got {array.dtype}; convert it with astype(np.float32)")
    if array.size == 0:
        return tensor
    rows, columns = array.shape[0], array.size // array.shape[0]
    drawn = _draw((rows, columns), np.dtype(np.float64), _NORMAL, 0.0, 1.0, generator)
    q, r = np.linalg.qr(drawn if rows >= columns else drawn.T)
    # The signs make Q uniformly distributed (arXiv:math-ph/0609050).
    q *= np.sign(np.diagonal(r))
    array[...] = gain * (q if rows >= columns else q.T).reshape(array.shape)
    return tensor


def sparse_(tensor: ArrayT, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> ArrayT:
    """Fills a matrix with N(0, std²) and sets a fraction of each column to 0.

    Args:
        tensor: array (n, m) to write into.
        sparsity: fraction of the n elements of each column that are 0, rounded up.
        std: standard deviation of the others.
        generator: source of the numbers, the default one if `None`.

    Returns:
        tensor

    Raises:
        ValueError: tensor does not have 2 dimensions, or sparsity is not in [0, 1].

    Example:
        >>> w = nn.init.sparse_(np.empty((10, 4), np.float32), sparsity=0.3)
        >>> (w == 0).sum(0)
        array([3, 3, 3, 3])

    Reference:
        Martens: Deep learning via Hessian-free optimization (2010).
    """
    array = _memory(tensor, "sparse_")
    if array.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got shape {array.shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: expected sparsity in [0, 1], got {sparsity}")
    rows = array.shape[0]
    zeros = math.ceil(sparsity * rows)
    _fill(array, _NORMAL, 0.0, std, generator, "sparse_")
    # The rows of the smallest keys of a column are a random choice of rows.
    keys = _draw(array.shape, np.dtype(np.float64), _UNIFORM, 0.0, 1.0, generator)
    np.put_along_axis(array, np.argsort(keys, axis=0, kind="stable")[:zeros], 0, axis=0)
    return tensor
