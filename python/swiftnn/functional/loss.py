"""Losses: what an output is measured by, and trained on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import operators, tape
from .._native import cross_entropy_forward, ctc_loss_forward, linear_forward, nll_loss_forward, pointwise_loss_forward, softmax_forward
from ..errors import DomainError, ShapeError
from ..tape import operation
from ..tensor import Tensor
from ._arguments import Array, _as_array, _broadcastable, _floats, _in_type, _raw, _real, _whole
from ._signatures import input_and_target, input_target_and_variance, input_weight_and_target, inputs_and_target, log_probs, triplet
from .activation import logsigmoid
from .distance import pairwise_distance

if TYPE_CHECKING:
    from ..modules.loss import LinearCrossEntropyOptions

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "ctc_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

# The numbers of swiftnn.h.
_NONE, _MEAN, _SUM = range(3)
_MSE, _L1, _SMOOTH_L1, _HUBER, _BCE, _BCE_WITH_LOGITS, _KL_DIV = range(7)


# Reductions.


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str, stacklevel: int = 4) -> str:
    """What the deprecated size_average and reduce mean together; `reduction` where neither is given."""
    if size_average is None and reduce is None:
        return reduction
    meant = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.", UserWarning, stacklevel=stacklevel
    )
    return meant


def _number(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> int:
    """The kernels' number of a reduction."""
    reduction = legacy_reduction(size_average, reduce, reduction, 5)
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", UserWarning, stacklevel=4)
        reduction = "mean"
    try:
        return ("none", "mean", "sum").index(reduction)
    except ValueError:
        raise ValueError(f"{reduction} is not a valid value for reduction; use 'mean', 'sum' or 'none'") from None


def _reduced(y: Any, reduction: int) -> Array:
    if reduction == _NONE:
        return y
    # The order of a sum is that of memory: it must not depend on the inputs' strides.
    y = operators.contiguous(y)
    return operators.mean(y) if reduction == _MEAN else operators.sum(y)


# Element by element.


def _pointwise(
    kind: int, input: Array, target: Array, reduction: int, alpha: float = 0.0, weight: Array | None = None, pos_weight: Array | None = None
) -> Array:
    x, t = _together(input, target)
    shape = tuple(x.shape)
    weight, pos_weight = _expanded(weight, shape, "weight"), _expanded(pos_weight, shape, "pos_weight")
    return pointwise_loss_forward(x, t, weight, pos_weight, kind, alpha, reduction)


def _together(input: Array, target: Array) -> tuple[Any, Any]:
    """Both as floats of one shape; numbers and integers take the input's float type."""
    x = _floats(input)
    t = _as_array(target, x)
    if t.dtype.kind != "f":
        t = _in_type(t, x.dtype)
    if x.shape == t.shape:
        return x, t
    try:
        shape = np.broadcast_shapes(x.shape, t.shape)
    except ValueError:
        raise ShapeError(f"input has shape {tuple(x.shape)}, target {tuple(t.shape)}: they must be the same, or broadcast") from None
    return operators.broadcast_to(x, shape), operators.broadcast_to(t, shape)


def _expanded(weight: Array | None, shape: tuple[int, ...], name: str) -> Any:
    if weight is None or tuple(_as_array(weight).shape) == shape:
        return weight
    try:
        return operators.broadcast_to(_as_array(weight), shape)
    except ValueError:
        raise ShapeError(f"{name} has shape {tuple(_as_array(weight).shape)}, which does not broadcast to the input's {shape}") from None


def _warn_of_broadcasting(input: Array, target: Array) -> None:
    sizes = np.shape(_raw(target)), np.shape(_raw(input))
    if sizes[0] != sizes[1]:
        warnings.warn(
            f"Using a target size ({sizes[0]}) that is different to the input size ({sizes[1]}). "
            "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            UserWarning,
            stacklevel=3,
        )


def _check_weight(weight: Array | None, input: Array) -> None:
    if weight is not None and np.shape(_raw(weight)) != np.shape(_raw(input)):
        raise ShapeError(
            f"Weights and input must have the same size; weight has shape {np.shape(_raw(weight))}, input {np.shape(_raw(input))}"
        )


def _weighted(kind: int, input: Array, target: Array, weight: Array, reduction: int, alpha: float = 0.0) -> Array:
    if getattr(weight, "requires_grad", False):
        # The kernels have no derivative by the weight.
        return _reduced(_pointwise(kind, input, target, _NONE, alpha) * weight, reduction)
    return _pointwise(kind, input, target, reduction, alpha, weight)


def _weighted_mean(kind: int, input: Array, target: Array, weight: Array, reduction: int) -> Array:
    if reduction != _MEAN:
        return _weighted(kind, input, target, weight, reduction)
    return _weighted(kind, input, target, weight, _SUM) / operators.sum(_as_array(weight))


@input_and_target
def mse_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Array | None = None,
) -> Array:
    """The mean of squared differences.

    l = w · (x - y)²; the mean is Σ l / Σ w

    Args:
        input: array (*).
        target: array (*).
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        weight: array (*), a factor for each element.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast, or weight's is not the input's.
        ValueError: reduction is unknown.

    Example:
        >>> nn.functional.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
        array(2.)
    """
    _warn_of_broadcasting(input, target)
    number = _number(reduction, size_average, reduce)
    _check_weight(weight, input)
    if weight is not None:
        return _weighted_mean(_MSE, input, target, weight, number)
    return _pointwise(_MSE, input, target, number)


