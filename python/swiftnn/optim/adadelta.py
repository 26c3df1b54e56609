"""Adadelta: steps as long as the last ones, for the gradient that there is."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Elementwise, ParamsT, check_not_negative, check_unsupported, number, running_square

__all__ = ["Adadelta"]


class Adadelta(Elementwise):
    """Adadelta: the ratio of the root mean squares of steps and gradients takes the place of a learning rate.

    g = ∇f(θ) + weight_decay · θ;  v = rho · v + (1 - rho) · g²;  d = √(u + eps) / √(v + eps) · g;
    u = rho · u + (1 - rho) · d²;  θ = θ - lr · d

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: factor of the steps.
        rho: what is kept of the two running means.
        eps: keeps both roots away from 0.
        weight_decay: factor of the penalty on the parameters' squares.
        foreach: accepted for compatibility; it changes nothing.
        capturable: not supported.
        maximize: climbs instead of descending.
        differentiable: not supported.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.Adadelta(layer.parameters(), eps=0.5)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.full(1, 1000, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 5**0.5))
        True

    Reference: Zeiler: ADADELTA: An Adaptive Learning Rate Method (2012).
    """

    _arrays = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(lr=lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative(eps=eps, weight_decay=weight_decay)
        check_unsupported(capturable=capturable, differentiable=differentiable)
        defaults: dict[str, Any] = dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)
        super().__init__(params, {**defaults, "capturable": capturable, "foreach": foreach, "differentiable": differentiable})

    def _numbers(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        return float(group["lr"]), group["rho"], group["eps"]

    def _piece(self, numbers: Any, p: Any, g: Any, work: Any, *states: Any) -> None:
        lr, rho, eps = numbers
        square, delta = states
        running_square(square, rho, g, work)
        np.sqrt(np.add(square, eps, out=work), out=work)
        g /= work
        g *= np.sqrt(np.add(delta, eps, out=work), out=work)
        running_square(delta, rho, g, work)
        g *= lr
        p -= g
