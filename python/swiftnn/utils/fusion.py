"""Layers in evaluation mode with the normalization that follows them folded into their weights: one layer less to compute."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import ShapeError
from ..modules.module import Module
from ..tensor import Parameter, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..modules.normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d

    Numbers = NDArray[Any] | Tensor

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

_LayerT = TypeVar("_LayerT", bound=Module)


def fuse_conv_bn_eval(conv: _LayerT, bn: BatchNorm1d | BatchNorm2d | BatchNorm3d, transpose: bool = False) -> _LayerT:
    """A convolution that gives what the convolution and the batch normalization after it give, in evaluation mode.

        weight' = weight · γ / √(var + ε),   bias' = (bias - mean) · γ / √(var + ε) + β

    Args:
        conv: Conv1d, Conv2d, ConvTranspose1d or ConvTranspose2d, in evaluation mode. It is left as it is.
        bn: the batch normalization of its output, in evaluation mode and with running statistics.
        transpose: whether conv is a transposed convolution; found out where it is one of ours.

    **Shape**: the weights keep conv's.

    Raises:
        ValueError: a layer is in training mode, or bn has no running statistics.
        ShapeError: bn has another number of features than conv has output channels.

    Example:
        >>> conv, bn = nn.Conv2d(3, 8, 3, bias=False).eval(), nn.BatchNorm2d(8).eval()
        >>> fused, x = nn.utils.fuse_conv_bn_eval(conv, bn), np.ones((1, 3, 5, 5), np.float32)
        >>> np.allclose(fused(x), bn(conv(x)), atol=1e-6)
        True
    """
    mean, var = _statistics("fuse_conv_bn_eval", conv, bn)
    fused = copy.deepcopy(conv)
    groups = getattr(conv, "groups", 1)
    transpose = transpose or bool(getattr(conv, "transposed", False))
    fused.weight, fused.bias = _fused(
        "fuse_conv_bn_eval", fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias, groups if transpose else 0
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Numbers,
    conv_b: Numbers | None,
    bn_rm: Numbers,
    bn_rv: Numbers,
    bn_eps: float,
    bn_w: Numbers | None,
    bn_b: Numbers | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and bias of `fuse_conv_bn_eval`, from the numbers of the two layers.

    Args:
        conv_w: the convolution's weight.
        conv_b: its bias, or None.
        bn_rm: running mean.
        bn_rv: running variance.
        bn_eps: ε, added to the variance.
        bn_w: γ, or None for 1.
        bn_b: β, or None for 0.
        transpose: whether the weight is that of a transposed convolution without groups, (in_channels, out_channels, ...).

    **Shape**: conv_w (out_channels, in_channels / groups, ...), everything else (out_channels); the results as conv_w and conv_b.

    Raises:
        ShapeError: the numbers do not belong to as many channels.

    Example:
        >>> weight, mean, var = np.ones((4, 2, 3), np.float32), np.zeros(4), np.full(4, 4.0)
        >>> nn.utils.fuse_conv_bn_weights(weight, None, mean, var, 0.0, None, None)[0].data[0, 0]
        array([0.5, 0.5, 0.5], dtype=float32)
    """
    return _fused("fuse_conv_bn_weights", conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: _LayerT, bn: BatchNorm1d | BatchNorm2d | BatchNorm3d) -> _LayerT:
    """A Linear layer that gives what the layer and the batch normalization after it give, in evaluation mode.

        weight' = weight · γ / √(var + ε),   bias' = (bias - mean) · γ / √(var + ε) + β

    Args:
        linear: Linear, in evaluation mode. It is left as it is.
        bn: the batch normalization of its output, in evaluation mode and with running statistics, of as many features or of one.

    **Shape**: the weights keep linear's.

    Raises:
        ValueError: a layer is in training mode, or bn has no running statistics.
        ShapeError: bn has another number of features than linear.

    Example:
        >>> linear, bn = nn.Linear(5, 8).eval(), nn.BatchNorm1d(8).eval()
        >>> fused, x = nn.utils.fuse_linear_bn_eval(linear, bn), np.ones((2, 5), np.float32)
        >>> np.allclose(fused(x), bn(linear(x)), atol=1e-6)
        True
    """
    mean, var = _statistics("fuse_linear_bn_eval", linear, bn)
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = _fused("fuse_linear_bn_eval", fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias, 0)
    return fused


