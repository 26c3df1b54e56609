"""Activation functions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .._native import activation_forward, prelu_forward, softmax_forward
from ..errors import ShapeError
from ..tensor import Tensor
from ._arguments import Array, _as_array, _axis, _check_writable, _raw, _width, _write
from ._signatures import input_and_weight, one_input, probabilities

__all__ = [
    "elu",
    "gelu",
    "glu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
]

# The numbers of swiftnn.h.
_RELU, _RELU6, _LEAKY_RELU, _ELU, _GELU, _GELU_TANH, _SILU, _MISH, _SIGMOID, _TANH, _SOFTPLUS, _HARDSWISH = range(12)
_HARDTANH, _HARDSIGMOID, _LOGSIGMOID, _SELU, _SOFTSIGN = range(15, 20)


@one_input
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


@one_input
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


@one_input
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


@input_and_weight
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


@one_input
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


def _activate(x: Any, inplace: bool, kind: int, alpha: float = 0.0, beta: float = 0.0) -> Array:
    if not inplace:
        return activation_forward(x, kind, alpha, beta)
    _check_writable(x)
    return _write(x, activation_forward(x, kind, alpha, beta))


@one_input
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


@probabilities
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


@probabilities
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


@probabilities
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
