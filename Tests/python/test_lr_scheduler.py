"""Learning rate schedules against their formulas, and what they save, load, warn of and refuse."""

from __future__ import annotations

import copy
import math
import warnings

import numpy as np
import pytest

import swiftnn as nn

schedules = nn.optim.lr_scheduler
BASE = (0.4, 0.05)
EPOCHS = 25


def optimizer_of(name="SGD"):
    groups = [{"params": [nn.Parameter(np.ones(1, np.float32))], "lr": lr} for lr in BASE]
    return nn.optim.SGD(groups, momentum=0.9) if name == "SGD" else nn.optim.Adam(groups)


def cosine(low, t, period):
    return lambda lr: low + (lr - low) * (1 + math.cos(math.pi * t / period)) / 2


def restarts(t):
    period, start = 3, 0
    while t >= start + period:
        start, period = start + period, period * 2
    return cosine(1e-3, t - start, period)


def one_cycle(t, last=24, first=0.3 * 25 - 1):
    high, low, end = 0.7, 0.7 / 25, 0.7 / 25 / 1e4
    a, b, part = (low, high, t / first) if t <= first else (high, end, (t - first) / (last - first))
    return lambda lr: b + (a - b) * (1 + math.cos(math.pi * part)) / 2


def sequential(t):
    if t < 4:
        return lambda lr: lr * (0.1 + 0.9 * t / 4)
    return cosine(0, t - 4, 9) if t < 12 else (lambda lr: lr * 0.5 ** (t - 12))


# (how it is made, the learning rate in epoch t as a function of the base learning rate)
CASES = {
    "StepLR": (lambda o: schedules.StepLR(o, 3, 0.3), lambda t: lambda lr: lr * 0.3 ** (t // 3)),
    "MultiStepLR": (
        lambda o: schedules.MultiStepLR(o, [2, 5, 5, 9], 0.3),
        lambda t: lambda lr: lr * 0.3 ** sum(m <= t for m in (2, 5, 5, 9)),
    ),
    "ConstantLR": (lambda o: schedules.ConstantLR(o, 0.3, 4), lambda t: lambda lr: lr * (0.3 if t < 4 else 1)),
    "LinearLR": (lambda o: schedules.LinearLR(o, 0.1, 0.7, 7), lambda t: lambda lr: lr * (0.1 + 0.6 * min(t, 7) / 7)),
    "ExponentialLR": (lambda o: schedules.ExponentialLR(o, 0.9), lambda t: lambda lr: lr * 0.9**t),
    "CosineAnnealingLR": (lambda o: schedules.CosineAnnealingLR(o, 7, 1e-3), lambda t: cosine(1e-3, t, 7)),
    "CosineAnnealingWarmRestarts": (lambda o: schedules.CosineAnnealingWarmRestarts(o, 3, 2, 1e-3), restarts),
    "OneCycleLR": (lambda o: schedules.OneCycleLR(o, 0.7, total_steps=25), one_cycle),
    "LambdaLR": (lambda o: schedules.LambdaLR(o, lambda t: 1 / (1 + t)), lambda t: lambda lr: lr / (1 + t)),
    "SequentialLR": (
        lambda o: schedules.SequentialLR(
            o, [schedules.LinearLR(o, 0.1, 1, 4), schedules.CosineAnnealingLR(o, 9), schedules.ExponentialLR(o, 0.5)], [4, 12]
        ),
        sequential,
    ),
}
cases = pytest.mark.parametrize("name", list(CASES))


def rates_of(optimizer, scheduler, epochs):
    rates = []
    for _ in range(epochs):
        rates.append([group["lr"] for group in optimizer.param_groups])
        assert scheduler.get_last_lr() == rates[-1]
        optimizer.step()
        scheduler.step()
    return rates


@cases
def test_rates(name) -> None:
    make, formula = CASES[name]
    optimizer = optimizer_of()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rates = rates_of(optimizer, make(optimizer), EPOCHS)
    for t, got in enumerate(rates):
        np.testing.assert_allclose(got, [formula(t)(lr) for lr in BASE], rtol=1e-9, atol=1e-12, err_msg=f"epoch {t}")


@cases
def test_saved_and_loaded_it_goes_on(name) -> None:
    make, _ = CASES[name]
    optimizer = optimizer_of()
    scheduler = make(optimizer)
    rates_of(optimizer, scheduler, 6)
    saved = copy.deepcopy((scheduler.state_dict(), optimizer.state_dict()))
    assert "optimizer" not in saved[0]
    expected = rates_of(optimizer, scheduler, 12)
    other = optimizer_of()
    again = make(other)
    again.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    assert rates_of(other, again, 12) == expected


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "CosineAnnealingLR"])
def test_going_to_an_epoch(name) -> None:
    make, formula = CASES[name]
    optimizer = optimizer_of()
    scheduler = make(optimizer)
    optimizer.step()
    for epoch in (5, 3, 9):
        with pytest.warns(UserWarning, match="deprecated"):
            scheduler.step(epoch)
        np.testing.assert_allclose(scheduler.get_last_lr(), [formula(epoch)(lr) for lr in BASE], rtol=1e-9, atol=1e-12)


