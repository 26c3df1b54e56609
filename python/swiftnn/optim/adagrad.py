"""Adagrad: steps scaled by the root of the sum of squares of all gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._native import adagrad_step
from ..tensor import Tensor
from .optimizer import Fused, ParamsT, check_fused, check_not_negative, check_unsupported, number

__all__ = ["Adagrad"]


class Adagrad(Fused):
    """Adagrad: smaller steps for parameters that have had large gradients.

    g = ∇f(θ) + weight_decay · θ;  s = s + g²;  θ = θ - lr / (1 + (t - 1) · lr_decay) · g / (√s + eps)

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        lr_decay: how fast the learning rate falls.
        weight_decay: factor of the penalty on the parameters' squares.
        initial_accumulator_value: where s starts.
        eps: keeps the denominator away from 0.
        foreach: accepted for compatibility; all parameters are always updated together.
        maximize: climbs instead of descending.
        differentiable: not supported.
        fused: accepted for compatibility, as foreach.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.Adagrad(layer.parameters(), lr=0.01)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.full(1, 7, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.01))
        True

    Reference: Duchi, Hazan, Singer: Adaptive Subgradient Methods for Online Learning and Stochastic Optimization (2011).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(
            lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, eps=eps
        )
        check_fused(foreach, fused, differentiable)
        check_unsupported(differentiable=differentiable)
        defaults: dict[str, Any] = dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay)
        defaults |= dict(initial_accumulator_value=initial_accumulator_value, foreach=foreach, maximize=maximize)
        super().__init__(params, {**defaults, "differentiable": differentiable, "fused": fused})
        for group in self.param_groups:
            for param in group["params"]:
                self._start(param)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in (("foreach", None), ("maximize", False), ("differentiable", False), ("fused", None)):
                group.setdefault(name, value)

    def _start(self, param: Tensor) -> None:
        initial = self.defaults["initial_accumulator_value"]
        self.state[param].update(step=np.zeros((), np.float32), sum=np.full(param.shape, initial, param.dtype))

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        by_step: dict[int, list[Tensor]] = {}
        for param in params:
            if not self.state[param]:
                self._start(param)
            count = self.state[param]["step"]
            count += 1
            by_step.setdefault(int(count), []).append(param)
        # Parameters that have sat out a step, frozen or unused, have a learning rate of their own.
        for step, part in by_step.items():
            adagrad_step(
                part,
                [param.grad for param in part],
                [self.state[param]["sum"] for param in part],
                group["lr"],
                group["lr_decay"],
                group["weight_decay"],
                group["eps"],
                group["maximize"],
                step,
            )
