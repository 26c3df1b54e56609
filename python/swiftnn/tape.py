"""The tape: what was computed from what, so that `Tensor.backward` finds the gradients.

Every operation on Tensors goes through `apply` (operations of the library, whose derivatives are the `*_backward` rows of ops.def) or
through a function made by `operation` (those written with NumPy, in operators). Both leave a Node behind where a gradient is wanted.
A node refers to what came before it and never to its own results, so a graph nobody holds any more is freed at once.
"""

from __future__ import annotations

import weakref

# threading would be a tenth of the package's import time; its local is this one.
from _thread import _local
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from itertools import count
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec

import numpy as np

from . import _native

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["apply", "enable_grad", "grad", "is_grad_enabled", "no_grad", "operation", "set_grad_enabled"]

TensorBase = _native.TensorBase

P = ParamSpec("P")


def _new_tensor(array: NDArray[Any], weak: bool = False, node: Node | None = None, index: int = 0) -> Any:
    """Wraps an array into a Tensor; tensor.py puts its own in this place."""
    raise NotImplementedError


# Whether operations record.


class _Mode(_local):
    recording = True


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations on Tensors of this thread are recorded."""
    return _mode.recording


class set_grad_enabled:
    """Switches recording on or off in this thread: at once, and until the end of the block where it is used in `with`.

    Args:
        mode: whether operations on Tensors are recorded.

    Example:
        >>> x = nn.Tensor([1.0], requires_grad=True)
        >>> with nn.set_grad_enabled(False):
        ...     (x * 2).requires_grad
        False
    """

    def __init__(self, mode: bool) -> None:
        self._before = _mode.recording
        _mode.recording = bool(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        _mode.recording = self._before


class _GradMode:
    """A context manager, also a decorator, that may be entered again and again."""

    _recording: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_mode.recording)
        _mode.recording = self._recording

    def __exit__(self, *_: object) -> None:
        _mode.recording = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return decorated


class no_grad(_GradMode):
    """Operations in this block, or in the decorated function, are not recorded: evaluation of a model needs no memory for gradients.

    Example:
        >>> x = nn.Tensor([1.0], requires_grad=True)
        >>> with nn.no_grad():
        ...     (x * 2).requires_grad
        False
    """

    _recording = False


class enable_grad(_GradMode):
    """Operations in this block are recorded, also within `no_grad`.

    Example:
        >>> x = nn.Tensor([1.0], requires_grad=True)
        >>> with nn.no_grad(), nn.enable_grad():
        ...     (x * 2).requires_grad
        True
    """

    _recording = True


# Writes in place: a saved array that changed before backward would give wrong gradients.


class _Writes:
    """Counts writes; `last` says for the memory of an array when it was written."""

    count = 0
    last: dict[int, tuple[int, Any]] = {}


def _root(array: Any) -> Any:
    """The ndarray that owns the memory of `array`."""
    base = array.base
    while isinstance(base, np.ndarray):
        array = base
        base = array.base
    return array


def wrote(*tensors: Any) -> None:
    """Notes that the arrays of `tensors` (Tensors or ndarrays) were written in place."""
    for tensor in tensors:
        array = _root(tensor._data if isinstance(tensor, TensorBase) else tensor)
        _Writes.count += 1
        key = id(array)
        known = _Writes.last.get(key)
        # The entry goes when the array does: another one may get its id.
        reference = weakref.ref(array, partial(_forget, key)) if known is None else known[1]
        _Writes.last[key] = (_Writes.count, reference)


def _forget(key: int, _: Any) -> None:
    _Writes.last.pop(key, None)


def _check_saved(node: Node, values: Iterable[Any]) -> None:
    for value in values:
        if isinstance(value, (tuple, list)):
            _check_saved(node, value)
            continue
        if isinstance(value, TensorBase):
            value = value._data
        if isinstance(value, np.ndarray) and _Writes.last.get(id(_root(value)), (0,))[0] > node.stamp:
            raise RuntimeError(
                f"an array of shape {value.shape} that {node.name}'s derivative needs was changed in place after {node.name} had used it; "
                "change a copy (x.clone()), or change it after backward()"
            )


# Nodes.

_numbers = count()


class Node:
    """One recorded operation: how gradients of its results become gradients of its inputs."""

    __slots__ = ("__weakref__", "backward", "edges", "hooks", "name", "number", "outputs", "saved", "stamp", "takes_over")

    def __init__(self, name: str, backward: Any, edges: Sequence[Any], outputs: Sequence[tuple[Any, Any]], saved: Any = None) -> None:
        self.name = name
        # backward(node, gradients of the results, wanted for each edge) -> a gradient (or None) for each edge
        self.backward = backward
        # For each input that may get a gradient: None, a leaf Tensor, or (node, which of its results)
        self.edges: Sequence[Any] | None = edges
        self.outputs = outputs  # (shape, dtype) of each result
        self.saved = saved
        self.hooks: dict[int, list[Any]] | None = None
        self.number = next(_numbers)
        self.stamp = _Writes.count
        # Whether gradients that backward returns belong to nobody else, unless they share memory with those that came in.
        self.takes_over = True

    def __repr__(self) -> str:
        return f"<{self.name}Backward>"


def _edge(tensor: Any) -> Any:
    """Where the gradient of an input goes: None, the leaf Tensor, or (node, index)."""
    if not tensor._requires_grad:
        return None
    node = tensor._node
    return tensor if node is None else (node, tensor._index)


# Operations written with NumPy.


def operation(compute: Callable[P, Any]) -> Callable[P, Any]:
    """Makes a differentiable function of arrays and Tensors out of `compute`.

    `compute(*arrays, **options)` returns (y, backward), where backward(dy, wanted) gives a gradient, or None, for each of `arrays` and is
    the only thing that holds what it needs. Where y is a tuple of arrays, dy is a list of their gradients, None where nothing depends on
    one. Options are keyword-only and hold no Tensors. Arrays in, arrays out; Tensors in, Tensors out.
    """
    name = compute.__name__.strip("_")
    function: Callable[..., Any] = compute
    names = function.__code__.co_varnames[: function.__code__.co_argcount]

    @wraps(compute)
    def call(*args: Any, **options: Any) -> Any:
        if options:
            # Arrays that are given by name
            args += tuple(options.pop(name) for name in names[len(args) :] if name in options)
        strong = weak = plain = needs = False
        raw = list(args)
        for i, a in enumerate(args):
            if isinstance(a, TensorBase):
                if a._weak:
                    weak = True
                else:
                    strong = True
                needs |= a._requires_grad
                raw[i] = a._data
            elif isinstance(a, np.ndarray):
                plain = True
        if not strong and (plain or not weak):
            return np.asarray(function(*raw, **options)[0])[()] if not plain and not weak else function(*raw, **options)[0]
        y, backward = _call(function, raw, options)
        if type(y) is tuple:
            if not needs or not _mode.recording:
                return tuple(_new_tensor(part, not strong) for part in y)
            edges = [_edge(a) if isinstance(a, TensorBase) else None for a in args]
            node = Node(name, _call_parts, edges, [(part.shape, part.dtype) for part in y], backward)
            return tuple(
                _new_tensor(part, not strong, node, i) if part.dtype.kind == "f" else _new_tensor(part, not strong)
                for i, part in enumerate(y)
            )
        if type(y) is not np.ndarray:
            y = np.asarray(y)
        if not needs or not _mode.recording or y.dtype.kind != "f":
            return _new_tensor(y, not strong)
        edges = [_edge(a) if isinstance(a, TensorBase) else None for a in args]
        node = Node(name, _call_closure, edges, ((y.shape, y.dtype),), backward)
        return _new_tensor(y, not strong, node, 0)

    return call


# Bytes of an array from which on fresh memory costs more than a change of NumPy's allocator.
_LARGE = 1 << 16


def _call(function: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]) -> Any:
    """function(*args, **options), with memory of the library's cache where the first array is large."""
    first = args[0] if args else None
    if isinstance(first, np.ndarray) and first.nbytes >= _LARGE:
        return _native.call_with_memory(function, tuple(args), options)
    return function(*args, **options)


