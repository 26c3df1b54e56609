"""Elements in another order."""

from __future__ import annotations


def pixel_shuffle(x, r):
    """y[..., c, h r + i, w r + j] = x[..., c r² + i r + j, h, w]"""
    *lead, c, h, w = x.shape
    n = len(lead)
    y = x.reshape(*lead, c // r**2, r, r, h, w).transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return y.reshape(*lead, c // r**2, h * r, w * r)


def pixel_unshuffle(x, r):
    """y[..., c r² + i r + j, h, w] = x[..., c, h r + i, w r + j]"""
    *lead, c, h, w = x.shape
    n = len(lead)
    y = x.reshape(*lead, c, h // r, r, w // r, r).transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return y.reshape(*lead, c * r**2, h // r, w // r)


def channel_shuffle(x, groups):
    """y[n, c groups + g] = x[n, g C / groups + c]"""
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)
