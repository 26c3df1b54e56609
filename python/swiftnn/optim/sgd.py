"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._native import sgd_step
from ..tensor import Tensor
from .optimizer import Fused, ParamsT, check_fused, check_unsupported, number

__all__ = ["SGD"]


class SGD(Fused):
    """Stochastic gradient descent, with momentum if wanted.

    g = ∇f(θ) + weight_decay · θ;  b = momentum · b + (1 - dampening) · g  (the first time b = g);
    θ = θ - lr · b, or with nesterov θ - lr · (g + momentum · b)

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        momentum: part of the last direction that is kept.
        dampening: part of the gradient that is left out of the momentum.
        weight_decay: factor of the penalty on the parameters' squares.
        nesterov: looks ahead along the momentum.
        maximize: climbs instead of descending.
        foreach: accepted for compatibility; all parameters are always updated together.
        differentiable: not supported.
        fused: accepted for compatibility, as foreach.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.ones(1, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.1))
        True

    Reference: Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning (2013).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        lr, weight_decay = number("lr", lr), number("weight_decay", weight_decay)
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_fused(foreach, fused, differentiable)
        check_unsupported(differentiable=differentiable)
        defaults = dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov)
        super().__init__(params, {**defaults, "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in (("nesterov", False), ("maximize", False), ("foreach", None), ("differentiable", False), ("fused", False)):
                group.setdefault(name, value)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        momentum = group["momentum"]
        fresh = [param for param in params if momentum != 0 and self.state[param].get("momentum_buffer") is None]
        for param in fresh:
            self.state[param]["momentum_buffer"] = np.empty(param.shape, param.dtype)
        known = set(map(id, fresh))
        going = [param for param in params if id(param) not in known]
        for first, part in ((True, fresh), (False, going)):
            if part:
                sgd_step(
                    part,
                    [param.grad for param in part],
                    [self.state[param]["momentum_buffer"] for param in part] if momentum != 0 else [],
                    group["lr"],
                    momentum,
                    group["dampening"],
                    group["weight_decay"],
                    group["nesterov"],
                    group["maximize"],
                    first,
                )
