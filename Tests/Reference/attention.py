"""Scaled dot-product attention."""

from __future__ import annotations

import math

import numpy as np

from .arrays import real
from .dropout import dropped


def _logits(mask):
    """What a mask adds: a bool mask is -∞ where TRUE (may not attend), a float mask is added as it is."""
    mask = np.asarray(mask)
    return np.where(mask, -np.inf, 0.0) if mask.dtype == bool else real(mask)


def attention_forward(
    q, k, v, attn_mask=None, key_padding_mask=None, is_causal=0, scale=0.0, dropout=0.0, seed=0, offset=0, heads_last=0, average=0,
    weights=False, logsumexp=False,
):  # fmt: skip
    """y = softmax(scale q kᵀ + masks) v; a row in which nothing may be attended to is zero

    q (B,nh,L,hd), k (B,nhk,S,hd), v (B,nhk,S,hdv): query head i reads key head ⌊i nhk / nh⌋. is_causal: key s ≤ query t only.
    Returns (y, weights or None, log Σ exp(scores) or None), the weights after dropout.
    """
    q, k, v = real(q), real(k), real(v)
    repeats = q.shape[1] // k.shape[1] if k.shape[1] else 1
    k, v = np.repeat(k, repeats, axis=1), np.repeat(v, repeats, axis=1)
    scale = scale or 1 / math.sqrt(q.shape[-1])
    logits = scale * (q @ np.swapaxes(k, -1, -2))
    if attn_mask is not None:
        logits = logits + _logits(attn_mask)
    if key_padding_mask is not None:
        logits = logits + _logits(key_padding_mask)[:, None, None, :]
    if is_causal:
        t, s = np.indices(logits.shape[-2:])
        logits = np.where(s <= t, logits, -np.inf)
    highest = logits.max(-1, keepdims=True, initial=-np.inf)
    open_row = ~np.isneginf(highest)
    e = np.exp(logits - np.where(open_row, highest, 0.0))
    total = e.sum(-1, keepdims=True)
    probabilities = np.where(open_row, e / np.where(open_row, total, 1.0), 0.0)
    if dropout > 0:
        probabilities = dropped(probabilities, dropout, seed, offset)
    y = probabilities @ v
    if heads_last:
        y = np.moveaxis(y, 2, 0) if heads_last == 2 else np.swapaxes(y, 1, 2)
    if average:
        probabilities = probabilities.mean(1)
    with np.errstate(divide="ignore"):
        logs = (np.where(open_row, highest, 0.0) + np.log(total))[..., 0]
    return np.ascontiguousarray(y), probabilities if weights else None, logs if logsumexp else None
