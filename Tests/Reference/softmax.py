"""Softmax and its logarithm."""

from __future__ import annotations

import numpy as np

from .arrays import real


def softmax_forward(x, axis=-1, log=0):
    """y = e^(x - max x) / Σ e^(x - max x) along the axis; log: y = x - max x - log Σ e^(x - max x)"""
    x = real(x)
    if x.size == 0:
        return x.copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = x - x.max(axis, keepdims=True)
        total = np.exp(shifted).sum(axis, keepdims=True)
        return shifted - np.log(total) if log else np.exp(shifted) / total
