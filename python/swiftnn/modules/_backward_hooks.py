"""What `Module.register_full_backward_hook` and its pre-hook need of one call: the gradients of the module's outputs and inputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tape
from ..tape import Node, TensorBase

if TYPE_CHECKING:
    from .module import Module

__all__ = ["BackwardHooks"]


class BackwardHooks:
    """The hooks of one call. Its inputs and outputs pass through a node each, which meets their gradients."""

    def __init__(self, module: Module, pre_hooks: Sequence[Callable[..., Any]], hooks: Sequence[Callable[..., Any]]) -> None:
        self._module, self._pre_hooks, self._hooks = module, pre_hooks, hooks
        self._inputs = 0
        self._followed = False  # whether an input wants a gradient
        self._grad_output: tuple[Any, ...] | None = None

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments as forward gets them."""
        self._inputs = len(args)
        passed = _through(self._leave, args)
        self._followed = passed is not args
        return passed

    def outputs(self, result: Any) -> Any:
        """The result as the caller gets it."""
        if isinstance(result, TensorBase):
            return _through(self._enter, (result,))[0]
        if isinstance(result, tuple):
            passed = _through(self._enter, result)
            return passed if type(result) is tuple or passed is result else type(result)(*passed)  # a named tuple
        if not isinstance(result, np.ndarray):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result).__name__}",
                stacklevel=4,
            )
        return result

    def _enter(self, node: Node, grads: Sequence[Any], wanted: Sequence[bool]) -> Any:
        grad_output = tuple(grads)
        for hook in self._pre_hooks:
            grad_output = _changed(hook(self._module, grad_output), grad_output, "pre hook", "grad_output")
        if self._followed:
            self._grad_output = grad_output
        else:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require gradients",
                stacklevel=2,
            )
            for hook in self._hooks:
                given = hook(self._module, (None,) * self._inputs, grad_output)
                if given is not None and not (isinstance(given, tuple) and all(g is None for g in given)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None or None for all gradients."
                    )
        return _filled(node, grad_output)

    def _leave(self, node: Node, grads: Sequence[Any], wanted: Sequence[bool]) -> Any:
        grad_input, grad_output = _filled(node, grads), self._grad_output
        self._grad_output = None
        if grad_output is not None:  # None: the gradient came another way than through the outputs
            for hook in self._hooks:
                grad_input = _changed(hook(self._module, grad_input, grad_output), grad_input, "hook", "grad_input")
        return grad_input


def _through(backward: Callable[..., Any], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """values with every Tensor that wants a gradient replaced by a result of one node; values themselves where there is none."""
    edges = [tape._edge(value) if isinstance(value, TensorBase) else None for value in values]
    if not tape.is_grad_enabled() or all(edge is None for edge in edges):
        return values
    outputs = [(value.shape, value.dtype) if isinstance(value, TensorBase) else (None, None) for value in values]
    node = Node("BackwardHook", backward, edges, outputs)
    node.takes_over = False  # what a hook returns is the hook's
    return tuple(v if edges[i] is None else tape._new_tensor(v._data, v._weak, node, i) for i, v in enumerate(values))


def _filled(node: Node, grads: Sequence[Any]) -> tuple[Any, ...]:
    """The gradients with zeros for Tensors that none has reached."""
    return tuple(np.zeros(*out) if g is None and out[0] is not None else g for g, out in zip(grads, node.outputs, strict=True))


def _changed(given: Any, before: tuple[Any, ...], kind: str, what: str) -> tuple[Any, ...]:
    """What a hook returned in place of the gradients; None: no change."""
    if given is None:
        return before
    given = given if isinstance(given, (tuple, list)) else (given,)
    if len(given) != len(before):
        raise RuntimeError(f"Backward {kind} returned an invalid number of {what}, got {len(given)}, but expected {len(before)}")
    return tuple(g if b is None else tape._run_hooks((lambda _, g=g: g,), b) for g, b in zip(given, before, strict=True))
