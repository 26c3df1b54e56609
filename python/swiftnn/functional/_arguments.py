"""How functions read their arguments."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from .. import tape
from ..errors import ShapeError
from ..tensor import Parameter, Tensor

__all__: list[str] = []

# An ndarray or a Tensor; results are of the inputs' kind.
Array: TypeAlias = Any

# The number of "no activation" in swiftnn.h.
_NONE = -1


def _as_array(x: Any, weight: Any = None) -> Any:
    """x itself where it is an ndarray or a Tensor, else the ndarray NumPy makes of it; lists of floats get the width of weight."""
    if type(x) is np.ndarray or isinstance(x, Tensor):
        return x
    if isinstance(x, np.ndarray):
        # As the binding does: what is made of NumPy's operations would read the numbers under the mask.
        if np.ma.is_masked(x):
            raise TypeError("an array has masked values; fill them first with .filled(value)")
        return np.asarray(x)
    a = np.asarray(x)
    if a.dtype == object and hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    if a.dtype == np.float64 and not hasattr(x, "dtype"):
        return a.astype(np.float32 if weight is None else _width(weight))
    return a


def _width(a: Any) -> type[np.floating[Any]]:
    """The float type an operation computes in for a: its own, and float32 for all but floats of 32 and 64 bits."""
    return np.float64 if a.dtype.type is np.float64 else np.float32


def _raw(x: Any) -> Any:
    """The ndarray inside a Tensor or Parameter; an array as it is."""
    return x.data if isinstance(x, Tensor) else _as_array(x)


def _recorded(x: Any) -> bool:
    """Whether x decides that results are Tensors: Parameters never do."""
    return isinstance(x, Tensor) and not isinstance(x, Parameter)


def _beside(weight: Any, x: Any) -> Any:
    """weight in the form in which slices of it may be combined with x: the Parameter where x is a Tensor, else its memory."""
    return weight if _recorded(x) else _raw(weight)


def _floats(x: Any) -> Any:
    """x as an array or Tensor of float32 or float64."""
    a = _as_array(x)
    return _in_type(a, _width(a))


def _whole(y: Any) -> Any:
    """y as an array where NumPy's operators made a number of one without dimensions."""
    return y if isinstance(y, Tensor) else np.asarray(y)


def _in_type(a: Any, dtype: Any) -> Any:
    """An array of real numbers or booleans in a float type."""
    if a.dtype == dtype:
        return a
    if a.dtype.kind not in "fiub":
        raise TypeError(f"expected an array of real numbers, but got {a.dtype}; convert it with astype(np.{np.dtype(dtype)})")
    return a.astype(dtype)


def _require_numbers(name: str, x: Any) -> None:
    """Refuses what is no array of numbers before its shape is looked at."""
    if x.dtype.kind not in "fiubc":
        raise TypeError(
            f"{name}: input has dtype {x.dtype}; expected real numbers: float32, float64, or float16 and integers, which are converted"
        )


def _ints(value: int | Iterable[int], count: int, name: str) -> tuple[int, ...]:
    """value as `count` ints: one int (or one in a tuple) stands for all."""
    try:
        return (operator.index(value),) * count  # type: ignore[arg-type]
    except TypeError:
        pass
    try:
        items = tuple(operator.index(v) for v in (None if isinstance(value, bytes) else value))  # type: ignore[union-attr]
    except TypeError:
        raise TypeError(f"{name} must be an int or a tuple of {count} ints, but got {value!r}") from None
    if len(items) == 1:
        return items * count
    if len(items) != count:
        raise ValueError(f"{name} must be an int or a tuple of {count} int{'s' * (count > 1)}, but got {value!r} with {len(items)} values")
    return items


def _real(value: Any, name: str) -> Any:
    """A number that is not complex; arrays and Tensors without dimensions count."""
    if isinstance(value, Real) or (np.ndim(value) == 0 and getattr(getattr(value, "dtype", None), "kind", "O") in "fiub"):
        return value
    raise TypeError(f"{name} must be a number, but got {value!r}")


def _sizes(values: Iterable[Any], name: str) -> tuple[int, ...]:
    """A sequence of integers, however many."""
    try:
        return tuple(operator.index(value) for value in values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of integers, but got {values!r}") from None


def _broadcastable(**arrays: Any) -> None:
    """Raises unless the arrays of these names broadcast."""
    try:
        np.broadcast_shapes(*(tuple(a.shape) for a in arrays.values()))
    except ValueError:
        given = ", ".join(f"{name} {tuple(a.shape)}" for name, a in arrays.items())
        raise ShapeError(f"the shapes must be the same, or broadcast, but got {given}") from None


def _as_given(value: int | Iterable[int], count: int, name: str) -> tuple[int, ...]:
    """value as a tuple, checked; an int is repeated, a tuple of one int stays one, as in PyTorch."""
    items = _ints(value, count, name)
    return items if not isinstance(value, (tuple, list)) else tuple(operator.index(v) for v in value)


def _axis(dim: int, ndim: int, name: str = "dim") -> int:
    """dim counted from the front."""
    axes = max(ndim, 1)
    if not -axes <= dim < axes:
        raise IndexError(f"{name}={dim} is out of range for an array with {ndim} dimensions: expected {-axes} to {axes - 1}")
    return dim % axes


def _check_writable(x: Any, name: str = "inplace=True") -> None:
    a, otherwise = x.data if isinstance(x, Tensor) else x, "use inplace=False" if name == "inplace=True" else "leave it out"
    if not isinstance(a, np.ndarray):
        raise TypeError(f"{name} needs an ndarray to write into, but got {type(x).__name__}; {otherwise}")
    if not a.flags.writeable:
        raise ValueError(f"{name} cannot write into a read-only array; pass a copy (x.copy()) or {otherwise}")
    if a.dtype.kind != "f":
        raise TypeError(f"{name} needs an array of floats, but got {a.dtype}; convert it (x.astype(np.float32)) or {otherwise}")


def _write(x: Any, y: Any) -> Any:
    """y in the memory of x; a Tensor on the tape goes on as y, since earlier operations may need what it held."""
    if isinstance(x, Tensor):
        if isinstance(y, Tensor) and y.requires_grad:
            if x.is_leaf and x.requires_grad:
                raise RuntimeError(f"inplace=True cannot change a {type(x).__name__} that requires a gradient; use inplace=False")
            x._become(y)
            return x
        tape.wrote(x)
    _raw(x)[...] = _raw(y)
    return x
