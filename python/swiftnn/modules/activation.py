"""Activation functions as layers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .. import functional as F
from .. import init
from .._native import activation_forward, prelu_forward, softmax_forward
from ..errors import ArgumentError, ShapeError
from ..functional.activation import (
    _ELU,
    _GELU,
    _HARDSHRINK,
    _HARDSIGMOID,
    _HARDSWISH,
    _LEAKY_RELU,
    _LOGSIGMOID,
    _MISH,
    _RELU,
    _SELU,
    _SIGMOID,
    _SILU,
    _SOFTPLUS,
    _SOFTSIGN,
    _TANH,
)
from ..tensor import Parameter
from ._signatures import one_input
from .module import Module
from .utils import Array, count, element_type, parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _InPlace(Module):
    """An activation that can write into its input."""

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_InPlace):
    """Replaces negative values by 0.

    y = max(0, x)

    Args:
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.ReLU()(np.array([-1.0, 2.0]))
        array([0., 2.])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.relu(input, True) if self.inplace else activation_forward(input, _RELU, 0.0, 0.0)


class Hardtanh(Module):
    """Limits values to min_val ... max_val.

    y = min(max(min_val, x), max_val)

    Args:
        min_val: lower limit.
        max_val: upper limit.
        inplace: writes the result into the input and returns it.
        min_value: older name of min_val.
        max_value: older name of max_val.

    **Shape**: (*) -> (*).

    Raises:
        AssertionError: max_val is not greater than min_val.

    Example:
        >>> nn.Hardtanh(-2, 2)(np.array([-4.0, 0.5, 4.0]))
        array([-2. ,  0.5,  2. ])
    """

    min_val: float
    max_val: float
    inplace: bool

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        if min_value is not None:
            warnings.warn("keyword argument `min_value` is deprecated and renamed to `min_val`", FutureWarning, stacklevel=2)
            min_val = min_value
        if max_value is not None:
            warnings.warn("keyword argument `max_value` is deprecated and renamed to `max_val`", FutureWarning, stacklevel=2)
            max_val = max_value
        if not max_val > min_val:
            raise ArgumentError(f"max_val ({max_val}) must be greater than min_val ({min_val})")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    @one_input
    def forward(self, input: Array) -> Array:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class ReLU6(Hardtanh):
    """Limits values to 0 ... 6.

    y = min(max(0, x), 6)

    Args:
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.ReLU6()(np.array([-1.0, 2.0, 9.0]))
        array([0., 2., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """Maps values to 0 ... 1.

    y = 1 / (1 + exp(-x))

    **Shape**: (*) -> (*).

    Example:
        >>> nn.Sigmoid()(np.array([0.0]))
        array([0.5])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return activation_forward(input, _SIGMOID, 0.0, 0.0)


class Hardsigmoid(_InPlace):
    """A piecewise approximation of Sigmoid.

    y = min(max(0, x + 3), 6) / 6

    Args:
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.Hardsigmoid()(np.array([-4.0, 0.0, 4.0]))
        array([0. , 0.5, 1. ])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.hardsigmoid(input, True) if self.inplace else activation_forward(input, _HARDSIGMOID, 0.0, 0.0)

    def extra_repr(self) -> str:
        return ""


class Tanh(Module):
    """Maps values to -1 ... 1.

    y = tanh(x)

    **Shape**: (*) -> (*).

    Example:
        >>> nn.Tanh()(np.array([0.0, np.inf]))
        array([0., 1.])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return activation_forward(input, _TANH, 0.0, 0.0)


class SiLU(_InPlace):
    """Weights values by their sigmoid (also called swish).

    y = x · σ(x)

    Args:
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.SiLU()(np.array([0.0, 30.0]))
        array([ 0., 30.])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.silu(input, True) if self.inplace else activation_forward(input, _SILU, 0.0, 0.0)


class Mish(_InPlace):
    """Weights values by the tanh of their softplus.

    y = x · tanh(log(1 + exp(x)))

    Args:
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.Mish()(np.array([0.0, 30.0]))
        array([ 0., 30.])

    Reference: Misra, Mish: A Self Regularized Non-Monotonic Activation Function (2019).
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.mish(input, True) if self.inplace else activation_forward(input, _MISH, 0.0, 0.0)


class Hardswish(_InPlace):
    """A piecewise approximation of SiLU.

    y = x · min(max(0, x + 3), 6) / 6

    Args:
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.Hardswish()(np.array([0.0, 4.0]))
        array([0., 4.])

    Reference: Howard et al., Searching for MobileNetV3 (2019).
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.hardswish(input, True) if self.inplace else activation_forward(input, _HARDSWISH, 0.0, 0.0)

    def extra_repr(self) -> str:
        return ""


class SELU(_InPlace):
    """The self-normalising exponential linear unit.

    y = scale · (max(0, x) + min(0, α · (exp(x) - 1))), α = 1.67326..., scale = 1.05070...

    Args:
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.SELU()(np.array([0.0, 1.0])).round(4)
        array([0.    , 1.0507])

    Reference: Klambauer et al., Self-Normalizing Neural Networks (2017).
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.selu(input, True) if self.inplace else activation_forward(input, _SELU, 0.0, 0.0)


