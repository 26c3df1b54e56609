"""Rprop: steps that follow the signs of gradients alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .optimizer import Elementwise, ParamsT, check_not_negative, check_unsupported, number

__all__ = ["Rprop"]


class Rprop(Elementwise):
    """Rprop: each element has a step size of its own, which grows while its gradient keeps the sign and shrinks when it changes.

    s = ∇f(θ) · g;  η = η · etas[1] where s > 0, η · etas[0] where s < 0, within step_sizes;  g = 0 where s < 0, else ∇f(θ);
    θ = θ - η · sign(g)

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: the first step size.
        etas: the factors that shrink and grow a step size.
        step_sizes: the smallest and the largest step size.
        capturable: not supported.
        foreach: accepted for compatibility; it changes nothing.
        maximize: climbs instead of descending.
        differentiable: not supported.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.Rprop(layer.parameters(), lr=0.01)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.full(1, 1000, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.01))
        True

    Reference: Riedmiller, Braun: A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm (1993).
    """

    _arrays = ("prev", "step_size")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        check_unsupported(capturable=capturable, differentiable=differentiable)
        defaults: dict[str, Any] = dict(lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize)
        super().__init__(params, {**defaults, "differentiable": differentiable, "capturable": capturable})

    def _start(self, group: dict[str, Any], param: Tensor) -> dict[str, Any]:
        state = super()._start(group, param)
        state["step_size"].fill(float(group["lr"]))
        return state

    def _numbers(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        return *group["etas"], *group["step_sizes"]

    def _piece(self, numbers: Any, p: Any, g: Any, work: Any, *states: Any) -> None:
        shrink, grow, smallest, largest = numbers
        prev, size = states
        np.multiply(g, prev, out=work)
        turned = work < 0
        np.multiply(size, grow, out=size, where=work > 0)
        np.multiply(size, shrink, out=size, where=turned)
        np.clip(size, smallest, largest, out=size)
        g[turned] = 0
        # Not by np.sign: an element whose gradient is NaN stays.
        np.subtract(p, size, out=p, where=g > 0)
        np.add(p, size, out=p, where=g < 0)
        np.copyto(prev, g)
