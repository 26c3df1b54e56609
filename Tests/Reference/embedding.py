"""Rows of a table."""

from __future__ import annotations

import numpy as np

from .arrays import real


def embedding_forward(indices, weight, padding_idx=-1, scale_grad_by_freq=0):
    """y[..., :] = weight[indices[...], :]; padding_idx and scale_grad_by_freq matter for the gradient alone"""
    return real(weight)[np.asarray(indices, np.int64)]


def embedding_bag(input, weight, offsets=None, mode="mean", per_sample_weights=None, include_last_offset=False, padding_idx=None):
    """y[b, :] = Σ, mean or max over the places i of bag b, input[i] not padding_idx, of per_sample_weights[i] weight[input[i], :]"""
    weight, input = real(weight), np.asarray(input)
    if input.ndim == 2:
        offsets, include_last_offset = np.arange(len(input)) * input.shape[1], False
    ends = list(offsets[1:]) if include_last_offset else [*offsets[1:], input.size]
    scales = np.ones(input.size) if per_sample_weights is None else real(per_sample_weights).ravel()
    skipped = None if padding_idx is None else padding_idx % len(weight)
    y = np.zeros((len(ends), weight.shape[1]))
    for b, (start, end) in enumerate(zip(offsets, ends)):
        rows = [weight[i] * s for i, s in zip(input.ravel()[start:end], scales[start:end]) if i != skipped]
        if rows:
            y[b] = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, axis=0)
    return y
