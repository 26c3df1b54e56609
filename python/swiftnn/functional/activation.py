"""Activation functions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import operators
from .._native import activation_backward, activation_forward, combine_forward, prelu_forward, softmax_forward
from ..errors import DomainError, ShapeError
from ..init import _UNIFORM, _draw
from ..tape import operation
from ._arguments import Array, _as_array, _axis, _check_writable, _floats, _raw, _real, _whole, _width, _write
from ._signatures import input_and_weight, logits, one_input, probabilities

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

# The numbers of swiftnn.h.
_MULTIPLY = 2
_RELU, _RELU6, _LEAKY_RELU, _ELU, _GELU, _GELU_TANH, _SILU, _MISH, _SIGMOID, _TANH, _SOFTPLUS, _HARDSWISH = range(12)
_LOG = 13
_HARDTANH, _HARDSIGMOID, _LOGSIGMOID, _SELU, _SOFTSIGN, _CELU, _THRESHOLD, _HARDSHRINK, _SOFTSHRINK = range(15, 24)


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
def celu(input: Array, alpha: float = 1.0, inplace: bool = False) -> Array:
    """Bends negative values towards -alpha, with a slope of 1 at 0 for every alpha.

    y = x if x > 0 else alpha · (exp(x / alpha) - 1)

    Args:
        input: array (*).
        alpha: the limit at -∞, negated.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: alpha is 0.

    Example:
        >>> nn.functional.celu(np.array([-np.inf, 2.0]), 0.5)
        array([-0.5,  2. ])

    Reference: Barron, Continuously Differentiable Exponential Linear Units (2017).
    """
    if alpha == 0:
        raise DomainError("alpha cannot be 0 for celu, which divides by it; use relu for the limit of small alpha")
    return _activate(input, inplace, _CELU, alpha)


@one_input
def rrelu(input: Array, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False) -> Array:
    """Scales negative values down, while training each by a random factor.

    y = x if x > 0 else a · x; a from U(lower, upper) in training, else (lower + upper) / 2

    Args:
        input: array (*).
        lower: smallest factor.
        upper: largest factor.
        training: draws the factors.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: lower is greater than upper.

    Example:
        >>> nn.functional.rrelu(np.array([-4.0, 2.0]), 0.25, 0.75)
        array([-2.,  2.])

    Reference: Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network (2015).
    """
    if not _real(lower, "lower") <= _real(upper, "upper"):
        raise DomainError(f"lower must not be greater than upper, but got lower={lower} and upper={upper}")
    if not training:
        return _activate(input, inplace, _LEAKY_RELU, (lower + upper) / 2)
    if inplace:
        _check_writable(input)
    x = _floats(input)
    factors = _draw(tuple(x.shape), x.dtype, _UNIFORM, lower, upper, None)
    # NaN is among what is not scaled.
    factors[~(_raw(x) <= 0)] = 1
    y = _whole(x * factors)
    return _write(input, y) if inplace else y


@one_input
def threshold(input: Array, threshold: float, value: float, inplace: bool = False) -> Array:
    """Replaces values up to a threshold by a number.

    y = x if x > threshold else value

    Args:
        input: array (*).
        threshold: up to where values are replaced.
        value: by what.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.threshold(np.array([0.5, 2.0]), 1.0, -3.0)
        array([-3.,  2.])
    """
    return _activate(input, inplace, _THRESHOLD, threshold, value)


@one_input
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """Replaces values near 0 by 0.

    y = x if |x| > lambd else 0

    Args:
        input: array (*).
        lambd: how near.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.hardshrink(np.array([-2.0, 0.25, 0.75]))
        array([-2.  ,  0.  ,  0.75])
    """
    # Nothing is near 0 by a distance of NaN, which the kernel would compare the other way round.
    return activation_forward(input, _HARDSHRINK, -1.0 if _real(lambd, "lambd") != lambd else lambd, 0.0)


@one_input
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """Moves values towards 0, and those near it to 0.

    y = x - lambd if x > lambd else x + lambd if x < -lambd else 0

    Args:
        input: array (*).
        lambd: how far, at least 0.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: lambd is negative, infinite or NaN.

    Example:
        >>> nn.functional.softshrink(np.array([-2.0, 0.25, 0.75]))
        array([-1.5 ,  0.  ,  0.25])
    """
    if not 0 <= _real(lambd, "lambd") < np.inf:
        raise DomainError(f"lambd must be a finite number that is at least 0, but got {lambd}")
    return activation_forward(input, _SOFTSHRINK, lambd, 0.0)


@one_input
def tanhshrink(input: Array) -> Array:
    """What tanh takes away.

    y = x - tanh(x)

    Args:
        input: array (*).

    **Shape**: (*) -> (*).

    Example:
        >>> nn.functional.tanhshrink(np.array([0.0, 1.0])).round(4)
        array([0.    , 0.2384])
    """
    x = _floats(input)
    return operators.sub(x, activation_forward(x, _TANH, 0.0, 0.0))


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


@one_input
def relu_(input: Array) -> Array:
    """`relu` with inplace=True: writes into input and returns it.

    Args:
        input: array (*) of floats.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: input is read-only.

    Example:
        >>> x = np.array([-1.0, 2.0])
        >>> nn.functional.relu_(x) is x
        True
        >>> x
        array([0., 2.])
    """
    return relu(input, inplace=True)


@one_input
def leaky_relu_(input: Array, negative_slope: float = 0.01) -> Array:
    """`leaky_relu` with inplace=True: writes into input and returns it.

    Args:
        input: array (*) of floats.
        negative_slope: factor for negative values.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: input is read-only.

    Example:
        >>> x = np.array([-4.0, 2.0])
        >>> nn.functional.leaky_relu_(x, 0.25) is x
        True
        >>> x
        array([-1.,  2.])
    """
    return leaky_relu(input, negative_slope, inplace=True)


@one_input
def elu_(input: Array, alpha: float = 1.0) -> Array:
    """`elu` with inplace=True: writes into input and returns it.

    Args:
        input: array (*) of floats.
        alpha: the limit at -∞, negated.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: input is read-only.

    Example:
        >>> x = np.array([-np.inf, 2.0])
        >>> nn.functional.elu_(x) is x
        True
        >>> x
        array([-1.,  2.])
    """
    return elu(input, alpha, inplace=True)


@one_input
def celu_(input: Array, alpha: float = 1.0) -> Array:
    """`celu` with inplace=True: writes into input and returns it.

    Args:
        input: array (*) of floats.
        alpha: the limit at -∞, negated.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: input is read-only.

    Example:
        >>> x = np.array([-np.inf, 2.0])
        >>> nn.functional.celu_(x, 0.5) is x
        True
        >>> x
        array([-0.5,  2. ])
    """
    return celu(input, alpha, inplace=True)


@one_input
def selu_(input: Array) -> Array:
    """`selu` with inplace=True: writes into input and returns it.

    Args:
        input: array (*) of floats.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: input is read-only.

    Example:
        >>> x = np.array([-np.inf, 0.0])
        >>> nn.functional.selu_(x) is x
        True
        >>> x
        array([-1.75809934,  0.        ])
    """
    return selu(input, inplace=True)


@one_input
def hardtanh_(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """`hardtanh` with inplace=True: writes into input and returns it.

    Args:
        input: array (*) of floats.
        min_val: lower limit.
        max_val: upper limit.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: input is read-only.

    Example:
        >>> x = np.array([-4.0, 0.5, 4.0])
        >>> nn.functional.hardtanh_(x) is x
        True
        >>> x
        array([-1. ,  0.5,  1. ])
    """
    return hardtanh(input, min_val, max_val, inplace=True)


@one_input
def rrelu_(input: Array, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Array:
    """`rrelu` with inplace=True: writes into input and returns it.

    Args:
        input: array (*) of floats.
        lower: smallest factor.
        upper: largest factor.
        training: draws the factors.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: input is read-only.

    Example:
        >>> x = np.array([-4.0, 2.0])
        >>> nn.functional.rrelu_(x, 0.25, 0.75) is x
        True
        >>> x
        array([-2.,  2.])
    """
    return rrelu(input, lower, upper, training, inplace=True)


@one_input
def threshold_(input: Array, threshold: float, value: float) -> Array:
    """`threshold` with inplace=True: writes into input and returns it.

    Args:
        input: array (*) of floats.
        threshold: up to where values are replaced.
        value: by what.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: input is read-only.

    Example:
        >>> x = np.array([0.5, 2.0])
        >>> nn.functional.threshold_(x, 1.0, -3.0) is x
        True
        >>> x
        array([-3.,  2.])
    """
    return _activate(input, True, _THRESHOLD, threshold, value)


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
    return _gated(_floats(x), axis=axis)


@operation
def _gated(x: Any, *, axis: int) -> Any:
    before, half = (slice(None),) * axis, x.shape[axis] // 2
    a, b = x[(*before, slice(None, half))], x[(*before, slice(half, None))]
    gate = activation_forward(b, _SIGMOID, 0.0, 0.0)

    def backward(dy: Any, wanted: Any) -> Any:
        gate = activation_forward(b, _SIGMOID, 0.0, 0.0)
        dx = np.empty(x.shape, x.dtype)
        dx[(*before, slice(None, half))] = combine_forward(dy, gate, _MULTIPLY)
        dx[(*before, slice(half, None))] = activation_backward(combine_forward(dy, a, _MULTIPLY), None, gate, _SIGMOID, 0.0, 0.0)
        return (dx,)

    return combine_forward(a, gate, _MULTIPLY), backward


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
    return softmax_forward(_whole(x), dim, False)


@logits
def gumbel_softmax(logits: Array, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Array:
    """Draws from the classes that logits describe, in a way that gradients can follow.

    y = softmax((logits + g) / tau), g = -log(-log(u)), u from U(0, 1)

    Args:
        logits: array (*) of log-probabilities, which need not be normalised.
        tau: temperature: the smaller, the nearer y is to 1 for one class and 0 for the others.
        hard: returns 1 for the largest and 0 for the others, with the gradient of y.
        eps: deprecated, has no effect.
        dim: dimension of the classes.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: tau is 0.
        IndexError: dim is out of range.

    Differences from PyTorch:
        The draws are other ones: they come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> nn.functional.gumbel_softmax(np.zeros((20, 3)), hard=True).sum(1).round().tolist() == [1.0] * 20
        True

    Reference: Jang, Gu, Poole, Categorical Reparameterization with Gumbel-Softmax (2016).
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    if _real(tau, "tau") == 0:
        raise ValueError("tau cannot be 0, which logits are divided by; use argmax for the limit of small tau")
    x = _floats(logits)
    axis = _axis(dim, x.ndim)
    if hard and x.ndim and x.shape[axis] == 0:
        raise IndexError(f"logits must have a class along dim={dim} where hard is True, but have shape {tuple(x.shape)}")
    u = _draw(tuple(x.shape), x.dtype, _UNIFORM, 0.0, 1.0, None)
    # 0, which would become -infinity, goes to half of the smallest other number.
    np.maximum(u, np.finfo(u.dtype).eps / 4, out=u)
    noise = -activation_forward(_whole(-activation_forward(u, _LOG, 0.0, 0.0)), _LOG, 0.0, 0.0)
    y = softmax_forward(_whole((x + noise) / tau), dim, False)
    if not hard:
        return y
    soft = _raw(y)
    chosen = np.zeros_like(soft)
    if soft.size:
        np.put_along_axis(np.atleast_1d(chosen), np.expand_dims(np.argmax(np.atleast_1d(soft), axis), axis), 1, axis)
    return _whole(chosen - soft + y)


def _implicit_dim(name: str, x: Any, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if np.ndim(_raw(x)) in (0, 1, 3) else 1
