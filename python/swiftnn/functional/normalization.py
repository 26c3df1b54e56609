"""Normalisation."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import operators
from .._native import (
    avg_pool_forward,
    batch_norm_forward,
    batch_stats_forward,
    group_norm_forward,
    layer_norm_forward,
    pad_forward,
    rms_norm_forward,
)
from ..errors import ShapeError
from ..tensor import Tensor
from ._arguments import Array, _as_array, _axis, _check_writable, _floats, _raw, _real, _sizes, _width, _write
from ._signatures import one_input

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm"]


@one_input
def layer_norm(
    input: Array, normalized_shape: Sequence[int], weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Normalises the last dimensions of each sample.

    y = (x - E[x]) / √(Var[x] + eps) · weight + bias

    Args:
        input: array (*, normalized_shape).
        normalized_shape: sizes of the last dimensions, over which mean and (biased) variance are taken.
        weight: array of normalized_shape, or None.
        bias: array of normalized_shape, or None.
        eps: added to the variance.

    **Shape**: (*, normalized_shape) -> (*, normalized_shape).

    Raises:
        ShapeError: the input does not end in normalized_shape.

    Example:
        >>> nn.functional.layer_norm(np.array([[1.0, 3.0]]), (2,), eps=0.0)
        array([[-1.,  1.]])

    Reference: Ba et al., Layer Normalization (2016).
    """
    return layer_norm_forward(input, _sizes(normalized_shape, "normalized_shape"), weight, bias, eps)


@one_input
def rms_norm(input: Array, normalized_shape: Sequence[int], weight: Array | None = None, eps: float | None = None) -> Array:
    """Divides the last dimensions of each sample by their root mean square.

    y = x / √(E[x²] + eps) · weight

    Args:
        input: array (*, normalized_shape).
        normalized_shape: sizes of the last dimensions, over which the mean is taken.
        weight: array of normalized_shape, or None.
        eps: added to the mean square; None: the smallest step of the float type at 1.

    **Shape**: (*, normalized_shape) -> (*, normalized_shape).

    Raises:
        ShapeError: the input does not end in normalized_shape.

    Example:
        >>> nn.functional.rms_norm(np.array([[1.0, -1.0]]), (2,)).round(4)
        array([[ 1., -1.]])

    Reference: Zhang and Sennrich, Root Mean Square Layer Normalization (2019).
    """
    if eps is None:
        eps = float(np.finfo(_width(_as_array(input))).eps)
    return rms_norm_forward(input, _sizes(normalized_shape, "normalized_shape"), weight, eps)


@one_input
def group_norm(input: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5) -> Array:
    """Normalises groups of channels of each sample.

    y = (x - E[x]) / √(Var[x] + eps) · weight[c] + bias[c], mean and variance over the channels of a group and all positions

    Args:
        input: array (N, C, *).
        num_groups: number of groups, a divisor of C.
        weight: array (C), or None.
        bias: array (C), or None.
        eps: added to the variance.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ShapeError: input has fewer than 2 dimensions or C is not a multiple of num_groups.
        ValueError: each group has one value only.

    Example:
        >>> nn.functional.group_norm(np.array([[1.0, 3.0, 5.0, 5.0]]), 2, eps=1e-30)
        array([[-1.,  1.,  0.,  0.]])

    Reference: Wu and He, Group Normalization (2018).
    """
    shape = np.shape(_as_array(input))
    if len(shape) < 2:
        raise ShapeError(f"input must be (N, C, *), but got shape {tuple(shape)}")
    num_groups = operator.index(num_groups)
    if num_groups > 0 and shape[0] * shape[1] // num_groups * math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)} in {num_groups} groups")
    return group_norm_forward(input, num_groups, weight, bias, eps)


