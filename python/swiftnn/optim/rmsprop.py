"""RMSprop: steps scaled by the root of the running mean square of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._native import rmsprop_step
from ..tensor import Tensor
from .optimizer import Fused, ParamsT, check_not_negative, check_unsupported, number

__all__ = ["RMSprop"]


class RMSprop(Fused):
    """RMSprop: the gradient divided by the root of its running mean square.

    g = ∇f(θ) + weight_decay · θ;  v = α v + (1 - α) g²;  centered: a = α a + (1 - α) g, v - a² instead of v below;
    d = g / (√v + eps);  b = momentum · b + d;  θ = θ - lr · b

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        alpha: what is kept of the running mean.
        eps: keeps the denominator away from 0.
        weight_decay: factor of the penalty on the parameters' squares.
        momentum: part of the last direction that is kept.
        centered: divides by the deviation instead of the root mean square.
        capturable: not supported.
        foreach: accepted for compatibility; all parameters are always updated together.
        maximize: climbs instead of descending.
        differentiable: not supported.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.RMSprop(layer.parameters(), lr=0.01)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.ones(1, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.1))
        True

    Reference: Tieleman, Hinton: Lecture 6.5 of Neural Networks for Machine Learning (2012); centered: Graves: Generating Sequences
    With Recurrent Neural Networks (2013).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        check_unsupported(capturable=capturable, differentiable=differentiable)
        defaults: dict[str, Any] = dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay)
        defaults |= dict(capturable=capturable, foreach=foreach, maximize=maximize, differentiable=differentiable)
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in ("centered", "maximize", "differentiable", "capturable"):
                group.setdefault(name, False)
            group.setdefault("momentum", 0)
            group.setdefault("foreach", None)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        states = [self.state[param] for param in params]
        for param, state in zip(params, states):
            if not state:
                state["step"] = np.zeros((), np.float32)
            for name in names:
                if name not in state:
                    state[name] = np.zeros(param.shape, param.dtype)
            state["step"] += 1
        rmsprop_step(
            params,
            [param.grad for param in params],
            [state["square_avg"] for state in states],
            [state["momentum_buffer"] for state in states] if group["momentum"] > 0 else [],
            [state["grad_avg"] for state in states] if group["centered"] else [],
            group["lr"],
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["maximize"],
        )
