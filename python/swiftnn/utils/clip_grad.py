"""Gradients kept within bounds: by their norm together, or element by element."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._native import grad_norm, scale
from ..tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def get_total_norm(
    tensors: Iterable[Tensor | NDArray[Any]] | Tensor | NDArray[Any],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> NDArray[Any]:
    """The norm of arrays as if they were one vector.

    ‖v‖ₚ = (Σ |vᵢ|ᵖ)^(1/p), or max |vᵢ| for p = ∞

    Args:
        tensors: arrays or Tensors, e.g. gradients.
        norm_type: p; may be "inf".
        error_if_nonfinite: raises where the norm is NaN or infinite.
        foreach: accepted for compatibility.

    **Shape**: the result is ().

    Raises:
        RuntimeError: the norm is not finite and error_if_nonfinite is set.

    Example:
        >>> nn.utils.get_total_norm([np.array([3.0]), np.array([[4.0]])])
        array(5.)
    """
    arrays = [_array(tensor) for tensor in ([tensors] if isinstance(tensors, (Tensor, np.ndarray)) else tensors)]
    norm_type = float(norm_type)
    if not arrays:
        return np.array(0.0, np.float32)
    parts = [_norm(same, norm_type) for same in _by_type(arrays)]
    total = parts[0] if len(parts) == 1 else float(np.linalg.norm(parts, norm_type))
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To disable "
            "this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return np.array(total, arrays[0].dtype)


def clip_grads_with_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scales gradients, in place, by a norm that is known already.

    g = g · min(1, max_norm / (total_norm + 1e-6))

    Args:
        parameters: parameters; those without a gradient are left out.
        max_norm: the largest norm.
        total_norm: the norm of all gradients, from `get_total_norm`.
        foreach: accepted for compatibility.

    Example:
        >>> p = nn.Parameter(np.zeros(2))
        >>> p.grad = np.array([3.0, 4.0])
        >>> nn.utils.clip_grads_with_norm_([p], 1.0, 5.0)
        >>> p.grad.round(3)
        array([0.6, 0.8])
    """
    factor = float(max_norm) / (float(total_norm) + 1e-6)
    if factor >= 1:
        return
    for same in _by_type(_gradients(parameters)):
        scale(same, factor)


def clip_grad_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> NDArray[Any]:
    """Scales the gradients of parameters, in place, so that their norm together is at most max_norm.

    g = g · min(1, max_norm / (‖all g‖ₚ + 1e-6))

    Args:
        parameters: parameters; those without a gradient are left out.
        max_norm: the largest norm.
        norm_type: p of the norm; may be "inf".
        error_if_nonfinite: raises where the norm is NaN or infinite.
        foreach: accepted for compatibility.

    Returns:
        The norm before, an array of shape ().

    Raises:
        RuntimeError: the norm is not finite and error_if_nonfinite is set.

    Example:
        >>> p = nn.Parameter(np.zeros(2))
        >>> p.grad = np.array([3.0, 4.0])
        >>> nn.utils.clip_grad_norm_([p], 1.0)
        array(5.)
        >>> p.grad.round(3)
        array([0.6, 0.8])

    Reference: Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks (2013).
    """
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if isinstance(parameters, types.GeneratorType) and not listed:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", UserWarning, stacklevel=2)
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(listed, max_norm, total)
    return total


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float, foreach: bool | None = None) -> None:
    """Limits every element of the gradients of parameters, in place.

    g = min(max(g, -clip_value), clip_value)

    Args:
        parameters: parameters; those without a gradient are left out.
        clip_value: the largest absolute value.
        foreach: accepted for compatibility.

    Example:
        >>> p = nn.Parameter(np.zeros(2))
        >>> p.grad = np.array([3.0, -0.5])
        >>> nn.utils.clip_grad_value_([p], 1.0)
        >>> p.grad
        array([ 1. , -0.5])
    """
    clip_value = float(clip_value)
    for gradient in _gradients(parameters):
        np.clip(gradient, -clip_value, clip_value, out=gradient)


def _array(tensor: Any) -> NDArray[Any]:
    return tensor.data if isinstance(tensor, Tensor) else np.asarray(tensor)


def _gradients(parameters: Iterable[Tensor] | Tensor) -> list[NDArray[Any]]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [param.grad for param in listed if param.grad is not None]


def _by_type(arrays: Iterable[NDArray[Any]]) -> list[list[NDArray[Any]]]:
    """The arrays of each element type, since an operation of the library takes one."""
    groups: dict[str, list[NDArray[Any]]] = {}
    for array in arrays:
        groups.setdefault(array.dtype.char, []).append(array)
    return list(groups.values())


def _norm(arrays: list[NDArray[Any]], norm_type: float) -> float:
    if norm_type in (1.0, 2.0, np.inf):
        return float(grad_norm(arrays, norm_type))
    return float(np.linalg.norm([np.linalg.norm(array.reshape(-1), norm_type) for array in arrays], norm_type))
