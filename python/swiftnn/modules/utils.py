"""What the constructors of the layers share: sizes, element types, new parameters."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..tensor import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__: list[str] = []

# An int, or one for each dimension.
Size: TypeAlias = int | tuple[int, ...]
# An ndarray or a Tensor; results are of the inputs' kind.
Array: TypeAlias = Any


def size(value: Any, name: str) -> int:
    """value as a plain int: NumPy's integers are sizes too."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} should be of type int, got: {type(value).__name__}") from None


def count(value: Any, name: str) -> int:
    """A size that may be 0, but not negative."""
    n = size(value, name)
    if n < 0:
        raise ValueError(f"{name} must not be negative, but got {n}")
    return n


def plain(value: Any, name: str) -> Any:
    """An int or a tuple of ints as the user wrote it, free of NumPy's integers (it is shown by repr)."""
    if isinstance(value, Iterable):
        items = [size(v, name) for v in value]
        return items if isinstance(value, list) else tuple(items)
    return size(value, name)


def element_type(device: Any, dtype: DTypeLike | None) -> np.dtype[Any]:
    """The dtype of new parameters; arrays live in memory, so there is no device but the CPU."""
    if device is not None and str(device) != "cpu":
        raise ValueError(f"device must be None or 'cpu', but got {device!r}: swiftnn computes on the CPU")
    if dtype is None:
        return np.dtype(np.float32)
    try:
        known = np.dtype(dtype)
    except TypeError:
        known = np.dtype(np.void)
    if known not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be float32 or float64, but got {dtype!r}")
    return known


def parameter(shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> Parameter:
    """A Parameter whose values reset_parameters sets."""
    return Parameter(np.empty(shape, dtype))


def is_plain(module: Any, kind: type[Any]) -> bool:
    """Whether calling the module is nothing but `kind`'s own forward, so that its work may be merged with its neighbour's."""
    if type(module) is not kind:
        return False
    state = module.__dict__
    return not state["_forward_hooks"] and not state["_forward_pre_hooks"] and "forward" not in state
