"""Optimizer steps, norms and scaling: all arrays in one call, written in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from Reference import optimizer
from specs import difference
from swiftnn import _native

SHAPES = [(), (1,), (17,), (5, 7), (3, 4, 6), (0, 3), (9001,)]
OPTIONS: list[tuple[str, int, tuple[bool, ...], dict[str, Any]]] = []  # operation, states, which of them are used, its numbers
for momentum, dampening, nesterov in [(0.0, 0.0, 0), (0.9, 0.0, 0), (0.9, 0.3, 0), (0.8, 0.0, 1)]:
    for decay, maximize in [(0.0, 0), (0.1, 1)]:
        numbers = dict(lr=0.1, momentum=momentum, dampening=dampening, weight_decay=decay, nesterov=nesterov, maximize=maximize, first=None)
        OPTIONS.append(("sgd_step", 1, (momentum != 0,), numbers))
for amsgrad in (False, True):
    for decay, decoupled, maximize in [(0.0, 0, 0), (0.1, 0, 1), (0.1, 1, 0)]:
        numbers = dict(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=decay, decoupled=decoupled, maximize=maximize, step=None)
        OPTIONS.append(("adam_step", 3, (True, True, amsgrad), numbers))
for momentum, centered in [(0.0, False), (0.9, False), (0.0, True), (0.9, True)]:
    numbers = dict(lr=0.01, alpha=0.99, eps=1e-3, weight_decay=0.1 if centered else 0.0, momentum=momentum, maximize=int(centered))
    OPTIONS.append(("rmsprop_step", 3, (True, momentum != 0, centered), numbers))
for decay in (0.0, 0.1):
    numbers = dict(lr=0.1, lr_decay=decay, weight_decay=decay, eps=1e-10, maximize=int(decay > 0), step=None)
    OPTIONS.append(("adagrad_step", 1, (True,), numbers))


def at_step(numbers: dict[str, Any], step: int) -> dict[str, Any]:
    known = {"first": int(step == 1), "step": step}
    return {name: known[name] if value is None else value for name, value in numbers.items()}


def strided(x: np.ndarray) -> np.ndarray:
    """The same numbers in memory of odd strides."""
    if not x.ndim:
        return x.copy()
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan, x.dtype)[..., ::-2]
    wide[...] = x
    return wide


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "states", "used", "numbers"), OPTIONS)
def test_steps(name: str, states: int, used: tuple[bool, ...], numbers: dict[str, Any], dtype: type) -> None:
    r = np.random.default_rng(5)
    params = [np.asarray(r.standard_normal(shape), dtype) for shape in SHAPES]
    lists = [[np.zeros(shape, dtype) for shape in SHAPES] if use else [] for use in used]
    expected = [p.astype(np.float64) for p in params]
    expected_lists = [[s.astype(np.float64) for s in states] for states in lists]
    odd = [strided(p) for p in params]
    odd_lists = [[strided(s) for s in states] for states in lists]
    addresses = [p.ctypes.data for p in params]
    for step in (1, 2, 3):
        grads = [np.asarray(r.standard_normal(shape), dtype) if shape != (5, 7) else None for shape in SHAPES]
        now = at_step(numbers, step)
        assert getattr(_native, name)(params, grads, *lists, *now.values()) is None
        getattr(_native, name)(odd, [None if g is None else strided(g) for g in grads], *odd_lists, *now.values())
        for i, (p, g) in enumerate(zip(expected, grads)):
            if g is not None:
                with np.errstate(invalid="ignore"):
                    own = [states[i] if states else None for states in expected_lists]
                    getattr(optimizer, name)(p, g.astype(np.float64), *own, *now.values())
    allowed = 3e-6 if dtype is np.float32 else 1e-13
    for got, want in zip([params, *lists], [expected, *expected_lists]):
        for one, other in zip(got, want):
            assert difference(one, other) <= allowed
    for got, want in zip([params, *lists], [odd, *odd_lists]):
        for one, other in zip(got, want):
            np.testing.assert_array_equal(one, other)
    assert [p.ctypes.data for p in params] == addresses


def test_layers_see_what_was_written() -> None:
    nn.manual_seed(1)
    layer = nn.Linear(300, 200)
    x = np.random.default_rng(1).standard_normal((4, 300)).astype(np.float32)
    for _ in range(3):  # the packed weight is kept from the second call on
        layer(x)
    weight = np.array(layer.weight.data)
    bias = np.array(layer.bias.data)
    for _ in range(3):
        before = layer(x)
        grads = [np.ones(p.shape, np.float32) for p in (layer.weight, layer.bias)]
        _native.sgd_step([layer.weight, layer.bias], grads, [], 0.5, 0.0, 0.0, 0.0, 0, 0, 0)
        weight -= 0.5
        bias -= 0.5
        after = layer(x)
        assert not np.array_equal(before, after)
        fresh = nn.Linear(300, 200)
        fresh.load_state_dict({"weight": weight, "bias": bias})
        np.testing.assert_array_equal(after, fresh(x))
    _native.scale([layer.weight], 0.0)
    np.testing.assert_array_equal(layer(x), np.broadcast_to(bias, (4, 200)))


def test_tensors_are_written_through() -> None:
    p, g = nn.Tensor(np.ones(3)), nn.Tensor(np.full(3, 2.0))
    _native.sgd_step((p,), (g,), (), 0.5, 0.0, 0.0, 0.0, 0, 0, 0)
    np.testing.assert_array_equal(np.asarray(p), np.zeros(3))


SGD = (0.5, 0.0, 0.0, 0.0, 0, 0, 0)


def _read_only() -> np.ndarray:
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    return array


def _wrong() -> Iterator[tuple[Callable[[], Any], type[Exception], str]]:
    p, g = np.ones(3, np.float32), np.ones(3, np.float32)
    yield lambda: _native.sgd_step([_read_only()], [g], [], *SGD), ValueError, r"params\[0\] is read-only"
    yield lambda: _native.sgd_step([p, [1.0]], [g, g], [], *SGD), TypeError, r"params\[1\] is written in place and has to be an ndarray"
    yield lambda: _native.sgd_step([p.astype(np.int64)], [g], [], *SGD), TypeError, r"params\[0\] is written in place .*got int64"
    yield lambda: _native.sgd_step([p.astype(">f4")], [g], [], *SGD), TypeError, "native byte order"
    yield lambda: _native.sgd_step([p, p.astype(np.float64)], [g, g], [], *SGD), TypeError, r"params\[1\] is float64 but"
    yield lambda: _native.sgd_step([p], [g, g], [], *SGD), ValueError, "grads has 2 arrays; expected 1"
    yield lambda: _native.sgd_step([p], [g], [p], *SGD), ValueError, "momentum_buffers has 1 arrays; expected 0"
    yield lambda: _native.sgd_step([p, p], [g, g[:2]], [], *SGD), ValueError, r"grads\[1\] has shape \(2,\); expected \(3,\)"
    yield lambda: _native.sgd_step([None], [g], [], *SGD), ValueError, r"params\[0\] is absent"
    yield lambda: _native.sgd_step(p, [g], [], *SGD), TypeError, "params must be a tuple or list of arrays"
    yield lambda: _native.adam_step([p], [g], [p], [p], [], 0.1, 0.9, 0.99, 1e-8, 0, 0, 0, 0), ValueError, "step is 0"
    yield lambda: _native.adam_step([p], [g], [], [p], [], 0.1, 0.9, 0.99, 1e-8, 0, 0, 0, 1), ValueError, "exp_avgs has 0 arrays"
    yield lambda: _native.grad_norm([g], 3.0), ValueError, "p is 3.000; expected 1, 2 or infinity"
    yield lambda: _native.scale([_read_only()], 2.0), ValueError, r"arrays\[0\] is read-only"


@pytest.mark.parametrize(("call", "error", "message"), list(_wrong()))
def test_wrong_arguments(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_failed_step_has_written_nothing() -> None:
    params = [np.ones(3), np.ones(4)]
    with pytest.raises(ValueError, match=r"grads\[1\]"):
        _native.sgd_step(params, [np.ones(3), np.ones(5)], [], *SGD)
    assert all((p == 1).all() for p in params)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norm_and_scale(dtype: type) -> None:
    r = np.random.default_rng(2)
    arrays = [np.asarray(r.standard_normal(shape), dtype) for shape in SHAPES]
    flat = np.concatenate([a.ravel() for a in arrays]).astype(np.float64)
    for p in (1.0, 2.0, np.inf):
        y = _native.grad_norm([*arrays, None], p)
        assert y.dtype == dtype
        assert difference(y, np.linalg.norm(flat, p)) <= (1e-6 if dtype is np.float32 else 1e-14)
        np.testing.assert_array_equal(_native.grad_norm([strided(a) for a in arrays], p), y)
        assert np.isnan(_native.grad_norm([*arrays, np.full(20, np.nan, dtype), arrays[2]], p))
        assert _native.grad_norm([], p) == 0
    expected = [a * dtype(0.3) for a in arrays]
    odd = [strided(a) for a in arrays]
    for values in (arrays, odd):
        assert _native.scale(values, 0.3) is None
        for got, want in zip(values, expected):
            np.testing.assert_array_equal(got, want)


def _large(threads: int) -> list[np.ndarray]:
    r = np.random.default_rng(3)
    before = _native.get_num_threads()
    _native.set_num_threads(threads)
    try:
        shapes = [(700, 513), (3,), (30001,)]
        params, grads, first, second, third = ([r.random(shape).astype(np.float32) for shape in shapes] for _ in range(5))
        _native.adam_step(params, grads, first, second, third, 0.1, 0.9, 0.99, 1e-8, 0.1, 1, 0, 3)
        norms = [_native.grad_norm(grads, p) for p in (1, 2, np.inf)]
        _native.scale(grads, 0.7)
        return [*params, *first, *second, *third, *grads, *norms]
    finally:
        _native.set_num_threads(before)


def test_the_same_bits_for_any_number_of_threads() -> None:
    expected = _large(1)
    for threads in (2, 3):
        for got, one in zip(_large(threads), expected):
            assert got.tobytes() == one.tobytes()
