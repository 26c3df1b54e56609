"""Resampling of planes and lines."""

from __future__ import annotations

import numpy as np

from . import constants as k
from .arrays import real


def _nearest(h, out, scale, exact, kind):
    """Which row each output row reads: ⌊p / scale⌋, exact: ⌊(p + ½) / scale⌋; scale = out / h unless given.

    Worked out in the array's own float type and floored in float32, as PyTorch does: it shows where p / scale is nearly whole.
    """
    step = kind(1 / scale) if scale > 0 else kind(h) / kind(out)
    p = np.arange(out).astype(kind)
    source = step * (p + kind(0.5)) - kind(0.5) + kind(0.5) if exact else step * p
    return np.minimum(np.floor(source.astype(np.float32)).astype(np.int64), h - 1)


def _linear(h, out, align_corners, scale):
    """(lower row, upper row, weight of the upper row) of each output row; equal sizes copy, whatever the scale."""
    p = np.arange(out, dtype=np.float64)
    if h == out:
        source = p
    elif align_corners:
        source = p * ((h - 1) / (out - 1) if out > 1 else 0.0)
    else:
        source = np.maximum((p + 0.5) * (1 / scale if scale > 0 else h / out) - 0.5, 0)
    lower = np.minimum(np.floor(source).astype(np.int64), h - 1)
    return lower, np.minimum(lower + 1, h - 1), np.clip(source - lower, 0.0, 1.0)


def interpolate_forward(x, output_size, mode, align_corners=0, scale_h=0.0, scale_w=0.0):
    """nearest: y[p] = x[⌊p h / P⌋]; linear: y[p] = (1 - w) x[i] + w x[i+1], i + w = (p + ½) h / P - ½ or, with align_corners,
    p (h - 1) / (P - 1), bounded by the edges; dimension by dimension. The ratio P / h is the scale where one is given.
    """
    kind = np.float32 if np.asarray(x).dtype == np.float32 else np.float64
    y = real(x)
    dims = len(output_size)
    scales = (scale_h, scale_w) if dims == 2 else (scale_w or scale_h,)
    for axis, out, scale in zip(range(y.ndim - dims, y.ndim), output_size, scales):
        h = y.shape[axis]
        if mode == k.BILINEAR:
            lower, upper, w = _linear(h, out, align_corners, scale)
            w = w.reshape((-1,) + (1,) * (y.ndim - 1 - axis))
            y = (1 - w) * np.take(y, lower, axis) + w * np.take(y, upper, axis)
        else:
            y = np.take(y, _nearest(h, out, scale, mode == k.NEAREST_EXACT, kind), axis)
    return y
