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
        at = np.full(x.shape[:-dims], sum(i * int(np.prod(size[d + 1 :])) for d, i in enumerate(first)))
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


def fractional_max_pool(x, kernel_size, output_size, samples):
    """y[n,c,p,q] = max over the window that starts at ⌊(p + u) α⌋ - ⌊u α⌋, α = (h - r) / (P - 1), the last one at h - r; NaN, equals and
    indices as in max_pool_forward. samples[n,c]: u of columns and rows, of volumes of depth, rows and columns."""
    x, dims = real(x), len(kernel_size)
    planes, size = x.reshape(-1, *x.shape[-dims:]), x.shape[-dims:]
    y, where = (np.empty((len(planes), *output_size), kind) for kind in (float, np.int64))
    for plane, us, best, at in zip(planes, real(samples).reshape(-1, dims), y, where):
        starts = []
        for u, h, r, p in zip(us[::-1] if dims == 2 else us, size, kernel_size, output_size):
            alpha = (h - r) / max(p - 1, 1)
            starts.append([int((i + u) * alpha) - int(u * alpha) for i in range(p - 1)] + [h - r])
        for place in np.ndindex(*output_size):
            start = [s[i] for s, i in zip(starts, place)]
            window = plane[tuple(slice(i, i + r) for i, r in zip(start, kernel_size))]
            value, inside = max_pool_forward(window[None], kernel_size, indices=True)
            found = np.unravel_index(int(inside.ravel()[0]), kernel_size)
            best[place], at[place] = value.ravel()[0], np.ravel_multi_index([i + j for i, j in zip(start, found)], size)
    return y.reshape(*x.shape[:-dims], *output_size), where.reshape(*x.shape[:-dims], *output_size)


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


def adaptive_max_pool_forward(x, output_size, indices=False):
    """y[n,c,p,q] = max of x over rows ⌊p h / P⌋ up to ⌈(p + 1) h / P⌉, columns likewise; NaN, equals and indices as in max_pool_forward"""
    x = real(x)
    dims = len(output_size)
    size = x.shape[-dims:]
    out = tuple(h if p < 0 else p for h, p in zip(size, output_size))
    y, where = np.empty(x.shape[:-dims] + out), np.empty(x.shape[:-dims] + out, np.int64)
    for place in itertools.product(*map(range, out)):
        spans = [range(p * h // o, -(-(p + 1) * h // o)) for p, h, o in zip(place, size, out)]
        places = np.ravel_multi_index(np.meshgrid(*spans, indexing="ij"), size).ravel()
        window = x.reshape(x.shape[:-dims] + (int(np.prod(size)),))[..., places]
        nan = np.isnan(window)
        best = np.where(nan.any(-1), len(places) - 1 - nan[..., ::-1].argmax(-1), np.where(nan, -np.inf, window).argmax(-1))
        y[(...,) + place] = np.take_along_axis(window, best[..., None], -1)[..., 0]
        where[(...,) + place] = places[best]
    return y, (where if indices else None)


def max_unpool_forward(x, indices, output_size):
    """y[n, c, indices[n,c,p]] = x[n,c,p] in zeros, the places counted flat; the last of equal ones stays"""
    x = real(x)
    leading = x.shape[: x.ndim - len(output_size)]
    y = np.zeros(leading + (int(np.prod(output_size)),))
    for place in np.ndindex(x.shape):
        y[place[: len(leading)] + (indices[place],)] = x[place]
    return y.reshape(leading + tuple(output_size))


def lp_pool(x, norm_type, kernel_size, stride=(), ceil_mode=0):
    """(mean of the window's powers · size)^(1/norm_type), the mean as in avg_pool_forward"""
    x = real(x)
    if np.isinf(norm_type):
        y, _ = max_pool_forward(np.sign(norm_type) * np.abs(x), kernel_size, stride, ceil_mode=ceil_mode)
        return np.sign(norm_type) * y
    with np.errstate(invalid="ignore"):
        return (avg_pool_forward(x**norm_type, kernel_size, stride, ceil_mode=ceil_mode) * np.prod(kernel_size)) ** (1 / norm_type)


def _taps(size, kernel_size, dilation, padding, stride):
    """What each tap of each window sees inside: (number of the tap, number of the window, row, column)"""
    p, q = (pooled_size(*row, 0) for row in zip(size, kernel_size, stride, padding, dilation))
    for r, s, i, j in itertools.product(range(kernel_size[0]), range(kernel_size[1]), range(p), range(q)):
        row, column = i * stride[0] + r * dilation[0] - padding[0], j * stride[1] + s * dilation[1] - padding[1]
        if 0 <= row < size[0] and 0 <= column < size[1]:
            yield r * kernel_size[1] + s, i * q + j, row, column


def unfold_forward(x, kernel_size, dilation=(1,), padding=(0,), stride=(1,)):
    """y[n, (c,r,s), (p,q)] = x[n, c, p·stride + r·dilation - padding, q·stride + s·dilation - padding], 0 outside"""
    x = real(x)
    options = [each(v, 2) for v in (kernel_size, dilation, padding, stride)]
    kernel, dilation, padding, stride = options
    taps, size = kernel[0] * kernel[1], x.shape[-2:]
    places = np.prod([pooled_size(*row, 0) for row in zip(size, kernel, stride, padding, dilation)])
    y = np.zeros(x.shape[:-2] + (taps, places))
    for tap, place, row, column in _taps(size, *options):
        y[..., tap, place] = x[..., row, column]
    return y.reshape(x.shape[:-3] + (x.shape[-3] * taps, places))


def fold_forward(x, output_size, kernel_size, dilation=(1,), padding=(0,), stride=(1,)):
    """y[n,c,i,j] = Σ x[n, (c,r,s), (p,q)] over the taps and places that see i, j"""
    x = real(x)
    size, *options = (each(v, 2) for v in (output_size, kernel_size, dilation, padding, stride))
    taps = options[0][0] * options[0][1]
    x = x.reshape(x.shape[:-2] + (x.shape[-2] // taps, taps, x.shape[-1]))
    y = np.zeros(x.shape[:-2] + size)
    for tap, place, row, column in _taps(size, *options):
        y[..., row, column] += x[..., tap, place]
    return y
