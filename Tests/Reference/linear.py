"""Products of vectors with matrices."""

from __future__ import annotations

import numpy as np

from . import constants
from .activation import activated
from .arrays import real


def linear_forward(x, weight, bias=None, residual=None, activation=constants.NONE, first=0, rows=0):
    """y = residual + act(x Wᵀ + bias), x (..., k), weight (n, k); with rows > 0 of rows first ..< first + rows of weight and bias alone"""
    if rows:
        weight = weight[first : first + rows]
        bias = None if bias is None else bias[first : first + rows]
    y = real(x) @ real(weight).T
    if bias is not None:
        y = y + real(bias)
    y = activated(y, activation)
    return y if residual is None else real(residual) + y


def bilinear_forward(x1, x2, weight, bias=None):
    """y[n,o] = Σ_ij x1[n,i] W[o,i,j] x2[n,j] + bias[o]"""
    y = np.einsum("...i,oij,...j->...o", real(x1), real(weight), real(x2))
    return y if bias is None else y + real(bias)


def matmul_forward(a, b):
    """y[..., i, j] = Σ a[..., i, k] b[..., k, j]"""
    return np.matmul(real(a), real(b))