@input_and_target
def l1_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Array | None = None,
) -> Array:
    """The mean of absolute differences.

    l = w · |x - y|; the mean is Σ l / Σ w

    Args:
        input: array (*).
        target: array (*).
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        weight: array (*), a factor for each element.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast, or weight's is not the input's.
        ValueError: reduction is unknown.

    Example:
        >>> nn.functional.l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
        array(1.)
    """
    _warn_of_broadcasting(input, target)
    number = _number(reduction, size_average, reduce)
    _check_weight(weight, input)
    if weight is not None:
        return _weighted_mean(_L1, input, target, weight, number)
    return _pointwise(_L1, input, target, number)


@input_and_target
def smooth_l1_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Array:
    """Squared differences where they are small, absolute ones where they are large.

    l = (x - y)² / (2 · beta) if |x - y| < beta else |x - y| - beta / 2

    Args:
        input: array (*).
        target: array (*).
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        beta: where the one becomes the other.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown, or beta negative.

    Example:
        >>> nn.functional.smooth_l1_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none")
        array([0.125, 2.5  ])

    Reference: Girshick: Fast R-CNN (2015).
    """
    _warn_of_broadcasting(input, target)
    number = _number(reduction, size_average, reduce)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return _pointwise(_L1, input, target, number)
    return _pointwise(_SMOOTH_L1, input, target, number, beta)


@input_and_target
def huber_loss(input: Array, target: Array, reduction: str = "mean", delta: float = 1.0, weight: Array | None = None) -> Array:
    """Squared differences where they are small, absolute ones times delta where they are large.

    l = w · (x - y)² / 2 if |x - y| <= delta else w · delta · (|x - y| - delta / 2)

    Args:
        input: array (*).
        target: array (*).
        reduction: "mean", "sum" or "none".
        delta: where the one becomes the other.
        weight: array (*), a factor for each element; the mean is over the number of elements.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast, or weight's is not the input's.
        ValueError: reduction is unknown, or delta not positive.

    Example:
        >>> nn.functional.huber_loss(np.array([1.0, 3.0]), np.zeros(2), reduction="none", delta=2.0)
        array([0.5, 4. ])

    Reference: Huber: Robust Estimation of a Location Parameter (1964).
    """
    _warn_of_broadcasting(input, target)
    _check_weight(weight, input)
    if not delta > 0:
        raise ValueError(f"huber_loss does not support non-positive values for delta, got {delta}")
    number = _number(reduction)
    return _pointwise(_HUBER, input, target, number, delta) if weight is None else _weighted(_HUBER, input, target, weight, number, delta)


@input_and_target
def binary_cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The cross entropy of probabilities, element by element.

    l = -w · (y · log(x) + (1 - y) · log(1 - x)), logarithms at least -100

    Args:
        input: array (*) of probabilities.
        target: array (*) of probabilities.
        weight: array that broadcasts to (*), a factor for each element.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ValueError: the shapes differ, or reduction is unknown.
        RuntimeError: an input is not in [0, 1].

    Example:
        >>> round(float(nn.functional.binary_cross_entropy(np.array([0.5, 0.5]), np.array([0.0, 1.0]))), 4)
        0.6931
    """
    number = _number(reduction, size_average, reduce)
    sizes = np.shape(_raw(target)), np.shape(_raw(input))
    if sizes[0] != sizes[1]:
        raise ShapeError(f"Using a target size ({sizes[0]}) that is different to the input size ({sizes[1]}): they must be the same")
    try:
        return _pointwise(_BCE, input, target, number, weight=weight)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise DomainError(f"all elements of input should be between 0 and 1: {error}") from None


@input_and_target
def binary_cross_entropy_with_logits(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """The cross entropy of the sigmoid of scores, element by element.

    l = -w · (p · y · log σ(x) + (1 - y) · log(1 - σ(x)))

    Args:
        input: array (*) of scores.
        target: array (*) of probabilities.
        weight: array that broadcasts to (*), a factor for each element.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        pos_weight: array that broadcasts to (*), p, a factor for positive targets.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ValueError: the shapes differ, or reduction is unknown.

    Example:
        >>> round(float(nn.functional.binary_cross_entropy_with_logits(np.zeros(2), np.array([0.0, 1.0]))), 4)
        0.6931
    """
    number = _number(reduction, size_average, reduce)
    sizes = np.shape(_raw(target)), np.shape(_raw(input))
    if sizes[0] != sizes[1]:
        raise ShapeError(f"Target size ({sizes[0]}) must be the same as input size ({sizes[1]})")
    return _pointwise(_BCE_WITH_LOGITS, input, target, number, weight=weight, pos_weight=pos_weight)


@input_and_target
def kl_div(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Array:
    """The Kullback-Leibler divergence of probabilities from log-probabilities.

    l = y · (log(y) - x), or exp(y) · (y - x) with log_target

    Args:
        input: array (*) of log-probabilities.
        target: array (*) of probabilities, or log-probabilities.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "batchmean" (the sum divided by the batch's size: the mathematical one), "mean", "sum" or "none".
        log_target: the target is log-probabilities too.

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> round(float(nn.functional.kl_div(np.log([[0.5, 0.5]]), np.array([[0.25, 0.75]]), reduction="batchmean")), 4)
        0.1308
    """
    reduction = legacy_reduction(size_average, reduce, reduction, 3)
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides only by the batch "
            "size, and aligns with the KL div math definition.",
            UserWarning,
            stacklevel=2,
        )
    number = _SUM if reduction == "batchmean" else _number(reduction)
    y = _pointwise(_KL_DIV, input, target, number, float(log_target))
    shape = np.shape(_raw(input))
    return operators.div(y, shape[0]) if reduction == "batchmean" and shape else y


# Classes.


@input_and_target
def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """The negative log-likelihood of classes under the softmax of scores.

    l[n] = -w[y[n]] · log softmax(x[n])[y[n]], or for probabilities -Σ_c w[c] · p[n,c] · log softmax(x[n])[c];
    the mean is Σ l[n] / Σ w[y[n]] over the samples that are not ignored, for probabilities Σ l[n] / N

    Args:
        input: array (C), (N, C) or (N, C, d1, ...) of scores.
        target: class numbers, integers (), (N) or (N, d1, ...), or probabilities, floats of the input's shape.
        weight: array (C), a factor for each class.
        size_average: deprecated, as reduce: together they say what reduction says.
        ignore_index: class number of samples that do not count.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        label_smoothing: part of the target that is spread evenly over all classes, 0 to 1.

    **Shape**: (N, C, d1, ...), (N, d1, ...) -> (), or (N, d1, ...) without reduction.

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        TypeError: class numbers are not integers.
        ValueError: reduction is unknown, or label_smoothing not in [0, 1].

    Example:
        >>> round(float(nn.functional.cross_entropy(np.zeros((3, 4)), np.array([0, 1, 3]))), 4)
        1.3863
    """
    number = _number(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    x, t = _floats(input), _as_array(target)
    if x.ndim == 0:
        raise ShapeError("input of cross_entropy must have classes, (C), (N, C) or (N, C, d1, ...), got shape ()")
    if t.shape == x.shape:
        if t.dtype.kind != "f":
            raise TypeError(
                f"target has the input's shape {tuple(x.shape)}, so it must hold probabilities, floats, but has dtype {t.dtype}; "
                "class numbers have the shape without the dimension of the classes"
            )
        return _soft_cross_entropy(x, t, weight, number, label_smoothing)
    return cross_entropy_forward(x, _classes(t, x), weight, ignore_index, label_smoothing, number, False)[0]


def _classes(target: Any, input: Any) -> Any:
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"target must hold class numbers, integers, but has dtype {target.dtype} and shape {tuple(target.shape)} for an input of shape "
            f"{tuple(input.shape)}; convert it: target.astype(np.int64)"
        )
    return target


def _soft_cross_entropy(x: Any, target: Any, weight: Array | None, reduction: int, smoothing: float) -> Array:
    axis = 0 if x.ndim == 1 else 1
    classes = x.shape[axis]
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    y = softmax_forward(x, axis, True) * target
    if weight is not None:
        w = _as_array(weight)
        if tuple(w.shape) != (classes,):
            raise ShapeError(f"cross_entropy: weight should be defined for all {classes} classes, but has shape {tuple(w.shape)}")
        y = y * w.reshape((classes,) + (1,) * (x.ndim - axis - 1))
    y = operators.contiguous(y)
    if reduction == _NONE:
        return -operators.sum(y, axis)
    samples = math.prod(x.shape) // max(classes, 1)
    total = -operators.sum(y)
    return operators.div(total, samples) if reduction == _MEAN else total


@input_weight_and_target
def linear_cross_entropy(
    input: Array,
    linear_weight: Array,
    target: Array,
    *,
    linear_bias: Array | None = None,
    weight: Array | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Array:
    """cross_entropy of the scores that an affine map gives: cross_entropy(linear(input, linear_weight, linear_bias), target).

    Args:
        input: array (I) or (N, I).
        linear_weight: array (C, I), or (C, d1, ..., I) for a loss of (N, C, d1, ...) scores.
        target: class numbers, integers () or (N, d1, ...), or probabilities, floats (C) or (N, C, d1, ...).
        linear_bias: array of the linear_weight's shape without I, or None.
        weight: array (C), a factor for each class.
        reduction: "mean", "sum" or "none".
        ignore_index: class number of samples that do not count; None: -100.
        label_smoothing: part of the target that is spread evenly over all classes, 0 to 1.
        options: `nn.LinearCrossEntropyOptions`: never holds the scores of more than some rows at a time; backward computes them again.

    **Shape**: (N, I), (C, I), (N) -> (), or (N) without reduction.

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        ValueError: reduction is unknown, label_smoothing not in [0, 1], or ignore_index given beside probabilities.

    Example:
        >>> loss = nn.functional.linear_cross_entropy(np.ones((3, 5)), np.zeros((4, 5)), np.array([0, 1, 3]))
        >>> round(float(loss), 4)
        1.3863
    """
    x, t = _floats(input), _as_array(target)
    w = _as_array(linear_weight, x)
    name, shape = "linear_cross_entropy", tuple(w.shape)
    if x.ndim not in (1, 2):
        raise ShapeError(f"{name}: input has shape {tuple(x.shape)}; expected (I) or (N, I)")
    if len(shape) < 2 or shape[-1] != x.shape[-1]:
        raise ShapeError(f"{name}: linear_weight has shape {shape}; expected (C, I) or (C, d1, ..., I), I = {x.shape[-1]} as in input")
    if linear_bias is not None and np.shape(_raw(linear_bias)) != shape[:-1]:
        raise ShapeError(f"{name}: linear_bias has shape {np.shape(_raw(linear_bias))}; expected {shape[:-1]}, as linear_weight")
    if x.ndim == 1 and len(shape) > 2:
        raise ShapeError(f"{name}: linear_weight of shape {shape} needs an input with a batch, (N, {shape[-1]}), but got {tuple(x.shape)}")
    b = None if linear_bias is None else _as_array(linear_bias, x)
    scores = (*x.shape[:-1], *shape[:-1])
    if ignore_index is None:
        ignore_index = -100
    elif tuple(t.shape) == scores:
        raise DomainError(f"{name}: ignore_index cannot be specified when target contains probabilities")
    if options is not None:
        if not hasattr(options, "_rows"):
            raise TypeError(f"{name}: options must be LinearCrossEntropyOptions or None, but got {type(options).__name__}")
        plain = len(shape) == 2 and label_smoothing == 0 and not getattr(weight, "requires_grad", False)
        if plain and t.dtype.kind in "iu" and tuple(t.shape) == scores[:-1]:
            return _in_chunks(x, w, t, b, weight, ignore_index, _number(reduction), options)
        warnings.warn(f"{name}: options have no effect without class numbers, or with d1, ... or label_smoothing", stacklevel=2)
    if len(shape) > 2:
        w, b = operators.reshape(w, (math.prod(shape[:-1]), shape[-1])), None if b is None else operators.reshape(b, (-1,))
    y = linear_forward(x, w, b, None, -1, 0, 0)
    return cross_entropy(
        operators.reshape(y, scores), t, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
    )


def _in_chunks(x: Any, w: Any, target: Any, b: Any, weight: Any, ignore_index: int, reduction: int, options: Any) -> Array:
    t, c = np.atleast_1d(_raw(target)), None if weight is None else _raw(weight)
    rows = operators.reshape(x, (len(t), x.shape[-1]))
    size = options._rows(len(t), x.shape[-1], w.shape[0], x.dtype)
    losses = _losses_of_rows(rows, w, b, t, c, ignore_index=ignore_index, size=size)
    if reduction == _NONE:
        return operators.reshape(losses, target.shape)
    total = operators.sum(losses)
    if reduction == _SUM:
        return total
    counted = t[t != ignore_index]
    with np.errstate(invalid="ignore"):  # none count: 0 / 0
        return operators.div(total, total.dtype.type(len(counted) if c is None else c[counted].sum()))


@operation
def _losses_of_rows(x: Any, w: Any, b: Any, target: Any, weight: Any, *, ignore_index: int, size: int) -> Any:
    parts = [slice(i, i + size) for i in range(0, len(x), size)]

    def losses(part: slice, x: Any, w: Any, b: Any) -> Any:
        scores = linear_forward(x, w, b, None, -1, 0, 0)
        return cross_entropy_forward(scores, target[part], weight, ignore_index, 0.0, _NONE, False)[0]

    y = np.empty(len(x), x.dtype)
    for part in parts:
        y[part] = losses(part, x[part], w, b)

    def backward(dy: Any, wanted: Any) -> Any:
        gradients: list[Any] = [np.zeros_like(a) if wants else None for a, wants in zip((x, w, b), wanted)]
        for part in parts:
            inputs = [None if a is None else Tensor(a, requires_grad=wants) for a, wants in zip((x[part], w, b), wanted)]
            with tape.enable_grad():
                again = losses(part, *inputs)
            found = iter(tape.grad(again, [a for a, wants in zip(inputs, wanted) if wants], dy[part]))
            for gradient, place in zip(gradients, (part, ..., ...)):
                if gradient is not None:
                    gradient[place] += next(found)
        return *gradients, None, None

    return y, backward


@input_and_target
def nll_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The negative log-likelihood of classes, given log-probabilities.

    l[n] = -w[y[n]] · x[n, y[n]]; the mean is Σ l[n] / Σ w[y[n]] over the samples that are not ignored

    Args:
        input: array (C), (N, C) or (N, C, d1, ...) of log-probabilities.
        target: class numbers, integers (), (N) or (N, d1, ...).
        weight: array (C), a factor for each class.
        size_average: deprecated, as reduce: together they say what reduction says.
        ignore_index: class number of samples that do not count.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, C, d1, ...), (N, d1, ...) -> (), or (N, d1, ...) without reduction.

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        TypeError: class numbers are not integers.
        ValueError: reduction is unknown.

    Example:
        >>> round(float(nn.functional.nll_loss(np.log(np.full((2, 4), 0.25)), np.array([0, 3]))), 4)
        1.3863
    """
    number = _number(reduction, size_average, reduce)
    x = _floats(input)
    return nll_loss_forward(x, _classes(_as_array(target), x), weight, ignore_index, number)


@log_probs
def ctc_loss(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Array:
    """The negative log-likelihood of label sequences over all their alignments with the input.

    l = -log Σ_π Π_t p[t, π[t]] over the paths π that give the target when repeats are merged and blanks removed;
    the mean divides each by its target's length first

    Args:
        log_probs: array (T, N, C) or (T, C), what log_softmax over the classes gives; its gradient is that of PyTorch, which is right
            where it goes on through log_softmax.
        targets: class numbers (N, S), or those of all sequences one after the other (Σ target_lengths).
        input_lengths: integers (N) or (), at most T.
        target_lengths: integers (N) or ().
        blank: class number of the blank.
        reduction: "mean", "sum" or "none".
        zero_infinity: 0 instead of an infinite loss, where a target does not fit its input.

    **Shape**: (T, N, C) -> (), or (N) without reduction; (T, C) -> ().

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: reduction is unknown; a length or the blank is out of range.

    Example:
        >>> log_probs = nn.functional.log_softmax(np.zeros((4, 1, 3)), 2)
        >>> round(float(nn.functional.ctc_loss(log_probs, np.array([[1, 2]]), np.array([4]), np.array([2]), reduction="sum")), 4)
        1.6864

    Reference: Graves, Fernández, Gomez, Schmidhuber: Connectionist Temporal Classification (2006).
    """
    number = _number(reduction)
    given = {"targets": targets, "input_lengths": input_lengths, "target_lengths": target_lengths}
    indices = [_integers(values, name) for name, values in given.items()]
    return ctc_loss_forward(_floats(log_probs), *indices, blank, number, zero_infinity, False)[0]


def _integers(values: Array, name: str) -> Any:
    a = np.asarray(_raw(values))
    if a.size and a.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, but has dtype {a.dtype}")
    return a.astype(np.int64, copy=False)


# Pairs and triplets.


@inputs_and_target
def cosine_embedding_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """Brings vectors of alike pairs (target 1) together and those of others (target -1) apart.

    l = 1 - cos(x₁, x₂) if y = 1 else max(0, cos(x₁, x₂) - margin)

    Args:
        input1: array (N, D) or (D).
        input2: array (N, D) or (D).
        target: array (N) or () of 1 and -1.
        margin: cosine that pairs of different kinds may have.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, D), (N, D), (N) -> (), or (N) without reduction; (D), (D), () -> ().

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: reduction is unknown.

    Example:
        >>> round(float(nn.functional.cosine_embedding_loss(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]]), np.array([-1]))), 4)
        0.96
    """
    number = _number(reduction, size_average, reduce)
    a, b, t = _floats(input1), _floats(input2), _as_array(_raw(target))
    if t.ndim > 1:
        raise ShapeError("0D or 1D target tensor expected, multi-target not supported")
    if a.ndim != t.ndim + 1 or b.ndim != t.ndim + 1:
        raise ShapeError(
            f"{t.ndim}D target tensor expects {t.ndim + 1}D input tensors, "
            f"but found inputs with sizes {tuple(a.shape)} and {tuple(b.shape)}."
        )
    _broadcastable(input1=a, input2=b, target=t[..., None])
    # In the input's type: NumPy 1 computes with float64 where a Python number meets an array without dimensions.
    least, one, margin = a.dtype.type(1e-12), a.dtype.type(1), a.dtype.type(_real(margin, "margin"))
    product = operators.sum(a * b, -1)
    lengths = (operators.sum(operators.square(a), -1) + least) * (operators.sum(operators.square(b), -1) + least)
    cosine = product / operators.sqrt(lengths)
    zeros = np.zeros((), a.dtype)
    alike = operators.where(t == 1, one - cosine, zeros)
    return _reduced(alike + operators.where(t == -1, operators.clamp(cosine - margin, min=0), zeros), number)


def _checked_product(a: Any, b: Any) -> Any:
    try:
        return a * b
    except ValueError:
        raise ShapeError(f"inputs must have shapes that broadcast, but got {tuple(a.shape)} and {tuple(b.shape)}") from None


@inputs_and_target
def margin_ranking_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """Ranks the first input above the second (target 1) or below it (target -1).

    l = max(0, -y · (x₁ - x₂) + margin)

    Args:
        input1: array (*).
        input2: array (*).
        target: array (*) of 1 and -1.
        margin: how far apart they have to be.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the numbers of dimensions differ, or the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> nn.functional.margin_ranking_loss(np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([1.0, 1.0]))
        array(0.5)
    """
    number = _number(reduction, size_average, reduce)
    a, b, t = _floats(input1), _floats(input2), _as_array(target)
    if not a.ndim == b.ndim == t.ndim:
        raise ShapeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {tuple(a.shape)}, input2: {tuple(b.shape)}, target: {tuple(t.shape)}"
        )
    _broadcastable(input1=a, input2=b, target=t)
    return _reduced(operators.clamp((a - b) * -_like(t, a) + _real(margin, "margin"), min=0), number)


def _like(target: Any, x: Any) -> Any:
    """Integers in the float type of x."""
    return target if target.dtype.kind == "f" else _in_type(target, x.dtype)


@input_and_target
def hinge_embedding_loss(
    input: Array,
    target: Array,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """Makes distances of alike pairs (target 1) small and those of others (target -1) at least margin.

    l = x if y = 1 else max(0, margin - x)

    Args:
        input: array (*) of distances.
        target: array (*) of 1 and -1.
        margin: distance that pairs of different kinds have to have.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> nn.functional.hinge_embedding_loss(np.array([0.25, 0.25]), np.array([1, -1]), reduction="none")
        array([0.25, 0.75])
    """
    number = _number(reduction, size_average, reduce)
    x, t = _together(input, target)
    t, zeros = _raw(t), np.zeros((), x.dtype)
    apart = operators.where(t != 1, operators.clamp(_real(margin, "margin") - x, min=0), zeros)
    return _reduced(apart + operators.where(t != -1, x, zeros), number)


@triplet
def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """Brings an anchor nearer to a positive example than to a negative one.

    l = max(0, ‖a - p + eps‖ₚ - ‖a - n + eps‖ₚ + margin)

    Args:
        anchor: array (N, D) or (D).
        positive: array (N, D) or (D).
        negative: array (N, D) or (D).
        margin: how much nearer.
        p: exponent of the norm.
        eps: added to differences.
        swap: takes the distance of positive and negative where that is smaller.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, D), (N, D), (N, D) -> (), or (N) without reduction; (D), (D), (D) -> ().

    Raises:
        ShapeError: the numbers of dimensions differ, or the shapes do not broadcast.
        ValueError: margin is not positive, or reduction unknown.

    Example:
        >>> a = np.zeros((1, 2))
        >>> nn.functional.triplet_margin_loss(a, a + 3.0, a + 3.0)
        array(1.)

    Reference: Balntas, Riba, Ponsa, Mikolajczyk: Learning local feature descriptors with triplets and shallow convolutional neural
    networks (2016).
    """
    number = _number(reduction, size_average, reduce)
    if _real(margin, "margin") <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    a, b, c = _floats(anchor), _floats(positive), _floats(negative)
    _check_triplet(a, b, c)
    _broadcastable(anchor=a, positive=b, negative=c)
    near = pairwise_distance(a, b, p, eps)
    far = pairwise_distance(a, c, p, eps)
    if swap:
        far = operators.minimum(far, pairwise_distance(b, c, p, eps))
    return _reduced(operators.clamp(near - far + margin, min=0), number)


@triplet
def triplet_margin_with_distance_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    distance_function: Any = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Array:
    """Brings an anchor nearer to a positive example than to a negative one, by a distance of your own.

    l = max(0, margin + d(a, p) - d(a, n))

    Args:
        anchor: array, of whatever shape distance_function takes.
        positive: array with as many dimensions.
        negative: array with as many dimensions.
        distance_function: d, a function or module that takes two arrays; None: `pairwise_distance`.
        margin: how much nearer.
        swap: takes the distance of positive and negative where that is smaller.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, D), (N, D), (N, D) -> (), or (N) without reduction; (D), (D), (D) -> ().

    Raises:
        ShapeError: the numbers of dimensions differ.
        ValueError: margin is not positive, or reduction unknown.

    Example:
        >>> a = np.zeros((1, 2))
        >>> city_block = lambda x, y: abs(x - y).sum(-1)
        >>> nn.functional.triplet_margin_with_distance_loss(a, a + 1.5, a + 1.0, distance_function=city_block)
        array(2.)

    Reference: Balntas, Riba, Ponsa, Mikolajczyk: Learning local feature descriptors with triplets and shallow convolutional neural
    networks (2016).
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction; use 'mean', 'sum' or 'none'")
    if _real(margin, "margin") <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    a, b, c = _floats(anchor), _floats(positive), _floats(negative)
    _check_triplet(a, b, c)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(a, b), distance(a, c)
    if swap:
        far = operators.minimum(far, distance(b, c))
    return _reduced(operators.clamp(margin + near - far, min=0), _number(reduction))


def _check_triplet(anchor: Any, positive: Any, negative: Any) -> None:
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )


# Margins between classes.


@input_and_target
def soft_margin_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The logistic loss of two classes, 1 and -1.

    l = log(1 + exp(-y · x))

    Args:
        input: array (*).
        target: array that broadcasts to (*), of 1 and -1.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: target does not broadcast to the shape of input.
        ValueError: reduction is unknown.

    Differences from PyTorch:
        Large -y · x give themselves and not infinity.

    Example:
        >>> nn.functional.soft_margin_loss(np.array([0.0, -50.0]), np.array([1, 1]), reduction="none").round(4)
        array([ 0.6931, 50.    ])
    """
    number = _number(reduction, size_average, reduce)
    x = _floats(input)
    t = _in_type(_as_array(target, x), x.dtype)
    _broadcastable(input=x, target=t)
    if np.broadcast_shapes(x.shape, t.shape) != tuple(x.shape):
        raise ShapeError(f"target must broadcast to the shape of input, {tuple(x.shape)}, but has shape {tuple(t.shape)}")
    return _reduced(_whole(-logsigmoid(_whole(x * t))), number)


@input_and_target
def multi_margin_loss(
    input: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """Makes the score of the right class greater than those of the others by a margin.

    l[n] = w[y[n]] · Σ max(0, margin - x[n,y[n]] + x[n,c])ᵖ / C over the classes c other than y[n]

    Args:
        input: array (N, C) or (C) of scores.
        target: array (N) or () of class numbers.
        p: 1 or 2.
        margin: how much greater.
        weight: array (C), a factor for each class.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, C), (N) -> (), or (N) without reduction; (C), () -> ().

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        ValueError: p is neither 1 nor 2, or reduction is unknown.

    Example:
        >>> nn.functional.multi_margin_loss(np.array([[1.0, 2.0, 0.0, -4.0]]), np.array([1]), margin=2.0)
        array(0.25)
    """
    number = _number(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"only p == 1 and p == 2 supported, but got p={p}")
    x = _floats(input)
    if x.ndim > 2 or 0 in x.shape[-1:]:
        raise ShapeError(f"input must be (N, C) or (C) with at least one class, but got shape {tuple(x.shape)}")
    given = _raw(_classes(_as_array(target), x))
    rows = operators.contiguous(x if x.ndim == 2 else x.reshape((1, -1)))
    n, classes = rows.shape
    if given.ndim > 1 or given.size != n:
        raise ShapeError(f"target must have one class number for each of the {n} samples of input {tuple(x.shape)}, but got {given.shape}")
    outside = (given < 0) | (given >= classes)
    if outside.any():
        raise IndexError(f"target has class number {given[outside].flat[0]}, which is out of range: expected 0 to {classes - 1}")
    labels = given.reshape(n, 1)
    z = rows - operators.gather(rows, 1, labels) + x.dtype.type(_real(margin, "margin"))
    # Not a clamp, which would hand on the gradient at 0, nor a NaN.
    z = operators.where((_raw(z) > 0) & (np.arange(classes) != labels), z, np.zeros((), x.dtype))
    y = operators.sum(z if p == 1 else operators.square(z), 1) / classes
    if weight is not None:
        w = _in_type(_as_array(weight), x.dtype)
        if tuple(w.shape) != (classes,):
            raise ShapeError(f"weight must have shape ({classes},), a factor for each class, but got {tuple(w.shape)}")
        y = y * operators.index(w, labels[:, 0])
    return _reduced(y if given.ndim else y.reshape(()), number)


@input_and_target
def multilabel_margin_loss(
    input: Array,
    target: Array,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """Makes the scores of a sample's classes greater by 1 than those of all others.

    l[n] = Σ max(0, 1 - x[n,y] + x[n,c]) / C over the classes y of the sample and c that are not

    Args:
        input: array (N, C) or (C) of scores.
        target: array of the same shape, of class numbers: those before the first negative number are the sample's.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, C), (N, C) -> (), or (N) without reduction; (C), (C) -> ().

    Raises:
        ShapeError: the shapes do not fit.
        IndexError: a class number is out of range.
        ValueError: reduction is unknown.

    Example:
        >>> nn.functional.multilabel_margin_loss(np.array([[0.0, 0.25, 0.5, 1.0]]), np.array([[3, 0, -1, 1]]))
        array(0.875)
    """
    number = _number(reduction, size_average, reduce)
    x = _floats(input)
    given = _raw(_classes(_as_array(target), x))
    if x.ndim > 2 or 0 in x.shape[-1:]:
        raise ShapeError(f"input must be (N, C) or (C) with at least one class, but got shape {tuple(x.shape)}")
    if given.shape != tuple(x.shape):
        raise ShapeError(f"target must have the shape of input, {tuple(x.shape)}, but got {given.shape}")
    classes = x.shape[-1] if x.ndim else 1
    outside = (given < -1) | (given >= classes)
    if outside.any():
        raise IndexError(f"target has class number {given[outside].flat[0]}, which is out of range: expected -1 to {classes - 1}")
    y = _multilabel_margin(operators.contiguous(x.reshape((-1, classes))), given.reshape(-1, classes))
    return _reduced(y if x.ndim == 2 else y.reshape(()), number)


@operation
def _multilabel_margin(x: Any, target: Any) -> tuple[Any, Any]:
    """The losses of the rows; one of their classes at a time, so that nothing larger than x is made."""
    n, classes = x.shape
    listed = np.logical_and.accumulate(target >= 0, axis=1)
    own = np.zeros((n, classes), bool)
    own[np.nonzero(listed)[0], target[listed]] = True

    def terms() -> Iterator[tuple[Any, Any, Any, Any]]:
        """For each place of target: the rows that have a class there, the classes, what the others lack, and where that counts."""
        for place in range(int(listed.sum(1).max(initial=0))):
            (rows,) = np.nonzero(listed[:, place])
            labels = target[rows, place]
            z = x.dtype.type(1) - x[rows, labels][:, None] + x[rows]
            yield rows, labels, z, (z > 0) & ~own[rows]

    y = np.zeros(n, x.dtype)
    for rows, _, z, counts in terms():
        y[rows] += np.where(counts, z, 0).sum(1)

    def backward(dy: Any, _: Any) -> Any:
        dx = np.zeros_like(x)
        share = dy / x.dtype.type(classes)
        for rows, labels, _, counts in terms():
            dx[rows] += counts * share[rows, None]
            dx[rows, labels] -= counts.sum(1) * share[rows]
        return dx, None

    return y / x.dtype.type(classes), backward


@input_and_target
def multilabel_soft_margin_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The cross entropy of the sigmoid of scores, each class for itself, averaged over the classes.

    l[n] = -Σ_c w[c] · (y[n,c] · log σ(x[n,c]) + (1 - y[n,c]) · log(1 - σ(x[n,c]))) / C

    Args:
        input: array (*, C) of scores.
        target: array that broadcasts to (*, C), of 0 and 1.
        weight: array that broadcasts to (*, C), a factor for each element.
        size_average: deprecated, as reduce: together they say what reduction says.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (N, C), (N, C) -> (), or (N) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast, or input has no dimension of classes.
        ValueError: reduction is unknown.

    Example:
        >>> round(float(nn.functional.multilabel_soft_margin_loss(np.zeros((2, 3)), np.array([[1, 0, 1], [0, 0, 1]]))), 4)
        0.6931
    """
    number = _number(reduction, size_average, reduce)
    x = _floats(input)
    if x.ndim == 0:
        raise ShapeError("input must have a dimension of classes, but is a scalar")
    axis, classes = x.ndim - 1, x.shape[-1]
    if classes == 0:
        raise ShapeError(f"input must have at least one class, but got shape {tuple(x.shape)}")
    x, t = _together(x, target)
    # Small losses keep their digits, which a difference of x · y and the other terms would lose.
    loss = -(t * logsigmoid(x) + (1 - t) * logsigmoid(-x))
    if weight is not None:
        w = _in_type(_as_array(weight), x.dtype)
        _broadcastable(input=loss, weight=w)
        loss = loss * w
    return _reduced(_whole(operators.sum(operators.contiguous(loss), axis) / classes), number)


# Distributions.


@input_target_and_variance
def gaussian_nll_loss(
    input: Array, target: Array, var: Array | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Array:
    """The negative log-likelihood of targets under normal distributions of given means and variances.

    l = (log(max(var, eps)) + (x - y)² / max(var, eps)) / 2, with full + log(2π) / 2

    Args:
        input: array (*), the means.
        target: array (*).
        var: array (*), (*) without the last dimension, or with 1 in one dimension; or a number.
        full: adds the constant.
        eps: smallest variance; where it takes the place of var, var still gets its gradient.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*), (*) -> (), or (*) without reduction.

    Raises:
        ValueError: var is negative somewhere or of another shape, or reduction is unknown.

    Example:
        >>> nn.functional.gaussian_nll_loss(np.zeros(3), np.full(3, 2.0), np.ones(3))
        array(2.)

    Reference: Nix, Weigend: Estimating the mean and variance of the target probability distribution (1994).
    """
    number, eps = _number(reduction), _real(eps, "eps")
    x = _floats(input)
    t = _like(_as_array(target, x), x)
    v: Any = np.full(x.shape, var, x.dtype) if isinstance(var, (float, int)) else _floats(var)
    _broadcastable(input=x, target=t)
    raw = _raw(v)
    if (raw < 0).any():
        raise ValueError("var has negative entry/entries")
    if v.shape != x.shape:
        if v.shape == x.shape[:-1]:
            v = v.reshape((*v.shape, 1))
        elif v.ndim != x.ndim or [b for a, b in zip(x.shape, v.shape) if a != b] != [1]:
            raise ShapeError(f"var is of incorrect size: it has shape {tuple(v.shape)}, input {tuple(x.shape)}")
        raw = _raw(v)
    if (raw < eps).any():
        v = v + (np.maximum(raw, raw.dtype.type(eps)) - raw)
    loss = 0.5 * (operators.log(v) + operators.square(x - t) / v)
    return _reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, number)


@input_and_target
def poisson_nll_loss(
    input: Array,
    target: Array,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """The negative log-likelihood of counts under Poisson distributions.

    l = exp(x) - y · x, or x - y · log(x + eps) where log_input is False; with full + y · log(y) - y + log(2πy) / 2 where y > 1

    Args:
        input: array (*), the expected counts or their logarithms.
        target: array (*), the counts.
        log_input: the input is the logarithm of the expected counts.
        full: adds Stirling's approximation of log(y!).
        size_average: deprecated, as reduce: together they say what reduction says.
        eps: keeps the logarithm away from 0.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".

    **Shape**: (*), (*) -> (), or (*) without reduction.

    Raises:
        ShapeError: the shapes do not broadcast.
        ValueError: reduction is unknown.

    Example:
        >>> nn.functional.poisson_nll_loss(np.zeros(2), np.array([1.0, 3.0]))
        array(1.)
    """
    number = _number(reduction, size_average, reduce)
    x, t = _together(input, target)
    loss = operators.exp(x) - t * x if log_input else x - t * operators.log(x + eps)
    if full:
        # Below 1, where the logarithm would be of 0 or the approximation poor, 0 takes the place of log(y!).
        large = _raw(t) > 1
        y = operators.where(large, t, np.ones((), x.dtype))
        stirling = y * operators.log(y) - y + 0.5 * operators.log(2 * math.pi * y)
        loss = loss + operators.where(large, stirling, np.zeros((), x.dtype))
    return _reduced(loss, number)
