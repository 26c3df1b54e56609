"""Elements put round an array, or cut off."""

from __future__ import annotations

import numpy as np

from . import constants as k
from .arrays import number


def _source(size, before, after, mode):
    """Which element of the input stands at each place of the output; -1 = the value."""
    i = np.arange(-before, size + after)
    if mode == k.PAD_CONSTANT:
        return np.where((i >= 0) & (i < size), i, -1)
    if mode == k.PAD_REFLECT:  # ... 2 1 | 0 1 2 3 | 2 1 ...
        i = np.abs(i)
        return np.where(i >= size, 2 * (size - 1) - i, i)
    if mode == k.PAD_REPLICATE:
        return np.clip(i, 0, size - 1)
    return i % size


def pad_forward(x, pads, mode=k.PAD_CONSTANT, value=0.0):
    """y[i] = x[source(i - before)] in each padded dimension; pads are (before, after) pairs from the last dimension backwards"""
    y = number(x)
    for pair in range(len(pads) // 2):
        axis = y.ndim - 1 - pair
        before, after = pads[2 * pair], pads[2 * pair + 1]
        if mode == k.PAD_CIRCULAR:  # what negative padding crops is gone before the rest goes round
            y = y[(slice(None),) * axis + (slice(max(-before, 0), y.shape[axis] - max(-after, 0)),)]
            before, after = max(before, 0), max(after, 0)
        source = _source(y.shape[axis], before, after, mode)
        shape = y.shape[:axis] + (len(source),) + y.shape[axis + 1 :]
        filled = np.full(shape, value).astype(y.dtype)
        inside = (slice(None),) * axis + (source >= 0,)
        filled[inside] = np.take(y, source[source >= 0], axis)
        y = filled
    return y
