"""Module, the base class of every layer: what it registers, saves, loads, converts and prints."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from .._native import ModuleBase
from ..parameter import Buffer, is_lazy
from ..tensor import Parameter, Tensor
from ._registry import Registry, RemovableHandle
from .utils import element_type

if TYPE_CHECKING:
    from typing import Protocol

    from numpy.typing import NDArray
    from typing_extensions import Self

    _ForwardT = TypeVar("_ForwardT", covariant=True)

    class _HasForward(Protocol[_ForwardT]):
        @property
        def forward(self) -> _ForwardT: ...


__all__ = ["Module"]

DestinationT = TypeVar("DestinationT", bound="dict[str, Any]")

_EXTRA_STATE = "_extra_state"
_REGISTRIES = ("_parameters", "_buffers", "_modules")
_ABSENT = ("half", "bfloat16", "cuda")


class _Absent:
    """An attribute that PyTorch's modules have: hasattr says no, and the error says what to do."""

    def __init__(self, advice: str) -> None:
        self._advice = advice

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        text = f"type object '{owner.__name__}'" if instance is None else f"'{owner.__name__}' object"
        raise AttributeError(f"{text} has no attribute '{self._name}': {self._advice}", name=self._name, obj=instance)


class _IncompatibleKeys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys!r}, unexpected_keys={self.unexpected_keys!r})"


class _Hook(NamedTuple):
    function: Callable[..., Any]
    with_kwargs: bool
    always_call: bool
    # Backward hooks are kept among the forward pre-hooks, since a module that has some is not called past its hooks: "pre", "full" or "".
    backward: str = ""


def _typename(value: object) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _addindent(text: str, spaces: int) -> str:
    return text.replace("\n", "\n" + spaces * " ")


class _SignatureOfForward:
    """inspect.signature(layer), and so what notebooks show at `layer(`: the arguments of forward. A class keeps its constructor's."""

    def __get__(self, instance: Module | None, owner: type) -> Any:
        if instance is None:
            raise AttributeError("__signature__")
        import inspect

        return inspect.signature(instance.forward)