def _closure(node: Node) -> Any:
    backward = node.saved
    if _Writes.count != node.stamp and backward.__closure__:
        _check_saved(node, [cell.cell_contents for cell in backward.__closure__])
    return backward


def _call_closure(node: Node, grads: Sequence[Any], wanted: Sequence[bool]) -> Any:
    return _call(_closure(node), (grads[0], wanted), {})


def _call_parts(node: Node, grads: Sequence[Any], wanted: Sequence[bool]) -> Any:
    return _native.call_with_memory(_closure(node), (grads, wanted))


# Operations of the library.


def apply(op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """Calls `op` with Tensors among its arguments, and records it where a gradient is wanted.

    The result is a Tensor, or a tuple of them and Nones, where an argument is a Tensor that follows an input. Parameters, and Tensors
    made of Parameters alone, leave that to the other arrays: without any other Tensor arrays come back.

    Args:
        op: an operation of `_native`, or a function of arrays that has no derivative.
        args: its positional arguments; Tensors may also sit in a list or tuple.
        kwargs: its keyword arguments, which hold no Tensors.
    """
    rule = _rule(op)
    if rule is not None and not kwargs:
        return rule.call(args)
    found: list[Any] = []
    raw = [_unwrap(a, found) for a in args]
    result = op(*raw, **(kwargs or {}))
    if not any(not t._weak for t in found):
        return result
    if _mode.recording and any(t._requires_grad for t in found) and _has_floats(result):
        raise NotImplementedError(
            f"{getattr(op, '__name__', op)} has no derivative: call it on tensor.detach() if no gradient shall flow through it"
        )
    return _wrap(result, False)


def _unwrap(value: Any, found: list[Any]) -> Any:
    if isinstance(value, TensorBase):
        found.append(value)
        return value._data
    if type(value) in (list, tuple):
        return type(value)(_unwrap(v, found) for v in value)
    return value


def _wrap(result: Any, weak: bool) -> Any:
    if isinstance(result, (np.ndarray, np.generic)):
        return _new_tensor(np.asarray(result), weak)
    if type(result) in (list, tuple):
        return type(result)(_wrap(v, weak) for v in result)
    return result


def _has_floats(result: Any) -> bool:
    if type(result) in (list, tuple):
        return any(map(_has_floats, result))
    return isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "f"


_ARRAY_KINDS = frozenset(("IN", "OPT", "NUM", "INDEX", "OPTINDEX", "MASK"))
_rules: dict[Any, _Rule | None] = {}


def _rule(op: Any) -> _Rule | None:
    try:
        return _rules[op]
    except KeyError:
        if not _rules:
            rows = dict(_native.OPS)
            for name in rows:
                _rules[getattr(_native, name)] = _Rule(name, rows)
        return _rules.setdefault(op, None)
    except TypeError:  # not hashable
        return None


class _Rule:
    """How one row of ops.def is called with Tensors, and what its backward row takes, found by the names of their fields."""

    def __init__(self, name: str, rows: dict[str, Any]) -> None:
        self.name = name.removesuffix("_forward")
        self.op = getattr(_native, name)
        fields = rows[name]
        inputs = [(kind, field) for kind, field in fields if kind != "OUT"]
        self.arrays = [i for i, (kind, _) in enumerate(inputs) if kind in _ARRAY_KINDS]
        self.inputs = [field for _, field in inputs]
        self.lists = [i for i, (kind, _) in enumerate(inputs) if kind == "ARRAYS"]
        place = {field: i for i, (_, field) in enumerate(inputs)}
        outputs = [field for kind, field in fields if kind in ("OUT", "OPTOUT")]
        self.residual = place.get("residual", -1)
        self.activation = place.get("activation", -1)
        # OPTOUTs of forward that backward needs: (its argument place, its number among the results)
        self.optional: list[tuple[int, int]] = []
        self.backward = None
        backward_name = name.removesuffix("_forward") + "_backward"
        if name == "dropout_forward":
            # The derivative of dropout is dropout with the same mask.
            self.backward = lambda dy, p, seed, offset: self.op(dy, None, p, seed, offset)
            self.sources = [("gradient", 0), *(("argument", place[field]) for field in ("p", "seed", "offset"))]
            self.targets, self.single, self.constants = [place["x"]], True, []
            return
        if not name.endswith("_forward") or backward_name not in rows:
            return
        self.backward = getattr(_native, backward_name)
        self.sources = []  # where each argument of backward comes from
        self.targets = []  # the forward argument whose gradient each result of backward is
        for kind, field in rows[backward_name]:
            if kind in ("OUT", "OPTOUT"):
                self.targets.append(place[field[1:]])
                if kind == "OPTOUT":
                    self.sources.append(("wanted", place[field[1:]]))
            elif field[0] == "d" and field[1:] in outputs:
                self.sources.append(("gradient" if kind == "OPT" else "filled gradient", outputs.index(field[1:])))
            elif field in outputs:
                self.sources.append(("result", outputs.index(field)))
                if field in place:
                    self.optional.append((place[field], outputs.index(field)))
            elif field in place:
                self.sources.append(("argument", place[field]))
            else:
                self.sources.append(("shape", place[field.removesuffix("_shape")]))
        self.single = len(self.targets) == 1
        self.constants = [i for i in self.arrays if i not in self.targets and i != self.residual]

    def call(self, args: tuple[Any, ...]) -> Any:
        strong = plain = needs = False
        raw = list(args)
        for i in self.arrays:
            a = args[i]
            if a is None:
                continue
            if isinstance(a, TensorBase):
                strong |= not a._weak
                needs |= a._requires_grad
                if not a._keeps:
                    raw[i] = a._data
            else:
                plain = True
        for i in self.lists:
            values = list(args[i])
            for j, a in enumerate(values):
                if isinstance(a, TensorBase):
                    strong |= not a._weak
                    needs |= a._requires_grad
                    if not a._keeps:
                        values[j] = a._data
            raw[i] = values
        if not strong:
            if plain:
                return self.op(*raw)
            # Parameters alone: as arrays, since with them the operation would come back here.
            raw = [_unwrap(a, []) for a in raw]
        if not needs or not _mode.recording:
            return _wrap(self.op(*raw), not strong)
        return self.record(args, raw, not strong)

    def record(self, args: tuple[Any, ...], raw: list[Any], weak: bool) -> Any:
        if self.backward is None:
            result = self.op(*raw)
            if _has_floats(result):
                raise NotImplementedError(f"{self.name} has no derivative: call it on tensor.detach() if no gradient shall flow through it")
            return _wrap(result, weak)
        activation = args[self.activation] if self.activation >= 0 else -1
        if activation >= 0 and (activation not in _OF_RESULT or (self.residual >= 0 and args[self.residual] is not None)):
            return self._with_activation(args)
        for i in self.constants:
            if isinstance(args[i], TensorBase) and args[i]._requires_grad:
                raise NotImplementedError(f"{self.name} has no derivative with respect to {self.inputs[i]}: pass it without requires_grad")
        for place, _ in self.optional:
            raw[place] = True
        result = self.op(*raw)
        results = result if type(result) is tuple else (result,)
        edges: list[Any] = []
        first: dict[int, int] = {}  # the edge of each array argument
        for i in self.arrays:
            a = args[i]
            first[i] = len(edges)
            edges.append(_edge(a) if isinstance(a, TensorBase) else None)
        for i in self.lists:
            first[i] = len(edges)
            edges.extend(_edge(a) if isinstance(a, TensorBase) else None for a in args[i])
        saved: list[Any] = []
        for kind, at in self.sources:
            if kind == "argument":
                saved.append(raw[at])
            elif kind == "result":
                saved.append(results[at])
            elif kind == "shape":
                saved.append(tuple(np.shape(raw[at])))
            else:
                saved.append(None)
        if activation >= 0:
            saved += [activation, results[0]]
        outputs = [(None, None) if r is None else (r.shape, r.dtype) for r in results]
        lengths = {i: [None if a is None else tuple(a.shape) for a in raw[i]] for i in self.lists}
        node = Node(self.name, self._backward, edges, outputs, (saved, first, lengths))
        tensors = [
            None if r is None else _new_tensor(r, weak, node, i) if r.dtype.kind == "f" else _new_tensor(r, weak)
            for i, r in enumerate(results)
        ]
        for place, i in self.optional:
            if not args[place]:
                tensors[i] = None
        return tuple(tensors) if type(result) is tuple else tensors[0]

    def _with_activation(self, args: tuple[Any, ...]) -> Any:
        """residual + activation(...) as operations of their own, where the derivative needs what a fused epilogue does not keep."""
        plain = list(args)
        kind = plain[self.activation]
        plain[self.activation] = -1
        residual = None
        if self.residual >= 0:
            residual, plain[self.residual] = plain[self.residual], None
        alpha, beta = _USUAL.get(kind, (0.0, 0.0))
        y = apply(_native.activation_forward, (self.call(tuple(plain)), kind, alpha, beta))
        return y if residual is None else residual + y

    def _backward(self, node: Node, grads: Sequence[Any], wanted: Sequence[bool]) -> Any:
        saved, first, lengths = node.saved
        if _Writes.count != node.stamp:
            _check_saved(node, saved)
        if len(saved) > len(self.sources):
            *saved, kind, y = saved
            grads = [_native.activation_backward(grads[0], None, y, kind, 0.0, 0.0)]
        gradients: list[Any] = [None] * len(wanted)
        if self.residual >= 0 and wanted[first[self.residual]]:
            gradients[first[self.residual]] = grads[0]
        wants = [any(wanted[first[t] : first[t] + len(lengths[t])]) if t in lengths else wanted[first[t]] for t in self.targets]
        if not any(wants):
            return gradients
        values = list(saved)
        for i, (kind, at) in enumerate(self.sources):
            if kind == "wanted":
                values[i] = wants[self.targets.index(at)]
            elif kind == "gradient":
                values[i] = grads[at]
            elif kind == "filled gradient":
                values[i] = grads[at] if grads[at] is not None else np.zeros(*node.outputs[at])
        result = self.backward(*values)  # type: ignore[misc]
        for target, gradient in zip(self.targets, (result,) if self.single else result, strict=True):
            if gradient is None:
                continue
            at = first[target]
            if target not in lengths:
                gradients[at] = gradient
                continue
            start = 0
            for j, shape in enumerate(lengths[target]):
                if shape is not None:
                    size = prod(shape)
                    gradients[at + j] = gradient[start : start + size].reshape(shape)
                    start += size
        return gradients


# The fused activations whose derivative is computed from their result: relu, relu6, sigmoid, tanh (swiftnn.h)
_OF_RESULT = {0, 1, 8, 9}
# The parameters of fused activations: leaky_relu, elu, softplus, hardtanh, celu, hardshrink, softshrink (swiftnn.h)
_USUAL = {2: (0.01, 0.0), 3: (1.0, 0.0), 10: (1.0, 20.0), 15: (-1.0, 1.0), 20: (1.0, 0.0), 22: (0.5, 0.0), 23: (0.5, 0.0)}


# Backward.


def run_backward(
    tensors: Sequence[Any], gradients: Sequence[Any], retain_graph: bool, capture: Sequence[Any] | None = None
) -> list[Any] | None:
    """Follows the graph from `tensors` back to its leaves, the newest node first, and adds to their `.grad`.

    With `capture`, nothing is added to any `.grad`: the gradients of those Tensors are returned.
    """
    from heapq import heappop, heappush  # here: who only calls layers need not load it

    pending: dict[Any, list[Any]] = {}
    heap: list[tuple[int, Node]] = []
    leaves: dict[int, tuple[Any, list[Any]]] = {}
    captured: dict[Any, Any] = {}
    watched: set[Any] = set()
    if capture is not None:
        for t in capture:
            watched.add((id(t._node), t._index) if t._node is not None else id(t))

    def arrive(edge: Any, gradient: Any, owned: bool) -> None:
        if type(edge) is tuple:
            node, index = edge
            slots = pending.get(node)
            if slots is None:
                slots = pending[node] = [None] * len(node.outputs)
                heappush(heap, (-node.number, node))
            if gradient.dtype != node.outputs[index][1]:
                gradient, owned = gradient.astype(node.outputs[index][1]), True
            slots[index] = _add(slots[index], gradient, owned)
        else:
            if gradient.dtype != edge.dtype:
                gradient, owned = gradient.astype(edge.dtype), True
            entry = leaves.get(id(edge))
            if entry is None:
                leaves[id(edge)] = (edge, [(gradient, owned)])
            else:
                entry[1][0] = _add(entry[1][0], gradient, owned)

    for tensor, gradient in zip(tensors, gradients, strict=True):
        arrive(_edge(tensor), gradient, False)
    while heap:
        _, node = heappop(heap)
        slots = pending.pop(node)
        edges = node.edges
        if edges is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time: what it needs was freed by the first backward(); "
                "pass retain_graph=True to the first one"
            )
        grads = [None if slot is None else slot[0] for slot in slots]
        if node.hooks:
            for index, hooks in node.hooks.items():
                if grads[index] is not None:
                    grads[index] = _run_hooks(hooks, grads[index])
        if watched:
            for index, gradient in enumerate(grads):
                if (id(node), index) in watched:
                    captured[id(node), index] = gradient
        wanted = [edge is not None for edge in edges]
        results = node.backward(node, grads, wanted)
        if not retain_graph:
            node.edges = node.saved = None
        roots = [id(_root(g)) for g in grads if g is not None]
        for edge, gradient in zip(edges, results, strict=True):
            if edge is not None and gradient is not None:
                arrive(edge, gradient, node.takes_over and id(_root(gradient)) not in roots)
    for tensor, (slot,) in leaves.values():
        gradient, owned = slot
        if tensor._hooks:
            changed = _run_hooks(tensor._hooks, gradient)
            gradient, owned = changed, owned and changed is gradient
        if capture is not None:
            captured[id(tensor)] = gradient
            continue
        if tensor.grad is not None:
            np.add(tensor.grad, gradient, out=tensor.grad)
        elif owned and gradient.flags.carray:
            tensor.grad = gradient
        else:
            tensor.grad = _call(np.array, (gradient,), {"order": "C"})
    if capture is None:
        return None
    return [captured.get((id(t._node), t._index) if t._node is not None else id(t)) for t in capture]


