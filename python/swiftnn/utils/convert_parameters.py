"""The parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor, apply

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor | NDArray[Any]]) -> Any:
    """Copies parameters one after the other into a vector.

    Args:
        parameters: parameters of a model, e.g. `model.parameters()`.

    **Shape**: the result is (Σ numel,).

    Raises:
        ValueError: there are no parameters.

    Example:
        >>> nn.utils.parameters_to_vector(nn.Linear(2, 3).parameters()).shape
        (9,)
    """
    entries = tuple(parameters)
    if not entries:
        raise ValueError("parameters_to_vector: expected at least one parameter, got none")
    return apply(_join, (entries,))


def _join(arrays: tuple[Any, ...]) -> NDArray[Any]:
    return np.concatenate([np.asarray(array).reshape(-1) for array in arrays])


def vector_to_parameters(vec: NDArray[Any] | Tensor, parameters: Iterable[Tensor | NDArray[Any]]) -> None:
    """Copies the slices of a vector back into parameters, in place.

    Args:
        vec: what `parameters_to_vector` gave for the same parameters.
        parameters: parameters to write into.

    **Shape**: vec (Σ numel,).

    Raises:
        TypeError: vec is not an array.
        ShapeError: vec does not have as many elements as the parameters together; nothing is written.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> nn.utils.vector_to_parameters(np.arange(9), layer.parameters())
        >>> layer.bias.numpy()
        array([6., 7., 8.], dtype=float32)
    """
    if not isinstance(vec, (np.ndarray, Tensor)):
        raise TypeError(f"vector_to_parameters: vec must be an array, got {type(vec).__name__}; use np.asarray(vec)")
    source = vec.data if isinstance(vec, Tensor) else vec
    targets = [entry.data if isinstance(entry, Tensor) else entry for entry in parameters]
    total = sum(target.size for target in targets)
    if source.shape != (total,):
        raise ShapeError(f"vector_to_parameters: vec has shape {source.shape}, the parameters need ({total},)")
    position = 0
    for target in targets:
        target[...] = source[position : position + target.size].reshape(target.shape)
        position += target.size
