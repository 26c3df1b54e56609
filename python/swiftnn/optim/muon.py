"""Muon: steps whose singular values are all about 1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._native import grad_norm, matmul_forward
from ..tensor import Tensor
from .optimizer import Fused, ParamsT, gradients, lerp, number, scratch_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Muon"]


class Muon(Fused):
    """Muon: momentum, made orthogonal by Newton and Schulz's iteration; for the matrices of hidden layers, others have AdamW.

    b = momentum · b + (1 - momentum) · g;  o = momentum · b + (1 - momentum) · g with nesterov, else b;
    X = o / ‖o‖;  ns_steps times: A = X Xᵀ, X = a X + (b A + c A²) X;  θ = θ - lr · weight_decay · θ - lr · ratio · X

    The iteration works with the precision of bfloat16, as in PyTorch: results agree to its 3 digits, and do not need more.

    Args:
        params: matrices, (name, matrix) pairs, or dicts that each describe a group.
        lr: learning rate.
        weight_decay: part of the parameters, times lr, that every step takes away.
        momentum: part of the last direction that is kept.
        nesterov: looks ahead along the momentum.
        ns_coefficients: a, b and c of the iteration.
        eps: the least norm that is divided by.
        ns_steps: number of iterations, below 100.
        adjust_lr_fn: ratio of the step to lr for a matrix of m rows and n columns: "original" (None) is √max(1, m / n),
            "match_rms_adamw" 0.2 √max(m, n), so that learning rates of AdamW fit.

    Raises:
        ValueError: an option is out of its range, or a parameter is no matrix.

    Example:
        >>> optimizer = nn.optim.Muon([p := nn.Parameter(np.zeros((2, 2)))], lr=0.01)
        >>> p.grad = np.array([[3.0, 0.0], [0.0, 2.0]])
        >>> optimizer.step()
        >>> bool((np.diag(p.numpy()) < -0.006).all()), float(p.numpy()[0, 1])
        (True, 0.0)

    Reference: Jordan et al.: Muon: An optimizer for hidden layers in neural networks (2024); match_rms_adamw: Liu et al.: Muon is Scalable
    for LLM Training (2025).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        lr = number("lr", lr)
        for name, value in (("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay)):
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported; pass 'original' or 'match_rms_adamw'")
        defaults: dict[str, Any] = dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov)
        defaults |= dict(ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        for param in param_group["params"]:
            if param.ndim != 2:
                self.param_groups.pop()
                raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {param.shape}")

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        lr, momentum = float(group["lr"]), group["momentum"]
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        for param, grad, work in zip(params, gradients("Muon", params), scratch_of(params)):
            state, p = self.state[param], param.data
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = np.zeros(p.shape, p.dtype)
            buffer = state["momentum_buffer"]
            if not p.size:
                continue
            with np.errstate(all="ignore"):
                lerp(buffer, grad, 1 - momentum, work)
                if group["nesterov"]:
                    step = grad.astype(p.dtype)
                    lerp(step, buffer, momentum, work)
                else:
                    step = buffer
                step = _orthogonal(step, group["ns_coefficients"], group["ns_steps"], group["eps"])
                ratio = 0.2 * math.sqrt(max(p.shape))
                if group["adjust_lr_fn"] != "match_rms_adamw":
                    ratio = math.sqrt(max(1, p.shape[0] / p.shape[1]))
                p *= 1 - lr * group["weight_decay"]
                p -= np.multiply(step, lr * ratio, out=work)


def _orthogonal(matrix: NDArray[Any], coefficients: tuple[float, float, float], steps: int, eps: float) -> NDArray[Any]:
    """The iteration, which stays above or below the singular value 1 by up to a half: it is steep at 0 instead of exact."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).astype(np.float32, order="C")
    np.copyto(x, np.nan, where=np.isnan(x))  # whose bits survive the rounding
    x = _bfloat16(x)
    norm = _bfloat16(np.array([grad_norm([x], 2.0), eps], np.float32)).max()
    x /= norm
    x = _bfloat16(x)
    for _ in range(steps):
        gram = _bfloat16(matmul_forward(x, x.T))
        update = matmul_forward(gram, gram)
        update *= c
        gram *= b
        update += gram
        product = matmul_forward(_bfloat16(update), x)
        x *= a
        product += x
        x = _bfloat16(product)
    return x.T if tall else x


def _bfloat16(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounds to the nearest bfloat16, ties to even, in place."""
    bits = x.view(np.uint32)
    bits += ((bits >> 16) & 1) + 0x7FFF
    bits &= 0xFFFF0000
    return x
