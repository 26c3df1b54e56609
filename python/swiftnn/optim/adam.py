"""Adam and AdamW: steps scaled by running moments of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._native import adam_step
from ..tensor import Tensor
from .optimizer import Fused, ParamsT, check_fused, check_not_negative, check_unsupported, checked_betas, number

__all__ = ["Adam", "AdamW"]


class Adam(Fused):
    """Adam: steps of a size that follows the running mean and variance of the gradient.

    g = ∇f(θ) + weight_decay · θ;  m = β₁ m + (1 - β₁) g;  v = β₂ v + (1 - β₂) g²;
    θ = θ - lr · m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + eps)

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        betas: what is kept of the two running means.
        eps: keeps the denominator away from 0.
        weight_decay: factor of the penalty on the parameters' squares.
        amsgrad: divides by the largest v so far.
        foreach: accepted for compatibility; all parameters are always updated together.
        maximize: climbs instead of descending.
        capturable: not supported.
        differentiable: not supported.
        fused: accepted for compatibility, as foreach.
        decoupled_weight_decay: shrinks θ by lr · weight_decay instead, as AdamW.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.Adam(layer.parameters(), lr=0.01)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.full(1, 1000, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.01))
        True

    Reference: Kingma, Ba: Adam: A Method for Stochastic Optimization (2015); amsgrad: Reddi, Kale, Kumar: On the Convergence of Adam
    and Beyond (2018).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        lr = number("lr", lr)
        betas = checked_betas(betas)
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_fused(foreach, fused, differentiable)
        check_unsupported(capturable=capturable, differentiable=differentiable)
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize, foreach=foreach)
        defaults |= dict(capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=decoupled_weight_decay)
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in ("amsgrad", "maximize", "capturable", "differentiable", "decoupled_weight_decay"):
                group.setdefault(name, False)
            group.setdefault("foreach", None)
            group.setdefault("fused", None)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        amsgrad = bool(group["amsgrad"])
        by_step: dict[int, list[Tensor]] = {}
        for param in params:
            state = self.state[param]
            if not state:
                state["step"] = np.zeros((), np.float32)
                state["exp_avg"] = np.zeros(param.shape, param.dtype)
                state["exp_avg_sq"] = np.zeros(param.shape, param.dtype)
            if amsgrad and "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = np.zeros(param.shape, param.dtype)
            state["step"] += 1
            by_step.setdefault(int(state["step"]), []).append(param)
        beta1, beta2 = group["betas"]
        # Parameters that have sat out a step, frozen or unused, have corrections of their own.
        for step, part in by_step.items():
            states = [self.state[param] for param in part]
            adam_step(
                part,
                [param.grad for param in part],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [state["max_exp_avg_sq"] for state in states] if amsgrad else [],
                group["lr"],
                beta1,
                beta2,
                group["eps"],
                group["weight_decay"],
                group["decoupled_weight_decay"],
                group["maximize"],
                step,
            )


class AdamW(Adam):
    """Adam with weight decay apart from the gradient's moments.

    θ = θ - lr · weight_decay · θ, then Adam's step without weight decay

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        betas: what is kept of the two running means.
        eps: keeps the denominator away from 0.
        weight_decay: part of the parameters, times lr, that every step takes away.
        amsgrad: divides by the largest v so far.
        maximize: climbs instead of descending.
        foreach: accepted for compatibility; all parameters are always updated together.
        capturable: not supported.
        differentiable: not supported.
        fused: accepted for compatibility, as foreach.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> nn.optim.AdamW(layer.parameters()).param_groups[0]["weight_decay"]
        0.01

    Reference: Loshchilov, Hutter: Decoupled Weight Decay Regularization (2019).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        more = dict(foreach=foreach, maximize=maximize, capturable=capturable, differentiable=differentiable, fused=fused)
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **more, decoupled_weight_decay=True)  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
