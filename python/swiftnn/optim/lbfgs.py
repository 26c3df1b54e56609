"""L-BFGS: Newton's directions from the last gradients, with a line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tape
from .optimizer import Optimizer, ParamsT, check_not_negative, gradients, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS: directions from an inverse Hessian that the last steps and changes of the gradient describe; for losses of all data.

    d = -H ∇f(θ);  θ = θ + t · d, up to max_iter times in each `step`, which needs a closure

    Args:
        params: parameters, or (name, parameter) pairs; there is one group.
        lr: length t of a step, where the line search starts.
        max_iter: the most iterations in a step.
        max_eval: the most calls of the closure in a step; None: 1.25 · max_iter.
        tolerance_grad: a step ends where no element of the gradient is larger.
        tolerance_change: a step ends where neither loss nor a parameter changes by more.
        history_size: how many changes are kept, each as large as all parameters twice.
        line_search_fn: "strong_wolfe" looks for a t that lowers loss and slope enough, None takes lr.

    Raises:
        ValueError: lr is below 0, or there are several groups.

    Example:
        >>> p = nn.Parameter(np.array([-1.0, 2.0]))
        >>> optimizer = nn.optim.LBFGS([p], max_iter=50, line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((p[1] - p[0] ** 2) ** 2 * 100 + (1 - p[0]) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> first = optimizer.step(closure)
        >>> bool(np.allclose(p.numpy(), 1))
        True

    Reference: Liu, Nocedal: On the Limited Memory BFGS Method for Large Scale Optimization (1989).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        lr = number("lr", lr)
        check_not_negative(lr=lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        defaults: dict[str, Any] = dict(lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad)
        defaults |= dict(tolerance_change=tolerance_change, history_size=history_size, line_search_fn=line_search_fn)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        super().add_param_group(param_group)

    def _gradient(self) -> NDArray[Any]:
        """All gradients behind one another, in an array of its own; zeros where there is none."""
        params = self.param_groups[0]["params"]
        parts = []
        for p in params:
            grad = np.zeros(p.shape, p.dtype) if p.grad is None else gradients("LBFGS", [p])[0]
            parts.append(grad.astype(p.dtype, copy=False).reshape(-1))
        return np.concatenate(parts)

    def _move(self, t: float, direction: NDArray[Any]) -> None:
        """θ += t · direction"""
        start = 0
        for p in self.param_groups[0]["params"]:
            data = p.data
            part = direction[start : start + data.size].reshape(data.shape)
            np.add(data, float(t) * part, out=data, casting="same_kind")
            start += data.size
            tape.wrote(p)

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Iterates until the loss changes no more, or as often as was allowed.

        Args:
            closure: sets the gradients to zero, computes the loss and its gradients anew and returns the loss.

        Returns:
            The loss before the step, as closure returned it.

        Raises:
            TypeError: a gradient has another element type than its parameter.
            ShapeError: a gradient has another shape than its parameter.
            RuntimeError: line_search_fn is neither None nor "strong_wolfe".
        """
        group = self.param_groups[0]
        lr, most, tolerance = float(group["lr"]), group["max_iter"], group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        params = group["params"]
        # The state is that of all parameters together, kept as the first one's, as in PyTorch.
        state = self.state[params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, evaluations = float(first), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if _largest(gradient) <= group["tolerance_grad"]:
            return first
        work = np.empty_like(gradient)

        def dot(a: NDArray[Any], b: NDArray[Any]) -> np.float64:
            return np.float64(np.multiply(a, b, out=work).sum())

        def at(t: float) -> tuple[float, NDArray[Any]]:
            start = [p.data.copy() for p in params]
            self._move(t, d)
            value = float(closure()), self._gradient()
            for p, data in zip(params, start):
                p.data[...] = data
                tape.wrote(p)
            return value

        d: Any
        t: Any
        d, t, last = state.get("d"), state.get("t"), state.get("prev_flat_grad")
        changes, steps, ratios = (state.get(name, []) for name in ("old_dirs", "old_stps", "ro"))
        scale, last_loss = state.get("H_diag", 1.0), state.get("prev_loss")
        for iteration in range(1, most + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, changes, steps, ratios, scale = -gradient, [], [], [], 1.0
            else:
                y, s = gradient - last, d * float(t)
                curvature = dot(y, s)
                if curvature > 1e-10:
                    if len(changes) == group["history_size"]:
                        for oldest in (changes, steps, ratios):
                            oldest.pop(0)
                    changes.append(y)
                    steps.append(s)
                    ratios.append(float(1.0 / curvature))
                    scale = float(curvature / dot(y, y))
                d = _direction(gradient, changes, steps, ratios, float(scale), dot, work)
            last, last_loss = gradient, loss
            t = np.float64(min(1.0, 1.0 / float(np.abs(gradient).sum())) * lr if state["n_iter"] == 1 else lr)
            slope = dot(gradient, d)
            if slope > -tolerance:
                break
            calls = 0
            if group["line_search_fn"] is not None:
                loss, gradient, t, calls = _strong_wolfe(at, dot, t, d, loss, gradient, slope, group["max_eval"] - evaluations)
                self._move(t, d)
            else:
                self._move(t, d)
                if iteration != most:
                    # After the last iteration the next step computes it, maybe for other data.
                    loss, gradient, calls = float(closure()), self._gradient(), 1
            evaluations += calls
            state["func_evals"] += calls
            if iteration == most or evaluations >= group["max_eval"] or _largest(gradient) <= group["tolerance_grad"]:
                break
            if _largest(d) * abs(t) <= tolerance or abs(loss - last_loss) < tolerance:
                break
        t = None if t is None else float(t)
        state.update(d=d, t=t, old_dirs=changes, old_stps=steps, ro=ratios, H_diag=scale, prev_flat_grad=last, prev_loss=last_loss)
        return first


def _largest(x: NDArray[Any]) -> float:
    return float(max(x.max(initial=0), -x.min(initial=0)))


def _direction(
    gradient: NDArray[Any],
    changes: list[NDArray[Any]],
    steps: list[NDArray[Any]],
    ratios: list[float],
    scale: float,
    dot: Callable[[NDArray[Any], NDArray[Any]], np.float64],
    work: NDArray[Any],
) -> NDArray[Any]:
    """-H · gradient by the two loops over the history."""
    d = -gradient
    factors = []
    for y, s, ratio in zip(reversed(changes), reversed(steps), reversed(ratios)):
        factors.append(float(dot(s, d)) * float(ratio))
        d -= np.multiply(y, factors[-1], out=work)
    d *= scale
    for y, s, ratio, factor in zip(changes, steps, ratios, reversed(factors)):
        d += np.multiply(s, factor - float(dot(y, d)) * float(ratio), out=work)
    return d


def _cubic_interpolate(x1: Any, f1: Any, g1: Any, x2: Any, f2: Any, g2: Any, bounds: tuple[Any, Any] | None = None) -> Any:
    """The minimum of the cubic with these values and slopes, within bounds."""
    low, high = bounds or (min(x1, x2), max(x1, x2))
    with np.errstate(all="ignore"):
        d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
        square = d1**2 - g1 * g2
        if not square >= 0:
            return (low + high) / 2.0
        d2 = np.sqrt(square)
        if x1 <= x2:
            best = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
        else:
            best = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(best, low), high)


def _strong_wolfe(
    at: Callable[[float], tuple[float, NDArray[Any]]],
    dot: Callable[[NDArray[Any], NDArray[Any]], np.float64],
    t: Any,
    d: NDArray[Any],
    f: float,
    g: NDArray[Any],
    slope: np.float64,
    most: int,
) -> tuple[float, NDArray[Any], Any, int]:
    """A t that satisfies Wolfe's strong conditions, with loss and gradient there and the number of evaluations."""
    c1, c2, tolerance = 1e-4, 0.9, 1e-9
    width = _largest(d)

    def point(t: Any) -> tuple[Any, float, NDArray[Any], np.float64]:
        f, g = at(t)
        return t, f, g, dot(g, d)

    # A point is (t, loss, gradient, slope).
    before, new = (np.float64(0), f, g, slope), point(t)
    evaluations, done = 1, False
    while evaluations <= most:
        t = new[0]
        if new[1] > f + c1 * t * slope or (evaluations > 2 and new[1] >= before[1]) or (new[3] >= 0 and not abs(new[3]) <= -c2 * slope):
            bracket = [before, new]
            break
        if abs(new[3]) <= -c2 * slope:
            bracket, done = [new], True
            break
        bounds = (t + 0.01 * (t - before[0]), t * 10)
        t = _cubic_interpolate(before[0], before[1], before[3], t, new[1], new[3], bounds)
        before, new = new, point(t)
        evaluations += 1
    else:
        bracket = [(np.float64(0), f, g, slope), new]

    # Within the bracket is a point that satisfies them: it is made smaller until it is found.
    stuck = False
    low, high = (0, -1) if bracket[0][1] <= bracket[-1][1] else (-1, 0)
    while not done and evaluations <= most and not abs(bracket[1][0] - bracket[0][0]) * width < tolerance:
        (x1, f1, _, g1), (x2, f2, _, g2) = bracket
        t = _cubic_interpolate(x1, f1, g1, x2, f2, g2)
        left, right = min(x1, x2), max(x1, x2)
        margin = 0.1 * (right - left)
        # Close to an end once is borne; at the end, or twice in a row, it moves away from there.
        if min(right - t, t - left) < margin:
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        new = point(t)
        evaluations += 1
        if new[1] > f + c1 * t * slope or new[1] >= bracket[low][1]:
            bracket[high] = new
            low, high = (0, -1) if bracket[0][1] <= bracket[-1][1] else (-1, 0)
        else:
            if abs(new[3]) <= -c2 * slope:
                done = True
            elif new[3] * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    t, f, g, _ = bracket[low]
    return f, g, t, evaluations
