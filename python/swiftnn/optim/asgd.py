"""ASGD: stochastic gradient descent that also averages the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .optimizer import Elementwise, ParamsT, check_not_negative, check_unsupported, number

__all__ = ["ASGD"]


class ASGD(Elementwise):
    """Averaged stochastic gradient descent: `state[parameter]["ax"]` is the mean of the parameter since step t0.

    g = ∇f(θ) + weight_decay · θ;  θ = (1 - lambd · η) θ - η g;  a = a + μ (θ - a);
    η = lr / (1 + lambd · lr · t)^alpha and μ = 1 / max(1, t - t0) for the next step

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: learning rate.
        lambd: how fast parameters and learning rate fall.
        alpha: power of the learning rate's fall.
        t0: the step at which averaging starts.
        weight_decay: factor of the penalty on the parameters' squares.
        foreach: accepted for compatibility; it changes nothing.
        maximize: climbs instead of descending.
        differentiable: not supported.
        capturable: not supported.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = nn.optim.ASGD(layer.parameters(), lr=0.01, lambd=0.0)
        >>> before = layer.bias.numpy().copy()
        >>> layer.bias.grad = np.full(1, 7, np.float32)
        >>> optimizer.step()
        >>> bool(np.allclose(layer.bias.numpy(), before - 0.07))
        True

    Reference: Polyak, Juditsky: Acceleration of Stochastic Approximation by Averaging (1992).
    """

    _arrays = ("ax",)
    _single = ("eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(lr=lr, weight_decay=weight_decay)
        check_unsupported(capturable=capturable, differentiable=differentiable)
        defaults: dict[str, Any] = dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach)
        super().__init__(params, {**defaults, "maximize": maximize, "differentiable": differentiable, "capturable": capturable})

    def _start(self, group: dict[str, Any], param: Tensor) -> dict[str, Any]:
        state = super()._start(group, param)
        state.update(eta=np.array(group["lr"], np.float32), mu=np.ones((), np.float32), ax=state.pop("ax"))
        return state

    def _numbers(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        lr, lambd, step = float(group["lr"]), group["lambd"], float(state["step"])
        eta, mu = float(state["eta"]), float(state["mu"])
        state["eta"] = np.array(lr / (1 + lambd * lr * step) ** group["alpha"], np.float32)
        state["mu"] = np.array(1 / max(1, step - group["t0"]), np.float32)
        return 1 - lambd * eta, eta, mu

    def _piece(self, numbers: Any, p: Any, g: Any, work: Any, *states: Any) -> None:
        shrink, eta, mu = numbers
        (mean,) = states
        p *= shrink
        g *= eta
        p -= g
        if mu == 1:
            np.copyto(mean, p)
        else:
            np.subtract(p, mean, out=work)
            work *= mu
            mean += work
