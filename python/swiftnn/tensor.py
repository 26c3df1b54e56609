"""Tensor: an array that the tape follows; Parameter: a Tensor that a Module owns."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _native, operators, tape
from .operators._common import _raw, _sizes
from .operators.elementwise import _add, _div, _sub
from .operators.indexing import _plain_key, assign
from .tape import TensorBase, apply

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Parameter", "Tensor", "apply"]


def _tensor(array: NDArray[Any], weak: bool = False, node: tape.Node | None = None, index: int = 0) -> Tensor:
    """A Tensor round `array` itself, without the checks of the constructor."""
    tensor = Tensor.__new__(Tensor)
    tensor._data = array
    tensor._requires_grad = node is not None
    tensor.grad = None
    tensor._node = node
    tensor._index = index
    tensor._weak = weak
    tensor._hooks = None
    return tensor


def _rebuild(cls: type[Tensor], data: NDArray[Any], requires_grad: bool, attributes: dict[str, Any]) -> Tensor:
    """Unpickles a Tensor of any subclass without calling its constructor."""
    tensor = cls.__new__(cls)
    tensor._data = data
    tensor._requires_grad = requires_grad
    tensor.grad = tensor._node = tensor._hooks = None
    tensor._index = 0
    if cls._weak is not True:
        tensor._weak = False
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


def _written(function: Callable[..., Any]) -> Callable[..., Any]:
    """The method that writes what function computes of a Tensor into the Tensor itself."""
    name = function.__name__.strip("_")

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        followed = self._is_followed(*args, *options.values())
        data = self._data if followed else self._writeable()
        if followed:
            result = function(self, *args, **options)
        else:
            result = function(data, *map(_raw, args), **{key: _raw(value) for key, value in options.items()})
        if np.shape(result) != data.shape:
            raise ValueError(f"{name}_: the result has shape {np.shape(result)}, and cannot be written into a Tensor of shape {data.shape}")
        if not np.can_cast(result.dtype, data.dtype, "same_kind"):
            raise TypeError(
                f"{name}_: the result has dtype {result.dtype}, and cannot be written into a Tensor of {data.dtype}; use {name}"
            )
        if followed:
            self._become(result if result.dtype == data.dtype else result.to(data.dtype))
        else:
            data[...] = result
        return self

    method.__name__, method.__qualname__ = f"{name}_", f"Tensor.{name}_"
    method.__doc__ = f"`{name}`, written into the Tensor itself."
    return method


def _turned(function: Callable[..., Any]) -> Callable[..., Any]:
    """The method that gives a Tensor the shape that function gives its elements."""
    name = function.__name__

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        if self._is_followed():
            self._become(function(self, *args, **options))
        else:
            self._refuse_change()
            self._data = function(self._data, *args, **options)
        return self

    method.__name__, method.__qualname__ = f"{name}_", f"Tensor.{name}_"
    method.__doc__ = f"`{name}` of the Tensor itself, on the same memory."
    return method


def _relu(x: Any) -> Any:
    return _native.activation_forward(x, 0, 0.0, 0.0)


def _sigmoid(x: Any) -> Any:
    return _native.activation_forward(x, 8, 0.0, 0.0)


def _tanh(x: Any) -> Any:
    return _native.activation_forward(x, 9, 0.0, 0.0)


class Tensor(TensorBase):
    """An array that layers follow: Tensors in, Tensors out, recorded where a gradient is wanted.

    Args:
        data: an array, whose memory is shared, or anything `np.asarray` takes; Python floats become float32.
        dtype: converts to this element type.
        requires_grad: whether a gradient is wanted for this Tensor.

    Raises:
        TypeError: data are not numbers.
        RuntimeError: requires_grad for integers or booleans.

    `grad` is the gradient that `backward` of some result has found, an ndarray, or None.

    Example:
        >>> x = nn.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        >>> y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        array([[2., 4.],
               [6., 8.]], dtype=float32)
    """

    __slots__ = ("__dict__", "__weakref__", "_hooks", "_index", "_node", "_requires_grad", "_weak", "grad")
    __array_priority__ = 1000.0

    # Whether operations of the library get the Tensor itself, and may keep what they make of it (Parameters).
    _keeps = False

    _requires_grad: bool
    _weak: bool  # made of Parameters alone: never decides that a result is a Tensor
    _node: tape.Node | None  # what computed it; None: a leaf
    _index: int  # which of the node's results it is
    _hooks: list[Any] | None
    grad: NDArray[Any] | None

    def __init__(self, data: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False) -> None:
        self._data = _as_array(data, dtype)
        self._requires_grad = False
        self.grad = self._node = self._hooks = None
        self._index = 0
        if not self._keeps:
            self._weak = False
        if requires_grad:
            self.requires_grad = True

    # The array and what is known of it.

    @property
    def data(self) -> NDArray[Any]:
        """The array itself: what is written into it changes the Tensor, unseen by the tape."""
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

    def detach_(self) -> Tensor:
        """Takes the Tensor itself off the tape."""
        self._node, self._index, self._requires_grad = None, 0, False
        return self

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is wanted for this Tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.dtype.kind != "f":
            raise RuntimeError(
                f"only floating point Tensors can require gradients, got dtype {self.dtype}; "
                "pass requires_grad=False or convert the data to float32"
            )
        if not value and self._node is not None:
            raise RuntimeError("a computed Tensor requires a gradient because something it was computed from does; use tensor.detach()")
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets `requires_grad` and returns the Tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was not computed by a recorded operation: only leaves get a `grad`."""
        return self._node is None

    @property
    def grad_fn(self) -> tape.Node | None:
        """The recorded operation that computed it, or None."""
        return self._node

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
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._data.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """How many elements lie between neighbours along each dimension, or along `dim`."""
        strides = tuple(s // self._data.itemsize for s in self._data.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie one behind the other, in C order."""
        return self._data.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the elements are floats."""
        return self.dtype.kind == "f"

    @property
    def device(self) -> str:
        """ "cpu": where all arrays are."""
        return "cpu"

    def item(self) -> Any:
        """The only element as a Python number."""
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._data.tolist()

    # Gradients.

    def backward(self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Adds to the `grad` of every leaf this Tensor was computed from.

        Args:
            gradient: the gradient with respect to this Tensor, of its shape; None: 1, for a Tensor with one element.
            retain_graph: keeps what another backward through the same operations needs.
            create_graph: not supported.

        Raises:
            RuntimeError: the Tensor requires no gradient, has several elements and no gradient was given, its graph was freed by an earlier
                backward, or an array that a derivative needs was changed in place.
        """
        if create_graph:
            tape.refuse_second_derivative()
        tape.run_backward((self,), (tape.start_gradient(self, gradient),), retain_graph)

    def register_hook(self, hook: Callable[[NDArray[Any]], Any]) -> Callable[[], None]:
        """Calls `hook(gradient)` when backward has found this Tensor's gradient; an array that it returns replaces it.

        Returns:
            A function that removes the hook.
        """
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a Tensor that does not require a gradient")
        if self._node is None:
            hooks = self._hooks = [] if self._hooks is None else self._hooks
        else:
            if self._node.hooks is None:
                self._node.hooks = {}
            hooks = self._node.hooks.setdefault(self._index, [])
        hooks.append(hook)

        def remove() -> None:
            if hook in hooks:
                hooks.remove(hook)

        return remove

    def retain_grad(self) -> None:
        """Makes backward set `grad` though this Tensor was computed."""
        if self._node is None:
            return

        def keep(gradient: NDArray[Any]) -> None:
            self.grad = gradient.copy() if self.grad is None else self.grad + gradient

        self.register_hook(keep)

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
        if method == "__call__" and not kwargs:
            known = _UFUNCS.get(ufunc)
            if known is not None:
                return known(*inputs)
        for value in inputs:
            if isinstance(value, Tensor):
                value._refuse_leaving_tape()
        out = kwargs.pop("out", ())
        if out:
            kwargs["out"] = tuple(value._writeable() if isinstance(value, Tensor) else value for value in out)
        with tape.no_grad():
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
        # What comes from Parameters alone converts: a call without any other Tensor is not followed anyway.
        if self._requires_grad and not self._weak:
            raise TypeError(
                "NumPy would drop this Tensor, which requires a gradient, from the graph; "
                "pass tensor.detach() or tensor.numpy() if that is meant, else use swiftnn's own functions"
            )

    def _refuse_change(self) -> None:
        if self._requires_grad and tape.is_grad_enabled():
            raise RuntimeError(
                f"cannot change a {type(self).__name__} that requires a gradient in place; do it under nn.no_grad() or write into .data"
            )

    def _writeable(self) -> NDArray[Any]:
        """The array, for a write in place that no tape has to follow."""
        self._refuse_change()
        tape.wrote(self)
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
        if self.ndim == 0:
            raise TypeError("cannot iterate over a Tensor without dimensions; use .item()")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return (value._data if isinstance(value, TensorBase) else value) in self._data

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.numel() == 1 else format(str(self), spec)

    # Copies.

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        from copy import deepcopy

        known = memo.get(id(self))
        if known is not None:
            return known  # type: ignore[no-any-return]
        if self._node is not None:
            raise RuntimeError("only leaves can be copied deeply: this Tensor was computed; use tensor.detach().clone()")
        tensor = _rebuild(type(self), self._data.copy(order="K"), self._requires_grad, {})
        memo[id(self)] = tensor
        tensor.grad = deepcopy(self.grad, memo)
        tensor.__dict__.update(deepcopy(self.__dict__, memo))
        return tensor

    def __reduce__(self) -> tuple[Any, ...]:
        if self._node is not None:
            raise RuntimeError("only leaves can be pickled: this Tensor was computed; use tensor.detach()")
        return _rebuild, (type(self), self._data, self._requires_grad, self.__dict__)

    # Indexing and in-place changes.

    def __getitem__(self, key: Any) -> Any:
        return operators.index(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._is_followed(value):
            self._become(assign(self, key, value))
        else:
            self._writeable()[_plain_key(key)] = _raw(value)

    def __iadd__(self, other: Any) -> Tensor:
        return self._in_place(operators.add, np.add, other)

    def __isub__(self, other: Any) -> Tensor:
        return self._in_place(operators.sub, np.subtract, other)

    def __imul__(self, other: Any) -> Tensor:
        return self._in_place(operators.mul, np.multiply, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._in_place(operators.div, np.true_divide, other)

    def _is_followed(self, *others: Any) -> bool:
        """Whether a change in place has to be recorded: the Tensor was computed on the tape, or what is written into it was."""
        if not tape.is_grad_enabled():
            return False
        return self._node is not None or (
            not self._requires_grad and any(isinstance(other, TensorBase) and other._requires_grad for other in others)
        )

    def _become(self, result: Tensor) -> None:
        """This Tensor goes on as `result`; what earlier operations have kept of its array stays as it was."""
        self._data = result._data
        self._node, self._index, self._requires_grad = result._node, result._index, result._requires_grad

    def _in_place(self, op: Callable[..., Any], ufunc: np.ufunc, other: Any) -> Tensor:
        if self._is_followed(other):
            self._become(op(self, other))
            return self
        data = self._writeable()
        ufunc(data, _raw(other), out=data)
        return self

    def copy_(self, source: Any) -> Tensor:
        """Writes the elements of source, broadcast, into this Tensor."""
        self[...] = source
        return self

    def zero_(self) -> Tensor:
        """Writes 0 into every element."""
        return self.fill_(0)

    def fill_(self, value: float) -> Tensor:
        """Writes value into every element."""
        self[...] = value
        return self

    def normal_(self, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
        """Writes normal random numbers into the Tensor, those of `nn.init.normal_`."""
        return self._drawn("normal_", mean, std, generator)

    def uniform_(self, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> Tensor:
        """Writes random numbers between a and b into the Tensor, those of `nn.init.uniform_`."""
        return self._drawn("uniform_", a, b, generator)

    def _drawn(self, name: str, *args: Any) -> Tensor:
        from . import init

        return self.copy_(getattr(init, name)(np.empty(self.shape, self.dtype), *args))

    def bernoulli_(self, p: Any = 0.5, *, generator: Any = None) -> Tensor:
        """Writes 1 with probability p, else 0, into every element; p is a number or an array that broadcasts."""
        return self.copy_(operators.bernoulli(np.broadcast_to(np.asarray(_raw(p), np.float32), self.shape), generator=generator))

    abs_ = _written(operators.abs)
    acos_ = _written(operators.acos)
    acosh_ = _written(operators.acosh)
    add_ = _written(operators.add)
    addcdiv_ = _written(operators.addcdiv)
    addcmul_ = _written(operators.addcmul)
    addmm_ = _written(operators.addmm)
    asin_ = _written(operators.asin)
    asinh_ = _written(operators.asinh)
    atan_ = _written(operators.atan)
    atanh_ = _written(operators.atanh)
    baddbmm_ = _written(operators.baddbmm)
    ceil_ = _written(operators.ceil)
    clamp_ = _written(operators.clamp)
    clamp_max_ = _written(operators.clamp_max)
    clamp_min_ = _written(operators.clamp_min)
    cos_ = _written(operators.cos)
    cosh_ = _written(operators.cosh)
    cumprod_ = _written(operators.cumprod)
    cumsum_ = _written(operators.cumsum)
    div_ = _written(operators.div)
    erf_ = _written(operators.erf)
    exp_ = _written(operators.exp)
    exp2_ = _written(operators.exp2)
    expm1_ = _written(operators.expm1)
    floor_ = _written(operators.floor)
    floor_divide_ = _written(operators.floor_divide)
    fmod_ = _written(operators.fmod)
    frac_ = _written(operators.frac)
    hypot_ = _written(operators.hypot)
    index_add_ = _written(operators.index_add)
    index_copy_ = _written(operators.index_copy)
    index_fill_ = _written(operators.index_fill)
    lerp_ = _written(operators.lerp)
    log_ = _written(operators.log)
    log10_ = _written(operators.log10)
    log1p_ = _written(operators.log1p)
    log2_ = _written(operators.log2)
    logit_ = _written(operators.logit)
    masked_fill_ = _written(operators.masked_fill)
    masked_scatter_ = _written(operators.masked_scatter)
    mul_ = _written(operators.mul)
    nan_to_num_ = _written(operators.nan_to_num)
    neg_ = _written(operators.neg)
    pow_ = _written(operators.pow)
    reciprocal_ = _written(operators.reciprocal)
    remainder_ = _written(operators.remainder)
    round_ = _written(operators.round)
    rsqrt_ = _written(operators.rsqrt)
    scatter_ = _written(operators.scatter)
    scatter_add_ = _written(operators.scatter_add)
    scatter_reduce_ = _written(operators.scatter_reduce)
    sign_ = _written(operators.sign)
    sin_ = _written(operators.sin)
    sinh_ = _written(operators.sinh)
    sqrt_ = _written(operators.sqrt)
    square_ = _written(operators.square)
    sub_ = _written(operators.sub)
    tan_ = _written(operators.tan)
    tril_ = _written(operators.tril)
    triu_ = _written(operators.triu)
    trunc_ = _written(operators.trunc)
    xlogy_ = _written(operators.xlogy)
    clip_, relu_, sigmoid_, tanh_ = clamp_, _written(_relu), _written(_sigmoid), _written(_tanh)
    t_ = _turned(operators.t)
    transpose_ = swapaxes_ = swapdims_ = _turned(operators.transpose)
    squeeze_ = _turned(operators.squeeze)
    unsqueeze_ = _turned(operators.unsqueeze)

    # Shapes.

    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape; one size may be -1."""
        return operators.reshape(self, shape[0] if len(shape) == 1 else shape)

    view = reshape

    def view_as(self, other: Any) -> Any:
        """The elements in the shape of other."""
        return operators.reshape(self, tuple(other.shape))

    def transpose(self, *axes: Any) -> Any:
        """Two dimensions exchanged where two ints are given (as in PyTorch), else the dimensions in another order (as in NumPy)."""
        if len(axes) == 2:
            return operators.swapaxes(self, *axes)
        if len(axes) == 1:
            axes = (axes[0],) if isinstance(axes[0], int) else axes[0] or ()
        return operators.permute(self, tuple(axes) or tuple(range(self.ndim))[::-1])

    def permute(self, *dims: Any) -> Any:
        """The dimensions in another order."""
        return operators.permute(self, dims[0] if len(dims) == 1 and np.ndim(dims[0]) else dims)

    @property
    def T(self) -> Any:
        """The dimensions in reverse order."""
        return operators.permute(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Any:
        """The last two dimensions exchanged."""
        return operators.swapaxes(self, -1, -2)

    def squeeze(self, dim: Any = None, *, axis: Any = None) -> Any:
        """Without the dimensions of size 1, or without `dim` where its size is 1."""
        return operators.squeeze(self, axis if dim is None else dim)

    def tile(self, *dims: Any) -> Any:
        """Laid side by side; counts that are missing in front are 1."""
        return operators.tile(self, _sizes(dims))

    def ravel(self) -> Any:
        """All elements in one dimension."""
        return operators.reshape(self, -1)

    def expand_as(self, other: Any) -> Any:
        """Expanded to the shape of other."""
        return operators.broadcast_to(self, other.shape)

    def flip(self, *dims: Any) -> Any:
        """The order of the elements along dims reversed."""
        return operators.flip(self, dims[0] if len(dims) == 1 and np.ndim(dims[0]) else dims or None)

    def contiguous(self) -> Any:
        """The Tensor itself where its memory is contiguous, else a contiguous copy."""
        return self if self._data.flags.c_contiguous else operators.contiguous(self)

    # Types.

    def astype(self, dtype: DTypeLike, *, copy: bool = True) -> Any:
        """The elements converted to `dtype`."""
        return operators.astype(self, np.dtype(dtype), copy)

    def to(self, *args: Any, dtype: DTypeLike | None = None, **_: Any) -> Any:
        """The elements converted to a dtype, or to that of another Tensor; the device is always the CPU."""
        for a in args:
            if isinstance(a, (TensorBase, np.ndarray)):
                dtype = a.dtype
            elif isinstance(a, str) and a.partition(":")[0] in ("cpu", "cuda", "mps", "xpu"):
                if a.partition(":")[0] != "cpu":
                    raise ValueError(f"to: swiftnn computes on the CPU, got device {a!r}")
            elif not isinstance(a, bool):
                dtype = a
        return self if dtype is None or np.dtype(dtype) == self.dtype else self.astype(dtype)

    def float(self) -> Any:
        """The elements as float32."""
        return self.to(np.float32)

    def double(self) -> Any:
        """The elements as float64."""
        return self.to(np.float64)

    def half(self) -> Any:
        """The elements as float16."""
        return self.to(np.float16)

    def byte(self) -> Any:
        """The elements as uint8."""
        return self.to(np.uint8)

    def long(self) -> Any:
        """The elements as int64."""
        return self.to(np.int64)

    def int(self) -> Any:
        """The elements as int32."""
        return self.to(np.int32)

    def bool(self) -> Any:
        """Whether the elements are not 0."""
        return self.to(np.bool_)

    def type_as(self, other: Any) -> Any:
        """The elements converted to other's dtype."""
        return self.to(other.dtype)

    def cpu(self) -> Tensor:
        """The Tensor itself: everything is on the CPU."""
        return self

    # Tensors of the same kind.

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """A Tensor of a copy of data, with this one's dtype unless another is given."""
        return Tensor(np.array(_raw(data), self.dtype if dtype is None else dtype), requires_grad=requires_grad)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """A Tensor of this shape, with this one's dtype unless another is given, whose values are still to be set."""
        return Tensor(np.empty(_sizes(size), self.dtype if dtype is None else dtype), requires_grad=requires_grad)

    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """A Tensor of this shape filled with a number, with this one's dtype unless another is given."""
        return Tensor(np.full(size, _raw(fill_value), self.dtype if dtype is None else dtype), requires_grad=requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """A Tensor of this shape full of zeros, with this one's dtype unless another is given."""
        return self.new_full(_sizes(size), 0, dtype=dtype, requires_grad=requires_grad)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Any = False) -> Tensor:
        """A Tensor of this shape full of ones, with this one's dtype unless another is given."""
        return self.new_full(_sizes(size), 1, dtype=dtype, requires_grad=requires_grad)

    # Reductions. NumPy's names of the options, axis and keepdims, are understood too.

    def sum(
        self, dim: Any = None, keepdim: Any = False, dtype: Any = None, *, axis: Any = None, keepdims: Any = False, out: None = None
    ) -> Any:
        """The sum of all elements or along dim."""
        return operators.sum(self, _first(dim, axis), keepdim or keepdims, _no_out(dtype, out))

    def mean(
        self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, dtype: Any = None, out: None = None
    ) -> Any:
        """The mean of all elements or along dim."""
        x = self if _no_out(dtype, out) is None else self.to(dtype)
        return operators.mean(x, _first(dim, axis), keepdim or keepdims)

    def var(
        self,
        dim: Any = None,
        unbiased: Any = True,
        keepdim: Any = False,
        *,
        correction: Any = None,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Any:
        """The variance of all elements or along dim, divided by n - correction, which is 1 (unbiased) by default."""
        return operators.var(self, _first(dim, axis), unbiased, keepdim or keepdims, correction)

    def std(
        self,
        dim: Any = None,
        unbiased: Any = True,
        keepdim: Any = False,
        *,
        correction: Any = None,
        axis: Any = None,
        keepdims: Any = False,
    ) -> Any:
        """The standard deviation of all elements or along dim."""
        return operators.std(self, _first(dim, axis), unbiased, keepdim or keepdims, correction)

    def max(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """The largest element; with dim the pair (values, indices)."""
        _no_out(None, out)
        return operators.max(self, _first(dim, axis), keepdim or keepdims)

    def min(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """The smallest element; with dim the pair (values, indices)."""
        _no_out(None, out)
        return operators.min(self, _first(dim, axis), keepdim or keepdims)

    def argmax(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """The index of the largest element, or of the largest along dim."""
        _no_out(None, out)
        return operators.argmax(self, _first(dim, axis), keepdim or keepdims)

    def argmin(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """The index of the smallest element, or of the smallest along dim."""
        _no_out(None, out)
        return operators.argmin(self, _first(dim, axis), keepdim or keepdims)

    cumsum = operators.cumsum

    def prod(
        self, dim: Any = None, keepdim: Any = False, dtype: Any = None, *, axis: Any = None, keepdims: Any = False, out: None = None
    ) -> Any:
        """The product of all elements or along dim."""
        return operators.prod(self, _first(dim, axis), keepdim or keepdims, _no_out(dtype, out))

    def all(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """Whether all elements are true."""
        _no_out(None, out)
        return operators.all(self, _first(dim, axis), keepdim or keepdims)

    def any(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """Whether any element is true."""
        _no_out(None, out)
        return operators.any(self, _first(dim, axis), keepdim or keepdims)

    # Element by element.

    def pow(self, exponent: Any) -> Any:
        """x to the power of exponent."""
        return operators.pow(self, exponent)

    def relu(self) -> Any:
        """max(0, x)"""
        return _relu(self)

    def sigmoid(self) -> Any:
        """1 / (1 + e⁻ˣ)"""
        return _sigmoid(self)

    def tanh(self) -> Any:
        """The hyperbolic tangent."""
        return _tanh(self)

    def softmax(self, dim: Any) -> Any:
        """exp(x) / Σ exp(x) along dim."""
        return _native.softmax_forward(self, dim, False)

    def log_softmax(self, dim: Any) -> Any:
        """The logarithm of softmax along dim."""
        return _native.softmax_forward(self, dim, True)

    def where(self, condition: Any, other: Any) -> Any:
        """The elements where condition is True, else other's."""
        return operators.where(condition, self, other)

    # Methods that are functions of `nn`, with the Tensor as their first argument.

    broadcast_to = operators.broadcast_to
    chunk = operators.chunk
    diag = operators.diag
    diag_embed = operators.diag_embed
    diagonal = operators.diagonal
    expand = operators.expand
    flatten = operators.flatten
    fliplr = operators.fliplr
    flipud = operators.flipud
    movedim = operators.movedim
    narrow = operators.narrow
    repeat = operators.repeat
    reshape_as = operators.reshape_as
    roll = operators.roll
    select = operators.select
    split = operators.split
    split_with_sizes = operators.split_with_sizes
    swapaxes = operators.swapaxes
    t = operators.t
    tensor_split = operators.tensor_split
    unbind = operators.unbind
    unflatten = operators.unflatten
    unfold = operators.unfold
    unsqueeze = operators.unsqueeze
    amax = operators.amax
    amin = operators.amin
    count_nonzero = operators.count_nonzero
    cumprod = operators.cumprod
    kthvalue = operators.kthvalue
    logsumexp = operators.logsumexp
    median = operators.median
    mode = operators.mode
    nanmedian = operators.nanmedian
    norm = operators.norm
    quantile = operators.quantile
    abs = operators.abs
    acos = operators.acos
    acosh = operators.acosh
    add = operators.add
    addcdiv = operators.addcdiv
    addcmul = operators.addcmul
    asin = operators.asin
    asinh = operators.asinh
    atan = operators.atan
    atan2 = operators.atan2
    atanh = operators.atanh
    ceil = operators.ceil
    clamp = operators.clamp
    clamp_max = operators.clamp_max
    clamp_min = operators.clamp_min
    clone = operators.clone
    cos = operators.cos
    cosh = operators.cosh
    div = operators.div
    erf = operators.erf
    exp = operators.exp
    exp2 = operators.exp2
    expm1 = operators.expm1
    floor = operators.floor
    floor_divide = operators.floor_divide
    fmod = operators.fmod
    frac = operators.frac
    hypot = operators.hypot
    lerp = operators.lerp
    log = operators.log
    log10 = operators.log10
    log1p = operators.log1p
    log2 = operators.log2
    logaddexp = operators.logaddexp
    logit = operators.logit
    masked_fill = operators.masked_fill
    maximum = operators.maximum
    minimum = operators.minimum
    mul = operators.mul
    nan_to_num = operators.nan_to_num
    neg = operators.neg
    reciprocal = operators.reciprocal
    remainder = operators.remainder
    round = operators.round
    rsqrt = operators.rsqrt
    sign = operators.sign
    sin = operators.sin
    sinh = operators.sinh
    sqrt = operators.sqrt
    square = operators.square
    sub = operators.sub
    tan = operators.tan
    tril = operators.tril
    triu = operators.triu
    trunc = operators.trunc
    xlogy = operators.xlogy
    allclose = operators.allclose
    bitwise_and = operators.bitwise_and
    bitwise_not = operators.bitwise_not
    bitwise_or = operators.bitwise_or
    bitwise_xor = operators.bitwise_xor
    eq = operators.eq
    equal = operators.equal
    ge = operators.ge
    gt = operators.gt
    isclose = operators.isclose
    isfinite = operators.isfinite
    isinf = operators.isinf
    isnan = operators.isnan
    le = operators.le
    logical_and = operators.logical_and
    logical_not = operators.logical_not
    logical_or = operators.logical_or
    logical_xor = operators.logical_xor
    lt = operators.lt
    ne = operators.ne
    argsort = operators.argsort
    gather = operators.gather
    index_add = operators.index_add
    index_copy = operators.index_copy
    index_fill = operators.index_fill
    index_select = operators.index_select
    masked_scatter = operators.masked_scatter
    masked_select = operators.masked_select
    nonzero = operators.nonzero
    repeat_interleave = operators.repeat_interleave
    scatter = operators.scatter
    scatter_add = operators.scatter_add
    scatter_reduce = operators.scatter_reduce
    sort = operators.sort
    take = operators.take
    topk = operators.topk
    unique = operators.unique
    addmm = operators.addmm
    addmv = operators.addmv
    baddbmm = operators.baddbmm
    bernoulli = operators.bernoulli
    bmm = operators.bmm
    dot = operators.dot
    matmul = operators.matmul
    mm = operators.mm
    mv = operators.mv
    outer = operators.outer
    trace = operators.trace
    swapdims = swapaxes
    moveaxis = movedim
    clip = clamp
    ger = outer

    # Arithmetic.

    def __neg__(self) -> Any:
        return operators.neg(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return operators.abs(self)

    def __add__(self, other: Any) -> Any:
        return _add(self, _operand(other))

    def __radd__(self, other: Any) -> Any:
        return _add(_operand(other), self)

    def __sub__(self, other: Any) -> Any:
        return _sub(self, _operand(other))

    def __rsub__(self, other: Any) -> Any:
        return _sub(_operand(other), self)

    def __mul__(self, other: Any) -> Any:
        return operators.mul(self, _operand(other))

    def __rmul__(self, other: Any) -> Any:
        return operators.mul(_operand(other), self)

    def __truediv__(self, other: Any) -> Any:
        return _div(self, _operand(other))

    def __rtruediv__(self, other: Any) -> Any:
        return _div(_operand(other), self)

    def __pow__(self, other: Any) -> Any:
        return operators.pow(self, _operand(other))

    def __rpow__(self, other: Any) -> Any:
        return operators.pow(_operand(other), self)

    def __matmul__(self, other: Any) -> Any:
        return operators.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return operators.matmul(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return operators.floor_divide(self, other)

    def __mod__(self, other: Any) -> Any:
        return operators.remainder(self, other)

    def __and__(self, other: Any) -> Any:
        return operators.bitwise_and(self, other)

    def __or__(self, other: Any) -> Any:
        return operators.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Any:
        return operators.bitwise_xor(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return operators.floor_divide(other, self)

    def __rmod__(self, other: Any) -> Any:
        return operators.remainder(other, self)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Any:
        return operators.bitwise_not(self)

    def __eq__(self, other: object) -> Any:
        return operators.eq(self, other)

    def __ne__(self, other: object) -> Any:
        return operators.ne(self, other)

    def __lt__(self, other: Any) -> Any:
        return operators.lt(self, other)

    def __le__(self, other: Any) -> Any:
        return operators.le(self, other)

    def __gt__(self, other: Any) -> Any:
        return operators.gt(self, other)

    def __ge__(self, other: Any) -> Any:
        return operators.ge(self, other)

    # Elements compare with ==, so a Tensor in a set or dict is told apart by identity.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        head = "Tensor("
        data = self._data
        text = head + np.array2string(data, separator=", ", prefix=head)
        if data.size == 0:
            text += f", shape={data.shape}"
        if data.dtype not in (np.float32, np.int64, np.bool_):
            text += f", dtype={data.dtype}"
        if self._node is not None:
            text += f", grad_fn={self._node}"
        elif self._requires_grad:
            text += ", requires_grad=True"
        return text + ")"


def _first(dim: Any, axis: Any) -> Any:
    return axis if dim is None else dim


def _no_out(dtype: Any, out: Any) -> Any:
    """dtype; NumPy's functions pass `out`, which a Tensor cannot have."""
    if out is not None:
        raise TypeError("a reduction of a Tensor cannot write into out=; use its result")
    return dtype


def _operand(value: Any) -> Any:
    """Lists, which arithmetic with a Tensor reads as arrays."""
    return np.asarray(value) if type(value) in (list, tuple) else value


tape._new_tensor = _tensor


# What NumPy's functions and the operators of an ndarray call when an operand is a Tensor.
_UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: operators.add,
    np.subtract: operators.sub,
    np.multiply: operators.mul,
    np.true_divide: operators.div,
    np.power: operators.pow,
    np.matmul: operators.matmul,
    np.negative: operators.neg,
    np.absolute: operators.abs,
    np.sign: operators.sign,
    np.square: operators.square,
    np.sqrt: operators.sqrt,
    np.exp: operators.exp,
    np.log: operators.log,
    np.log1p: operators.log1p,
    np.sin: operators.sin,
    np.cos: operators.cos,
    np.tanh: Tensor.tanh,
    np.maximum: operators.maximum,
    np.minimum: operators.minimum,
    np.equal: operators.eq,
    np.not_equal: operators.ne,
    np.less: operators.lt,
    np.less_equal: operators.le,
    np.greater: operators.gt,
    np.greater_equal: operators.ge,
    np.arccos: operators.acos,
    np.arccosh: operators.acosh,
    np.arcsin: operators.asin,
    np.arcsinh: operators.asinh,
    np.arctan: operators.atan,
    np.arctanh: operators.atanh,
    np.arctan2: operators.atan2,
    np.rint: operators.round,
    np.ceil: operators.ceil,
    np.cosh: operators.cosh,
    np.exp2: operators.exp2,
    np.expm1: operators.expm1,
    np.floor: operators.floor,
    np.fmod: operators.fmod,
    np.hypot: operators.hypot,
    np.log10: operators.log10,
    np.log2: operators.log2,
    np.logaddexp: operators.logaddexp,
    np.reciprocal: operators.reciprocal,
    np.remainder: operators.remainder,
    np.sinh: operators.sinh,
    np.tan: operators.tan,
    np.trunc: operators.trunc,
}


class Parameter(Tensor):
    """A Tensor that a Module registers when it is assigned as an attribute.

    A Parameter never decides the type of a result: a layer called with an ndarray returns an ndarray. What is computed from Parameters
    alone is a Tensor that decides as little.

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

    _keeps = True
    _weak = True

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        super().__init__(np.empty(0, np.float32) if data is None else data, requires_grad=requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
