"""Values moved to mean 0 and scaled to variance 1 over some of the dimensions; the variance is the biased one."""

from __future__ import annotations

import numpy as np

from .arrays import real


def _normalized(x, axes, eps):
    mean = x.mean(axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps)


def _per_channel(values, x):
    return real(values).reshape((-1,) + (1,) * (x.ndim - 2))


def _affine_channels(y, weight, bias):
    if weight is not None:
        y = y * _per_channel(weight, y)
    return y if bias is None else y + _per_channel(bias, y)


def layer_norm_forward(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """y = (x - mean) / √(var + ε) · weight + bias over the last len(normalized_shape) dimensions"""
    y = real(x)
    if y.size:
        y = _normalized(y, tuple(range(-len(normalized_shape), 0)), eps)
    if weight is not None:
        y = y * real(weight)
    return y if bias is None else y + real(bias)


def rms_norm_forward(x, normalized_shape, weight=None, eps=1e-5):
    """y = x / √(mean(x²) + ε) · weight over the last len(normalized_shape) dimensions"""
    y = real(x)
    if y.size:
        y = y / np.sqrt((y**2).mean(tuple(range(-len(normalized_shape), 0)), keepdims=True) + eps)
    return y if weight is None else y * real(weight)


def group_norm_forward(x, groups, weight=None, bias=None, eps=1e-5):
    """y = (x - mean) / √(var + ε) · weight[c] + bias[c], mean and var of each sample's group of C / groups channels"""
    x = real(x)
    y = x.reshape((x.shape[0], groups, -1) if x.size else x.shape)
    if x.size:
        y = _normalized(y, (2,), eps).reshape(x.shape)
    return _affine_channels(y, weight, bias)


def batch_norm_forward(x, mean, variance, weight=None, bias=None, eps=1e-5, training=0):
    """y = (x - mean[c]) / √(variance[c] + ε) · weight[c] + bias[c]; training matters for the gradient alone"""
    x = real(x)
    y = (x - _per_channel(mean, x)) / np.sqrt(_per_channel(variance, x) + eps)
    return _affine_channels(y, weight, bias)


def batch_stats_forward(x):
    """mean[c] = mean of x over all dimensions but 1; variance[c] = mean of (x - mean[c])² likewise. Returns (mean, variance)."""
    x = real(x)
    axes = (0,) + tuple(range(2, x.ndim))
    mean = x.mean(axes)
    return mean, ((x - _per_channel(mean, x)) ** 2).mean(axes)
