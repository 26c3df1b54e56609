"""What counts as an array when a state is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_array"]


def as_array(value: Any) -> NDArray[Any] | None:
    """The array of an ndarray, a NumPy number or a Tensor; `None` for anything else."""
    if isinstance(value, Tensor):
        return value.data
    return np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else None
