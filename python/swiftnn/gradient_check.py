"""gradcheck: derivatives against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import tape
from .tensor import Tensor

__all__ = ["GradcheckError", "gradcheck"]


class GradcheckError(RuntimeError):
    """A derivative differs from the central differences.

    Example:
        >>> issubclass(nn.GradcheckError, RuntimeError)
        True
    """


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compares the gradients that the tape finds with central differences.

    ∂y/∂xᵢ ≈ (f(x + eps eᵢ) - f(x - eps eᵢ)) / (2 eps), for y = Σ wⱼ f(x)ⱼ with fixed random weights w

    Args:
        func: takes the inputs and returns a Tensor or a tuple of Tensors; the same inputs have to give the same results.
        inputs: a Tensor or a sequence with Tensors among it; those that require gradients are checked, and should be float64.
        eps: step of the differences.
        atol: allowed absolute difference.
        rtol: allowed difference relative to the central difference.
        raise_exception: raises where they differ, instead of returning False.

    Raises:
        GradcheckError: they differ; the message names input and element.
        ValueError: no input requires a gradient, or one is not float64.

    Example:
        >>> x = nn.Tensor(np.array([0.5, -1.0]), requires_grad=True)
        >>> nn.gradcheck(lambda x: x.tanh(), x)
        True
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [(i, a) for i, a in enumerate(arguments) if isinstance(a, Tensor) and a.requires_grad]
    if not checked:
        raise ValueError("gradcheck: none of the inputs is a Tensor that requires a gradient; make them with requires_grad=True")
    for i, a in checked:
        if a.dtype != np.float64:
            raise ValueError(f"gradcheck: input {i} is {a.dtype}; central differences need float64")

    def results() -> list[Any]:
        y = func(*arguments)
        return [r for r in (y if isinstance(y, (tuple, list)) else (y,)) if isinstance(r, Tensor) and r.dtype.kind == "f"]

    outputs = results()
    generator = np.random.default_rng(0)
    weights = [generator.uniform(0.5, 1.5, r.shape) * generator.choice([-1.0, 1.0], r.shape) for r in outputs]
    followed = [(r, w.astype(r.dtype)) for r, w in zip(outputs, weights, strict=True) if r.requires_grad]
    found: Sequence[Any] = [None] * len(checked)
    if followed:
        found = tape.grad([r for r, _ in followed], [a for _, a in checked], [w for _, w in followed], allow_unused=True)

    def value() -> float:
        with tape.no_grad():
            return float(sum(float((w * r.numpy()).sum()) for r, w in zip(results(), weights, strict=True)))

    for (i, a), gradient in zip(checked, found, strict=True):
        gradient = np.zeros(a.shape) if gradient is None else gradient
        for place in np.ndindex(a.shape):
            data = a.data
            before = data[place].copy()
            data[place] = before + eps
            above = value()
            data[place] = before - eps
            below = value()
            data[place] = before
            numeric = (above - below) / (2 * eps)
            if not abs(gradient[place] - numeric) <= atol + rtol * abs(numeric):
                if not raise_exception:
                    return False
                raise GradcheckError(
                    f"gradcheck: the gradient of input {i} at {tuple(map(int, place))} is {gradient[place]:.9g}, "
                    f"but central differences give {numeric:.9g}"
                )
    return True
