"""Schedules of learning rates: `step` after every epoch, or after every batch, sets what the optimizer's next steps use."""

from __future__ import annotations

import math
import types
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsFloat

from .optimizer import Optimizer, number

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

_EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler."
)
_ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call them in the opposite order: `optimizer.step()` "
    "before `lr_scheduler.step()`. Failure to do this will result in skipping the first value of the learning rate schedule."
)


class LRScheduler:
    """Base class of the schedules: a subclass defines `get_lr`, the learning rates of the epoch `self.last_epoch`.

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        last_epoch: the last epoch that is over, -1 at the start; otherwise the groups have to know their "initial_lr".

    Raises:
        TypeError: optimizer is not an Optimizer.
        KeyError: last_epoch is not -1 and a group has no "initial_lr".

    Example:
        >>> class Halving(nn.optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.8)
        >>> scheduler = Halving(optimizer)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.4]
    """

    optimizer: Optimizer
    base_lrs: list[float]
    last_epoch: int
    _last_lr: list[float]
    _step_count: int
    # While the constructor takes the first step: rates computed from the previous ones stay as they are then.
    _is_initial: bool = False
    _get_lr_called_within_step: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = _checked(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", number("lr", group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch >= 0; "
                    "load the optimizer's state first, or start with last_epoch=-1"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as a dict; save the optimizer's state too."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes back to a state that `state_dict` returned; load the optimizer's after this scheduler was made.

        Example:
            >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.8)
            >>> a, b = (nn.optim.lr_scheduler.StepLR(optimizer, n) for n in (2, 3))
            >>> a.load_state_dict(b.state_dict())
            >>> a.step_size
            3
        """
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[float]:
        """The learning rates that were set last, one for each group."""
        return self._last_lr

    def get_lr(self) -> list[float]:
        """The learning rates of epoch `last_epoch`; for `step` alone, others ask `get_last_lr`."""
        raise NotImplementedError(f"{type(self).__name__} is missing the required 'get_lr' function")

    def step(self, epoch: int | None = None) -> None:
        """Goes on by an epoch and sets the learning rates; call the optimizer's `step` before.

        Args:
            epoch: deprecated: the epoch to go to.
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(_ORDER_WARNING, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(_EPOCH_WARNING, UserWarning, stacklevel=2)
        self._go_to(epoch)

    def _go_to(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        # An epoch far away is not reached from the previous rates, but by the formula, where there is one.
        compute = getattr(self, "_get_closed_form_lr", self.get_lr) if epoch is not None else self.get_lr
        self._get_lr_called_within_step = True
        try:
            rates = compute()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = self._current()

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.", UserWarning, stacklevel=3)


def _checked(optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


class _FunctionsLR(LRScheduler):
    """A schedule by functions of the epoch, one for each group."""

    lr_lambdas: list[Callable[[int], float]]

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Callable[[int], float]], last_epoch: int = -1
    ) -> None:
        groups = len(_checked(optimizer).param_groups)
        if isinstance(lr_lambda, (list, tuple)):
            if len(lr_lambda) != groups:
                raise ValueError(f"Expected {groups} lr_lambdas, but got {len(lr_lambda)}")
            self.lr_lambdas = list(lr_lambda)
        else:
            self.lr_lambdas = [lr_lambda] * groups
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda should be a function, but got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions; of callable objects their attributes."""
        state = super().state_dict()
        state["lr_lambdas"] = [_attributes(function) for function in self.lr_lambdas]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes back to a state that `state_dict` returned; functions stay those given to the constructor."""
        self.__dict__.update({key: value for key, value in state_dict.items() if key != "lr_lambdas"})
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if attributes is not None:
                function.__dict__.update(attributes)


def _attributes(function: Any) -> dict[str, Any] | None:
    """What a state dict keeps of a callable object; of functions it is nothing."""
    return None if function is None or isinstance(function, types.FunctionType) else function.__dict__.copy()


class LambdaLR(_FunctionsLR):
    """The initial learning rate times a function of the epoch.

    lr = lr₀ · λ(epoch)

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        lr_lambda: a function from the epoch to the factor, or a list of one for each group.
        last_epoch: the last epoch that is over, -1 at the start.

    Raises:
        ValueError: there are not as many functions as groups.
        TypeError: one is no function.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
        >>> scheduler = nn.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        return [lr * function(self.last_epoch) for lr, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(_FunctionsLR):
    """Multiplies the learning rate by a function of the epoch, every epoch.

    lr = lr₀ · λ(1) · λ(2) ⋯ λ(epoch)

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        lr_lambda: a function from the epoch to the factor, or a list of one for each group.
        last_epoch: the last epoch that is over, -1 at the start.

    Raises:
        ValueError: there are not as many functions as groups.
        TypeError: one is no function.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.5)
        >>> scheduler = nn.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self._is_initial:
            return self._current()
        return [lr * function(self.last_epoch) for lr, function in zip(self._current(), self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """Multiplies the learning rate by gamma every step_size epochs.

    lr = lr₀ · gamma^⌊epoch / step_size⌋

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        step_size: how many epochs a learning rate lasts.
        gamma: factor.
        last_epoch: the last epoch that is over, -1 at the start.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> scheduler = nn.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> for _ in range(4):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._current()
        return [lr * self.gamma for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        return [lr * self.gamma ** (self.last_epoch // self.step_size) for lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiplies the learning rate by gamma at given epochs.

    lr = lr₀ · gamma^(number of milestones <= epoch)

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        milestones: the epochs.
        gamma: factor.
        last_epoch: the last epoch that is over, -1 at the start.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> scheduler = nn.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
        >>> for _ in range(4):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self.last_epoch not in self.milestones:
            return self._current()
        return [lr * self.gamma ** self.milestones[self.last_epoch] for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [lr * self.gamma**passed for lr in self.base_lrs]


class ConstantLR(LRScheduler):
    """Multiplies the learning rate by a factor until an epoch.

    lr = lr₀ · (factor if epoch < total_iters else 1)

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        factor: factor, 0 to 1.
        total_iters: the epoch from which on the learning rate is the optimizer's.
        last_epoch: the last epoch that is over, -1 at the start.

    Raises:
        ValueError: factor is not in [0, 1].

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> nn.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=4).get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if factor > 1.0 or factor < 0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._current()]
        if self.last_epoch != self.total_iters:
            return self._current()
        return [lr * (1.0 / self.factor) for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        return [lr * (self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)) for lr in self.base_lrs]


