"""Adafactor: the second moment of a matrix kept as a row and a column."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._native import grad_norm
from ..tensor import Tensor
from .optimizer import Fused, ParamsT, gradients, lerp, number, scratch_of

__all__ = ["Adafactor"]


class Adafactor(Fused):
    """Adafactor: steps scaled by root mean squares of which only the means over rows and columns are kept.

    β = 1 - t^beta2_decay;  r = β r + (1 - β) mean(g², -1);  c = β c + (1 - β) mean(g², -2);  v = r c / max(mean(r), eps₁),
    of fewer than two dimensions v = β v + (1 - β) g²;  u = g / max(√v, eps₁);  α = min(lr, 1 / √t) · max(eps₂, rms(θ));
    θ = θ - lr · weight_decay · θ - α · u / max(1, rms(u) / d)

    Args:
        params: parameters, (name, parameter) pairs, or dicts that each describe a group.
        lr: the largest step relative to the parameter.
        beta2_decay: power of t that says what the running means lose; 0 or below.
        eps: (the least root of v, None for the element type's epsilon; the least rms(θ)).
        d: the largest root mean square of a step.
        weight_decay: part of the parameters, times lr, that every step takes away.
        foreach: accepted for compatibility; it changes nothing.
        maximize: climbs instead of descending.

    Raises:
        ValueError: an option is out of its range.

    Example:
        >>> optimizer = nn.optim.Adafactor([p := nn.Parameter(np.full((3, 4), 2.0))], lr=0.01)
        >>> p.grad = np.full((3, 4), 7.0)
        >>> optimizer.step()
        >>> bool(np.allclose(p.numpy(), 2 - 0.02)), optimizer.state[p]["row_var"].shape
        (True, (3, 1))

    Reference: Shazeer, Stern: Adafactor: Adaptive Learning Rates with Sublinear Memory Cost (2018).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        lr = number("lr", lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        for i, value in enumerate(eps, 1):
            if not (value is None and i == 1) and not value >= 0.0:  # type: ignore[operator]
                raise ValueError(f"epsilon{i} should be >= 0 but is: {value}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults: dict[str, Any] = dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay)
        super().__init__(params, {**defaults, "foreach": foreach, "maximize": maximize})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)

    def _shape_of(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        if name == "row_var":
            return (*shape[:-1], 1)
        return (*shape[:-2], 1, *shape[-1:]) if name == "col_var" else shape

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        dtype = params[0].dtype
        lr, (least, least_rms) = float(group["lr"]), group["eps"]
        if least is None:
            least = float(np.finfo(dtype).eps)
        grads = gradients("Adafactor", params)
        for param, g, u in zip(params, grads, scratch_of(params)):
            p, state = param.data, self.state[param]
            names = ("row_var", "col_var") if g.ndim > 1 else ("variance",)
            if not state:
                state["step"] = np.zeros((), np.float32)
                state.update((name, np.zeros(self._shape_of(name, g.shape) or (), dtype)) for name in names)
            state["step"] += 1
            if not g.size:
                continue
            step, root = float(state["step"]), p.size**0.5
            fresh = step ** group["beta2_decay"]
            rate = max(least_rms, float(grad_norm([p], 2.0)) / root) * min(lr, 1 / step**0.5)
            with np.errstate(all="ignore"):
                if group["weight_decay"]:
                    p *= 1 - lr * group["weight_decay"]
                np.multiply(g, g, out=u, casting="same_kind")
                if g.ndim > 1:
                    for axis, name in zip((-1, -2), names):
                        # Sums of a long column one after the other would lose digits in float32.
                        mean = u.mean(axis, dtype=np.float64, keepdims=True)
                        lerp(state[name], mean, fresh, np.empty_like(mean))
                    row = state["row_var"]
                    np.multiply(row, state["col_var"], out=u)
                    u /= np.maximum(row.mean(-2, keepdims=True), least)
                else:
                    variance = state["variance"]
                    lerp(variance, u.copy(), fresh, u)
                    np.copyto(u, variance)
                np.sqrt(np.maximum(u, least * least, out=u), out=u)
                np.divide(g, u, out=u, casting="same_kind")
                rate /= max(1.0, float(grad_norm([u], 2.0)) / (root * group["d"]))
                u *= -rate if group["maximize"] else rate
                p -= u
