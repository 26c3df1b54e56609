"""Other parameters and state in an optimizer for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..tensor import Tensor
from .optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """In this block the optimizer has these parameters and this state, which its steps write into; after it its own again.

    Args:
        optimizer: an optimizer that has taken a step.
        swapin_parameters: a parameter for each of the optimizer's, in their order.
        swapin_optim_state: what `state_dict` of such an optimizer returned. Its arrays are written into, not copied; entries that steps
            add or replace are lost.

    Raises:
        RuntimeError: the optimizer has no state yet, or what is given does not fit it.

    Example:
        >>> p, q = nn.Parameter(np.zeros(1)), nn.Parameter(np.ones(1))
        >>> optimizer = nn.optim.SGD([p], lr=0.5, momentum=0.5)
        >>> p.grad = q.grad = np.ones(1)
        >>> optimizer.step()
        >>> with nn.optim.swap_in_optimizer_params_and_state(optimizer, {"q": q}, optimizer.state_dict()):
        ...     optimizer.step()
        >>> p.numpy(), q.numpy()
        (array([-0.5]), array([0.25]))
    """

    def check(fits: bool, expected: str) -> None:
        if not fits:
            raise RuntimeError(f"swap_in_optimizer_params_and_state requires {expected}.")

    check(bool(optimizer.state), "initialized optimizer state: take a step first")
    check(isinstance(swapin_optim_state, dict), "a state dict of an optimizer")
    state, groups = (swapin_optim_state.get(name) for name in ("state", "param_groups"))
    if not isinstance(state, dict) or not all(isinstance(value, dict) for value in state.values()):
        raise RuntimeError("swap_in_optimizer_params_and_state requires swapin_optim_state['state'] to be a dict of dicts.")
    if not isinstance(groups, list) or len(groups) != len(optimizer.param_groups):
        raise RuntimeError("swapin_optim_state has a different number of parameter groups than the live optimizer.")
    given = list(swapin_parameters.values())
    numbers: list[int] = []
    for i, (own, group) in enumerate(zip(optimizer.param_groups, groups)):
        check(isinstance(group, dict), "each optimizer param group to be a dictionary")
        found = group.get("params")
        check(isinstance(found, list) and all(isinstance(n, int) for n in found), "param_groups[*]['params'] to be numbers of parameters")
        if len(found) != len(own["params"]):
            raise RuntimeError(f"swapin_optim_state param group {i} has a different number of params than the live optimizer param group.")
        extra, lacking = sorted(set(group) - set(own)), sorted(set(own) - set(group))
        check(not extra and not lacking, f"the options of group {i} to be the optimizer's: it has {extra} too much and lacks {lacking}")
        numbers += found
    check(len(numbers) == len(given), f"a parameter for each of the optimizer's {len(numbers)}, got {len(given)}")
    unknown = [key for key in state if key not in numbers]
    check(not unknown, f"swapin_optim_state['state'] to be keyed by numbers from param_groups[*]['params']; got extra keys {unknown}")

    kept, before = optimizer.state, [dict(group) for group in optimizer.param_groups]
    swapped: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
    swapped.update((param, dict(state.get(number, {}))) for param, number in zip(given, numbers))
    try:
        optimizer.state = swapped
        rest = iter(given)
        for own, group in zip(optimizer.param_groups, groups):
            own.update(group, params=[next(rest) for _ in group["params"]])
        yield
    finally:
        optimizer.state = kept
        for own, group in zip(optimizer.param_groups, before):
            own.clear()
            own.update(group)
