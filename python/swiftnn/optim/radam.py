"""RAdam: Adam that starts without its second moment."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Elementwise, ParamsT, check_not_negative, check_unsupported, checked_betas, lerp, number, running_square

__all__ = ["RAdam"]


class RAdam(Elementwise):
    """RAdam: Adam that leaves the gradient's variance out until it is known well enough, and rectifies the steps after that.

    g = ∇f(θ) + weight_decay · θ;  m = β₁ m + (1 - β₁) g;  v = β₂ v + (1 - β₂) g²;  ρ∞ = 2 / (1 - β₂) - 1;
    ρ = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ);  r = √((ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ));
    θ = θ - lr · m / (1 - β₁ᵗ) · (r √(1 - β₂ᵗ) / (√v + eps) if ρ > 5 else 1)

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        betas: what is kept of the two running means.
        eps: keeps the denominator away from 0.
        weight_decay: factor of the penalty on the parameters' squares.
        decoupled_weight_decay: shrinks θ by lr · weight_decay instead, as AdamW.
        foreach: accepted for compatibility; it changes nothing.
        maximize: climbs instead of descending.
        capturable: not supported.
        differentiable: not supported.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.RAdam(layer.parameters(), lr=0.01)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.full(1, 3, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.03))
        True

    Reference: Liu, Jiang, He, Chen, Liu, Gao, Han: On the Variance of the Adaptive Learning Rate and Beyond (2020).
    """

    _arrays = ("exp_avg", "exp_avg_sq")
    _later = {**Elementwise._later, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_unsupported(capturable=capturable, differentiable=differentiable)
        defaults: dict[str, Any] = dict(lr=lr, betas=checked_betas(betas), eps=eps, weight_decay=weight_decay, maximize=maximize)
        defaults |= dict(foreach=foreach, capturable=capturable, decoupled_weight_decay=decoupled_weight_decay)
        super().__init__(params, {**defaults, "differentiable": differentiable})

    def _numbers(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[Any, ...]:
        (beta1, beta2), step = group["betas"], float(state["step"])
        lr, correction = float(group["lr"]) / (1 - beta1**step), 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction
        rectified = length > 5.0
        if rectified:
            lr *= ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length) * correction) ** 0.5
        return lr, beta1, beta2, group["eps"], rectified

    def _piece(self, numbers: Any, p: Any, g: Any, work: Any, *states: Any) -> None:
        lr, beta1, beta2, eps, rectified = numbers
        mean, square = states
        lerp(mean, g, 1 - beta1, work)
        running_square(square, beta2, g, work)
        np.multiply(mean, lr, out=g)
        if rectified:
            np.sqrt(square, out=work)
            work += eps
            g /= work
        p -= g
