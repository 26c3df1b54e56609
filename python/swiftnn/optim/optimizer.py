"""Optimizer, the base class: parameter groups, state, hooks and what is saved and loaded."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .. import tape
from ..errors import ShapeError
from ..modules._registry import RemovableHandle
from ..tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Optimizer"]

ParamsT: TypeAlias = "Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]"
Closure: TypeAlias = "Callable[[], Any] | None"
StateDict: TypeAlias = "dict[str, Any]"

_HOOKS = ("_step_pre_hooks", "_step_post_hooks", "_state_dict_pre_hooks", "_state_dict_post_hooks", "_load_pre_hooks", "_load_post_hooks")


class Optimizer:
    """Base class of all optimizers: a subclass defines `step`, which reads `.grad` of the parameters and writes into their arrays.

    Args:
        params: parameters, or (name, parameter) pairs, or dicts that each describe a group: {"params": ..., option: value, ...}.
        defaults: values of the options that a group does not give.

    Raises:
        TypeError: params is a single Tensor or a set, or holds something that is not a Tensor.
        ValueError: params is empty, or a parameter is in two groups.

    Example:
        >>> class SignDescent(nn.optim.Optimizer):
        ...     def __init__(self, params, lr=0.5):
        ...         super().__init__(params, dict(lr=lr))
        ...     def step(self, closure=None):
        ...         for group in self.param_groups:
        ...             for p in group["params"]:
        ...                 if p.grad is not None:
        ...                     p.data[...] -= group["lr"] * np.sign(p.grad)
        >>> p = nn.Parameter(np.array([1.0, 2.0]))
        >>> p.grad = np.array([3.0, -4.0])
        >>> SignDescent([p]).step()
        >>> p.numpy()
        array([0.5, 2.5])
    """

    defaults: dict[str, Any]
    state: defaultdict[Any, dict[str, Any]]
    param_groups: list[dict[str, Any]]

    _step_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _step_post_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]
    _load_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_post_hooks: OrderedDict[int, Callable[..., Any]]

    # Learning rate schedulers warn where they are stepped first.
    _opt_called: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        for name in _HOOKS:
            setattr(self, name, OrderedDict())
        if isinstance(params, (Tensor, np.ndarray)):
            raise TypeError(
                f"params must be an iterable of Parameters or dicts, but got a {type(params).__name__}; "
                "pass model.parameters() or [parameter]"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(entries[0], dict):
            entries = [{"params": entries}]
        for entry in entries:
            self.add_param_group(entry)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOKS:
            self.__dict__.setdefault(name, OrderedDict())

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    # Groups.

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own, e.g. layers that are thawed during training.

        Args:
            param_group: {"params": parameters, option: value, ...}; options not given have the optimizer's defaults.

        Raises:
            TypeError: param_group is not a dict, or its parameters are a set or not Tensors.
            ValueError: a parameter is in another group already, or the result of an operation; only some have names.

        Example:
            >>> a, b = nn.Linear(2, 2), nn.Linear(2, 2)
            >>> optimizer = nn.optim.SGD(a.parameters(), lr=0.1)
            >>> optimizer.add_param_group({"params": b.parameters(), "lr": 0.01})
            >>> [group["lr"] for group in optimizer.param_groups]
            [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change "
                "between runs. Please use a list instead."
            )
        params = list(params)
        names = [entry[0] for entry in params if isinstance(entry, tuple)]
        params = [entry[1] if isinstance(entry, tuple) else entry for entry in params]
        if names:
            if len(names) != len(params):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = names
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}; "
                    "wrap an array: nn.Parameter(array)"
                )
            if not param.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor: it is the result of an operation; optimize what it was computed from")
        param_group["params"] = params
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error", stacklevel=3
            )
        present: set[Tensor] = set()
        for group in self.param_groups:
            present.update(group["params"])
            if ("param_names" in group) != ("param_names" in param_group):
                kind = "with names" if "param_names" in param_group else "without names"
                raise ValueError(f"all optimizer param groups should be with/without names. cannot add param group {kind} to the optimizer")
        if not present.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, so that the next backward pass starts afresh.

        Args:
            set_to_none: `.grad` becomes None; otherwise its elements become 0 and momentum and weight decay go on.
        """
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad[...] = 0

    def step(self, closure: Closure = None) -> Any:
        """Changes the parameters by their gradients.

        Args:
            closure: computes the loss and its gradients anew and returns the loss; it is called first.

        Returns:
            What closure returned, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} is missing the required 'step' function")

    # State.

    def state_dict(self) -> StateDict:
        """The state as a dict {"state": {index: {name: array}}, "param_groups": [...]}, in which parameters are numbered through.

        The arrays are the optimizer's own memory, not copies.

        Example:
            >>> model = nn.Linear(2, 2)
            >>> nn.optim.SGD(model.parameters(), lr=0.1).state_dict()["param_groups"][0]["params"]
            [0, 1]
        """
        for pre_hook in self._state_dict_pre_hooks.values():
            pre_hook(self)
        numbers: dict[int, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            for i, param in enumerate(group["params"], start):
                numbers.setdefault(id(param), i)
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            start += len(packed["params"])
            groups.append(packed)
        state = {numbers[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items()}
        state_dict: StateDict = {"state": state, "param_groups": groups}
        for post_hook in self._state_dict_post_hooks.values():
            changed = post_hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        return state_dict

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Copies a state that `state_dict` returned, of this or of PyTorch's optimizer of the same name.

        Args:
            state_dict: the state; arrays are converted to the element type of their parameter.

        Raises:
            ValueError: its groups, or the numbers of parameters in them, are not this optimizer's, or a state has another shape;
                nothing is changed.

        Example:
            >>> model = nn.Linear(2, 2)
            >>> a, b = (nn.optim.SGD(model.parameters(), lr=lr) for lr in (0.1, 0.2))
            >>> a.load_state_dict(b.state_dict())
            >>> a.param_groups[0]["lr"]
            0.2
        """
        state_dict = state_dict.copy()
        for pre_hook in self._load_pre_hooks.values():
            changed = pre_hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"it has {len(saved)}, the optimizer has {len(self.param_groups)}"
            )
        for i, (theirs, group) in enumerate(zip(saved, self.param_groups)):
            if len(theirs["params"]) != len(group["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"group {i} has {len(theirs['params'])} parameters, the optimizer's {len(group['params'])}"
                )
        numbered = {
            number: param for theirs, group in zip(saved, self.param_groups) for number, param in zip(theirs["params"], group["params"])
        }
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in numbered:
                state[numbered[key]] = {name: self._loaded(entry, name, numbered[key].data, key) for name, entry in value.items()}
            else:
                state[key] = value
        for theirs, group in zip(saved, self.param_groups):
            theirs["params"] = group["params"]
            if "param_names" in group:
                theirs.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for post_hook in self._load_post_hooks.values():
            post_hook(self)

    def _loaded(self, value: Any, name: str, param: NDArray[Any], number: int) -> Any:
        """A copy of an entry of a state dict; arrays of floats get the element type of the parameter, and must have the shape of `name`."""
        if isinstance(value, list):
            return [self._loaded(entry, name, param, number) for entry in value]
        if not hasattr(value, "shape"):
            return deepcopy(value)
        # detach: a tensor of another library that requires a gradient refuses to become an array.
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
        if array.dtype.kind not in "biuf":
            return deepcopy(value)
        if name == "step":
            return np.array(array, np.float32)
        shape = self._shape_of(name, param.shape)
        if shape is not None and array.shape != shape:
            fits = f"whose shape is {param.shape}" + ("" if shape == param.shape else f": expected {shape}")
            raise ValueError(f"loaded state dict has {name} of shape {array.shape} for parameter {number}, {fits}")
        return np.array(array, param.dtype if array.dtype.kind == "f" else array.dtype, order="C")

    def _shape_of(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape that an array of the state has for a parameter of `shape`, so that others can be refused; None: any."""
        return None

    # Hooks.

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)`, which returns None or new (args, kwargs), before every step."""
        return _register(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` after every step."""
        return _register(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` before `state_dict`."""
        return _register(self._state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)`, which returns None or another state dict, after `state_dict`."""
        return _register(self._state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)`, which returns None or another state dict, before `load_state_dict`."""
        return _register(self._load_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` after `load_state_dict`."""
        return _register(self._load_post_hooks, hook, prepend)


def _register(hooks: OrderedDict[int, Callable[..., Any]], hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True
        for pre_hook in list(self._step_pre_hooks.values()):
            changed = pre_hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(f"a step pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
                args, kwargs = changed
        result = step(self, *args, **kwargs)
        for post_hook in list(self._step_post_hooks.values()):
            post_hook(self, args, kwargs)
        return result

    return hooked


class Fused(Optimizer):
    """An optimizer that steps the parameters of each group and float type together, most by one call of the library."""

    # Entries of the state that are one number; all others have the parameter's shape.
    _single: tuple[str, ...] = ()

    def _shape_of(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return () if name in self._single else shape

    def step(self, closure: Closure = None) -> Any:
        """Changes the parameters by their gradients; those without a gradient stay as they are.

        Args:
            closure: computes the loss and its gradients anew and returns the loss; it is called first.

        Returns:
            What closure returned, or None.

        Raises:
            TypeError: a gradient has another element type than its parameter.
            ShapeError: a gradient has another shape than its parameter.
        """
        loss = None if closure is None else closure()
        for group in self.param_groups:
            by_type: dict[Any, list[Tensor]] = {}
            for param in group["params"]:
                if param.grad is not None:
                    by_type.setdefault(param.dtype.char, []).append(param)
            for params in by_type.values():
                self._update(group, params)
                tape.wrote(*params)
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """Steps parameters of one group and one float type that all have a gradient."""
        raise NotImplementedError


class Elementwise(Fused):
    """An optimizer whose step NumPy computes, for one piece of a parameter after the other: what a piece needs stays in the cache."""

    # The arrays of the state, which start with zeros, and the options that states saved by old versions lack.
    _arrays: tuple[str, ...] = ()
    _later: dict[str, Any] = dict(foreach=None, maximize=False, capturable=False, differentiable=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self._later.items():
                group.setdefault(name, value)

    def _start(self, group: dict[str, Any], param: Tensor) -> dict[str, Any]:
        """The state of a parameter before its first step."""
        return {"step": np.zeros((), np.float32), **{name: np.zeros(param.shape, param.dtype) for name in self._arrays}}

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        grads = gradients(type(self).__name__, params)
        dtype = params[0].dtype
        scratch = np.empty((2, min(_PIECE, max(param.numel() for param in params))), dtype)
        decay, decoupled = float(group.get("weight_decay", 0)), group.get("decoupled_weight_decay", False)
        for param, grad in zip(params, grads):
            state = self.state[param]
            if not state:
                state.update(self._start(group, param))
            state["step"] += 1
            numbers = self._numbers(group, state)
            arrays = [grad, param.data, *(state[name] for name in self._arrays)]
            access: Any = [["readonly"], *[["readwrite"]] * (len(arrays) - 1)]
            # Arrays of any strides, in one dimension; what is not at equal distances there is copied by the piece.
            pieces: Any = np.nditer(
                arrays, ["external_loop", "buffered", "zerosize_ok"], access, [dtype] * len(arrays), casting="same_kind", buffersize=_PIECE
            )
            with pieces, np.errstate(all="ignore"):
                for piece, p, *states in pieces:
                    g, work = scratch[:, : p.size]
                    np.multiply(piece, -1 if group["maximize"] else 1, out=g)
                    if decay and decoupled:
                        p *= 1 - float(group["lr"]) * decay
                    elif decay:
                        np.multiply(p, decay, out=work)
                        g += work
                    self._piece(numbers, p, g, work, *states)

    def _numbers(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[Any, ...]:
        """What `_piece` needs of the options and of the number of the step."""
        raise NotImplementedError

    def _piece(self, numbers: tuple[Any, ...], p: NDArray[Any], g: NDArray[Any], work: NDArray[Any], *states: NDArray[Any]) -> None:
        """Steps a piece p in place; g is its gradient with weight decay, which may be written into, as may work."""
        raise NotImplementedError


_PIECE = 1 << 14


def lerp(mean: NDArray[Any], value: Any, part: float, work: NDArray[Any]) -> None:
    """mean = (1 - part) · mean + part · value in place, rounded as PyTorch does."""
    np.subtract(value, mean, out=work, casting="same_kind")
    if part < 0.5:
        work *= part
        mean += work
    else:
        work *= 1 - part
        np.subtract(value, work, out=mean, casting="same_kind")


def running_square(mean: NDArray[Any], keep: float, value: NDArray[Any], work: NDArray[Any]) -> None:
    """mean = keep · mean + (1 - keep) · value², in place."""
    mean *= keep
    np.multiply(value, value, out=work)
    work *= 1 - keep
    mean += work


def scratch_of(params: list[Tensor]) -> Iterator[NDArray[Any]]:
    """For each parameter an array of its shape and element type to compute in, all in the same memory."""
    buffer = np.empty(max(param.numel() for param in params), params[0].dtype)
    for param in params:
        yield buffer[: param.numel()].reshape(param.shape)


def gradients(name: str, params: list[Tensor]) -> list[NDArray[Any]]:
    """The gradients of parameters that a step may be written into, all checked before any is; messages are those of the library's steps."""
    grads = []
    for i, param in enumerate(params):
        data = param.data
        grad = param.grad.numpy() if isinstance(param.grad, Tensor) else np.asarray(param.grad)
        if not data.flags.writeable:
            raise ValueError(f"{name}: params[{i}] is read-only, but is written in place; pass a writeable array")
        if data.dtype.char not in "fd" or not (data.dtype.isnative and data.flags.aligned):
            raise TypeError(
                f"{name}: params[{i}] is written in place and has to be an aligned float32 or float64 array in native byte order, "
                f"got {data.dtype}"
            )
        if grad.dtype.kind not in "biuf" or (grad.dtype.kind == "f" and grad.dtype.itemsize != data.itemsize):
            fix = f"convert it with grads[{i}].astype(np.{data.dtype})"
            raise TypeError(f"{name}: grads[{i}] is {grad.dtype} but params[{i}] is {data.dtype}; {fix}")
        if grad.shape != data.shape:
            raise ShapeError(f"{name}: grads[{i}] has shape {grad.shape}; expected {data.shape}, the shape of the parameter")
        grads.append(grad)
    return grads


def number(name: str, value: Any) -> Any:
    """An option as a Python number: an array or Tensor of one element stands for it."""
    if isinstance(value, (np.ndarray, Tensor)):
        data = value.data if isinstance(value, Tensor) else value
        if data.size != 1:
            raise ValueError(f"{name} must be a number or have 1 element, got shape {data.shape}")
        return data.item()
    return value


def check_not_negative(**options: Any) -> None:
    """Refuses options below 0 and NaN."""
    for name, value in options.items():
        if not value >= 0.0:
            what = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {what}: {value}")


def checked_betas(betas: Any) -> tuple[float, float]:
    """Both betas as numbers, each at least 0 and below 1."""
    first, second = (number(f"betas[{i}]", betas[i]) for i in (0, 1))
    for i, beta in enumerate((first, second)):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
    return first, second


def check_unsupported(**options: Any) -> None:
    """Refuses options that a step in the library cannot honour."""
    for name, value in options.items():
        if value:
            raise ValueError(f"{name}=True is not supported: a step is one call that no tape records; leave it False")


def check_fused(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """Both are what every step is here; what cannot go together is refused as in PyTorch."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
