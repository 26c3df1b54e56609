"""A user's own operation, with its own derivative, on the tape."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from . import tape
from .tape import TensorBase

__all__ = ["Function", "FunctionContext"]


class FunctionContext:
    """What forward leaves for backward.

    Example:
        >>> nn.FunctionContext((True,)).needs_input_grad
        (True,)
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        """Keeps arrays for backward, where a change in place is noticed."""
        self._saved = arrays

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The arrays that were saved."""
        return self._saved


class Function:
    """A user's own operation, with its own derivative.

    A subclass has static methods `forward(ctx, *args)`, which gets arrays and returns an array or a tuple of arrays, and
    `backward(ctx, *gradients)`, which gets an array for each result and returns an array or None for each argument of forward.
    It is used by `apply`.

    Raises:
        TypeError, ValueError: backward returns something else.

    Example:
        >>> class Cube(nn.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x**3
        ...     @staticmethod
        ...     def backward(ctx, dy):
        ...         (x,) = ctx.saved_tensors
        ...         return 3 * x**2 * dy
        >>> x = nn.Tensor([2.0], requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        array([12.], dtype=float32)
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Computes the result from arrays."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Computes the gradients of the arguments from those of the results."""
        raise NotImplementedError("a Function that requires gradients needs a static method backward(ctx, *gradients)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Calls forward and records it: arrays in, arrays out; Tensors in, Tensors out."""
        tensors = [a for a in args if isinstance(a, TensorBase)]
        needs = tuple(isinstance(a, TensorBase) and a._requires_grad for a in args)
        context = FunctionContext(needs)
        result = cls.forward(context, *(a._data if isinstance(a, TensorBase) else a for a in args))
        strong = any(not t._weak for t in tensors)
        if not strong and (not tensors or any(isinstance(a, np.ndarray) for a in args)):
            return result
        many = type(result) in (list, tuple)
        results = [np.asarray(r) for r in (result if many else (result,))]
        if not any(needs) or not tape._mode.recording:
            wrapped = tuple(tape._new_tensor(r, not strong) for r in results)
            return wrapped if many else wrapped[0]
        edges = [tape._edge(a) if isinstance(a, TensorBase) else None for a in args]
        shapes = [a.shape if isinstance(a, TensorBase) else None for a in args]
        outputs = [(r.shape, r.dtype) for r in results]
        node = tape.Node(cls.__name__, partial(cls._run, shapes), edges, outputs, context)
        node.takes_over = False
        # A result that is an argument's own memory stays a Tensor of its own.
        wrapped = tuple(
            tape._new_tensor(r, not strong, node, i) if r.dtype.kind == "f" else tape._new_tensor(r, not strong)
            for i, r in enumerate(results)
        )
        return wrapped if many else wrapped[0]

    @classmethod
    def _run(cls, shapes: Sequence[Any], node: tape.Node, grads: Sequence[Any], wanted: Sequence[bool]) -> Any:
        context = node.saved
        if tape._Writes.count != node.stamp:
            tape._check_saved(node, context._saved)
        filled = [np.zeros(*out) if g is None else g for g, out in zip(grads, node.outputs, strict=True)]
        result = cls.backward(context, *filled)
        result = tuple(result) if type(result) in (list, tuple) else (result,)
        if len(result) != len(wanted):
            raise TypeError(
                f"{cls.__name__}.backward returned {len(result)} gradients; expected one for each of forward's {len(wanted)} arguments"
            )
        gradients: list[Any] = []
        for i, (g, wants, shape) in enumerate(zip(result, wanted, shapes, strict=True)):
            if g is None or not wants:
                gradients.append(None)
                continue
            g = np.asarray(g._data if isinstance(g, TensorBase) else g)
            if g.shape != tuple(shape):
                raise ValueError(
                    f"{cls.__name__}.backward returned a gradient of shape {g.shape} for argument {i}; expected {tuple(shape)}"
                )
            gradients.append(g)
        return gradients
