"""Tensor: an ndarray that a tape can follow; Parameter: a Tensor that a Module owns.

Every operation on Tensors goes through `apply`, which is the one place where a tape records.
"""

from __future__ import annotations

import copy as _copy
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftnn import _native

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Parameter", "Tensor", "apply"]


def apply(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """Calls `op` on the arrays inside the Tensors of `args` and wraps the arrays it returns.

    Parameters never decide the type of a result: without any other Tensor among `args` the arrays come back as they are.

    Args:
        op: a function of arrays that returns an array or a tuple of arrays and Nones.
        args: its positional arguments; Tensors may also sit in a list or tuple.
        kwargs: its keyword arguments, which hold no Tensors.
    """
    result = op(*map(_unwrap, args), **(kwargs or {}))
    return _wrap(result) if any(map(_is_followed, args)) else result


def _unwrap(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value._data
    if type(value) in (list, tuple):
        return type(value)(map(_unwrap, value))
    return value


def _is_followed(value: Any) -> bool:
    """Whether `value` is, or holds, a Tensor that decides the type of the result."""
    if isinstance(value, Tensor):
        return not isinstance(value, Parameter)
    return type(value) in (list, tuple) and any(map(_is_followed, value))


def _wrap(result: Any) -> Any:
    if isinstance(result, (np.ndarray, np.generic)):
        return _tensor(np.asarray(result))
    if type(result) in (list, tuple):
        return type(result)(map(_wrap, result))
    return result


def _tensor(array: NDArray[Any]) -> Tensor:
    """A Tensor round `array` itself, without the checks of the constructor."""
    tensor = Tensor.__new__(Tensor)
    tensor._data = array
    tensor._requires_grad = False
    tensor.grad = None
    return tensor


def _rebuild(cls: type[Tensor], data: NDArray[Any], requires_grad: bool, attributes: dict[str, Any]) -> Tensor:
    """Unpickles a Tensor of any subclass without calling its constructor."""
    tensor = cls.__new__(cls)
    tensor._data = data
    tensor._requires_grad = requires_grad
    tensor.grad = None
    tensor.__dict__.update(attributes)
    return tensor


def _as_array(data: Any, dtype: DTypeLike | None) -> NDArray[Any]:
    array: NDArray[Any]
    if isinstance(data, Tensor):
        array = data._data
    else:
        array = np.asarray(data)
        # Python numbers have no precision of their own: they get that of the layers.
        if array.dtype == np.float64 and not hasattr(data, "dtype"):
            array = array.astype(np.float32)
    if dtype is not None:
        array = array.astype(dtype, copy=False)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"data must be numbers or booleans, got an array of dtype {array.dtype}; convert it, e.g. np.asarray(data, dtype=np.float32)"
        )
    return array


class Tensor(_native.TensorBase):
    """An array that layers follow: Tensors in, Tensors out.

    Args:
        data: an array, whose memory is shared, or anything `np.asarray` takes; Python floats become float32.
        dtype: converts to this element type.
        requires_grad: whether a gradient is wanted for this Tensor.

    Raises:
        TypeError: data are not numbers.
        RuntimeError: requires_grad for integers or booleans.

    Example:
        >>> x = nn.Tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> x * 2 + 1
        Tensor([[3., 5.],
                [7., 9.]])
        >>> x.numpy().shape
        (2, 2)
    """

    __slots__ = ("__dict__", "__weakref__", "_requires_grad", "grad")
    __array_priority__ = 1000.0

    _requires_grad: bool
    grad: Tensor | None

    def __init__(self, data: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False) -> None:
        self._data = _as_array(data, dtype)
        self._requires_grad = False
        self.grad = None
        if requires_grad:
            self.requires_grad = True

    # The array and what is known of it.

    @property
    def data(self) -> NDArray[Any]:
        """The array itself: what is written into it changes the Tensor."""
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = _as_array(value, None)

    def numpy(self) -> NDArray[Any]:
        """The array itself, sharing memory."""
        return self._data

    def detach(self) -> Tensor:
        """A Tensor on the same memory that no tape follows."""
        return _tensor(self._data)

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is wanted for this Tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self._data.dtype.kind != "f":
            raise RuntimeError(
                f"only floating point Tensors can require gradients, got dtype {self._data.dtype}; "
                "pass requires_grad=False or convert the data to float32"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets `requires_grad` and returns the Tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._data.nbytes

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of dimension `dim`."""
        return self._data.shape if dim is None else self._data.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self._data.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._data.size

    def item(self) -> Any:
        """The only element as a Python number."""
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._data.tolist()

    # Conversions NumPy and other libraries ask for.

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        self._refuse_leaving_tape()
        data = self._data
        if dtype is not None and data.dtype != np.dtype(dtype):
            if copy is False:
                raise ValueError(f"a Tensor of {data.dtype} cannot become {np.dtype(dtype)} without a copy; pass copy=None")
            return data.astype(dtype)
        return data.copy() if copy else data

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs and ufunc in _OPERATORS:
            return apply(ufunc, inputs)
        for value in inputs:
            if isinstance(value, Tensor):
                value._refuse_leaving_tape()
        out = kwargs.pop("out", ())
        if out:
            kwargs["out"] = tuple(value._writeable() if isinstance(value, Tensor) else value for value in out)
        result = apply(getattr(ufunc, method), inputs, kwargs)
        if not out or result is NotImplemented:
            return result
        return out[0] if len(out) == 1 else out

    def __dlpack__(self, **kwargs: Any) -> Any:
        self._refuse_leaving_tape()
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._data.__dlpack_device__()

    def _refuse_leaving_tape(self) -> None:
        # A Parameter converts: a call without any other Tensor is not followed anyway.
        if self._requires_grad and not isinstance(self, Parameter):
            raise TypeError(
                "NumPy would drop this Tensor, which requires a gradient, from the graph; "
                "pass tensor.detach() or tensor.numpy() if that is meant, else use swiftnn's own functions"
            )

    def _writeable(self) -> NDArray[Any]:
        if self._requires_grad:
            raise RuntimeError(f"cannot change a {type(self).__name__} that requires a gradient in place; write into its .data")
        return self._data

    def __bool__(self) -> bool:
        return bool(self._data)

    def __int__(self) -> int:
        return int(self._data)

    def __float__(self) -> float:
        return float(self._data)

    def __index__(self) -> int:
        return operator.index(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        if self._data.ndim == 0:
            raise TypeError("cannot iterate over a Tensor without dimensions; use .item()")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, value: Any) -> bool:
        return _unwrap(value) in self._data

    # Copies.

    def clone(self) -> Any:
        """A copy with memory of its own."""
        return apply(np.copy, (self,))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        known = memo.get(id(self))
        if known is not None:
            return known  # type: ignore[no-any-return]
        tensor = _rebuild(type(self), self._data.copy(order="K"), self._requires_grad, {})
        memo[id(self)] = tensor
        tensor.grad = _copy.deepcopy(self.grad, memo)
        tensor.__dict__.update(_copy.deepcopy(self.__dict__, memo))
        return tensor

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._data, self._requires_grad, self.__dict__)

    # Shapes.

    def __getitem__(self, key: Any) -> Any:
        return apply(operator.getitem, (self, key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._writeable()[_unwrap(key)] = _unwrap(value)

    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape; one size may be -1."""
        return apply(np.ndarray.reshape, (self, *shape))

    def transpose(self, *axes: Any) -> Any:
        """The dimensions in another order, reversed by default (NumPy's `transpose`)."""
        return apply(np.ndarray.transpose, (self, *axes))

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two dimensions exchanged."""
        return apply(np.swapaxes, (self, axis1, axis2))

    @property
    def T(self) -> Any:
        """The dimensions in reverse order."""
        return self.transpose()

    def squeeze(self, axis: int | tuple[int, ...] | None = None) -> Any:
        """Without the dimensions of size 1, or without `axis`."""
        return apply(np.squeeze, (self, axis))

    def flatten(self) -> Any:
        """All elements in one dimension."""
        return self.reshape(-1)

    def astype(self, dtype: DTypeLike, *, copy: bool = True) -> Any:
        """The elements converted to `dtype`."""
        return apply(np.ndarray.astype, (self, dtype), {"copy": copy})

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Any:
        """The sum of all elements or along `axis`."""
        return apply(np.sum, (self, axis), {"keepdims": keepdims})

    def mean(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Any:
        """The mean of all elements or along `axis`."""
        return apply(np.mean, (self, axis), {"keepdims": keepdims})

    # Arithmetic.

    def __neg__(self) -> Any:
        return apply(np.negative, (self,))

    def __pos__(self) -> Any:
        return apply(np.positive, (self,))

    def __abs__(self) -> Any:
        return apply(np.absolute, (self,))

    def __add__(self, other: Any) -> Any:
        return apply(np.add, (self, other))

    def __radd__(self, other: Any) -> Any:
        return apply(np.add, (other, self))

    def __sub__(self, other: Any) -> Any:
        return apply(np.subtract, (self, other))

    def __rsub__(self, other: Any) -> Any:
        return apply(np.subtract, (other, self))

    def __mul__(self, other: Any) -> Any:
        return apply(np.multiply, (self, other))

    def __rmul__(self, other: Any) -> Any:
        return apply(np.multiply, (other, self))

    def __truediv__(self, other: Any) -> Any:
        return apply(np.true_divide, (self, other))

    def __rtruediv__(self, other: Any) -> Any:
        return apply(np.true_divide, (other, self))

    def __pow__(self, other: Any) -> Any:
        return apply(np.power, (self, other))

    def __rpow__(self, other: Any) -> Any:
        return apply(np.power, (other, self))

    def __matmul__(self, other: Any) -> Any:
        return apply(np.matmul, (self, other))

    def __rmatmul__(self, other: Any) -> Any:
        return apply(np.matmul, (other, self))

    def __iadd__(self, other: Any) -> Tensor:
        return self._in_place(np.add, other)

    def __isub__(self, other: Any) -> Tensor:
        return self._in_place(np.subtract, other)

    def __imul__(self, other: Any) -> Tensor:
        return self._in_place(np.multiply, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._in_place(np.true_divide, other)

    def _in_place(self, ufunc: np.ufunc, other: Any) -> Tensor:
        data = self._writeable()
        ufunc(data, _unwrap(other), out=data)
        return self

    def __eq__(self, other: object) -> Any:
        return apply(np.equal, (self, other))

    def __ne__(self, other: object) -> Any:
        return apply(np.not_equal, (self, other))

    def __lt__(self, other: Any) -> Any:
        return apply(np.less, (self, other))

    def __le__(self, other: Any) -> Any:
        return apply(np.less_equal, (self, other))

    def __gt__(self, other: Any) -> Any:
        return apply(np.greater, (self, other))

    def __ge__(self, other: Any) -> Any:
        return apply(np.greater_equal, (self, other))

    # Elements compare with ==, so a Tensor in a set or dict is told apart by identity.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        head = "Tensor("
        text = head + np.array2string(self._data, separator=", ", prefix=head)
        if self._data.size == 0:
            text += f", shape={self._data.shape}"
        if self._data.dtype not in (np.float32, np.int64, np.bool_):
            text += f", dtype={self._data.dtype}"
        if self._requires_grad:
            text += ", requires_grad=True"
        return text + ")"


# What the operators of an ndarray call when the other operand is a Tensor: followed like the Tensor's own operators.
_OPERATORS = frozenset(
    (
        np.add,
        np.subtract,
        np.multiply,
        np.true_divide,
        np.power,
        np.matmul,
        np.equal,
        np.not_equal,
        np.less,
        np.less_equal,
        np.greater,
        np.greater_equal,
    )
)


class Parameter(Tensor):
    """A Tensor that a Module registers when it is assigned as an attribute.

    A Parameter never decides the type of a result: a layer called with an ndarray returns an ndarray.

    Args:
        data: an array, whose memory is shared, or anything `np.asarray` takes; `None` makes an empty float32 one.
        requires_grad: whether a gradient is wanted for it.

    Raises:
        TypeError: data are not numbers.
        RuntimeError: requires_grad for integers or booleans.

    Example:
        >>> class Scale(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = nn.Parameter(np.full(2, 3, np.float32))
        ...     def forward(self, x):
        ...         return x * self.factor
        >>> Scale()(np.ones(2, np.float32))
        array([3., 3.], dtype=float32)
        >>> [name for name, _ in Scale().named_parameters()]
        ['factor']
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        super().__init__(np.empty(0, np.float32) if data is None else data, requires_grad=requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
