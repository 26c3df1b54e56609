"""Gradients of the losses: against central differences of the float64 reference, options, memory layouts, threads, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from Reference import constants as k
from Reference.loss import cross_entropy_forward, ctc_loss_forward, nll_loss_forward, pointwise_loss_forward
from specs import difference
from swiftnn import _native

RNG = np.random.default_rng(7)
ALLOWED = {np.float32: 2e-5, np.float64: 1e-7}
DTYPES = [np.float32, np.float64]


def differences(f: Callable[[np.ndarray], Any], x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Σ dy f(x) differentiated by every element of x."""
    x = x.astype(np.float64)
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        low, high = x.copy(), x.copy()
        low[i] -= 1e-6
        high[i] += 1e-6
        gradient[i] = (np.sum(dy * f(high)) - np.sum(dy * f(low))) / 2e-6
    return gradient


def spread(x: np.ndarray) -> np.ndarray:
    """The same numbers in memory of odd strides."""
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan, x.dtype)[..., ::-2] if x.ndim else x
    wide[...] = x
    return wide


CLASS_LOSSES = [
    (shape, weighted, smoothing, reduction)
    for i, shape in enumerate([(7,), (5, 3), (4, 17), (2, 6, 5), (2, 3, 4, 5), (1, 9, 1, 1)])
    for weighted, smoothing in [(False, 0.0), (True, 0.0), (False, 0.2), (True, 0.9)]
    for reduction in [i % 3]
] + [((3, 4), True, 0.1, reduction) for reduction in range(3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "weighted", "smoothing", "reduction"), CLASS_LOSSES)
def test_class_losses(shape: tuple[int, ...], weighted: bool, smoothing: float, reduction: int, dtype: type) -> None:
    classes = shape[0] if len(shape) == 1 else shape[1]
    positions = () if len(shape) == 1 else (shape[0], *shape[2:])
    x = (2 * RNG.standard_normal(shape)).astype(dtype)
    target = RNG.integers(0, classes, positions)
    if positions:
        target.flat[-1] = -100
    weight = RNG.random(classes).astype(dtype) if weighted else None
    dy = RNG.standard_normal(positions if reduction == k.NO_REDUCTION else ()).astype(dtype)
    rest = (target, weight, -100, smoothing, reduction)
    _, logsumexp = _native.cross_entropy_forward(x, *rest, True)
    got = _native.cross_entropy_backward(dy, x, *rest, logsumexp)
    assert got.flags.c_contiguous
    expected = differences(lambda x: cross_entropy_forward(x, target, weight, -100, smoothing, reduction)[0], x, dy)
    assert difference(got, expected) <= ALLOWED[dtype]
    if positions:
        assert not got[(-1, slice(None), *(-1 for _ in positions[1:]))].any()
    np.testing.assert_array_equal(_native.cross_entropy_backward(spread(dy), spread(x), *rest, spread(logsumexp)), got)
    y, _ = _native.cross_entropy_forward(x, *rest, False)
    np.testing.assert_array_equal(_native.cross_entropy_forward(spread(x), *rest, False)[0], y)

    rest = (target, weight, -100, reduction)
    got = _native.nll_loss_backward(dy, shape, *rest)
    expected = differences(lambda x: nll_loss_forward(x, target, weight, -100, reduction), x, dy)
    assert difference(got, expected) <= ALLOWED[dtype]


def test_nothing_counts() -> None:
    for shape in [(0, 3), (4, 3)]:
        x, target = np.ones(shape, np.float32), np.full(shape[:1], -100)
        y, logsumexp = _native.cross_entropy_forward(x, target, None, -100, 0.1, k.MEAN, True)
        assert np.isnan(y)
        assert np.isnan(_native.nll_loss_forward(x, target, None, -100, k.MEAN))
        assert _native.cross_entropy_forward(x, target, None, -100, 0.1, k.SUM, False)[0] == 0
        got = _native.cross_entropy_backward(np.float32(1), x, target, None, -100, 0.1, k.MEAN, logsumexp)
        assert got.shape == shape
        assert not got.any()
    assert np.isnan(_native.pointwise_loss_forward(np.zeros((0, 2)), np.zeros((0, 2)), None, None, k.MSE, 0, k.MEAN))