@one_input
def batch_norm(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalises each channel over the batch.

    y = (x - mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    Args:
        input: array (N, C, *).
        running_mean: array (C); with training it is moved towards the batch's mean, in place.
        running_var: array (C); with training it is moved towards the batch's unbiased variance, in place.
        weight: array (C), or None.
        bias: array (C), or None.
        training: takes mean and (biased) variance from the batch instead of the running ones.
        momentum: how far the running statistics move: r = (1 - momentum) · r + momentum · batch.
        eps: added to the variance.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: training and each channel has one value only; or eps is not positive.
        ShapeError: the shapes do not fit.

    Example:
        >>> nn.functional.batch_norm(np.array([[1.0], [3.0]]), None, None, training=True, eps=1e-30)
        array([[-1.],
               [ 1.]])

    Reference: Ioffe and Szegedy, Batch Normalization (2015).
    """
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be {'positive' if training else 'non-negative'}, but got {eps}")
    if not training:
        if running_mean is None or running_var is None:
            raise ShapeError("running_mean and running_var must be given when training=False")
        return batch_norm_forward(input, running_mean, running_var, weight, bias, eps, False)
    x = _as_array(input)
    shape = x.shape
    if len(shape) < 2:
        raise ShapeError(f"input must be (N, C, *), but got shape {tuple(shape)}")
    count = math.prod(shape[2:]) * shape[0]
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}; use eval()")
    # Everything is checked before the running statistics move.
    for name, array in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if array is not None and tuple(_as_array(array).shape) != (shape[1],):
            got = tuple(_as_array(array).shape)
            raise ShapeError(f"batch_norm: {name} has shape {got}; expected ({shape[1]},), the channels of input {tuple(shape)}")
    mean, variance = batch_stats_forward(_raw(x))
    y = batch_norm_forward(x, mean, variance, weight, bias, eps, True)  # may fail for want of memory
    if count:
        _move(running_mean, mean, momentum)
        _move(running_var, variance, momentum, count / (count - 1))
    return y


def _move(running: Any, batch: Any, momentum: float, factor: float = 1.0) -> None:
    """running = (1 - momentum) running + momentum factor batch, in the memory of running."""
    if running is not None:
        a = _raw(running)
        a[...] = a * (1.0 - momentum) + (momentum * factor) * _raw(batch)  # in one step: nothing comes in between


@one_input
def instance_norm(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalises each channel of each sample.

    y = (x - mean[n,c]) / √(var[n,c] + eps) · weight[c] + bias[c]

    Args:
        input: array (N, C, *).
        running_mean: array (C) that follows the mean of the samples' means, in place; or None.
        running_var: array (C) that follows the mean of the samples' unbiased variances, in place; or None.
        weight: array (C), or None.
        bias: array (C), or None.
        use_input_stats: takes mean and variance from the input instead of the running ones.
        momentum: how far the running statistics move.
        eps: added to the variance.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: use_input_stats and a channel has one position only.
        ShapeError: the shapes do not fit.

    Example:
        >>> nn.functional.instance_norm(np.array([[[1.0, 3.0]]]), eps=1e-30)
        array([[[-1.,  1.]]])

    Reference: Ulyanov et al., Instance Normalization (2016).
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ShapeError("running_mean and running_var must be given when use_input_stats=False")
        return batch_norm_forward(input, running_mean, running_var, weight, bias, eps, False)
    x = _as_array(input)
    shape = x.shape
    if len(shape) < 2:
        raise ShapeError(f"input must be (N, C, *), but got shape {tuple(shape)}")
    count = math.prod(shape[2:])
    if count == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {list(shape)}")
    y = group_norm_forward(x, shape[1], weight, bias, eps)
    if count and shape[0] and (running_mean is not None or running_var is not None):
        mean, variance = batch_stats_forward(_raw(x).reshape((1, shape[0] * shape[1], count)))
        _move(running_mean, mean.reshape(shape[:2]).mean(axis=0), momentum)
        _move(running_var, variance.reshape(shape[:2]).mean(axis=0), momentum, count / (count - 1))
    return y


@one_input
def normalize(input: Array, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Array | None = None) -> Array:
    """Divides vectors by their norm.

    y = x / max(‖x‖ₚ, eps)

    Args:
        input: array (*).
        p: exponent of the norm.
        dim: dimension of the vectors.
        eps: smallest divisor.
        out: array of the input's shape to write the result into and return; without a gradient.

    **Shape**: (*) -> (*).

    Raises:
        IndexError: dim is out of range.
        ShapeError: out has another shape.
        RuntimeError: out is given where a gradient is wanted.

    Example:
        >>> nn.functional.normalize(np.array([[3.0, 4.0]]))
        array([[0.6, 0.8]])
    """

    x = _floats(input)
    y = x / operators.clamp(operators.norm(x, p, _axis(dim, x.ndim), True), min=x.dtype.type(_real(eps, "eps")))
    if out is None:
        return y
    _check_writable(out, "out")
    if tuple(out.shape) != tuple(y.shape):
        raise ShapeError(f"normalize: out has shape {tuple(out.shape)}; expected {tuple(y.shape)}, the input's")
    if isinstance(y, Tensor) and y.requires_grad or isinstance(out, Tensor) and out.requires_grad:
        raise RuntimeError("normalize: out takes no gradient; use the result")
    return _write(out, y)


@one_input
def local_response_norm(input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """Divides each number by what the channels beside it have at its place.

    y[n,c,...] = x[n,c,...] / (k + alpha/size · Σ x[n,j,...]²)^beta, j from c - ⌊size/2⌋ to c + ⌊(size - 1)/2⌋

    Args:
        input: array (N, C, *).
        size: number of channels; those that are not there count as zeros.
        alpha: weight of the mean square.
        beta: exponent.
        k: what is added to it.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ShapeError: the input has fewer than 3 dimensions.
        ValueError: size is not positive.

    Example:
        >>> nn.functional.local_response_norm(np.full((1, 3, 1), 2.0), 3, alpha=3.0, beta=0.5)
        array([[[0.66666667],
                [0.5547002 ],
                [0.66666667]]])

    Reference: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks (2012).
    """
    x = _floats(input)
    if x.ndim < 3:
        raise ShapeError(f"local_response_norm: input has shape {tuple(x.shape)}; expected 3 dimensions or more, (N, C, *)")
    (window,) = _sizes((size,), "size")
    if window < 1:
        raise ValueError(f"local_response_norm: size is {window}; it has to be at least 1")
    return _response_norm(x, window // 2, (window - 1) // 2, alpha, beta, k)


def _response_norm(x: Any, before: int, after: int, alpha: float, beta: float, k: float) -> Array:
    """x / (k + alpha · m)^beta, m the mean square of so many channels before and after."""
    alpha, beta, k = (float(_real(value, name)) for name, value in (("alpha", alpha), ("beta", beta), ("k", k)))
    if 0 in x.shape:
        return x
    n, c = x.shape[:2]
    squares = operators.reshape(operators.square(x), (n, c, math.prod(x.shape[2:])))
    around = pad_forward(squares, (0, 0, before, after), 0, 0.0)
    means = avg_pool_forward(around, (before + 1 + after, 1), (1, 1), (0, 0), False, True, 0)
    return x / operators._raised(operators.reshape(means, x.shape) * alpha + k, beta, False)
