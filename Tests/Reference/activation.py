"""y = f(x), element by element."""

from __future__ import annotations

import math

import numpy as np

from . import constants as k
from .arrays import real

_erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x):
    """σ(x) = 1 / (1 + e⁻ˣ), written so that e never overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def softplus(x):
    """log(1 + eˣ)"""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def elu(x, alpha):
    """x for x > 0, else α(eˣ - 1)"""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _relu(x):
    return np.where(np.isnan(x), x, np.maximum(x, 0.0))


_FUNCTIONS = {
    k.RELU: lambda x, a, b: _relu(x),
    k.RELU6: lambda x, a, b: np.clip(x, 0.0, 6.0),
    k.LEAKY_RELU: lambda x, a, b: np.where(x > 0, x, a * x),
    k.ELU: lambda x, a, b: elu(x, a),
    # x Φ(x), Φ the normal distribution function
    k.GELU: lambda x, a, b: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    k.GELU_TANH: lambda x, a, b: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    k.SILU: lambda x, a, b: x * sigmoid(x),
    k.MISH: lambda x, a, b: x * np.tanh(softplus(x)),
    k.SIGMOID: lambda x, a, b: sigmoid(x),
    k.TANH: lambda x, a, b: np.tanh(x),
    # log(1 + e^(βx)) / β, and x itself where βx is above the threshold
    k.SOFTPLUS: lambda x, a, b: np.where(x * a > b, x, softplus(x * a) / a),
    k.HARDSWISH: lambda x, a, b: x * np.clip(x + 3, 0.0, 6.0) / 6,
    k.EXP: lambda x, a, b: np.exp(x),
    k.LOG: lambda x, a, b: np.log(x),
    k.ERF: lambda x, a, b: _erf(x),
    k.HARDTANH: lambda x, a, b: np.clip(x, a, b),
    k.HARDSIGMOID: lambda x, a, b: np.clip(x + 3, 0.0, 6.0) / 6,
    k.LOGSIGMOID: lambda x, a, b: -softplus(-x),
    k.SELU: lambda x, a, b: 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717),
    k.SOFTSIGN: lambda x, a, b: x / (1 + np.abs(x)),
    k.CELU: lambda x, a, b: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0) / a)),
    k.THRESHOLD: lambda x, a, b: np.where(x <= a, b, x),
    k.HARDSHRINK: lambda x, a, b: np.where(np.abs(x) <= a, 0, x),
    k.SOFTSHRINK: lambda x, a, b: np.sign(x) * np.maximum(np.abs(x) - a, 0),
}

# what a kind takes for (alpha, beta) where the caller leaves them out: torch's defaults
DEFAULTS = {k.LEAKY_RELU: (0.01, 0.0), k.ELU: (1.0, 0.0), k.SOFTPLUS: (1.0, 20.0), k.HARDTANH: (-1.0, 1.0), k.CELU: (1.0, 0.0)}
DEFAULTS |= {k.HARDSHRINK: (0.5, 0.0), k.SOFTSHRINK: (0.5, 0.0)}


def activation_forward(x, kind, alpha=0.0, beta=0.0):
    """y = f(x)"""
    with np.errstate(all="ignore"):
        return real(_FUNCTIONS[kind](real(x), float(alpha), float(beta)))


def activated(y, kind):
    """The activation at the end of a linear or convolution operation, with its default parameters."""
    return y if kind == k.NONE else activation_forward(y, kind, *DEFAULTS.get(kind, (0.0, 0.0)))


def prelu_forward(x, weight):
    """y = x for x > 0, else weight[c] x; c is the index in dimension 1 (one weight for all where it has one element)."""
    x, weight = real(x), real(weight)
    weight = weight.reshape((1, -1) + (1,) * (x.ndim - 2) if x.ndim >= 2 and weight.size > 1 else ())
    return np.where(x > 0, x, weight * x)