def _forward_unimplemented(self: Module, *args: Any, **kwargs: Any) -> Any:
    """Computes the output; every subclass defines it. Call the module itself, which also runs its hooks."""
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Module(ModuleBase):
    """Base class of all layers and models.

    Parameters and modules that are assigned as attributes are registered: they appear in `parameters()`, `state_dict()` and the repr,
    and follow `to()` and `train()`. A plain ndarray stays a plain attribute; `nn.Buffer` or `register_buffer` makes it part of the state.

    Example:
        >>> class Model(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = nn.Linear(4, 8)
        ...         self.out = nn.Linear(8, 2)
        ...     def forward(self, x):
        ...         return self.out(nn.functional.relu(self.hidden(x)))
        >>> model = Model()
        >>> model
        Model(
          (hidden): Linear(in_features=4, out_features=8, bias=True)
          (out): Linear(in_features=8, out_features=2, bias=True)
        )
        >>> model(np.zeros((3, 4), np.float32)).shape
        (3, 2)
        >>> list(model.state_dict())
        ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    _version: int = 1

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, NDArray[Any] | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _forward_hooks: OrderedDict[int, _Hook]
    _forward_pre_hooks: OrderedDict[int, _Hook]
    _state_dict_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]

    def __init__(self) -> None:
        state = self.__dict__
        for name in _REGISTRIES:
            # A second call, as of two base classes, forgets what the first one had registered.
            if name in state:
                state[name].clear()
            state[name] = Registry(self)
        state["training"] = True
        state["_non_persistent_buffers_set"] = set()
        state["_forward_hooks"] = OrderedDict()
        state["_forward_pre_hooks"] = OrderedDict()
        state["_state_dict_hooks"] = OrderedDict()
        state["_state_dict_pre_hooks"] = OrderedDict()
        state["_load_state_dict_pre_hooks"] = OrderedDict()
        state["_load_state_dict_post_hooks"] = OrderedDict()

    forward: Callable[..., Any] = _forward_unimplemented
    __signature__ = _SignatureOfForward()

    # Calling.

    if TYPE_CHECKING:
        # What ModuleBase does: forward by way of the hooks. A call has the type of the subclass's forward, overloads and type variables
        # included.
        @property
        def __call__(self: _HasForward[_ForwardT]) -> _ForwardT: ...

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result: Any = None
        called: set[int] = set()
        backward: Any = None
        try:
            for pre_hook in list(self._forward_pre_hooks.values()):
                if pre_hook.backward:
                    backward = True
                elif pre_hook.with_kwargs:
                    changed = pre_hook.function(self, args, kwargs)
                    if changed is None:
                        continue
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
                    args, kwargs = changed
                else:
                    changed = pre_hook.function(self, args)
                    if changed is not None:
                        args = changed if isinstance(changed, tuple) else (changed,)
            if backward:
                backward = self._backward_hooks()
                args = backward.inputs(args)
            result = self.forward(*args, **kwargs)
            for hook_id, hook in list(self._forward_hooks.items()):
                called.add(hook_id)
                changed = hook.function(self, args, kwargs, result) if hook.with_kwargs else hook.function(self, args, result)
                if changed is not None:
                    result = changed
            return backward.outputs(result) if backward else result
        except Exception:
            for hook_id, hook in list(self._forward_hooks.items()):
                if not hook.always_call or hook_id in called:
                    continue
                try:
                    changed = hook.function(self, args, kwargs, result) if hook.with_kwargs else hook.function(self, args, result)
                    if changed is not None:
                        result = changed
                except Exception as error:
                    warnings.warn(
                        "module forward hook with always_call=True raised an exception "
                        f"that was silenced as another error was raised in forward: {error}",
                        stacklevel=2,
                    )
            raise

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Calls `hook` before every forward.

        Args:
            hook: `hook(module, args)`, which returns None or new arguments; with_kwargs: `hook(module, args, kwargs)`, which returns
                None or a tuple (new_args, new_kwargs).
            prepend: run it before the hooks that are there already.
            with_kwargs: hand it the keyword arguments too.

        Returns:
            A handle whose `remove()` takes the hook away; also a context manager.

        Example:
            >>> layer = nn.Identity()
            >>> handle = layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
            >>> layer(np.zeros(2))
            array([1., 1.])
            >>> handle.remove()
        """
        return _register(self._forward_pre_hooks, _Hook(hook, with_kwargs, False), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls `hook` after every forward.

        Args:
            hook: `hook(module, args, output)`, with_kwargs: `hook(module, args, kwargs, output)`; returns None or a new output.
            prepend: run it before the hooks that are there already.
            with_kwargs: hand it the keyword arguments too.
            always_call: call it also when forward or another hook raises.

        Returns:
            A handle whose `remove()` takes the hook away; also a context manager.

        Example:
            >>> shapes = []
            >>> layer = nn.Identity()
            >>> with layer.register_forward_hook(lambda module, args, output: shapes.append(output.shape)):
            ...     _ = layer(np.zeros((2, 3)))
            >>> shapes
            [(2, 3)]
        """
        return _register(self._forward_hooks, _Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook` whenever backward has found the gradients of the module's inputs.

        Where no input requires a gradient it is called with those of the outputs alone, and where no output does not at all: layers record
        only when they are called with a Tensor.

        Args:
            hook: `hook(module, grad_input, grad_output)`, which returns None or what takes the place of grad_input. Both are tuples of
                arrays: of the positional arguments and of the output or outputs; None for what has no gradient.
            prepend: run it before the backward hooks that are there already.

        Returns:
            A handle whose `remove()` takes the hook away; also a context manager.

        Example:
            >>> layer, seen = nn.Linear(3, 2), []
            >>> handle = layer.register_full_backward_hook(lambda module, dx, dy: seen.append((dx[0].shape, dy[0].shape)))
            >>> layer(nn.Tensor(np.ones((4, 3), np.float32), requires_grad=True)).sum().backward()
            >>> seen
            [((4, 3), (4, 2))]
        """
        return _register(self._forward_pre_hooks, _Hook(hook, False, False, "full"), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook` whenever backward has found the gradients of the module's outputs, before it goes on into the module.

        Args:
            hook: `hook(module, grad_output)`, which returns None or what takes the place of grad_output, a tuple of arrays.
            prepend: run it before the backward pre-hooks that are there already.

        Returns:
            A handle whose `remove()` takes the hook away; also a context manager.

        Example:
            >>> layer, x = nn.Identity(), nn.Tensor(np.ones(2), requires_grad=True)
            >>> with layer.register_full_backward_pre_hook(lambda module, dy: (dy[0] * 3,)):
            ...     layer(x).sum().backward()
            >>> x.grad
            array([3., 3.])
        """
        return _register(self._forward_pre_hooks, _Hook(hook, False, False, "pre"), prepend)

    def _backward_hooks(self) -> Any:
        from ._backward_hooks import BackwardHooks

        hooks = list(self._forward_pre_hooks.values())
        return BackwardHooks(self, *([h.function for h in hooks if h.backward == kind] for kind in ("pre", "full")))

    # Registration.

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, which is then also an attribute.

        Args:
            name: name of the attribute; no dots.
            param: the parameter; `None` keeps the name, and nothing is saved or converted.

        Raises:
            TypeError: param is not a Parameter, or name not a string.
            KeyError: the name is taken, empty or contains a dot.
        """
        self._check_name("parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_typename(param)}' object to parameter '{name}' (swiftnn.Parameter or None required); "
                "wrap an array: nn.Parameter(array)"
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: NDArray[Any] | Tensor | None, persistent: bool = True) -> None:
        """Adds an array that belongs to the state without being trained, as BatchNorm's running mean.

        Args:
            name: name of the attribute; no dots.
            tensor: the array, whose memory is shared; `None` keeps the name, and nothing is saved or converted.
            persistent: whether `state_dict()` holds it.

        Raises:
            TypeError: tensor is not an array, or name not a string.
            KeyError: the name is taken, empty or contains a dot.
        """
        self._check_name("buffer", name, "_buffers")
        self._buffers[name] = _as_buffer(name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child module, which is then also an attribute.

        Args:
            name: name of the attribute; no dots.
            module: the child; `None` keeps the name.

        Raises:
            TypeError: module is not a Module, or name not a string.
            KeyError: the name is taken, empty or contains a dot.
        """
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def _check_name(self, kind: str, name: str, registry: str) -> None:
        if registry not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call; call super().__init__() first")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_typename(name)}")
        if name not in self.__dict__[registry] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        parameters = state.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call; call super().__init__() first")
            if name not in parameters:
                self._forget(name)
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if parameters is None:
                raise AttributeError("cannot assign module before Module.__init__() call; call super().__init__() first")
            if name in parameters:
                raise _cannot_assign(value, "parameter", name)
            if name not in self._modules:
                self._forget(name)
            self._modules[name] = value
        elif parameters is None:
            if isinstance(value, Buffer):
                raise AttributeError("cannot assign buffer before Module.__init__() call; call super().__init__() first")
            object.__setattr__(self, name, value)
        elif name in parameters:
            if value is not None:
                raise _cannot_assign(value, "parameter", name)
            parameters[name] = None
        elif name in self._modules:
            if value is not None:
                raise _cannot_assign(value, "child module", name)
            self._modules[name] = None
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
        elif name in self._buffers:
            self._buffers[name] = _as_buffer(name, value)
        elif name in _REGISTRIES:
            # Assigned as a whole: the entries must still be attributes, and those that have gone must not.
            entries = list(value.items())
            state[name].clear()
            state[name] = Registry(self, entries)
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name: str) -> None:
        """Removes an attribute of another kind that a parameter or module is about to replace."""
        for registry in _REGISTRIES:
            self.__dict__[registry].pop(name, None)
        self.__dict__.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        for registry in _REGISTRIES:
            if name in self.__dict__.get(registry, ()):
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    if TYPE_CHECKING:
        # There is none: a class that has one gives up the interpreter's fast way to every attribute, which is a part of every call.
        def __getattr__(self, name: str) -> Any: ...

    half = _Absent("swiftnn computes in float32 and float64; use .float() or .double()")
    bfloat16 = _Absent("swiftnn computes in float32 and float64; use .float() or .double()")
    cuda = _Absent("swiftnn computes on the CPU; leave .cuda() out")

    def __dir__(self) -> list[str]:
        # Children of containers have numbers for names, which cannot be written as attributes.
        return sorted(key for key in super().__dir__() if not key[:1].isdigit() and key not in _ABSENT)

    # Looking things up.

    def get_submodule(self, target: str) -> Module:
        """The module at the dotted path `target`; an empty path is the module itself.

        Raises:
            AttributeError: nothing, or something that is not a Module, is at the path.

        Example:
            >>> nn.Sequential(nn.Sequential(nn.ReLU())).get_submodule("0.0")
            ReLU()
        """
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Replaces or adds the module at the dotted path `target`.

        Args:
            target: where; the parent must exist.
            module: the new module.
            strict: refuse to add one where there is none.

        Raises:
            ValueError: target is empty, or module is not a Module.
            AttributeError: the path leads nowhere or to something that is not a Module.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if hasattr(parent, name):
            if not isinstance(getattr(parent, name), Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        elif strict:
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the dotted path `target`.

        Raises:
            AttributeError: nothing, or something that is not a Parameter, is at the path.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        parameter = getattr(module, name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return parameter

    def get_buffer(self, target: str) -> NDArray[Any]:
        """The buffer at the dotted path `target`.

        Raises:
            AttributeError: nothing, or something that is not a buffer, is at the path.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        buffer: NDArray[Any] = getattr(module, name)
        return buffer

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Iterates over the parameters, a shared one once.

        Args:
            recurse: whether those of all modules inside come too.

        Example:
            >>> sum(p.numel() for p in nn.Linear(3, 4).parameters())
            16
        """
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Iterates over (dotted name, parameter).

        Args:
            prefix: put before every name.
            recurse: whether those of all modules inside come too.
            remove_duplicate: whether a shared one comes only once.

        Example:
            >>> [(name, p.shape) for name, p in nn.Linear(3, 4).named_parameters()]
            [('weight', (4, 3)), ('bias', (4,))]
        """
        yield from self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[NDArray[Any]]:
        """Iterates over the buffers, a shared one once.

        Args:
            recurse: whether those of all modules inside come too.
        """
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, NDArray[Any]]]:
        """Iterates over (dotted name, buffer).

        Args:
            prefix: put before every name.
            recurse: whether those of all modules inside come too.
            remove_duplicate: whether a shared one comes only once.
        """
        yield from self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def _named_members(self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in module.__dict__[registry].items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def children(self) -> Iterator[Module]:
        """Iterates over the modules directly inside, a shared one once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Iterates over (name, module) of the modules directly inside, a shared one once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Iterates over this module and all inside.

        Args:
            remove_duplicate: whether a shared one comes only once.
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Iterates over (dotted name, module) of this module, whose own name is `prefix`, and all inside.

        Args:
            memo: modules that have been seen already.
            prefix: put before every name.
            remove_duplicate: whether a shared one comes only once.

        Example:
            >>> [name for name, _ in nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU())).named_modules()]
            ['', '0', '1', '1.0']
        """
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    # Modes and conversions.

    def train(self, mode: bool = True) -> Self:
        """Switches this module and all inside to training (or evaluation) behaviour, as of Dropout and BatchNorm.

        Raises:
            ValueError: mode is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean, got {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Switches this module and all inside to evaluation behaviour: the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Sets whether gradients are wanted for all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with 0."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad[...] = 0

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Calls `fn` on all modules inside and then on this one, typically to initialise them.

        Example:
            >>> def init(module):
            ...     if isinstance(module, nn.Linear):
            ...         _ = nn.init.ones_(module.weight)
            >>> nn.Sequential(nn.Linear(2, 2)).apply(init)[0].weight.numpy()
            array([[1., 1.],
                   [1., 1.]], dtype=float32)
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[NDArray[Any]], NDArray[Any]], recurse: bool = True) -> Self:
        """Replaces the array of every parameter, gradient and buffer by what `fn` makes of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if is_lazy(parameter):
                parameter._convert(fn)  # type: ignore[union-attr]
            elif parameter is not None:
                parameter.data = fn(parameter.data)
                if parameter.grad is not None:
                    parameter.grad = fn(parameter.grad)
        for name, buffer in self._buffers.items():
            if is_lazy(buffer):
                buffer._convert(fn)  # type: ignore[union-attr]
            elif buffer is not None:
                self._buffers[name] = fn(buffer)
        self._remake()
        return self

    def _makers(self) -> list[Any]:
        """The pre-hooks that make an attribute anew from parameters (weight_norm, spectral_norm, pruning): it is no state of its own."""
        hooks = self.__dict__.get("_forward_pre_hooks", {}).values()
        return [hook.function for hook in hooks if hasattr(hook.function, "_remake")]

    def _remake(self) -> None:
        for hook in self._makers():
            hook._remake(self)

    def to_empty(self, *, device: Any = None, recurse: bool = True) -> Self:
        """Replaces all parameters and buffers by memory of the same shapes whose values are still to be set.

        Args:
            device: None or 'cpu'.
            recurse: whether those of all modules inside too.

        Raises:
            ValueError: the device is another one.

        Example:
            >>> nn.Linear(2, 3).to_empty(device="cpu").weight.shape
            (3, 2)
        """
        element_type(device, None)
        return self._apply(np.empty_like, recurse)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Converts floating point parameters and buffers: `to(dtype)`, `to(device)`, `to(device, dtype)` or `to(array)`.

        Args:
            device: "cpu", the only one there is.
            dtype: np.float32 or np.float64.
            array: converts to the dtype of this array or Tensor.

        Raises:
            TypeError: the dtype is another one.
            ValueError: the device is another one.

        Example:
            >>> nn.Linear(2, 2).to(np.float64).weight.dtype
            dtype('float64')
        """
        dtype = _parse_to(args, kwargs)
        if dtype is None:
            return self
        return self._apply(lambda array: array.astype(dtype, copy=False) if array.dtype.kind == "f" else array)

    def cpu(self) -> Self:
        """The module itself: it is on the CPU already."""
        return self

    def double(self) -> Self:
        """Converts floating point parameters and buffers to float64."""
        return self.to(np.float64)

    # State.

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, prefix, keep_vars)` before this module writes its part of a state dict."""
        return _register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata)`, which may change state_dict, after this module has written its part."""
        return _register(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)` before loading.

        The state_dict handed over is a copy that the hook may change, for instance to rename keys of older versions.
        """
        return _register(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, incompatible_keys)` after loading; it may change the two lists in place to decide what is an error."""
        return _register(self._load_state_dict_post_hooks, hook)

    def get_extra_state(self) -> Any:
        """What else a subclass wants in the state dict; define it together with `set_extra_state`."""
        raise RuntimeError("get_extra_state() is called only where a subclass defines it")

    def set_extra_state(self, state: Any) -> None:
        """Takes what `get_extra_state` had returned."""
        raise RuntimeError("set_extra_state() is called only where a subclass defines it")

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars or is_lazy(parameter) else parameter.data
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Any]:
        """All parameters and persistent buffers by their dotted names.

        The arrays are the module's own memory, not copies.

        Args:
            destination: a dict to write into, a new OrderedDict if `None`.
            prefix: put before every name.
            keep_vars: Parameters instead of their arrays.

        Example:
            >>> {key: array.shape for key, array in nn.Linear(3, 4).state_dict().items()}
            {'weight': (4, 3), 'bias': (4,)}
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for pre_hook in self._state_dict_pre_hooks.values():
            pre_hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            if hook(self, destination, prefix, metadata) is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return destination  # type: ignore[no-any-return]

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Checks this module's own entries and leaves the writing for when all modules have been checked.

        A subclass may override it to adapt older state dicts, as in PyTorch. local_metadata has "version", when the state dict knows
        it, "assign_to_params_buffers", and "writes", the list that takes what is to be done; without one it is done at once.
        """
        for pre_hook in self._load_state_dict_pre_hooks.values():
            pre_hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        writes: list[Callable[[], None]] = []
        own = {name: entry for name, entry in self._parameters.items() if entry is not None}
        buffers = {
            name: entry for name, entry in self._buffers.items() if entry is not None and name not in self._non_persistent_buffers_set
        }
        for name, entry in [*own.items(), *buffers.items()]:
            key = prefix + name
            if key in state_dict:
                try:
                    writes.append(self._entry_writer(name, entry, state_dict[key], local_metadata.get("assign_to_params_buffers", False)))
                except _Misfit as misfit:
                    error_msgs.append(f"{misfit.kind} for {key}: {misfit}")
            elif strict:
                missing_keys.append(key)

        extra_key = prefix + _EXTRA_STATE
        has_extra_state = type(self).set_extra_state is not Module.set_extra_state
        if has_extra_state and extra_key in state_dict:
            extra = state_dict[extra_key]
            writes.append(lambda: self.set_extra_state(extra))
        elif has_extra_state and strict:
            missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)

        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or key == extra_key:
                    continue
                head, dot, _ = key[len(prefix) :].partition(".")
                if head not in (self._modules if dot else own.keys() | buffers.keys()):
                    unexpected_keys.append(key)

        if "writes" in local_metadata:
            local_metadata["writes"].extend(writes)
        else:
            for write in writes:
                write()

    def _entry_writer(self, name: str, entry: Any, value: Any, assign: bool) -> Callable[[], None]:
        """What puts `value` into the parameter or buffer `name`, or a _Misfit."""
        if is_lazy(entry):
            return self._lazy_entry_writer(name, entry, value, assign)
        current: NDArray[Any] = entry.data if isinstance(entry, Tensor) else entry
        array = _as_loadable(value)
        if current.shape == () and array.shape == (1,):
            array = array.reshape(())
        if array.shape != current.shape:
            raise _Misfit("size mismatch", f"state_dict has shape {array.shape}, the model has shape {current.shape}")
        if assign:
            if isinstance(entry, Parameter):
                if entry.requires_grad and array.dtype.kind != "f":
                    raise _Misfit("wrong dtype", f"a parameter that requires a gradient needs floats, state_dict has {array.dtype}")
                if isinstance(value, Parameter):
                    return lambda: setattr(self, name, value.requires_grad_(entry.requires_grad))
                return lambda: setattr(self, name, Parameter(array, entry.requires_grad))
            return lambda: setattr(self, name, array)
        if not current.flags.writeable:
            raise _Misfit("read-only memory", "the model's array cannot be written into; pass assign=True to replace it")
        return lambda: np.copyto(current, array, casting="unsafe")

    def _lazy_entry_writer(self, name: str, entry: Any, value: Any, assign: bool) -> Callable[[], None]:
        """The same for one that is not initialised: what is loaded says its shape."""
        if is_lazy(value):
            return lambda: None
        array = _as_loadable(value)

        def write() -> None:
            entry.materialize(array.shape)
            if isinstance(entry, Parameter):
                self._entry_writer(name, entry, value, assign)()
                return
            if assign:
                entry.data = array
            else:
                np.copyto(entry.data, array, casting="unsafe")
            setattr(self, name, entry)

        return write

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> _IncompatibleKeys:
        """Copies the arrays of a state dict into the parameters and buffers, all of them or, when something does not fit, none.

        Args:
            state_dict: arrays, or anything `np.asarray` takes, by the names that `state_dict()` gives them. Element types are converted.
            strict: whether missing and unexpected keys are errors.
            assign: take the arrays themselves, with their element types, instead of copying them.

        Returns:
            A named tuple (missing_keys, unexpected_keys).

        Raises:
            RuntimeError: keys are missing or unexpected, or shapes differ; the message lists all of them.
            TypeError: state_dict is not a mapping.

        Example:
            >>> a, b = nn.Linear(2, 3), nn.Linear(2, 3)
            >>> b.load_state_dict(a.state_dict())
            <All keys matched successfully>
            >>> bool((a.weight.numpy() == b.weight.numpy()).all())
            True
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}; pass what state_dict() returned")
        metadata = getattr(state_dict, "_metadata", None) or {}
        missing: list[str] = []
        unexpected: list[str] = []
        misfits: list[str] = []
        writes: list[Callable[[], None]] = []
        incompatible = _IncompatibleKeys(missing, unexpected)
        visited: list[Module] = []

        def check(module: Module, entries: dict[str, Any], prefix: str) -> None:
            local_metadata = {**metadata.get(prefix[:-1], {}), "assign_to_params_buffers": assign, "writes": writes}
            module._load_from_state_dict(entries, prefix, local_metadata, True, missing, unexpected, misfits)
            below: dict[str, dict[str, Any]] = {}
            for key, value in entries.items():
                head, dot, _ = key[len(prefix) :].partition(".")
                if dot and key.startswith(prefix):
                    below.setdefault(head, {})[key] = value
            for name, child in module._modules.items():
                if child is not None:
                    check(child, below.get(name, {}), f"{prefix}{name}.")
            visited.append(module)

        def fits() -> bool:
            return not (misfits or (strict and (missing or unexpected)))

        def apply() -> None:
            for write in writes:
                write()
            for module in visited:
                module._remake()
            writes.clear()  # `check` refers to itself: until the next garbage collection the writes would hold the parameters' arrays

        check(self, OrderedDict(state_dict), "")
        written = fits()
        if written:
            apply()
        for module in visited:
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, incompatible) is not None:
                    raise AssertionError("a hook of register_load_state_dict_post_hook must return None; change incompatible_keys in place")
        if not fits():
            from ._load_errors import message

            raise RuntimeError(message(self._get_name(), missing if strict else [], unexpected if strict else [], misfits))
        if not written:  # a hook has taken the reasons away
            apply()
        return incompatible

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for hook in self._makers():
            state.pop(hook._tensor_name, None)
        for registry in _REGISTRIES:
            if registry in state:
                state[registry] = dict(state[registry])
                for name in state[registry]:
                    del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for registry in _REGISTRIES:
            if registry in state:
                self.__dict__[registry] = Registry(self, state[registry].items())
        self._remake()

    # Printing.

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What a subclass adds to the repr, on one line or several."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if len(extra_lines) == 1 and not child_lines:
            return f"{self._get_name()}({extra_lines[0]})"
        lines = extra_lines + child_lines
        body = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{self._get_name()}({body})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the modules as a tree that folds, with shapes and numbers of parameters."""
        from ..inspection import module_html

        return module_html(self)

    # Last, because inside the class these names would hide the built-in ones.

    def float(self) -> Self:
        """Converts floating point parameters and buffers to float32."""
        return self.to(np.float32)

    def type(self, dst_type: Any) -> Self:
        """Converts all parameters and buffers to `dst_type`, np.float32 or np.float64.

        Raises:
            TypeError: dst_type is another one.
        """
        dtype = _float_dtype("type", dst_type)
        return self._apply(lambda array: array.astype(dtype, copy=False))


def _register(hooks: OrderedDict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _cannot_assign(value: Any, kind: str, name: str) -> TypeError:
    if kind == "parameter":
        expected = "swiftnn.Parameter or None expected"
        fix = f"wrap it, nn.Parameter(value), or write into the present one, module.{name}.data[...] = value"
    else:
        expected = "swiftnn.Module or None expected"
        fix = f"delete the child first, del module.{name}, or use another name"
    return TypeError(f"cannot assign '{_typename(value)}' as {kind} '{name}' ({expected}); {fix}")


def _as_buffer(name: str, value: Any) -> NDArray[Any] | None:
    if value is None or isinstance(value, np.ndarray) or is_lazy(value):
        return value  # type: ignore[no-any-return]
    if isinstance(value, Tensor):
        return value.data
    if isinstance(value, np.generic):
        return np.asarray(value)  # what arithmetic on a buffer without dimensions gives
    raise TypeError(
        f"cannot assign '{_typename(value)}' as buffer '{name}' (ndarray, swiftnn.Tensor or None expected); use np.asarray(value)"
    )


class _Misfit(Exception):
    """An entry of a state dict that cannot be loaded."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _as_loadable(value: Any) -> NDArray[Any]:
    """The numbers of an entry of a state dict."""
    if is_lazy(value):
        raise _Misfit("not initialized", f"state_dict has an {type(value).__name__}; call the lazy module it comes from with a batch first")
    try:
        # detach: a tensor of another library that requires a gradient refuses to become an array.
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
        # Types such as ml_dtypes.bfloat16 are void to NumPy, but know how to become floats.
        if array.dtype.kind == "V" and array.dtype.names is None:
            array = array.astype(np.float32)
    except Exception as error:
        raise _Misfit("not an array", f"np.asarray failed on a {_typename(value)}: {error}") from None
    if array.dtype.kind not in "biuf":
        raise _Misfit("not numbers", f"state_dict has a {_typename(value)} of dtype {array.dtype}")
    return array