class LogSigmoid(Module):
    """The logarithm of Sigmoid, without overflow.

    y = log(1 / (1 + exp(-x)))

    **Shape**: (*) -> (*).

    Example:
        >>> nn.LogSigmoid()(np.array([0.0, 1.0])).round(4)
        array([-0.6931, -0.3133])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return activation_forward(input, _LOGSIGMOID, 0.0, 0.0)


class Softsign(Module):
    """Maps values to -1 ... 1, slower than Tanh.

    y = x / (1 + |x|)

    **Shape**: (*) -> (*).

    Example:
        >>> nn.Softsign()(np.array([-1.0, 3.0]))
        array([-0.5 ,  0.75])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return activation_forward(input, _SOFTSIGN, 0.0, 0.0)


class ELU(_InPlace):
    """Bends negative values towards -alpha.

    y = x if x > 0 else alpha · (exp(x) - 1)

    Args:
        alpha: the limit at -∞, negated.
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.ELU()(np.array([-np.inf, 2.0]))
        array([-1.,  2.])

    Reference: Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units (2015).
    """

    alpha: float

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    @one_input
    def forward(self, input: Array) -> Array:
        return F.elu(input, self.alpha, True) if self.inplace else activation_forward(input, _ELU, self.alpha, 0.0)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class CELU(_InPlace):
    """Bends negative values towards -alpha, with a slope of 1 at 0 for every alpha.

    y = x if x > 0 else alpha · (exp(x / alpha) - 1)

    Args:
        alpha: the limit at -∞, negated.
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: alpha is 0, or inplace and the input is read-only.

    Example:
        >>> nn.CELU(0.5)(np.array([-np.inf, 2.0]))
        array([-0.5,  2. ])

    Reference: Barron, Continuously Differentiable Exponential Linear Units (2017).
    """

    alpha: float

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    @one_input
    def forward(self, input: Array) -> Array:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class Threshold(Module):
    """Replaces values up to a threshold by a number.

    y = x if x > threshold else value

    Args:
        threshold: up to where values are replaced.
        value: by what.
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.Threshold(1.0, -3.0)(np.array([0.5, 2.0]))
        array([-3.,  2.])
    """

    threshold: float
    value: float
    inplace: bool

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    @one_input
    def forward(self, input: Array) -> Array:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class Hardshrink(Module):
    """Replaces values near 0 by 0.

    y = x if |x| > lambd else 0

    Args:
        lambd: how near.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.Hardshrink()(np.array([-2.0, 0.25, 0.75]))
        array([-2.  ,  0.  ,  0.75])
    """

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    @one_input
    def forward(self, input: Array) -> Array:
        return activation_forward(input, _HARDSHRINK, self.lambd, 0.0)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """Moves values towards 0, and those near it to 0.

    y = x - lambd if x > lambd else x + lambd if x < -lambd else 0

    Args:
        lambd: how far, at least 0.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: lambd is negative, infinite or NaN; by the call, as in PyTorch.

    Example:
        >>> nn.Softshrink()(np.array([-2.0, 0.25, 0.75]))
        array([-1.5 ,  0.  ,  0.25])
    """

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    @one_input
    def forward(self, input: Array) -> Array:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Tanhshrink(Module):
    """What Tanh takes away.

    y = x - tanh(x)

    **Shape**: (*) -> (*).

    Example:
        >>> nn.Tanhshrink()(np.array([0.0, 1.0])).round(4)
        array([0.    , 0.2384])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        return F.tanhshrink(input)


class RReLU(Module):
    """Scales negative values down, while training each by a random factor.

    y = x if x > 0 else a · x; a from U(lower, upper) in training, else (lower + upper) / 2

    Args:
        lower: smallest factor.
        upper: largest factor.
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: lower is greater than upper, by the call as in PyTorch, or inplace and the input is read-only.

    Differences from PyTorch:
        The factors are other ones: draws come from `nn.random`, with the same bits on every machine and for any number of threads.

    Example:
        >>> nn.RReLU(0.25, 0.75).eval()(np.array([-4.0, 2.0]))
        array([-2.,  2.])

    Reference: Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network (2015).
    """

    lower: float
    upper: float
    inplace: bool

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    @one_input
    def forward(self, input: Array) -> Array:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class LeakyReLU(_InPlace):
    """Scales negative values down.

    y = x if x > 0 else negative_slope · x

    Args:
        negative_slope: factor for negative values.
        inplace: writes the result into the input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: inplace and the input is read-only.

    Example:
        >>> nn.LeakyReLU(0.25)(np.array([-4.0, 2.0]))
        array([-1.,  2.])
    """

    negative_slope: float

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    @one_input
    def forward(self, input: Array) -> Array:
        slope = self.negative_slope
        return F.leaky_relu(input, slope, True) if self.inplace else activation_forward(input, _LEAKY_RELU, slope, 0.0)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """Weights values by the normal distribution function.

    y = x · Φ(x), or with approximate='tanh' y = x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))

    Args:
        approximate: 'none' or 'tanh'.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: approximate is neither.

    Example:
        >>> nn.GELU()(np.array([0.0, 1.0])).round(4)
        array([0.    , 0.8413])

    Reference: Hendrycks and Gimpel, Gaussian Error Linear Units (2016).
    """

    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    @one_input
    def forward(self, input: Array) -> Array:
        plain = self.approximate == "none"
        return activation_forward(input, _GELU, 0.0, 0.0) if plain else F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """A smooth ReLU.

    y = log(1 + exp(beta · x)) / beta, and y = x where beta · x > threshold

    Args:
        beta: sharpness.
        threshold: from where on the function is linear.

    **Shape**: (*) -> (*).

    Example:
        >>> nn.Softplus()(np.array([0.0, 30.0])).round(4)
        array([ 0.6931, 30.    ])
    """

    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    @one_input
    def forward(self, input: Array) -> Array:
        return activation_forward(input, _SOFTPLUS, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class PReLU(Module):
    """Scales negative values by a learned factor.

    y = x if x > 0 else weight · x

    Args:
        num_parameters: 1, or one factor for each channel (dimension 1 of the input).
        init: first value of the factors.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (N, C, *) -> (N, C, *), or (*) -> (*) with one factor.

    Raises:
        ShapeError: the input has another number of channels than factors.

    Example:
        >>> nn.PReLU()(np.array([-4.0, 2.0], np.float32))
        array([-1.,  2.], dtype=float32)

    Reference: He et al., Delving Deep into Rectifiers (2015).
    """

    num_parameters: int
    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: DTypeLike | None = None) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        self.num_parameters = count(num_parameters, "num_parameters")
        self.init = init
        self.weight = parameter(self.num_parameters, kind)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the factors to their first value."""
        init.constant_(self.weight, self.init)

    @one_input
    def forward(self, input: Array) -> Array:
        return prelu_forward(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class GLU(Module):
    """Gates one half of the input by the other.

    y = a · σ(b), a and b the halves of x along dim

    Args:
        dim: dimension to halve.

    **Shape**: (..., 2·D, ...) -> (..., D, ...).

    Raises:
        ShapeError: the size of dim is odd.

    Example:
        >>> nn.GLU()(np.array([3.0, 5.0, 0.0, 0.0]))
        array([1.5, 2.5])

    Reference: Dauphin et al., Language Modeling with Gated Convolutional Networks (2016).
    """

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    @one_input
    def forward(self, input: Array) -> Array:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(Module):
    """Turns values into probabilities along a dimension.

    y[i] = exp(x[i]) / Σⱼ exp(x[j])

    Args:
        dim: dimension along which the probabilities add up to 1; None: 0 for inputs with 0, 1 or 3 dimensions, else 1, with a warning.

    **Shape**: (*) -> (*).

    Raises:
        IndexError: dim is out of range.

    Example:
        >>> nn.Softmax(dim=0)(np.array([0.0, 0.0]))
        array([0.5, 0.5])
    """

    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    @one_input
    def forward(self, input: Array) -> Array:
        dim = self.dim
        return F.softmax(input, _stacklevel=4) if dim is None else softmax_forward(input, dim, False)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of Softmax, without overflow.

    y[i] = x[i] - log Σⱼ exp(x[j])

    Args:
        dim: dimension along which the probabilities add up to 1; None: 0 for inputs with 0, 1 or 3 dimensions, else 1, with a warning.

    **Shape**: (*) -> (*).

    Raises:
        IndexError: dim is out of range.

    Example:
        >>> nn.LogSoftmax(dim=0)(np.array([0.0, 0.0])).round(4)
        array([-0.6931, -0.6931])
    """

    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    @one_input
    def forward(self, input: Array) -> Array:
        dim = self.dim
        return F.log_softmax(input, _stacklevel=4) if dim is None else softmax_forward(input, dim, True)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """Turns values into probabilities, the smallest value into the largest.

    y[i] = exp(-x[i]) / Σⱼ exp(-x[j])

    Args:
        dim: dimension along which the probabilities add up to 1; None: 0 for inputs with 0, 1 or 3 dimensions, else 1, with a warning.

    **Shape**: (*) -> (*).

    Raises:
        IndexError: dim is out of range.

    Example:
        >>> nn.Softmin(dim=0)(np.array([0.0, 0.0]))
        array([0.5, 0.5])
    """

    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    @one_input
    def forward(self, input: Array) -> Array:
        return F.softmin(input, self.dim, _stacklevel=4)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """Turns the channels of each pixel into probabilities.

    y[n,c,h,w] = exp(x[n,c,h,w]) / Σₖ exp(x[n,k,h,w])

    **Shape**: (N, C, H, W) or (C, H, W) -> the same.

    Raises:
        ValueError: the input has the wrong number of dimensions.

    Example:
        >>> nn.Softmax2d()(np.zeros((1, 2, 1, 1))).ravel()
        array([0.5, 0.5])
    """

    @one_input
    def forward(self, input: Array) -> Array:
        x = F._as_array(input)
        if x.ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: expected input to be 3D or 4D, got {x.ndim}D instead")
        return F.softmax(x, -3)
