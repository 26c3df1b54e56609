"""Convolution of one or two dimensions."""

from __future__ import annotations

import itertools

import numpy as np

from . import constants
from .activation import activated
from .arrays import both_sides, each, real


def conv_forward(x, weight, bias=None, stride=(1,), padding=(0,), dilation=(1,), groups=1, activation=constants.NONE):
    """y[n,o,p,q] = act(b[o] + Σ_crs x[n, g(o)·C/groups + c, p·stride + r·dilation - before, ...] W[o,c,r,s]), g(o) the group of o

    p = ⌊(h + before + after - dilation (r - 1) - 1) / stride⌋ + 1
    """
    x, weight = real(x), real(weight)
    dims = weight.ndim - 2
    if x.ndim == dims + 1:
        return conv_forward(x[None], weight, bias, stride, padding, dilation, groups, activation)[0]
    stride, dilation = each(stride, dims), each(dilation, dims)
    x = np.pad(x, ((0, 0), (0, 0)) + both_sides(padding, dims))
    n, c = x.shape[:2]
    o, kernel = weight.shape[0], weight.shape[2:]
    out = tuple((h - d * (r - 1) - 1) // s + 1 for h, d, r, s in zip(x.shape[2:], dilation, kernel, stride))
    x = x.reshape((n, groups, c // groups) + x.shape[2:])
    weight = weight.reshape((groups, o // groups) + weight.shape[1:])
    y = np.zeros((n, groups, o // groups) + out)
    for tap in itertools.product(*map(range, kernel)):
        seen = tuple(slice(t * d, t * d + s * (p - 1) + 1, s) for t, d, s, p in zip(tap, dilation, stride, out))
        patch = x[(slice(None),) * 3 + seen]
        y += np.einsum("ngc...,goc->ngo...", patch, weight[(slice(None),) * 3 + tap])
    y = y.reshape((n, o) + out)
    if bias is not None:
        y = y + real(bias).reshape((o,) + (1,) * dims)
    return activated(y, activation)


def conv_transpose_forward(x, weight, bias=None, stride=(1,), padding=(0,), output_padding=(0,), dilation=(1,), groups=1):
    """y[n, g(c)·O/groups + o, p·stride + r·dilation - padding, ...] = Σ x[n,c,p,...] W[c,o,r,...] + b, g(c) the group of c"""
    x, weight = real(x), real(weight)
    dims = weight.ndim - 2
    if x.ndim == dims + 1:
        return conv_transpose_forward(x[None], weight, bias, stride, padding, output_padding, dilation, groups)[0]
    stride, dilation = each(stride, dims), each(dilation, dims)
    padding, more = each(padding, dims), each(output_padding, dims)
    n, c = x.shape[:2]
    o, kernel = weight.shape[1], weight.shape[2:]
    size = [(p - 1) * s + d * (r - 1) + 1 for p, s, d, r in zip(x.shape[2:], stride, dilation, kernel)]
    whole = np.zeros([n, groups, o] + [length + m for length, m in zip(size, more)])
    x = x.reshape((n, groups, c // groups) + x.shape[2:])
    weight = weight.reshape((groups, c // groups) + weight.shape[1:])
    for tap in itertools.product(*map(range, kernel)):
        put = tuple(slice(t * d, t * d + s * (p - 1) + 1, s) for t, d, s, p in zip(tap, dilation, stride, x.shape[3:]))
        whole[(slice(None),) * 3 + put] += np.einsum("ngc...,gco->ngo...", x, weight[(slice(None),) * 3 + tap])
    y = whole[(slice(None),) * 3 + tuple(slice(b, length + m - b) for b, length, m in zip(padding, size, more))]
    y = y.reshape((n, groups * o) + y.shape[3:])
    return y if bias is None else y + real(bias).reshape((groups * o,) + (1,) * dims)