class LinearLR(LRScheduler):
    """Changes the learning rate linearly from one factor of it to another.

    lr = lr₀ · (start + (end - start) · min(epoch, total_iters) / total_iters)

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        start_factor: factor in the first epoch, above 0 and up to 1.
        end_factor: factor in the last, 0 to 1.
        total_iters: number of epochs from the one to the other.
        last_epoch: the last epoch that is over, -1 at the start.

    Raises:
        ValueError: a factor is out of its range.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> nn.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=4).get_last_lr()
        [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.")
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._current()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        rise = self.end_factor - self.start_factor
        factor = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * factor for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        rise = self.end_factor - self.start_factor
        factor = self.start_factor + rise * min(self.total_iters, self.last_epoch) / self.total_iters
        return [lr * factor for lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiplies the learning rate by gamma every epoch.

    lr = lr₀ · gamma^epoch

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        gamma: factor.
        last_epoch: the last epoch that is over, -1 at the start.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> scheduler = nn.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self._is_initial:
            return self._current()
        return [lr * self.gamma for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Lowers the learning rate to 0 along a power of the epochs that are left.

    lr = lr₀ · (1 - min(epoch, total_iters) / total_iters)^power

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        total_iters: the epoch from which on the learning rate is 0.
        power: the power.
        last_epoch: the last epoch that is over, -1 at the start.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> scheduler = nn.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=2, power=2.0)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        left, before = (1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return [lr * (left / before) ** self.power for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [lr * left**self.power for lr in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Lowers the learning rate along half a cosine, and raises it again after that.

    lr = eta_min + (lr₀ - eta_min) · (1 + cos(π · epoch / T_max)) / 2

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        T_max: epochs until the lowest learning rate.
        eta_min: the lowest learning rate.
        last_epoch: the last epoch that is over, -1 at the start.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> scheduler = nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]

    Reference: Loshchilov, Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts (2017).
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        if self._is_initial:
            return self._current()
        epoch, low = self.last_epoch, self.eta_min
        if self._step_count == 1 and epoch > 0:
            return [low + (lr - low) * (1 + math.cos(epoch * math.pi / self.T_max)) / 2 for lr in self.base_lrs]
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The quotient below would be 0 / 0 just after the lowest point.
            return [
                lr + (base - low) * (1 - math.cos(math.pi / self.T_max)) / 2
                for base, lr in zip(self.base_lrs, self._current(), strict=True)
            ]
        ratio = (1 + math.cos(math.pi * epoch / self.T_max)) / (1 + math.cos(math.pi * (epoch - 1) / self.T_max))
        return [ratio * (lr - low) + low for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        angle = math.pi * self.last_epoch / self.T_max
        return [self.eta_min + (lr - self.eta_min) * (1 + math.cos(angle)) / 2 for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Lowers the learning rate along half a cosine, again and again from the top.

    lr = eta_min + (lr₀ - eta_min) · (1 + cos(π · T_cur / T_i)) / 2

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        T_0: epochs until the first restart.
        T_mult: how many times longer each period is than the one before.
        eta_min: the lowest learning rate.
        last_epoch: the last epoch that is over, -1 at the start.

    Raises:
        ValueError: T_0 or T_mult is not a positive integer, or eta_min not a number.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> scheduler = nn.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [1.0]

    Reference: Loshchilov, Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts (2017).
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        return [self.eta_min + (lr - self.eta_min) * (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2 for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Goes on by an epoch, or to `epoch`, which may be a fraction such as epoch + i / batches, and sets the learning rates."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        elif epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            # The periods before the n-th take T_0 (T_mult^n - 1) / (T_mult - 1) epochs.
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)


class _MomentumLR(LRScheduler):
    """A schedule that may also move the momentum, which is β₁ where the optimizer has betas."""

    cycle_momentum: bool
    use_beta1: bool

    def _start_momentum(self, optimizer: Optimizer, low: Any, high: Any, last_epoch: int) -> tuple[list[float], list[float]]:
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        lowest = _for_groups("base_momentum", optimizer, low)
        highest = _for_groups("max_momentum", optimizer, high)
        if last_epoch == -1:
            for group, base, largest in zip(optimizer.param_groups, lowest, highest):
                self._set_momentum(group, largest)
                group["max_momentum"] = largest
                group["base_momentum"] = base
        return lowest, highest

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_MomentumLR):
    """Moves the learning rate up and down between two bounds, again and again; step after every batch.

    lr = base_lr + (max_lr - base_lr) · height · scale;  height goes from 0 to 1 in step_size_up steps and back in step_size_down

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        base_lr: the lowest learning rate, or a list of one for each group.
        max_lr: the highest learning rate, or a list of one for each group.
        step_size_up: steps from the lowest to the highest.
        step_size_down: steps back; None: as many.
        mode: "triangular": scale is 1; "triangular2": halved with every cycle; "exp_range": gamma^step.
        gamma: base of "exp_range".
        scale_fn: a function that gives the scale, instead of mode.
        scale_mode: what scale_fn takes: "cycle", the number of the cycle from 1, or "iterations", that of the step.
        cycle_momentum: moves the momentum (or β₁) the opposite way, between max_momentum and base_momentum.
        base_momentum: the lowest momentum, or a list of one for each group.
        max_momentum: the highest momentum, or a list of one for each group.
        last_epoch: the last step that is over, -1 at the start.

    Raises:
        ValueError: mode is unknown, a list does not fit the groups, or the optimizer has no momentum to move.
        TypeError: optimizer is not an Optimizer.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, momentum=0.9)
        >>> scheduler = nn.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.25, max_lr=0.75, step_size_up=2)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]

    Reference: Smith: Cyclical Learning Rates for Training Neural Networks (2017).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        base_lrs = _for_groups("base_lr", _checked(optimizer), base_lr)
        self.max_lrs = _for_groups("max_lr", optimizer, max_lr)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        if last_epoch == -1:
            for rate, group in zip(base_lrs, optimizer.param_groups):
                group["lr"] = rate
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The scale of a cycle or of a step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 0.5 ** (x - 1) if self.mode == "triangular2" else 1.0

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        done = 1 + self.last_epoch / self.total_size
        cycle = math.floor(done)
        x = done - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                self._set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and scale_fn; of a callable object its attributes."""
        return {**super().state_dict(), "_scale_fn_custom": _attributes(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes back to a state that `state_dict` returned; scale_fn stays the one given to the constructor."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(state_dict["_scale_fn_custom"])


class OneCycleLR(_MomentumLR):
    """Raises the learning rate from a low one to the highest and lowers it far below the first; step after every batch.

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        max_lr: the highest learning rate, or a list of one for each group.
        total_steps: number of steps of the cycle; or epochs and steps_per_epoch instead.
        epochs: number of epochs.
        steps_per_epoch: number of batches in an epoch.
        pct_start: part of the cycle in which the learning rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: moves the momentum (or β₁) the opposite way, between max_momentum and base_momentum.
        base_momentum: the lowest momentum.
        max_momentum: the highest momentum.
        div_factor: the first learning rate is max_lr / div_factor.
        final_div_factor: the last learning rate is the first / final_div_factor.
        three_phase: goes back to the first learning rate before the last phase.
        last_epoch: the last step that is over, -1 at the start.

    Raises:
        ValueError: an option is out of its range, the cycle has no length, or (from `step`) it is over.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, momentum=0.9)
        >>> scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        >>> optimizer.param_groups[0]["momentum"]
        0.95

    Reference: Smith, Topin: Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates (2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        groups = _checked(optimizer).param_groups
        if total_steps is not None:
            _check_positive("total_steps", total_steps)
            self.total_steps = total_steps
        elif epochs is not None and steps_per_epoch is not None:
            _check_positive("epochs", epochs)
            _check_positive("steps_per_epoch", steps_per_epoch)
            self.total_steps = epochs * steps_per_epoch
        else:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        # (last step, names of the first and the last learning rate and momentum)
        rising = (pct_start * self.total_steps - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        last = self.total_steps - 1
        if three_phase:
            falling = (2 * pct_start * self.total_steps - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum")
            phases = [rising, falling, (last, "initial_lr", "min_lr", "max_momentum", "max_momentum")]
        else:
            phases = [rising, (last, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        self._schedule_phases: list[dict[str, Any]] = [dict(zip(names, phase)) for phase in phases]
        rates = _for_groups("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, rate in zip(groups, rates):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _anneal(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        part = (step - start) / (phase["end_step"] - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                self._set_momentum(group, self._anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], part))
        return rates


def _check_positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")


def _for_groups(name: str, optimizer: Optimizer, value: float | list[float]) -> list[float]:
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, param_groups has {groups}."
        )
    return list(value)


class _Several(LRScheduler):
    """A schedule made of others."""

    _schedulers: Sequence[LRScheduler]

    def _check_schedulers(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None, use: str = "") -> None:
        name = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{name} expects at least one scheduler{use}, but got no scheduler.")
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs to be specified when "
                    f"calling `step`, but got one at index {i} in the given schedulers sequence."
                )
            optimizer = optimizer or scheduler.optimizer
            if optimizer is not scheduler.optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got scheduler {type(scheduler).__name__} at "
                    f"index {i} has {scheduler.optimizer}, which is different from {type(optimizer).__name__}."
                )
        self._schedulers = schedulers
        self.optimizer = schedulers[0].optimizer

    def _undo(self) -> None:
        for scheduler in self._schedulers:
            if isinstance(scheduler, _Several):
                scheduler._undo()
            else:
                scheduler.last_epoch -= 1

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the states of the schedules."""
        state = super().state_dict()
        state["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes back to a state that `state_dict` returned."""
        self.__dict__.update({key: value for key, value in state_dict.items() if key != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)


class ChainedScheduler(_Several):
    """Several schedules at once, each of which changes what the one before has set.

    Args:
        schedulers: the schedules, of those that go on from the current learning rate.
        optimizer: the optimizer of all schedules; None: that of the first.

    Raises:
        ValueError: there is no schedule, they have other optimizers, or one is a ReduceLROnPlateau.
        TypeError: one is not a schedule.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> warmup = nn.optim.lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=2)
        >>> decay = nn.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler = nn.optim.lr_scheduler.ChainedScheduler([warmup, decay])
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.25, 0.125, 0.25, 0.125]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._check_schedulers(schedulers, optimizer, " to be chained")
        self._last_lr = self._current()

    def _initial_step(self) -> None:
        for scheduler in self._schedulers:
            scheduler._initial_step()
        self._last_lr = self._current()

    def _go_to(self, epoch: int | None = None) -> None:
        """Starts, where it comes after another schedule: each schedule takes its first step again."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for scheduler in self._schedulers:
            scheduler.last_epoch = -1
        self._initial_step()

    def step(self, epoch: int | None = None) -> None:
        """Goes on by an epoch and sets the learning rates; call the optimizer's `step` before.

        Args:
            epoch: must be None: the schedules could not go there.
        """
        if epoch is not None:
            raise TypeError("ChainedScheduler.step() takes no epoch")
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()


class SequentialLR(_Several):
    """One schedule after the other.

    Args:
        optimizer: the optimizer of all schedules.
        schedulers: the schedules.
        milestones: the epochs at which the next one begins, one less than schedules.
        last_epoch: the last epoch that is over, -1 at the start.

    Raises:
        ValueError: there is no schedule, they have other optimizers, one is a ReduceLROnPlateau, or milestones are not one less.
        TypeError: one is not a schedule.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> warmup = nn.optim.lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=2)
        >>> decay = nn.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler = nn.optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[2])
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.25, 0.25, 1.0, 0.5]
    """

    def __init__(self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1) -> None:
        self._check_schedulers(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone points, but "
                f"got number of schedulers {len(schedulers)} and the number of milestones to be equal to {len(milestones)}"
            )
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        # Each schedule has taken its first step; only the one of step 0 may have.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._undo()
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self, epoch: int | None = None) -> None:
        """Goes on by an epoch and sets the learning rates; call the optimizer's `step` before.

        Args:
            epoch: must be None: the schedules could not go there.
        """
        if epoch is not None:
            raise TypeError("SequentialLR.step() takes no epoch")
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._go_to(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rate by a factor when a metric has not improved for some epochs; `step` takes the metric.

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        mode: "min" where smaller is better, "max" where larger is.
        factor: factor, below 1.
        patience: how many epochs without improvement are borne.
        threshold: how much is an improvement.
        threshold_mode: "rel": as a part of the best metric, "abs": as it is.
        cooldown: epochs after a reduction in which none counts as bad.
        min_lr: the lowest learning rate, or a list of one for each group.
        eps: smaller changes of the learning rate are not made.

    Raises:
        ValueError: factor is not below 1, a mode is unknown, or min_lr does not fit the groups.
        TypeError: optimizer is not an Optimizer.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> scheduler = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        self.factor = factor
        self.optimizer = _checked(optimizer)
        groups = len(optimizer.param_groups)
        self.default_min_lr: float | None
        if isinstance(min_lr, (list, tuple)):
            if len(min_lr) != groups:
                raise ValueError(f"expected {groups} min_lrs, got {len(min_lr)}")
            self.default_min_lr = None
            self.min_lrs = list(min_lr)
        else:
            self.default_min_lr = min_lr
            self.min_lrs = [min_lr] * groups
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = self._current()
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Takes an epoch's metric and lowers the learning rates if it has not improved for too long.

        Args:
            metrics: the metric, a number or an array of one element.
            epoch: deprecated: the number of the epoch.
        """
        current = float(metrics)
        if epoch is None:
            epoch = self.last_epoch + 1
        else:
            warnings.warn(_EPOCH_WARNING, UserWarning, stacklevel=2)
        self.last_epoch = epoch
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._current()

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when `ReduceLROnPlateau` was initialized "
                    f"({len(self.min_lrs)}), usually due to a new param group being added to the optimizer. Please modify the `min_lrs` "
                    "field to match the length of the `optimizer` param groups."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, low in zip(groups, self.min_lrs):
            old = float(group["lr"])
            new = max(old * self.factor, low)
            if old - new > self.eps:
                group["lr"] = new

    @property
    def in_cooldown(self) -> bool:
        """Whether bad epochs do not count just now."""
        return self.cooldown_counter > 0

    def _is_better(self, current: float) -> bool:
        sign = -1.0 if self.mode == "min" else 1.0
        if self.threshold_mode == "rel":
            bar = self.best * (1.0 + sign * self.threshold)
        else:
            bar = self.best + sign * self.threshold
        return current < bar if self.mode == "min" else current > bar
