"""The elementary functions keep their limits in ulp, and send NaN and infinities where IEEE and PyTorch do."""

from __future__ import annotations

import decimal
import itertools
from decimal import Decimal

import numpy as np
import pytest

import swiftnn as nn
from accuracy import FUNCTIONS, float32_numbers, float64_numbers, measure, ours, ulp, unit

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32(name: str) -> None:
    # A prime: the digits of the numbers taken have no pattern.
    worst, _ = measure(FUNCTIONS[name], float32_numbers(16411))
    assert worst.error <= FUNCTIONS[name].limits[0], f"{worst.error} ulp at {worst.at!r}"


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if FUNCTIONS[name].wide])
def test_float64(name: str) -> None:
    worst, _ = measure(FUNCTIONS[name], itertools.islice(float64_numbers(1 << 20), 1))
    assert worst.error <= FUNCTIONS[name].limits[1], f"{worst.error} ulp at {worst.at!r}"


def _erf(x: float) -> np.longdouble:
    """2/√π exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n+1)!!, whose terms are positive, in 60 digits."""
    with decimal.localcontext() as context:
        context.prec = 60
        value = Decimal(x)
        term = total = value
        for n in range(1, 400):
            term = term * 2 * value * value / (2 * n + 1)
            total += term
        root = Decimal("3.14159265358979323846264338327950288419716939937510582097494459").sqrt()
        return np.longdouble(str(2 / root * (-value * value).exp() * total))


def test_float64_erf() -> None:
    x = next(float64_numbers(1))[:: 1 << 9]
    x = np.concatenate([x[np.abs(x) < 7], [1.0, np.nextafter(1, 0), 0.9999, 5.9, 1e-300, 0.5]])
    exact = np.array([_erf(v) for v in x.tolist()])
    assert ulp(ours(FUNCTIONS["erf"], x), exact).max() <= FUNCTIONS["erf"].limits[1]


# PyTorch's values at -inf, inf, NaN, 0 and -0
SPECIAL = {
    "exp": (0.0, INF, NAN, 1.0, 1.0),
    "log": (NAN, INF, NAN, -INF, -INF),
    "tanh": (-1.0, 1.0, NAN, 0.0, -0.0),
    "sigmoid": (0.0, 1.0, NAN, 0.5, 0.5),
    "erf": (-1.0, 1.0, NAN, 0.0, -0.0),
    "softplus": (0.0, INF, NAN, np.log(2), np.log(2)),
    "logsigmoid": (-INF, 0.0, NAN, -np.log(2), -np.log(2)),
    "silu": (NAN, INF, NAN, 0.0, -0.0),
    "elu": (-1.0, INF, NAN, 0.0, -0.0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name: str, dtype: type) -> None:
    """The same in every lane, in whole vectors and in the rest."""
    special = np.array([-INF, INF, NAN, 0.0, -0.0], dtype)
    wanted = np.array(SPECIAL[name], dtype)
    for n in (1, 5, 16, 17, 37):
        for start in range(5):
            order = (np.arange(n) + start) % 5
            got, expected = ours(FUNCTIONS[name], special[order]), wanted[order]
            np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(dtype).eps)
            zero = expected == 0
            assert np.array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))


# Functions that go through 0, where PyTorch's keep its sign.
THROUGH_ZERO = ["elu", "gelu", "hardswish", "hardtanh", "leaky_relu", "mish", "relu", "relu6", "selu", "silu", "softsign", "tanh"]
THROUGH_ZERO += ["celu", "rrelu", "softshrink"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", THROUGH_ZERO)
def test_zero_keeps_its_sign(name: str, dtype: type) -> None:
    """In every lane, in whole vectors and in the rest."""
    zeros = np.where(np.arange(37) % 3 == 1, -0.0, 0.0).astype(dtype)
    for n in (1, 5, 16, 37):
        got = getattr(nn.functional, name)(zeros[-n:])
        assert not got.any() and np.array_equal(np.signbit(got), np.signbit(zeros[-n:]))


def test_sums_and_products_of_infinities() -> None:
    """Where they meet, NaN; where they do not, they go through."""
    x = np.array([[1.0, INF, 2.0], [INF, 1.0, -INF], [NAN, 1.0, 1.0]], np.float32)
    y = nn.functional.linear(x, np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(y, [[INF, INF], [NAN, NAN], [NAN, NAN]])
    np.testing.assert_array_equal(nn.functional.linear(x[:1], np.zeros((1, 3), np.float32)), [[NAN]])
    soft = nn.functional.softmax(np.array([[-INF, 0.0], [-INF, -INF], [INF, 0.0], [NAN, 0.0]], np.float32), -1)
    np.testing.assert_array_equal(soft, [[0, 1], [NAN, NAN], [NAN, NAN], [NAN, NAN]])
    pooled = nn.functional.max_pool1d(np.array([[[1.0, NAN, 3.0, -INF, -INF, 2.0]]], np.float32), 2)
    np.testing.assert_array_equal(pooled, [[[NAN, 3.0, 2.0]]])


def test_ulp_sees_errors() -> None:
    one = np.array([1.0])
    assert ulp(np.float32([1.0]), one)[0] == 0
    assert ulp(np.nextafter(np.float32([1.0]), np.float32(2)), one)[0] == 1
    assert ulp(np.float32([NAN]), one)[0] == ulp(np.float32([1.0]), np.array([NAN]))[0] == ulp(np.float32([INF]), one)[0] == INF
    assert ulp(np.float32([NAN]), np.array([NAN]))[0] == ulp(np.float32([INF]), np.array([1e39]))[0] == 0
    for x in (np.float32([1, -1, 1.5, 2, 3e38, 1e-40, 0]), np.array([1, -1, 1.5, 2, 1e308, 1e-310, 0])):
        np.testing.assert_array_equal(unit(x), np.spacing(np.abs(x)))
