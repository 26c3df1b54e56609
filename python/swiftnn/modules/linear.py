"""Fully connected layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import init
from .._native import bilinear_forward, linear_forward
from ..errors import ShapeError
from ..parameter import UninitializedParameter
from ..tensor import Parameter
from ._signatures import one_input
from .lazy import LazyModuleMixin
from .module import Module
from .utils import Array, count, element_type, parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Bilinear", "LazyLinear", "Linear"]


class Linear(Module):
    """Applies an affine map to the last dimension.

    y = x Wᵀ + b

    Args:
        in_features: size of the last dimension of the input.
        out_features: size of the last dimension of the output.
        bias: False leaves b out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (*, in_features) -> (*, out_features), * any number of dimensions.

    weight (out_features, in_features) and bias (out_features) start from U(-√k, √k), k = 1 / in_features.

    Raises:
        ShapeError: the last dimension of the input is not in_features.
        TypeError: the input has another float type than the weights.

    Example:
        >>> nn.Linear(20, 30)(np.ones((128, 20), np.float32)).shape
        (128, 30)
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: DTypeLike | None = None) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        self.in_features = count(in_features, "in_features")
        self.out_features = count(out_features, "out_features")
        self.weight = parameter((self.out_features, self.in_features), kind)
        if bias:
            self.bias = parameter(self.out_features, kind)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    @one_input
    def forward(self, input: Array) -> Array:
        return linear_forward(input, self.weight, self.bias, None, -1, 0, 0)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` that takes in_features from its first input.

    y = x Wᵀ + b

    Its weight and bias are uninitialised until it is called, or an initialised state dict is loaded; with the first call it becomes a
    `Linear`. Call a model with a batch before its weights are counted, drawn anew or saved.

    Args:
        out_features: size of the last dimension of the output.
        bias: False leaves b out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (*, in_features) -> (*, out_features), * any number of dimensions.

    Raises:
        ShapeError: the input has no dimensions, or another last one than loaded weights.
        ValueError: weights are used before the first call.

    Example:
        >>> layer = nn.LazyLinear(30)
        >>> layer
        LazyLinear(in_features=0, out_features=30, bias=True)
        >>> layer(np.ones((128, 20), np.float32)).shape
        (128, 30)
        >>> layer
        Linear(in_features=20, out_features=30, bias=True)
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(True, device, dtype)
        self.out_features = count(out_features, "out_features")
        if bias:
            self.bias = UninitializedParameter(True, device, dtype)

    def reset_parameters(self) -> None:
        """Draws new weights, once their shape is known."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Array) -> None:
        """Takes in_features from the input, and draws weights that have not been loaded."""
        shape = np.shape(input)
        if not shape:
            raise ShapeError(f"{type(self).__name__}: input has no dimensions; expected (*, in_features)")
        self._start({"in_features": shape[-1]}, weight=(self.out_features, shape[-1]), bias=(self.out_features,))


class NonDynamicallyQuantizableLinear(Linear):
    """The Linear inside MultiheadAttention, under the name that PyTorch prints."""


class Bilinear(Module):
    """Applies a bilinear map to two inputs.

    y[o] = Σᵢⱼ x₁[i] W[o,i,j] x₂[j] + b[o]

    Args:
        in1_features: size of the last dimension of the first input, at least 1.
        in2_features: size of the last dimension of the second input.
        out_features: size of the last dimension of the output.
        bias: False leaves b out.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    **Shape**: (*, in1_features), (*, in2_features) -> (*, out_features).

    weight (out_features, in1_features, in2_features) and bias (out_features) start from U(-√k, √k), k = 1 / in1_features.

    Raises:
        ValueError: in1_features is not positive.
        ShapeError: the inputs do not fit each other or the weights.

    Example:
        >>> nn.Bilinear(20, 30, 40)(np.ones((128, 20), np.float32), np.ones((128, 30), np.float32)).shape
        (128, 40)
    """

    in1_features: int
    in2_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        kind = element_type(device, dtype)
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features = count(in1_features, "in1_features")
        self.in2_features = count(in2_features, "in2_features")
        self.out_features = count(out_features, "out_features")
        self.weight = parameter((self.out_features, self.in1_features, self.in2_features), kind)
        if bias:
            self.bias = parameter(self.out_features, kind)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Array, input2: Array) -> Array:
        return bilinear_forward(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
