"""Learning rate schedules against their formulas, and what they save, load, warn of and refuse."""

from __future__ import annotations

import copy
import math
import warnings

import numpy as np
import pytest

import swiftnn as nn

schedules = nn.optim.lr_scheduler
averages = nn.optim.swa_utils
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


def cyclic(t, low=0.1, high=0.7, up=3, down=5):
    cycle, part = divmod(t, up + down)
    height = part / up if part <= up else (up + down - part) / down
    return lambda lr: low + (high - low) * height * 0.5**cycle


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
    "CyclicLR": (lambda o: schedules.CyclicLR(o, 0.1, 0.7, 3, 5, "triangular2"), cyclic),
    "MultiplicativeLR": (lambda o: schedules.MultiplicativeLR(o, lambda t: t / (1 + t)), lambda t: lambda lr: lr / (1 + t)),
    "PolynomialLR": (lambda o: schedules.PolynomialLR(o, 7, 1.5), lambda t: lambda lr: lr * (1 - min(t, 7) / 7) ** 1.5),
    "ChainedScheduler": (
        lambda o: schedules.ChainedScheduler([schedules.ConstantLR(o, 0.1, 4), schedules.ExponentialLR(o, 0.9)]),
        lambda t: lambda lr: lr * (0.1 if t < 4 else 1) * 0.9**t,
    ),
    "ChainedScheduler within SequentialLR": (
        lambda o: schedules.SequentialLR(
            o,
            [schedules.ChainedScheduler([schedules.ConstantLR(o, 0.1, 3), schedules.ExponentialLR(o, f)], o) for f in (0.9, 0.5)],
            [5],
        ),
        lambda t: lambda lr: lr * (0.1 if t % 5 < 3 and t < 8 else 1) * (0.9**t if t < 5 else 0.5 ** (t - 5)),
    ),
    "SWALR": (
        lambda o: averages.SWALR(o, 0.2, 8),
        lambda t: lambda lr: 0.2 + (lr - 0.2) * (1 + math.cos(math.pi * min(t, 8) / 8)) / 2,
    ),
    "SWALR, linear": (
        lambda o: averages.SWALR(o, [0.2, 0.3], 8, "linear"),
        lambda t: lambda lr: lr + ((0.2 if lr == BASE[0] else 0.3) - lr) * min(t, 8) / 8,
    ),
    "SWALR, at once": (lambda o: averages.SWALR(o, 0.2, 0), lambda t: lambda lr: 0.2),
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


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "CosineAnnealingLR", "PolynomialLR"])
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


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_cyclic_moves_the_momentum(name) -> None:
    optimizer = optimizer_of(name)
    scheduler = schedules.CyclicLR(optimizer, 0.1, [0.5, 0.7], 4, scale_fn=lambda x: 1 / x, base_momentum=[0.8, 0.6], max_momentum=0.9)
    for t in range(20):
        height = (t % 8 if t % 8 <= 4 else 8 - t % 8) / 4 / (1 + t // 8)
        group = optimizer.param_groups[1]
        assert group["lr"] == pytest.approx(0.1 + 0.6 * height)
        assert (group["momentum"] if name == "SGD" else group["betas"][0]) == pytest.approx(0.9 - 0.3 * height)
        optimizer.step()
        scheduler.step()


def test_cyclic_modes() -> None:
    for options, scale in (
        (dict(mode="exp_range", gamma=0.9), lambda t: 0.9**t),
        (dict(), lambda t: 1),
        (dict(scale_fn=lambda t: 1 / (1 + t), scale_mode="iterations"), lambda t: 1 / (1 + t)),
    ):
        optimizer = nn.optim.Adagrad([nn.Parameter(np.ones(1))])
        rates = rates_of(optimizer, schedules.CyclicLR(optimizer, 0.1, 0.3, 2, 1, cycle_momentum=False, **options), 7)
        np.testing.assert_allclose(rates, [[0.1 + 0.2 * (0, 0.5, 1)[t % 3] * scale(t)] for t in range(7)])


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
    cycles = [schedules.CyclicLR(optimizer, 0.1, 0.5, scale_fn=Factor(base)) for base in (0.5, 0.9)]
    cycles[1].load_state_dict(cycles[0].state_dict())
    assert cycles[0].state_dict()["_scale_fn_custom"] == {"base": 0.5} and cycles[1].scale_fn(2) == 0.25
    plain = schedules.CyclicLR(optimizer, 0.1, 0.5, scale_fn=lambda x: 1.0)
    assert plain.state_dict()["_scale_fn_custom"] is None


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
        (lambda o: schedules.MultiplicativeLR(o, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
        (lambda o: schedules.MultiplicativeLR(o, 0.5), TypeError, "lr_lambda should be a function, but got float"),
        (lambda o: schedules.CyclicLR("no", 0.1, 0.5), TypeError, "str is not an Optimizer"),
        (lambda o: schedules.CyclicLR(o, 0.1, 0.5, mode="no"), ValueError, "mode is invalid and scale_fn is None"),
        (lambda o: schedules.CyclicLR(o, [0.1], 0.5), ValueError, "base_lr must have the same length"),
        (lambda o: schedules.CyclicLR(o, 0.1, 0.5, max_momentum=[0.9]), ValueError, "max_momentum must have the same length"),
        (
            lambda o: schedules.CyclicLR(nn.optim.Adagrad([nn.Parameter(np.ones(1))]), 0.1, 0.5),
            ValueError,
            "must support momentum or beta1",
        ),
        (lambda o: schedules.ChainedScheduler([]), ValueError, "ChainedScheduler expects at least one scheduler to be chained"),
        (lambda o: schedules.ChainedScheduler([schedules.StepLR(o, 1), schedules.StepLR(optimizer_of(), 1)]), ValueError, "same optimizer"),
        (lambda o: schedules.ChainedScheduler([schedules.StepLR(o, 1)], optimizer_of()), ValueError, "same optimizer"),
        (lambda o: schedules.ChainedScheduler([3]), TypeError, "ChainedScheduler at index 0 should have `optimizer`"),
        (lambda o: schedules.ChainedScheduler([schedules.StepLR(o, 1)]).step(3), TypeError, "takes no epoch"),
        (lambda o: averages.SWALR(o, [0.1]), ValueError, "swa_lr must have the same length"),
        (lambda o: averages.SWALR(o, 0.1, anneal_strategy="no"), ValueError, "anneal_strategy must be one of 'cos' or 'linear'"),
        (lambda o: averages.SWALR(o, 0.1, -1), ValueError, "anneal_epochs must be equal or greater than 0, got -1"),
        (lambda o: averages.SWALR("no", 0.1), TypeError, "str is not an Optimizer"),
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
