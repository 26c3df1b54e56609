"""Parameters and buffers, also those whose shape is not known yet: what lazy modules hold until their first forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .modules.utils import element_type
from .tensor import Parameter, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Buffer(Tensor):
    """A Tensor whose array a Module registers as a buffer when it is assigned as an attribute.

    What the module then holds is the array itself, as after `register_buffer`.

    Args:
        data: an array, whose memory is shared, or anything `np.asarray` takes; `None` makes an empty float32 one.
        persistent: whether `state_dict()` holds it.

    Raises:
        TypeError: data are not numbers.

    Example:
        >>> class Shift(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.mean = nn.Buffer(np.full(2, 3, np.float32))
        ...         self.seen = nn.Buffer(np.zeros(2), persistent=False)
        ...     def forward(self, x):
        ...         return x - self.mean
        >>> Shift()(np.ones(2, np.float32))
        array([-2., -2.], dtype=float32)
        >>> [name for name, _ in Shift().named_buffers()], list(Shift().state_dict())
        (['mean', 'seen'], ['mean'])
    """

    __slots__ = ()

    persistent: bool

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        super().__init__(np.empty(0, np.float32) if data is None else data, requires_grad=getattr(data, "requires_grad", False) is True)
        self.persistent = persistent


class UninitializedTensorMixin:
    """What an uninitialised parameter and an uninitialised buffer share: an element type, and no array."""

    __slots__ = ()

    cls_to_become: type[Tensor]

    def _start(self, requires_grad: bool, device: Any, dtype: DTypeLike | None) -> None:
        this: Any = self
        this._requires_grad = bool(requires_grad)
        this.grad = this._node = this._hooks = None
        this._index = 0
        if not this._keeps:
            this._weak = False
        this.__dict__["_dtype"] = element_type(device, dtype)

    def materialize(self, shape: Any, device: Any = None, dtype: DTypeLike | None = None) -> None:
        """Makes an ordinary Parameter (or Tensor) of this shape of it, whose values are still to be set.

        Args:
            shape: its sizes.
            device: None or 'cpu'.
            dtype: float32 or float64; None: the one it has.
        """
        this: Any = self
        array = np.empty(tuple(shape), this.dtype if dtype is None else element_type(device, dtype))
        del this.__dict__["_dtype"]
        this.__class__ = self.cls_to_become
        this._data = array

    def _convert(self, fn: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        """Takes the element type that fn gives an array."""
        self.__dict__["_dtype"] = fn(np.empty(0, self.dtype)).dtype

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type that it is going to have."""
        found: np.dtype[Any] = self.__dict__["_dtype"]
        return found

    @property
    def shape(self) -> NoReturn:
        """Not known yet."""
        raise RuntimeError(
            f"Can't access the shape of an uninitialized parameter or buffer ({type(self).__name__}); call the lazy module with a batch "
            "first, which initializes its parameters, or load an initialized state dict into it"
        )

    ndim = shape

    def _refuse(self) -> NoReturn:
        raise ValueError(
            f"Attempted to use an uninitialized parameter ({type(self).__name__}), which has no values yet; call the lazy module with a "
            "batch first (one forward of the whole model initializes all of them), or load an initialized state dict into it"
        )

    def _refuse_array(self, value: Any) -> NoReturn:
        raise ValueError(f"an {type(self).__name__} takes no array; call materialize(shape) first and write into .data then")

    # Everything that computes reads the array.
    _data = property(_refuse, _refuse_array)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        this: Any = self
        return memo.setdefault(id(self), type(this)(this.requires_grad, dtype=this.dtype))

    def __reduce__(self) -> tuple[Any, ...]:
        this: Any = self
        return type(self), (this.requires_grad, None, this.dtype)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A Parameter whose shape a lazy module finds out at its first forward; then it is an ordinary `Parameter`, the same object.

    Until then it has an element type and `requires_grad`, and no values: what would compute with it raises.

    Args:
        requires_grad: whether a gradient is wanted for it.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.

    Raises:
        ValueError: the device is not the CPU, or the element type another one.

    Example:
        >>> p = nn.UninitializedParameter()
        >>> p
        <UninitializedParameter>
        >>> p.materialize((2, 3))
        >>> type(p).__name__, p.shape
        ('Parameter', (2, 3))
    """

    __slots__ = ()

    cls_to_become = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: DTypeLike | None = None) -> None:
        self._start(requires_grad, device, dtype)


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer whose shape a lazy module finds out at its first forward: then the module has an ordinary array in its place.

    Args:
        requires_grad: whether a gradient is wanted for it.
        device: None or 'cpu'.
        dtype: float32 (None) or float64.
        persistent: whether `state_dict()` holds it where it is assigned as an attribute; `register_buffer` has an argument for that.

    Raises:
        ValueError: the device is not the CPU, or the element type another one.

    Example:
        >>> nn.UninitializedBuffer(dtype=np.float64).dtype
        dtype('float64')
    """

    __slots__ = ()

    cls_to_become = Buffer

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: DTypeLike | None = None, persistent: bool = True) -> None:
        self._start(requires_grad, device, dtype)
        self.persistent = persistent


def is_lazy(param: Any) -> bool:
    """Whether param is an `UninitializedParameter` or an `UninitializedBuffer`.

    Example:
        >>> nn.parameter.is_lazy(nn.LazyLinear(3).weight), nn.parameter.is_lazy(nn.Linear(2, 3).weight)
        (True, False)
    """
    return isinstance(param, UninitializedTensorMixin)
