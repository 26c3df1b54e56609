"""Dropout."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import random
from .._native import dropout_forward
from ..errors import ShapeError
from ..init import _draw
from ._arguments import Array, _as_array, _check_writable, _floats, _whole, _width, _write
from ._signatures import one_input

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]

# The kind of swiftnn.h.
_BERNOULLI = 2
# The limit of selu at -∞, negated.
_ALPHA = 1.7580993408473766


@one_input
def dropout(input: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """Sets elements to 0 at random and scales the others.

    y = x / (1-p) with probability 1-p, else 0

    Args:
        input: array (*).
        p: probability of 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: p is not in 0 ... 1.

    Example:
        >>> nn.functional.dropout(np.ones(3), p=0.5, training=False)
        array([1., 1., 1.])

    Reference: Hinton et al., Improving neural networks by preventing co-adaptation of feature detectors (2012).
    """
    _check_probability(p)
    if not training or p == 0:
        return input
    if not inplace:
        return _dropout(input, None, p)
    _check_writable(input)
    return _write(input, _dropout(input, None, p))


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _dropout(x: Any, residual: Any, p: float) -> Array:
    """residual + dropout(x), with fresh random numbers."""
    x = _as_array(x)
    seed, offset = random.reserve(math.prod(x.shape))
    return dropout_forward(x, residual, p, seed, offset)


@one_input
def dropout1d(input: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """Sets whole channels of signals to 0 at random and scales the others.

    Args:
        input: array (N, C, L) or (C, L).
        p: probability of 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (N, C, L) -> (N, C, L).

    Raises:
        ValueError: p is not in 0 ... 1.
        ShapeError: input has the wrong number of dimensions.

    Example:
        >>> nn.functional.dropout1d(np.ones((2, 3, 4))).shape
        (2, 3, 4)
    """
    ndim = np.ndim(_as_array(input))
    if ndim not in (2, 3):
        raise ShapeError(f"input must be (C, L) or (N, C, L), but got {ndim} dimensions; use dropout for other arrays")
    return _channel_dropout(input, ndim - 1, p, training, inplace)


@one_input
def dropout2d(input: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """Sets whole channels of images to 0 at random and scales the others.

    As in PyTorch a 3-D input is read as (N, C, L), with a warning.

    Args:
        input: array (N, C, H, W).
        p: probability of 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (N, C, H, W) -> (N, C, H, W).

    Raises:
        ValueError: p is not in 0 ... 1.
        ShapeError: input has fewer than 2 dimensions.

    Example:
        >>> nn.functional.dropout2d(np.ones((2, 3, 4, 4))).shape
        (2, 3, 4, 4)

    Reference: Tompson et al., Efficient Object Localization Using Convolutional Networks (2014).
    """
    ndim = np.ndim(_as_array(input))
    if ndim == 3:
        warnings.warn("dropout2d reads a 3-D input as (N, C, L); use dropout1d for that, or add a batch dimension", stacklevel=2)
    elif ndim != 4:
        warnings.warn(f"dropout2d expects (N, C, H, W), but got {ndim} dimensions; use dropout for other arrays", stacklevel=2)
    return _channel_dropout(input, ndim - 2, p, training, inplace)


@one_input
def dropout3d(input: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """Sets whole channels of volumes to 0 at random and scales the others.

    Args:
        input: array (N, C, D, H, W) or (C, D, H, W).
        p: probability of 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (N, C, D, H, W) -> (N, C, D, H, W).

    Raises:
        ValueError: p is not in 0 ... 1.

    Example:
        >>> nn.functional.dropout3d(np.ones((2, 3, 2, 4, 4))).shape
        (2, 3, 2, 4, 4)
    """
    ndim = np.ndim(_as_array(input))
    if ndim not in (4, 5):
        warnings.warn(f"dropout3d expects (C, D, H, W) or (N, C, D, H, W), but got {ndim} dimensions; use dropout", stacklevel=2)
    return _channel_dropout(input, 3 if ndim == 4 else ndim - 2, p, training, inplace)


def _channel_dropout(input: Any, spatial: int, p: float, training: bool, inplace: bool) -> Array:
    """dropout with one decision for the last `spatial` dimensions together."""
    _check_probability(p)
    if not training or p == 0:
        return input
    if inplace:
        _check_writable(input)
    x = _as_array(input)
    if x.ndim < 2:
        raise ShapeError(f"input must have a batch and a channel dimension, but got shape {tuple(x.shape)}")
    # One (unbatched) or two dimensions decide; for (C, L) spatial is 1, for (N, C, *) all but two.
    lead = x.shape[: x.ndim - spatial]
    ones = np.ones((*lead, *(1,) * spatial), _width(x))
    y = x * _dropout(ones, None, p)
    return _write(input, y) if inplace else y


@one_input
def alpha_dropout(input: Array, p: float = 0.5, training: bool = False, inplace: bool = False) -> Array:
    """Sets elements to the limit of selu at random, and shifts and scales all so that mean 0 and variance 1 stay.

    y = a · (k · x - (1 - k) · α) + α · a · p, k = 1 with probability 1-p, else 0; α = 1.75809..., a = 1 / √((1-p) · (1 + p · α²))

    Args:
        input: array (*).
        p: probability of the limit; with 1 all becomes 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (*) -> (*).

    Raises:
        ValueError: p is not in 0 ... 1.

    Example:
        >>> nn.functional.alpha_dropout(np.ones(3), p=0.5)
        array([1., 1., 1.])

    Reference: Klambauer et al., Self-Normalizing Neural Networks (2017).
    """
    return _alpha_dropout(input, p, training, inplace, None)


@one_input
def feature_alpha_dropout(input: Array, p: float = 0.5, training: bool = False, inplace: bool = False) -> Array:
    """Sets whole channels to the limit of selu at random, and shifts and scales all so that mean 0 and variance 1 stay.

    Args:
        input: array (N, C, *).
        p: probability of the limit; with 1 all becomes 0.
        training: False returns input as it is.
        inplace: writes the result into input and returns it.

    **Shape**: (N, C, *) -> (N, C, *).

    Raises:
        ValueError: p is not in 0 ... 1.
        ShapeError: input has fewer than 2 dimensions.

    Example:
        >>> nn.functional.feature_alpha_dropout(np.ones((2, 3, 4)), training=True).shape
        (2, 3, 4)
    """
    return _alpha_dropout(input, p, training, inplace, 2)


def _alpha_dropout(input: Any, p: float, training: bool, inplace: bool, lead: int | None) -> Array:
    """One decision for each place in the first `lead` dimensions; None: for each element."""
    _check_probability(p)
    if not training or p == 0:
        return input
    if inplace:
        _check_writable(input)
    x = _floats(input)
    shape = tuple(x.shape)
    if math.prod(shape) == 0:
        return input
    if p == 1:
        y = _whole(x * x.dtype.type(0))
        return _write(input, y) if inplace else y
    if lead is not None:
        if len(shape) < lead:
            raise ShapeError(f"input must have a batch and a channel dimension, but got shape {shape}; use alpha_dropout for other arrays")
        shape = shape[:lead] + (1,) * (len(shape) - lead)
    kept = _draw(shape, x.dtype, _BERNOULLI, 1 - p, 0.0, None)
    a = 1 / math.sqrt((_ALPHA**2 * p + 1) * (1 - p))
    low, high = (kept.dtype.type(v) for v in (_ALPHA * a * (p - 1), _ALPHA * a * p))
    y = _whole(x * (kept * kept.dtype.type(a)) + np.where(kept, high, low))
    return _write(input, y) if inplace else y
