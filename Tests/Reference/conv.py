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