def test_warm_restarts_take_fractions() -> None:
    optimizer = optimizer_of()
    scheduler = CASES["CosineAnnealingWarmRestarts"][0](optimizer)
    for epoch in (0.5, 2.75, 4.5, 10.25):
        scheduler.step(epoch)
        np.testing.assert_allclose(scheduler.get_last_lr(), [restarts(epoch)(lr) for lr in BASE], rtol=1e-9)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_one_cycle_moves_the_momentum(name) -> None:
    optimizer = optimizer_of(name)
    scheduler = schedules.OneCycleLR(optimizer, [0.7, 0.3], epochs=5, steps_per_epoch=5, three_phase=True, anneal_strategy="linear")

    def momentum():
        group = optimizer.param_groups[0]
        return group["momentum"] if name == "SGD" else group["betas"][0]

    assert momentum() == 0.95
    seen = []
    for _ in range(24):
        optimizer.step()
        scheduler.step()
        seen.append(momentum())
    assert min(seen) == pytest.approx(0.85, abs=0.01) and seen[-1] == pytest.approx(0.95)
    assert scheduler.get_last_lr() == pytest.approx([0.7 / 25 / 1e4, 0.3 / 25 / 1e4])
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 26 times. The specified number of total steps is 25"):
        scheduler.step()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_reduce_on_plateau(mode, threshold_mode) -> None:
    optimizer = optimizer_of()
    options = dict(mode=mode, factor=0.5, patience=2, threshold=0.1, threshold_mode=threshold_mode, cooldown=1, min_lr=0.02)
    scheduler = schedules.ReduceLROnPlateau(optimizer, **options)
    metrics = [10.0] + 10 * [8.0 if mode == "min" else 12.0]
    for metric, rate in zip(metrics, [0.4] * 4 + [0.2] * 4 + [0.1] * 3):
        scheduler.step(np.float32(metric))
        assert scheduler.get_last_lr() == pytest.approx([rate, max(rate / 8, 0.02)])
    other = schedules.ReduceLROnPlateau(optimizer)
    other.load_state_dict(scheduler.state_dict())
    assert other.state_dict() == scheduler.state_dict()


def test_plateau_with_a_minimum_for_each_group() -> None:
    optimizer = optimizer_of()
    scheduler = schedules.ReduceLROnPlateau(optimizer, factor=0.1, patience=0, min_lr=[0.2, 0.001])
    for _ in range(4):
        scheduler.step(1.0)
    assert scheduler.get_last_lr() == [0.2, 0.001]
    optimizer.add_param_group({"params": [nn.Parameter(np.ones(1))], "lr": 0.3})
    with pytest.raises(RuntimeError, match="number of param groups"):
        scheduler.step(1.0)


def test_callable_objects_are_saved() -> None:
    class Factor:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    optimizer = optimizer_of()
    scheduler = schedules.LambdaLR(optimizer, [Factor(0.5), lambda epoch: 1.0])
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"base": 0.5}, None]
    other = schedules.LambdaLR(optimizer, [Factor(0.9), lambda epoch: 1.0])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].base == 0.5


def test_a_schedule_goes_on_from_an_epoch() -> None:
    optimizer = optimizer_of()
    with pytest.raises(KeyError, match="initial_lr"):
        schedules.StepLR(optimizer, 3, last_epoch=4)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    scheduler = schedules.CosineAnnealingLR(optimizer, 9, last_epoch=4)
    assert scheduler.last_epoch == 5


def test_warnings() -> None:
    optimizer = optimizer_of()
    scheduler = schedules.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: schedules.StepLR("no", 3), TypeError, "str is not an Optimizer"),
        (lambda o: schedules.ConstantLR(o, 1.5), ValueError, "between 0 and 1"),
        (lambda o: schedules.LinearLR(o, 0.0), ValueError, "greater than 0"),
        (lambda o: schedules.LinearLR(o, 0.5, 1.5), ValueError, "between 0 and 1"),
        (lambda o: schedules.LambdaLR(o, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 3, 0), ValueError, "T_mult"),
        (lambda o: schedules.OneCycleLR(o, 0.1), ValueError, "total_steps OR"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 0), ValueError, "positive integer total_steps"),
        (lambda o: schedules.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=-1), ValueError, "steps_per_epoch"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 5, pct_start=2.0), ValueError, "pct_start"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 5, anneal_strategy="no"), ValueError, "anneal_strategy"),
        (lambda o: schedules.OneCycleLR(o, [0.1], 5), ValueError, "max_lr must have the same length"),
        (lambda o: schedules.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
        (lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 1)], [1]), ValueError, "one more than"),
        (lambda o: schedules.SequentialLR(o, [schedules.ReduceLROnPlateau(o)], []), ValueError, "does not support"),
        (lambda o: schedules.SequentialLR(o, [schedules.StepLR(optimizer_of(), 1)], []), ValueError, "same optimizer"),
        (lambda o: schedules.SequentialLR(o, [3], []), TypeError, "optimizer"),
        (lambda o: schedules.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda o: schedules.ReduceLROnPlateau(o, "no"), ValueError, "mode no is unknown"),
        (lambda o: schedules.ReduceLROnPlateau(o, threshold_mode="no"), ValueError, "threshold mode no is unknown"),
        (lambda o: schedules.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "expected 2 min_lrs, got 1"),
    ],
)
def test_options_that_are_refused(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make(optimizer_of())


def test_schedules_of_ones_own() -> None:
    class Halving(schedules.LRScheduler):
        def get_lr(self):
            return [lr / 2**self.last_epoch for lr in self.base_lrs]

    optimizer = optimizer_of()
    assert rates_of(optimizer, Halving(optimizer), 3) == [[lr / 2**t for lr in BASE] for t in range(3)]