def fuse_linear_bn_weights(
    linear_w: Numbers,
    linear_b: Numbers | None,
    bn_rm: Numbers,
    bn_rv: Numbers,
    bn_eps: float,
    bn_w: Numbers | None,
    bn_b: Numbers | None,
) -> tuple[Parameter, Parameter]:
    """The weight and bias of `fuse_linear_bn_eval`, from the numbers of the two layers.

    Args:
        linear_w: the layer's weight.
        linear_b: its bias, or None.
        bn_rm: running mean.
        bn_rv: running variance.
        bn_eps: ε, added to the variance.
        bn_w: γ, or None for 1.
        bn_b: β, or None for 0.

    **Shape**: linear_w (out_features, in_features), everything else (out_features) or (1); the results as linear_w and linear_b.

    Raises:
        ShapeError: the numbers do not belong to as many features.

    Example:
        >>> weight, mean, var = np.ones((1, 2), np.float32), np.zeros(1), np.full(1, 4.0)
        >>> nn.utils.fuse_linear_bn_weights(weight, None, mean, var, 0.0, None, None)[0].data
        array([[0.5, 0.5]], dtype=float32)
    """
    return _fused("fuse_linear_bn_weights", linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _statistics(name: str, layer: Module, bn: Module) -> tuple[Any, Any]:
    for part in (layer, bn):
        if part.training:
            raise ValueError(f"{name}: {type(part).__name__} is in training mode; layers are fused for evaluation only, call .eval() first")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"{name}: {type(bn).__name__} has no running statistics; it was made with track_running_stats=False")
    return bn.running_mean, bn.running_var


def _fused(
    name: str,
    weight: Any,
    bias: Any,
    mean: Any,
    var: Any,
    eps: float,
    gamma: Any,
    beta: Any,
    transposed_groups: int,
) -> tuple[Parameter, Parameter]:
    """transposed_groups: those of a transposed convolution, or 0. Computed in float64 and rounded once."""

    def numbers(x: Any, absent: float = 0.0) -> NDArray[np.float64]:
        return np.full(1, absent) if x is None else np.asarray(x.data if isinstance(x, Tensor) else x).astype(np.float64)

    w = numbers(weight)
    channels = w.shape[0] if transposed_groups == 0 else w.shape[1] * transposed_groups
    parts = {"running_mean": numbers(mean), "running_var": numbers(var), "weight": numbers(gamma, 1.0), "bias": numbers(beta)}
    parts["bias of the layer"] = numbers(bias)
    for part, x in parts.items():
        if x.shape not in ((channels,), (1,)):
            raise ShapeError(f"{name}: {part} has shape {x.shape}; expected ({channels},), the layer's output channels")
    scale = np.broadcast_to(parts["weight"] / np.sqrt(parts["running_var"] + eps), (channels,))
    if transposed_groups == 0:
        factors = scale.reshape(channels, *(1,) * (w.ndim - 1))
    else:
        # Filter (c, o) belongs to output channel o of c's group.
        of_group = scale.reshape(transposed_groups, -1).repeat(w.shape[0] // transposed_groups, 0)
        factors = of_group.reshape(*w.shape[:2], *(1,) * (w.ndim - 2))
    b = (parts["bias of the layer"] - parts["running_mean"]) * scale + parts["bias"]
    dtype = weight.dtype
    return (
        Parameter((w * factors).astype(dtype), requires_grad=getattr(weight, "requires_grad", True)),
        Parameter(b.astype(dtype if bias is None else bias.dtype), requires_grad=getattr(bias, "requires_grad", True)),
    )