def test_large_logits_stay_exact() -> None:
    x = np.array([[1e4, 1e4 - 1], [-1e4, 3e4]], np.float32)
    y, _ = _native.cross_entropy_forward(x, np.array([0, 1]), None, -100, 0.0, k.NO_REDUCTION, False)
    np.testing.assert_allclose(y, [np.log1p(np.exp(-1)), 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([0, 3], "target has the class 3; expected 0 <= class < C = 3, or ignore_index = -100"),
        ([-1, 0], "target has the class -1; expected 0 <= class < C = 3"),
    ],
)
def test_targets_out_of_range(target: list[int], message: str) -> None:
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(IndexError, match=message):
        _native.cross_entropy_forward(x, np.array(target), None, -100, 0.0, k.MEAN, True)
    with pytest.raises(IndexError, match=message):
        _native.nll_loss_forward(x, np.array(target), None, -100, k.MEAN)


def test_wrong_arguments() -> None:
    x, target = np.zeros((2, 3), np.float32), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match=r"target has shape \(3,\); expected \(2,\)"):
        _native.cross_entropy_forward(x, np.zeros(3, np.int64), None, -100, 0.0, k.MEAN, False)
    with pytest.raises(ValueError, match=r"weight has shape \(2,\); expected \(3,\)"):
        _native.cross_entropy_forward(x, target, np.zeros(2, np.float32), -100, 0.0, k.MEAN, False)
    with pytest.raises(ValueError, match="label_smoothing is 1.500"):
        _native.cross_entropy_forward(x, target, None, -100, 1.5, k.MEAN, False)
    with pytest.raises(ValueError, match=r"expected \(C\) or \(N, C, d1, ...\)"):
        _native.nll_loss_forward(np.float32(1), target, None, -100, k.MEAN)
    with pytest.raises(ValueError, match="reduction is 3"):
        _native.nll_loss_forward(x, target, None, -100, 3)
    with pytest.raises(ValueError, match=r"target has shape \(2,\); expected \(2, 3\)"):
        _native.pointwise_loss_forward(x, np.zeros(2, np.float32), None, None, k.MSE, 0, k.MEAN)
    with pytest.raises(ValueError, match="outside of 0 <= input <= 1"):
        _native.pointwise_loss_forward(x - 1, x, None, None, k.BCE, 0, k.MEAN)
    with pytest.raises(ValueError, match="delta is 0.000"):
        _native.pointwise_loss_forward(x, x, None, None, k.HUBER, 0, k.MEAN)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", range(3))
@pytest.mark.parametrize("kind", range(7))
@pytest.mark.parametrize("alpha", [0.0, 1.0, 0.4])
@pytest.mark.parametrize("weighted", [False, True])
def test_pointwise_losses(weighted: bool, kind: int, alpha: float, reduction: int, dtype: type) -> None:
    if kind == k.HUBER and alpha == 0:
        return
    shape = (3, 7)
    x, target = RNG.standard_normal(shape), RNG.standard_normal(shape)
    if kind == k.BCE:
        x = 0.05 + 0.9 * RNG.random(shape)
    if kind in (k.BCE, k.BCE_WITH_LOGITS, k.KL_DIV):
        target = 0.05 + 0.9 * RNG.random(shape)
    x, target = x.astype(dtype), target.astype(dtype)
    weight = RNG.random(shape).astype(dtype) if weighted else None
    pos_weight = np.broadcast_to(RNG.random(7).astype(dtype), shape) if weighted and kind == k.BCE_WITH_LOGITS else None
    rest = (weight, pos_weight, kind, alpha, reduction)
    dy = RNG.standard_normal(shape if reduction == k.NO_REDUCTION else ()).astype(dtype)
    dx, dtarget = _native.pointwise_loss_backward(dy, x, target, *rest, True, True)
    assert difference(dx, differences(lambda x: pointwise_loss_forward(x, target, *rest), x, dy)) <= ALLOWED[dtype]
    expected = differences(lambda t: pointwise_loss_forward(x, t, *rest), target, dy)
    assert difference(dtarget, expected) <= ALLOWED[dtype]
    for wanted in ((True, False), (False, True), (False, False)):
        alone = _native.pointwise_loss_backward(spread(dy), spread(x), target.copy("F"), *rest, *wanted)
        for one, both, asked in zip(alone, (dx, dtarget), wanted):
            assert (one is None) != asked
            if asked:
                np.testing.assert_array_equal(one, both)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", range(3))
