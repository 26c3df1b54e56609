"""Averages of a model's weights over its training: `AveragedModel`, and what goes with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .. import tape
from ..errors import ArgumentError
from ..modules.module import Module
from ..modules.normalization import _BatchNorm
from ..tensor import Tensor
from .lr_scheduler import LRScheduler, _checked, _for_groups
from .optimizer import Optimizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn", "update_bn"]

Average: TypeAlias = "Callable[[NDArray[Any], NDArray[Any], Any], NDArray[Any]]"
Averages: TypeAlias = "Callable[[list[NDArray[Any]], list[NDArray[Any]], Any], None]"


def _checked_decay(decay: float) -> float:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")
    return decay


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """A function (average, array, number) that returns the exponential moving average decay · average + (1 - decay) · array.

    Example:
        >>> nn.optim.swa_utils.get_ema_avg_fn(0.75)(np.array([4.0]), np.array([8.0]), 3)
        array([5.])
    """
    _checked_decay(decay)
    return lambda average, array, _: decay * average + (1 - decay) * array


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """A function (averages, arrays, number) that writes exponential moving averages into a list of arrays, as `get_ema_avg_fn`."""
    _checked_decay(decay)
    return lambda averages, arrays, _: _move(averages, arrays, 1 - decay)


def get_swa_avg_fn() -> Average:
    """A function (average, array, number) that returns the mean of `number` arrays and this one.

    Example:
        >>> nn.optim.swa_utils.get_swa_avg_fn()(np.array([4.0]), np.array([8.0]), 3)
        array([5.])
    """
    return lambda average, array, number: average + (array - average) / (float(number) + 1)


def get_swa_multi_avg_fn() -> Averages:
    """A function (averages, arrays, number) that writes means into a list of arrays, as `get_swa_avg_fn`."""
    return lambda averages, arrays, number: _move(averages, arrays, 1 / (float(number) + 1))


def _move(averages: list[NDArray[Any]], arrays: list[NDArray[Any]], part: float) -> None:
    for average, array in zip(averages, arrays):
        if average.dtype.kind == "f":
            step = array - average
            step *= part
            average += step
        else:
            np.copyto(average, average * (1 - part) + array * part, casting="unsafe")


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's: all alike (SWA), or the last ones more (EMA).

    θ_average = θ_average + (θ - θ_average) / (n_averaged + 1), the first time θ

    Args:
        model: the model, which is copied.
        device: None or 'cpu'.
        avg_fn: a function (average, array, n_averaged) that returns the new average; None: the equation above.
        multi_avg_fn: a function (averages, arrays, n_averaged) that writes the new averages into the arrays of a list.
        use_buffers: averages buffers too; otherwise they are copied.

    Raises:
        ArgumentError: both functions are given.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> average = nn.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = nn.init.constant_(model.weight, value)
        ...     average.update_parameters(model)
        >>> average(np.ones((1, 1), np.float32))
        array([[3.]], dtype=float32)

    Reference: Izmailov, Podoprikhin, Garipov, Vetrov, Wilson: Averaging Weights Leads to Wider Optima and Better Generalization (2018).
    """

    n_averaged: NDArray[np.int64]

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module.to(device)
        self.register_buffer("n_averaged", np.array(0, np.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the model's parameters, as they are now, into the averages.

        Args:
            model: the model that was copied, or one like it.
        """
        pairs = list(zip(self.module.parameters(), model.parameters()))
        buffers = list(zip(self.module.buffers(), model.buffers()))
        mine: list[Any] = [a for a, _ in pairs]
        values = [b.data for _, b in pairs]
        if self.use_buffers:
            mine += [a for a, _ in buffers]
            values += [b for _, b in buffers]
        averages = [a.data if isinstance(a, Tensor) else a for a in mine]
        if not self.n_averaged:
            _copy(averages, values)
        elif self.avg_fn is not None:
            _copy(averages, (self.avg_fn(a, b, self.n_averaged) for a, b in zip(averages, values)))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, values, self.n_averaged)
        if not self.use_buffers:
            _copy([a for a, _ in buffers], (b for _, b in buffers))
        tape.wrote(*mine)
        self.n_averaged += 1


def _copy(arrays: Iterable[NDArray[Any]], values: Iterable[Any]) -> None:
    for array, value in zip(arrays, values):
        np.copyto(array, value, casting="unsafe")


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of all batch normalisations anew, as means over the batches of a loader.

    Args:
        loader: gives batches: an array, or a tuple or list whose first is the model's input.
        model: the model, e.g. an `AveragedModel`.
        device: None or 'cpu'.

    Example:
        >>> model = nn.BatchNorm1d(1)
        >>> nn.optim.swa_utils.update_bn([np.ones((2, 1), np.float32), np.full((2, 1), 3, np.float32)], model)
        >>> model.running_mean
        array([2.], dtype=float32)
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    training = model.training
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    try:
        model.train()
        with tape.no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for layer, momentum in zip(layers, momenta):
            layer.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """Moves the learning rate to a constant one, with which the averages of `AveragedModel` are taken.

    lr = a · swa_lr + (1 - a) · lr₀;  a goes from 0 to 1 in anneal_epochs, linearly or along half a cosine

    Args:
        optimizer: the optimizer whose groups get the learning rates.
        swa_lr: the last learning rate, or a list of one for each group.
        anneal_epochs: number of epochs until then.
        anneal_strategy: "cos" or "linear".
        last_epoch: the last epoch that is over, -1 at the start.

    Raises:
        ValueError: an option is out of its range, or a list does not fit the groups.
        TypeError: optimizer is not an Optimizer.

    Example:
        >>> optimizer = nn.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> scheduler = nn.optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = _for_groups("swa_lr", _checked(optimizer), swa_lr)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, rate in zip(optimizer.param_groups, rates):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            last = group["swa_lr"]
            # Back from the current learning rate, which others may have set, to the one it started from.
            first = last if before == 1 else (group["lr"] - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates
