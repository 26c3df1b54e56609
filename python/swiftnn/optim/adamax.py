"""Adamax: Adam with the largest gradient in place of the root mean square."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Elementwise, ParamsT, check_not_negative, check_unsupported, checked_betas, lerp, number

__all__ = ["Adamax"]


class Adamax(Elementwise):
    """Adamax: steps of a size that follows the running mean and the fading maximum of the gradient.

    g = ∇f(θ) + weight_decay · θ;  m = β₁ m + (1 - β₁) g;  u = max(β₂ u, |g| + eps);  θ = θ - lr / (1 - β₁ᵗ) · m / u

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        betas: what is kept of the running mean and of the maximum.
        eps: keeps the denominator away from 0.
        weight_decay: factor of the penalty on the parameters' squares.
        foreach: accepted for compatibility; it changes nothing.
        maximize: climbs instead of descending.
        differentiable: not supported.
        capturable: not supported.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.Adamax(layer.parameters(), lr=0.01)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.full(1, 1000, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.01))
        True

    Reference: Kingma, Ba: Adam: A Method for Stochastic Optimization (2015).
    """

    _arrays = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_unsupported(capturable=capturable, differentiable=differentiable)
        defaults: dict[str, Any] = dict(lr=lr, betas=checked_betas(betas), eps=eps, weight_decay=weight_decay, foreach=foreach)
        super().__init__(params, {**defaults, "maximize": maximize, "differentiable": differentiable, "capturable": capturable})

    def _numbers(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        beta1, beta2 = group["betas"]
        return float(group["lr"]) / (1 - beta1 ** float(state["step"])), beta1, beta2, group["eps"]

    def _piece(self, numbers: Any, p: Any, g: Any, work: Any, *states: Any) -> None:
        lr, beta1, beta2, eps = numbers
        mean, largest = states
        lerp(mean, g, 1 - beta1, work)
        largest *= beta2
        np.abs(g, out=g)
        g += eps
        np.maximum(largest, g, out=largest)
        np.divide(mean, largest, out=g)
        g *= lr
        p -= g