@pytest.mark.parametrize("padded", [False, True])
def test_ctc_loss(padded: bool, reduction: int, dtype: type) -> None:
    # PyTorch's gradient is that by the logits of a log-softmax.
    logits = RNG.standard_normal((9, 3, 5))
    lengths, sizes = np.array([9, 6, 7]), np.array([4, 0, 2])
    targets = np.array([[1, 1, 4, 2], [0, 0, 0, 0], [3, 3, 0, 0]])
    if not padded:
        targets = np.concatenate([t[:n] for t, n in zip(targets, sizes)])
    rest = (targets, lengths, sizes, 2 if padded else 0, reduction, 0)
    if padded:
        targets[targets == 2] = 0

    def log_softmax(x: np.ndarray) -> np.ndarray:
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    dy = RNG.standard_normal(3 if reduction == k.NO_REDUCTION else ()).astype(dtype)
    log_probs = log_softmax(logits).astype(dtype)
    _, alpha = _native.ctc_loss_forward(log_probs, *rest, True)
    got = _native.ctc_loss_backward(dy, log_probs, *rest, alpha)
    assert not got[6:, 1].any()
    through = got - np.exp(log_probs) * got.sum(-1, keepdims=True)
    expected = differences(lambda x: ctc_loss_forward(log_softmax(x), *rest)[0], logits, dy)
    assert difference(through, expected) <= 5 * ALLOWED[dtype]
    np.testing.assert_array_equal(_native.ctc_loss_backward(dy, spread(log_probs), *rest, alpha), got)


def test_impossible_targets() -> None:
    log_probs = np.log(np.full((2, 2, 3), 1 / 3))
    targets, lengths, sizes = np.array([[1, 1], [1, 2]]), np.array([2, 2]), np.array([2, 2])
    y, _ = _native.ctc_loss_forward(log_probs, targets, lengths, sizes, 0, k.NO_REDUCTION, False, False)
    assert y[0] == np.inf
    assert np.isfinite(y[1])
    y, alpha = _native.ctc_loss_forward(log_probs, targets, lengths, sizes, 0, k.NO_REDUCTION, True, True)
    assert y[0] == 0
    dx = _native.ctc_loss_backward(np.ones(2), log_probs, targets, lengths, sizes, 0, k.NO_REDUCTION, True, alpha)
    assert not dx[:, 0].any()
    assert dx[:, 1].any()
    dx = _native.ctc_loss_backward(np.ones(2), log_probs, targets, lengths, sizes, 0, k.NO_REDUCTION, False, alpha)
    assert np.isnan(dx[:, 0]).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(targets=np.array([[1, 3]])), IndexError, "targets has the class 3"),
        (dict(targets=np.array([1])), ValueError, "leave room for 1"),
        (dict(targets=np.array([1, 2, 1])), ValueError, "add up to 2"),
        (dict(input_lengths=np.array([5])), ValueError, "input_lengths has 5"),
        (dict(target_lengths=np.array([3])), ValueError, "target_lengths has 3"),
        (dict(target_lengths=np.array([1, 1])), ValueError, "a length for each of the 1 sequences"),
        (dict(blank=3), ValueError, "blank is 3"),
    ],
)
def test_wrong_ctc_arguments(change: dict[str, Any], error: type[Exception], message: str) -> None:
    fields = dict(log_probs=np.zeros((4, 1, 3), np.float32), targets=np.array([[1, 2]]), input_lengths=np.array([4]))
    fields |= dict(target_lengths=np.array([2]), blank=0, reduction=k.MEAN, zero_infinity=0)
    with pytest.raises(error, match=message):
        _native.ctc_loss_forward(*{**fields, **change}.values(), True)


def _large(threads: int) -> list[np.ndarray]:
    r = np.random.default_rng(3)
    before = _native.get_num_threads()
    _native.set_num_threads(threads)
    try:
        results = []
        for shape in [(3001, 130), (3, 10, 70, 80)]:
            x, target = r.standard_normal(shape).astype(np.float32), r.integers(0, 10, (shape[0], *shape[2:]))
            rest = (target, r.random(shape[1]).astype(np.float32), 3, 0.1, k.MEAN)
            y, logsumexp = _native.cross_entropy_forward(x, *rest, True)
            results += [y, logsumexp, _native.cross_entropy_backward(np.float32(1), x, *rest, logsumexp)]
            for kind in range(7):
                target = r.random(shape).astype(np.float32)
                rest = (None, None, kind, 1.0, k.MEAN)
                x = abs(x) % 1
                results.append(_native.pointwise_loss_forward(x, target, *rest))
                results += _native.pointwise_loss_backward(np.float32(1), x, target, *rest, True, True)
        x = np.log(r.random((60, 9, 30)).astype(np.float32))
        rest = (r.integers(1, 30, (9, 20)), np.full(9, 60), np.full(9, 20), 0, k.MEAN, 0)
        y, alpha = _native.ctc_loss_forward(x, *rest, True)
        return [*results, y, alpha, _native.ctc_loss_backward(np.float32(1), x, *rest, alpha)]
    finally:
        _native.set_num_threads(before)


def test_the_same_bits_for_any_number_of_threads() -> None:
    expected = _large(1)
    for threads in (2, 3):
        for got, one in zip(_large(threads), expected):
            assert got.tobytes() == one.tobytes()
