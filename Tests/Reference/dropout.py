"""Elements set to zero at random."""

from __future__ import annotations

import numpy as np

from .arrays import real
from .random import kept


def dropped(x, p, seed, offset):
    """x / (1 - p) where the generator keeps element (seed, offset + flat index), else 0"""
    x = real(x)
    if p == 0:
        return x
    if p == 1:
        return np.zeros_like(x)
    return np.where(kept(x.size, p, seed, offset).reshape(x.shape), x * (1 / (1 - p)), 0.0)


def dropout_forward(x, residual=None, p=0.5, seed=0, offset=0):
    """y = residual + (keep ? x / (1 - p) : 0)"""
    y = dropped(x, p, seed, offset)
    return y if residual is None else real(residual) + y
