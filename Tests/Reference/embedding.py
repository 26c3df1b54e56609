"""Rows of a table."""

from __future__ import annotations

import numpy as np

from .arrays import real


def embedding_forward(indices, weight, padding_idx=-1, scale_grad_by_freq=0):
    """y[..., :] = weight[indices[...], :]; padding_idx and scale_grad_by_freq matter for the gradient alone"""
    return real(weight)[np.asarray(indices, np.int64)]


def embedding_bag(input, weight, offsets=None, mode="mean", per_sample_weights=None, include_last_offset=False, padding_idx=None):
    """y[b, :] = Σ, mean or max over the places i of bag b, input[i] not padding_idx, of per_sample_weights[i] weight[input[i], :]"""
    skipped = -1 if padding_idx is None else padding_idx % len(weight)
    kind = ("sum", "mean", "max").index(mode)
    return embedding_bag_forward(input, weight, offsets, per_sample_weights, kind, include_last_offset, skipped)[0]


def embedding_bag_forward(
    indices, weight, offsets=None, per_sample_weights=None, mode=0, include_last_offset=0, padding_idx=-1, scale_grad_by_freq=0,
    places=False
):
    """y[b, :] = Σ (mode 0), mean (1) or max (2) over the places i of bag b, indices[i] not padding_idx, of s[i] weight[indices[i], :]"""
    weight, indices = real(weight), np.asarray(indices)
    if indices.ndim == 2:
        offsets, include_last_offset = np.arange(len(indices)) * indices.shape[1], False
    indices = indices.ravel()
    ends = list(offsets[1:]) if include_last_offset else [*offsets[1:], len(indices)][: len(offsets)]
    scales = np.ones(len(indices)) if per_sample_weights is None else real(per_sample_weights).ravel()
    y = np.zeros((len(ends), weight.shape[1]))
    first = np.full(y.shape, -1, np.int64)
    for b, (start, end) in enumerate(zip(offsets, ends)):
        kept = np.array([i for i in range(start, end) if indices[i] != padding_idx], np.int64)
        if len(kept):
            rows = weight[indices[kept]] * scales[kept, None]
            y[b] = (np.sum, np.mean, np.max)[mode](rows, axis=0)
            first[b] = kept[rows.argmax(0)]
    return y, (first if mode == 2 else first[:0]) if places else None
