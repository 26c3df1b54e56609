"""Tensor: an array that the tape follows; Parameter: a Tensor that a Module owns."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _native, operators, tape
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

    def numel(self) -> int:
        """The number of elements."""
        return self._data.size

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

    def _writeable(self) -> NDArray[Any]:
        """The array, for a write in place that no tape has to follow."""
        if self._requires_grad and tape.is_grad_enabled():
            raise RuntimeError(
                f"cannot change a {type(self).__name__} that requires a gradient in place; do it under nn.no_grad() or write into .data"
            )
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

    def clone(self) -> Any:
        """A copy with memory of its own."""
        return operators.clone(self)

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
            self._become(operators.assign(self, key, value))
        else:
            self._writeable()[operators._plain_key(key)] = operators._raw(value)

    def __iadd__(self, other: Any) -> Tensor:
        return self._in_place(operators.add, np.add, other)

    def __isub__(self, other: Any) -> Tensor:
        return self._in_place(operators.sub, np.subtract, other)

    def __imul__(self, other: Any) -> Tensor:
        return self._in_place(operators.mul, np.multiply, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._in_place(operators.div, np.true_divide, other)

    def _is_followed(self, other: Any = None) -> bool:
        """Whether a change in place has to be recorded: the Tensor was computed on the tape, or what is written into it was."""
        if not tape.is_grad_enabled():
            return False
        return self._node is not None or (not self._requires_grad and isinstance(other, TensorBase) and other._requires_grad)

    def _become(self, result: Tensor) -> None:
        """This Tensor goes on as `result`; what earlier operations have kept of its array stays as it was."""
        self._data = result._data
        self._node, self._index, self._requires_grad = result._node, result._index, result._requires_grad

    def _in_place(self, op: Callable[..., Any], ufunc: np.ufunc, other: Any) -> Tensor:
        if self._is_followed(other):
            self._become(op(self, other))
            return self
        data = self._writeable()
        ufunc(data, operators._raw(other), out=data)
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

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two dimensions exchanged."""
        return operators.swapaxes(self, axis1, axis2)

    @property
    def T(self) -> Any:
        """The dimensions in reverse order."""
        return operators.permute(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Any:
        """The last two dimensions exchanged."""
        return operators.swapaxes(self, -1, -2)

    def t(self) -> Any:
        """A matrix transposed."""
        if self.ndim > 2:
            raise RuntimeError(f"t() expects at most 2 dimensions, but this Tensor has {self.ndim}; use transpose or mT")
        return self.T

    def squeeze(self, dim: Any = None, *, axis: Any = None) -> Any:
        """Without the dimensions of size 1, or without `dim` where its size is 1."""
        return operators.squeeze(self, axis if dim is None else dim)

    def unsqueeze(self, dim: int) -> Any:
        """With a new dimension of size 1 at dim."""
        return operators.unsqueeze(self, dim)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Any:
        """The dimensions from start_dim to end_dim as one."""
        return operators.flatten(self, start_dim, end_dim)

    def ravel(self) -> Any:
        """All elements in one dimension."""
        return operators.reshape(self, -1)

    def expand(self, *sizes: Any) -> Any:
        """Repeated along dimensions of size 1 or new ones, without a copy; -1 keeps a size."""
        return operators.expand(self, *sizes)

    def expand_as(self, other: Any) -> Any:
        """Expanded to the shape of other."""
        return operators.broadcast_to(self, other.shape)

    def repeat(self, *repeats: Any) -> Any:
        """Laid side by side, as often along each dimension as repeats say (NumPy's tile)."""
        return operators.repeat(self, *repeats)

    def flip(self, *dims: Any) -> Any:
        """The order of the elements along dims reversed."""
        return operators.flip(self, dims[0] if len(dims) == 1 and np.ndim(dims[0]) else dims or None)

    def split(self, split_size: Any, dim: int = 0) -> Any:
        """Pieces of one size, or of the sizes given, along dim."""
        return operators.split(self, split_size, dim)

    def chunk(self, chunks: int, dim: int = 0) -> Any:
        """At most `chunks` pieces of one size along dim."""
        return operators.chunk(self, chunks, dim)

    def unbind(self, dim: int = 0) -> tuple[Any, ...]:
        """The parts for each index of dim."""
        where = (slice(None),) * (dim % self.ndim)
        return tuple(self[(*where, i)] for i in range(self.shape[dim]))

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

    def amax(self, dim: Any = None, keepdim: Any = False) -> Any:
        """The largest element, or the largest along dim; equal ones share the gradient."""
        return operators.amax(self, dim, keepdim)

    def amin(self, dim: Any = None, keepdim: Any = False) -> Any:
        """The smallest element, or the smallest along dim; equal ones share the gradient."""
        return operators.amin(self, dim, keepdim)

    def argmax(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """The index of the largest element, or of the largest along dim."""
        _no_out(None, out)
        return operators.argmax(self, _first(dim, axis), keepdim or keepdims)

    def argmin(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """The index of the smallest element, or of the smallest along dim."""
        _no_out(None, out)
        return operators.argmin(self, _first(dim, axis), keepdim or keepdims)

    def all(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """Whether all elements are true."""
        _no_out(None, out)
        return operators._as(self, np.asarray(self._data.all(axis=_first(dim, axis), keepdims=keepdim or keepdims)))

    def any(self, dim: Any = None, keepdim: Any = False, *, axis: Any = None, keepdims: Any = False, out: None = None) -> Any:
        """Whether any element is true."""
        _no_out(None, out)
        return operators._as(self, np.asarray(self._data.any(axis=_first(dim, axis), keepdims=keepdim or keepdims)))

    def norm(self, p: Any = 2.0, dim: Any = None, keepdim: Any = False) -> Any:
        """The p-norm of all elements, or of vectors along dim."""
        return operators.norm(self, p, dim, keepdim)

    def cumsum(self, dim: Any) -> Any:
        """The sums of the first elements along dim."""
        return operators.cumsum(self, dim)

    # Element by element.

    def exp(self) -> Any:
        """eˣ"""
        return operators.exp(self)

    def log(self) -> Any:
        """The natural logarithm."""
        return operators.log(self)

    def log1p(self) -> Any:
        """log(1 + x)"""
        return operators.log1p(self)

    def sqrt(self) -> Any:
        """√x"""
        return operators.sqrt(self)

    def rsqrt(self) -> Any:
        """1 / √x"""
        return 1 / operators.sqrt(self)

    def square(self) -> Any:
        """x²"""
        return operators.square(self)

    def pow(self, exponent: Any) -> Any:
        """x to the power of exponent."""
        return operators.pow(self, exponent)

    def abs(self) -> Any:
        """The absolute value."""
        return operators.abs(self)

    def sign(self) -> Any:
        """-1, 0 or 1."""
        return operators.sign(self)

    def sin(self) -> Any:
        """The sine."""
        return operators.sin(self)

    def cos(self) -> Any:
        """The cosine."""
        return operators.cos(self)

    def relu(self) -> Any:
        """max(0, x)"""
        return _native.activation_forward(self, 0, 0.0, 0.0)

    def sigmoid(self) -> Any:
        """1 / (1 + e⁻ˣ)"""
        return _native.activation_forward(self, 8, 0.0, 0.0)

    def tanh(self) -> Any:
        """The hyperbolic tangent."""
        return _native.activation_forward(self, 9, 0.0, 0.0)

    def softmax(self, dim: Any) -> Any:
        """exp(x) / Σ exp(x) along dim."""
        return _native.softmax_forward(self, dim, False)

    def log_softmax(self, dim: Any) -> Any:
        """The logarithm of softmax along dim."""
        return _native.softmax_forward(self, dim, True)

    def clamp(self, min: Any = None, max: Any = None) -> Any:
        """The bound where an element passes it."""
        return operators.clamp(self, min, max)

    clip = clamp

    def maximum(self, other: Any) -> Any:
        """The larger of both, element by element."""
        return operators.maximum(self, other)

    def minimum(self, other: Any) -> Any:
        """The smaller of both, element by element."""
        return operators.minimum(self, other)

    def masked_fill(self, mask: Any, value: Any) -> Any:
        """value where mask is True."""
        return operators.masked_fill(self, mask, value)

    def where(self, condition: Any, other: Any) -> Any:
        """The elements where condition is True, else other's."""
        return operators.where(condition, self, other)

    def gather(self, dim: Any, index: Any) -> Any:
        """y[i, j, ...] = x[index[i, j, ...], j, ...] for dim 0, and so on."""
        return operators.gather(self, dim, index)

    def index_select(self, dim: Any, index: Any) -> Any:
        """The parts with these indices along dim."""
        return operators.take(self, index, dim)

    def tril(self, diagonal: Any = 0) -> Any:
        """The elements on and below a diagonal, the others 0."""
        return operators.tril(self, diagonal)

    def triu(self, diagonal: Any = 0) -> Any:
        """The elements on and above a diagonal, the others 0."""
        return operators.triu(self, diagonal)

    def isnan(self) -> Any:
        """Whether elements are NaN."""
        return operators._as(self, np.isnan(self._data))

    def isfinite(self) -> Any:
        """Whether elements are neither NaN nor infinite."""
        return operators._as(self, np.isfinite(self._data))

    # Arithmetic.

    def __neg__(self) -> Any:
        return operators.neg(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return operators.abs(self)

    def __add__(self, other: Any) -> Any:
        return operators.add(self, _operand(other))

    def __radd__(self, other: Any) -> Any:
        return operators.add(_operand(other), self)

    def __sub__(self, other: Any) -> Any:
        return operators.sub(self, _operand(other))

    def __rsub__(self, other: Any) -> Any:
        return operators.sub(_operand(other), self)

    def __mul__(self, other: Any) -> Any:
        return operators.mul(self, _operand(other))

    def __rmul__(self, other: Any) -> Any:
        return operators.mul(_operand(other), self)

    def __truediv__(self, other: Any) -> Any:
        return operators.div(self, _operand(other))

    def __rtruediv__(self, other: Any) -> Any:
        return operators.div(_operand(other), self)

    def __pow__(self, other: Any) -> Any:
        return operators.pow(self, _operand(other))

    def __rpow__(self, other: Any) -> Any:
        return operators.pow(_operand(other), self)

    def __matmul__(self, other: Any) -> Any:
        return operators.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return operators.matmul(other, self)

    def matmul(self, other: Any) -> Any:
        """The product of matrices or vectors, with leading dimensions broadcast."""
        return operators.matmul(self, other)

    mm = bmm = dot = matmul

    add, sub, mul, div = __add__, __sub__, __mul__, __truediv__

    def __floordiv__(self, other: Any) -> Any:
        return _compare(np.floor_divide, self, other)

    def __mod__(self, other: Any) -> Any:
        return _compare(np.remainder, self, other)

    def __and__(self, other: Any) -> Any:
        return _compare(np.bitwise_and, self, other)

    def __or__(self, other: Any) -> Any:
        return _compare(np.bitwise_or, self, other)

    def __xor__(self, other: Any) -> Any:
        return _compare(np.bitwise_xor, self, other)

    def __invert__(self) -> Any:
        return operators._as(self, np.invert(self._data))

    def __eq__(self, other: object) -> Any:
        return _compare(np.equal, self, other)

    def __ne__(self, other: object) -> Any:
        return _compare(np.not_equal, self, other)

    def __lt__(self, other: Any) -> Any:
        return _compare(np.less, self, other)

    def __le__(self, other: Any) -> Any:
        return _compare(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(np.greater, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(np.greater_equal, self, other)

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


def _compare(ufunc: np.ufunc, a: Any, b: Any) -> Any:
    """ufunc(a, b), which has no derivative."""
    result = ufunc(operators._raw(a), operators._raw(b))
    if result is NotImplemented or not isinstance(result, (np.ndarray, np.generic)):
        return result
    strong = any(isinstance(t, TensorBase) and not t._weak for t in (a, b))
    if not strong and (isinstance(a, np.ndarray) or isinstance(b, np.ndarray)):
        return result
    return _tensor(np.asarray(result), not strong)


tape._new_tensor = _tensor


def _comparison(ufunc: np.ufunc) -> Callable[..., Any]:
    return lambda a, b: _compare(ufunc, a, b)


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
    **{u: _comparison(u) for u in (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)},
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
