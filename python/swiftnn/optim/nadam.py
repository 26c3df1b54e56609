"""NAdam: Adam with the momentum of Nesterov."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .optimizer import Elementwise, ParamsT, check_not_negative, check_unsupported, checked_betas, lerp, number, running_square

__all__ = ["NAdam"]


class NAdam(Elementwise):
    """NAdam: Adam whose momentum is the next step's already, and grows with time.

    g = ∇f(θ) + weight_decay · θ;  m = β₁ m + (1 - β₁) g;  v = β₂ v + (1 - β₂) g²;  μₜ = β₁ (1 - 0.96^(t · momentum_decay) / 2);
    θ = θ - lr · ((1 - μₜ) g / (1 - μ₁ ⋯ μₜ) + μₜ₊₁ m / (1 - μ₁ ⋯ μₜ₊₁)) / (√(v / (1 - β₂ᵗ)) + eps)

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        betas: what is kept of the two running means.
        eps: keeps the denominator away from 0.
        weight_decay: factor of the penalty on the parameters' squares.
        momentum_decay: how fast the momentum grows to β₁.
        decoupled_weight_decay: shrinks θ by lr · weight_decay instead, as AdamW.
        foreach: accepted for compatibility; it changes nothing.
        maximize: climbs instead of descending.
        capturable: not supported.
        differentiable: not supported.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.NAdam(layer.parameters(), lr=0.01, betas=(0.0, 0.999))
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.full(1, 1000, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.01))
        True

    Reference: Dozat: Incorporating Nesterov Momentum into Adam (2016).
    """

    _arrays = ("exp_avg", "exp_avg_sq")
    _single = ("mu_product",)
    _later = {**Elementwise._later, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        check_unsupported(capturable=capturable, differentiable=differentiable)
        defaults: dict[str, Any] = dict(
            lr=lr, betas=checked_betas(betas), eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay
        )
        defaults |= dict(decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach)
        super().__init__(params, {**defaults, "capturable": capturable, "differentiable": differentiable})

    def _start(self, group: dict[str, Any], param: Tensor) -> dict[str, Any]:
        state = super()._start(group, param)
        return {"step": state.pop("step"), "mu_product": np.ones((), np.float32), **state}

    def _numbers(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        (beta1, beta2), lr, step = group["betas"], float(group["lr"]), float(state["step"])
        now, after = (beta1 * (1.0 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        state["mu_product"] *= now
        product = float(state["mu_product"])
        factors = lr * (1.0 - now) / (1.0 - product), lr * after / (1.0 - product * after)
        return beta1, beta2, *factors, 1 - beta2**step, group["eps"]

    def _piece(self, numbers: Any, p: Any, g: Any, work: Any, *states: Any) -> None:
        beta1, beta2, now, after, correction, eps = numbers
        mean, square = states
        lerp(mean, g, 1 - beta1, work)
        running_square(square, beta2, g, work)
        g *= now
        g += np.multiply(mean, after, out=work)
        np.sqrt(np.divide(square, correction, out=work), out=work)
        work += eps
        g /= work
        p -= g
