"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..modules.module import Module, _as_buffer
from ..tensor import Tensor
from .parametrize import is_parametrized, show, shown

__all__ = ["functional_call"]

_MISSING = object()


def functional_call(
    module: Module,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls a module with other parameters and buffers than its own, which it has again afterwards.

    Args:
        module: the module.
        parameters_and_buffers: Tensors or arrays by their dotted names, or a sequence of such dicts. A buffer that the call replaces is
            replaced in the dict. The name of a parametrized array stands for what its parametrizations would give.
        args: the positional arguments, a tuple, or the only one.
        kwargs: keyword arguments.
        tie_weights: whether a parameter that the module has under several names is replaced under all of them.
        strict: whether there must be a value for every parameter and buffer and no other one.

    Returns:
        What the module returns; Tensors in place of its parameters give a Tensor.

    Raises:
        RuntimeError: keys are missing or unexpected, with strict.
        ValueError: a key is in two dicts, or one parameter gets several values.
        AttributeError: a name leads nowhere.
        TypeError: a value is no array.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> w = nn.Tensor([[1.0, 2.0]], requires_grad=True)
        >>> y = nn.utils.stateless.functional_call(layer, {"weight": w}, np.array([[3.0, 4.0]], np.float32))
        >>> y
        Tensor([[11.]], grad_fn=<linearBackward>)
    """
    dicts: Sequence[Any] = [parameters_and_buffers] if isinstance(parameters_and_buffers, Mapping) else list(parameters_and_buffers)
    values: dict[str, Any] = {}
    for each in dicts:
        for name, value in each.items():
            if name in values:
                raise ValueError(f"functional_call: {name!r} is in several of the dicts; pass it once")
            if value is not None and not isinstance(value, (Tensor, np.ndarray)):
                raise TypeError(f"functional_call: {name!r} is a {type(value).__name__}; expected a Tensor or an array")
            values[name] = value
    own = dict([*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)])
    if strict:
        problems = [
            f"{kind} key(s): {', '.join(map(repr, sorted(keys)))}."
            for kind, keys in (("Unexpected", values.keys() - own.keys()), ("Missing", own.keys() - values.keys()))
            if keys
        ]
        if problems:
            raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(problems))
    if tie_weights:
        values = _tied(values, own)
    swapped: list[tuple[Module, str, Any]] = []
    try:
        for name, value in values.items():
            path, _, last = name.rpartition(".")
            owner = module.get_submodule(path)
            swapped.append((owner, last, _swap(owner, last, value)))
        return module(*(() if args is None else args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
    finally:
        for (owner, last, before), (name, value) in reversed(list(zip(swapped, values.items(), strict=False))):
            after = _swap(owner, last, before)
            for each in dicts:
                if name in each and after is not (value.data if isinstance(value, Tensor) and isinstance(after, np.ndarray) else value):
                    each[name] = after


def _tied(values: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The values, those of a shared parameter under all of its names."""
    names: dict[int, list[str]] = {}
    for name, entry in own.items():
        names.setdefault(id(entry), []).append(name)
    tied = dict(values)
    for name in values.keys() & own.keys():
        group = names[id(own[name])]
        if any(values[other] is not values[name] for other in group if other in values):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(group)}, which are tied. Consider using tie_weights=False"
            )
        tied.update(dict.fromkeys(group, values[name]))
    return tied


def _swap(module: Module, name: str, value: Any) -> Any:
    """Puts value in the place of a parameter, buffer or other array, and returns what was there."""
    before: Any
    if is_parametrized(module, name):
        names = shown(module)
        if name in names:
            show(module, tuple(other for other in names if other != name))
            module.__dict__[name] = value
            return _MISSING
        show(module, (*names, name))
        return module.__dict__.pop(name)
    if value is _MISSING:
        before = getattr(module, name)
        delattr(module, name)
        return before
    if name in module._parameters:
        before, module._parameters[name] = module._parameters[name], value
        return before
    if name in module._buffers:
        before, module._buffers[name] = module._buffers[name], _as_buffer(name, value)
        return before
    before = module.__dict__.get(name, _MISSING)
    setattr(module, name, value)
    return before
