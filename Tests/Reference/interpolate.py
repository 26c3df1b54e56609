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


def _keys(x, a):
    """Keys' cubic convolution kernel at distances x."""
    x = np.abs(x)
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _cubic(h, out, align_corners, scale):
    """The weights (out, h) of the four neighbours of each output row; those outside are the edge."""
    p = np.arange(out, dtype=np.float64)
    if align_corners:
        source = p * ((h - 1) / (out - 1) if out > 1 else 0.0)
    else:
        source = (p + 0.5) * (1 / scale if scale > 0 else h / out) - 0.5
    below = np.floor(source)
    weights = np.zeros((out, h))
    for j in range(-1, 3):
        np.add.at(weights, (np.arange(out), np.clip(below + j, 0, h - 1).astype(int)), _keys(source - below - j, -0.75))
    return weights


def _smooth(h, out, mode, align_corners, scale):
    """The weights (out, h) of a filter stretched to the width of an output row; a size that stays is left as it is."""
    if h == out:
        return np.eye(h)
    step = ((h - 1) / (out - 1) if out > 1 else 0.0) if align_corners else 1 / scale if scale > 0 else h / out
    width = max(step, 1.0)
    half = {k.BILINEAR_SMOOTH: 1, k.BICUBIC_SMOOTH: 2, k.LANCZOS_SMOOTH: 3}[mode]
    centre = (np.arange(out)[:, None] + 0.5) * step
    row = np.arange(h)[None, :]
    x = (row + 0.5 - centre) / width
    if mode == k.BILINEAR_SMOOTH:
        weights = np.maximum(1 - np.abs(x), 0)
    elif mode == k.BICUBIC_SMOOTH:
        weights = _keys(x, -0.5)
    else:
        weights = np.sinc(x) * np.sinc(x / 3)
    seen = (row >= np.trunc(np.maximum(centre - half * width + 0.5, 0))) & (row < np.trunc(centre + half * width + 0.5))
    weights = np.where(seen, weights, 0)
    return weights / weights.sum(1, keepdims=True)


def resize(y, axis, out, mode, align_corners, scale, kind):
    """One dimension of y, whose elements were of type `kind`."""
    h = y.shape[axis]
    if mode == k.BILINEAR:
        lower, upper, w = _linear(h, out, align_corners, scale)
        w = w.reshape((-1,) + (1,) * (y.ndim - 1 - axis))
        return (1 - w) * np.take(y, lower, axis) + w * np.take(y, upper, axis)
    if mode in (k.NEAREST, k.NEAREST_EXACT):
        return np.take(y, _nearest(h, out, scale, mode == k.NEAREST_EXACT, kind), axis)
    weights = _cubic(h, out, align_corners, scale) if mode == k.BICUBIC else _smooth(h, out, mode, align_corners, scale)
    return np.moveaxis(np.tensordot(weights, y, (1, axis)), 0, axis)


def interpolate_forward(x, output_size, mode, align_corners=0, scale_h=0.0, scale_w=0.0):
    """nearest: y[p] = x[⌊p h / P⌋]; linear: y[p] = (1 - w) x[i] + w x[i+1], i + w = (p + ½) h / P - ½ or, with align_corners,
    p (h - 1) / (P - 1), bounded by the edges; cubic: four neighbours of it; smooth: Σ f((i + ½ - (p + ½) h / P) / max(h / P, 1)) x[i];
    dimension by dimension. The ratio P / h is the scale where one is given.
    """
    kind = np.float32 if np.asarray(x).dtype == np.float32 else np.float64
    y = real(x)
    dims = len(output_size)
    scales = (scale_h, scale_w) if dims == 2 else (scale_w or scale_h,)
    for axis, out, scale in zip(range(y.ndim - dims, y.ndim), output_size, scales):
        y = resize(y, axis, out, mode, align_corners, scale, kind)
    return y
