"""Maximum and mean over windows."""

from __future__ import annotations

import itertools

import numpy as np

from .arrays import each, number, real


def pooled_size(h, kernel, stride, padding, dilation, ceil_mode):
    """p = ⌊(h + 2 padding - dilation (kernel - 1) - 1 + (stride - 1 if ceil_mode)) / stride⌋ + 1; the last window starts inside."""
    p = (h + 2 * padding - dilation * (kernel - 1) - 1 + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (p - 1) * stride >= h + padding:
        p -= 1
    return p


def max_pool_forward(x, kernel_size, stride=(), padding=(0,), dilation=(1,), ceil_mode=0, indices=False):
    """y[n,c,p,q] = max over the window of x that lies inside; a NaN wins, the last of several; of equals the first wins

    indices: where in the plane of (n, c) each maximum stands, flat. Returns (y, indices or None).
    """
    x = number(x)
    dims = len(kernel_size)
    stride = each(stride or kernel_size, dims)
    padding, dilation = each(padding, dims), each(dilation, dims)
    size = x.shape[-dims:]
    out = tuple(pooled_size(*row, ceil_mode) for row in zip(size, kernel_size, stride, padding, dilation))
    y = np.empty(x.shape[:-dims] + out, x.dtype)
    where = np.empty(y.shape, np.int64)
    for place in itertools.product(*map(range, out)):
        # A dilated window may have no element inside: -∞ (or the type's least), at where its first tap from 0 on would stand
        start = [p * s - b for p, s, b in zip(place, stride, padding)]
        first = [i + d * max(-(i // d), 0) for i, d in zip(start, dilation)]
        at = np.full(x.shape[:-dims], first[0] if dims == 1 else first[0] * size[1] + first[1])
        best = np.full(at.shape, -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min, x.dtype)
        for tap in itertools.product(*map(range, kernel_size)):
            source = tuple(i + t * d for i, t, d in zip(start, tap, dilation))
            if not all(0 <= i < h for i, h in zip(source, size)):
                continue
            value = x[(...,) + source]
            wins = (value > best) | (value != value)
            best, at = np.where(wins, value, best), np.where(wins, np.ravel_multi_index(source, size), at)
        y[(...,) + place] = best
        where[(...,) + place] = at
    return y, (where if indices else None)


def avg_pool_forward(x, kernel_size, stride=(), padding=(0,), ceil_mode=0, count_include_pad=1, divisor_override=0):
    """y[n,c,p,q] = Σ window / count, count = the window's size with padding (not what ceil_mode adds), without, or divisor_override"""
    x = real(x)
    dims = len(kernel_size)
    stride, padding = each(stride or kernel_size, dims), each(padding, dims)
    size = x.shape[-dims:]
    out = tuple(pooled_size(h, r, s, b, 1, ceil_mode) for h, r, s, b in zip(size, kernel_size, stride, padding))
    y = np.zeros(x.shape[:-dims] + out)
    for place in itertools.product(*map(range, out)):
        start = [p * s - b for p, s, b in zip(place, stride, padding)]
        stop = [min(i + r, h + b) for i, r, h, b in zip(start, kernel_size, size, padding)]
        inside = [(max(i, 0), min(j, h)) for i, j, h in zip(start, stop, size)]
        if any(i >= j for i, j in inside):
            continue
        padded = np.prod([j - i for i, j in zip(start, stop)])
        real_ones = np.prod([j - i for i, j in inside])
        count = divisor_override or (padded if count_include_pad else real_ones)
        window = x[(...,) + tuple(slice(i, j) for i, j in inside)]
        y[(...,) + place] = window.sum(axis=tuple(range(-dims, 0))) / count
    return y


def adaptive_avg_pool_forward(x, output_size):
    """y[n,c,p,q] = mean of x over rows ⌊p h / P⌋ up to ⌈(p + 1) h / P⌉, columns likewise; -1 = the input's size"""
    x = real(x)
    dims = len(output_size)
    size = x.shape[-dims:]
    out = tuple(h if p < 0 else p for h, p in zip(size, output_size))
    y = np.empty(x.shape[:-dims] + out)
    for place in itertools.product(*map(range, out)):
        window = tuple(slice(p * h // o, -(-(p + 1) * h // o)) for p, h, o in zip(place, size, out))
        y[(...,) + place] = x[(...,) + window].mean(axis=tuple(range(-dims, 0)))
    return y