def _float_dtype(function: str, value: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(value).newbyteorder("=")
    except TypeError:
        raise TypeError(f"{function}: dtype must be np.float32 or np.float64, got {value!r}") from None
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"{function}: dtype must be float32 or float64, which the kernels compute in, got {dtype}")
    return dtype


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> np.dtype[Any] | None:
    """The dtype that the arguments of `Module.to` ask for, if any."""
    unknown = kwargs.keys() - {"device", "dtype", "tensor", "other", "non_blocking"}
    if unknown:
        raise TypeError(f"to() got an unexpected keyword argument '{unknown.pop()}'; it takes device, dtype or tensor")
    dtype = None if kwargs.get("dtype") is None else _float_dtype("to", kwargs["dtype"])
    for value in (*args, kwargs.get("device"), kwargs.get("tensor"), kwargs.get("other")):
        if value is None or isinstance(value, bool):  # a bool is non_blocking, which means nothing here
            continue
        if isinstance(value, (Tensor, np.ndarray)):
            dtype = _float_dtype("to", value.dtype)
        elif str(value) in ("cpu", "cpu:0"):
            continue
        elif _is_dtype(value):
            dtype = _float_dtype("to", value)
        elif isinstance(value, str) or _typename(value) == "torch.device":
            raise ValueError(f"to: device must be 'cpu', got {str(value)!r}; swiftnn computes on the CPU")
        else:
            raise TypeError(f"to: expected a dtype, np.float32 or np.float64, the device 'cpu' or an array, got {value!r}")
    return dtype


def _is_dtype(value: Any) -> bool:
    try:
        np.dtype(value)
    except TypeError:
        return False
    return True