def _add(slot: Any, gradient: Any, owned: bool) -> Any:
    """The sum of what has arrived and `gradient`, as (array, whether its memory may be written)."""
    if slot is None:
        return gradient, owned
    before, writable = slot
    if writable and before.flags.writeable:
        return np.add(before, gradient, out=before), True
    return _call(np.add, (before, gradient), {}), True


def _run_hooks(hooks: Sequence[Any], gradient: Any) -> Any:
    for hook in list(hooks):
        changed = hook(gradient)
        if changed is not None:
            changed = np.asarray(changed._data if isinstance(changed, TensorBase) else changed, dtype=gradient.dtype)
            if changed.shape != gradient.shape:
                raise ValueError(f"a hook returned a gradient of shape {changed.shape}; expected {gradient.shape}, or None for no change")
            gradient = changed
    return gradient


def start_gradient(tensor: Any, gradient: Any, name: str = "gradient") -> NDArray[Any]:
    """The gradient a backward starts with: `gradient` checked, or 1 for a Tensor with one element."""
    if not tensor._requires_grad:
        raise RuntimeError(
            "this Tensor does not require a gradient: nothing that it was computed from has requires_grad=True, or it was computed under "
            "nn.no_grad(); layers record only when they are called with a Tensor, e.g. model(nn.Tensor(x))"
        )
    shape, dtype = tensor.shape, tensor.dtype
    if gradient is None:
        if prod(shape) != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs, but this Tensor has shape {tuple(shape)}; "
                f"call .sum() or .mean() first, or pass {name}"
            )
        return np.ones(shape, dtype)
    array: NDArray[Any] = np.asarray(gradient._data if isinstance(gradient, TensorBase) else gradient)
    if array.shape != tuple(shape):
        raise ValueError(f"{name} has shape {array.shape}; expected {tuple(shape)}, the Tensor's")
    return array.astype(dtype, copy=False)


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool = False, allow_unused: bool = False
) -> tuple[NDArray[Any] | None, ...]:
    """The gradients of the sum of outputs with respect to inputs; no `.grad` changes.

    Args:
        outputs: a Tensor or a sequence of Tensors.
        inputs: a Tensor or a sequence of Tensors that require gradients.
        grad_outputs: gradients of the outputs; None: 1 for outputs with one element.
        retain_graph: keeps what another backward needs.
        allow_unused: gives None for inputs that no output depends on, instead of an error.

    Returns:
        An array, or None, for each input.

    Raises:
        RuntimeError: an input was not used, or does not require a gradient.

    Example:
        >>> x = nn.Tensor([1.0, 2.0], requires_grad=True)
        >>> nn.grad((x * x).sum(), x)
        (array([2., 4.], dtype=float32),)
    """
    tensors = (outputs,) if isinstance(outputs, TensorBase) else tuple(outputs)
    wanted = (inputs,) if isinstance(inputs, TensorBase) else tuple(inputs)
    if grad_outputs is None:
        given: tuple[Any, ...] = (None,) * len(tensors)
    else:
        given = (grad_outputs,) if isinstance(grad_outputs, (TensorBase, np.ndarray)) else tuple(grad_outputs)
    for t in wanted:
        if not t._requires_grad:
            raise RuntimeError("one of the inputs does not require a gradient; make it with requires_grad=True")
    starts = [start_gradient(t, g, "grad_outputs") for t, g in zip(tensors, given, strict=True)]
    found = run_backward(tensors, starts, retain_graph, wanted)
    assert found is not None
    if not allow_unused and any(g is None for g in found):
        raise RuntimeError("one of the inputs was not used to compute the outputs; pass allow_unused=True to get None for it")
    return tuple(found)


def refuse_second_derivative() -> NoReturn:
    """Raises: gradients are arrays, no Tensors, so there is no graph of them."""
    raise NotImplementedError("create_graph=True is not supported: gradients are arrays without a graph of their own")


@contextmanager
def inference_mode(mode: bool = True) -> Iterator[None]:
    """PyTorch's name for `no_grad` in evaluation; results are ordinary Tensors."""
    before = _mode.recording
    _mode.recording = before and not mode
    try:
        yield
    finally:
        _mode.recording = before
