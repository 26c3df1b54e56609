"""Losses and their forward equations, position by position."""

from __future__ import annotations

import numpy as np

from . import constants as k
from .arrays import real


def _reduced(losses, divisor, reduction):
    if reduction == k.NO_REDUCTION:
        return losses
    total = losses.sum()
    return np.asarray(total / divisor if reduction == k.MEAN else total)


def _positions(x, target, weight, ignore_index):
    """x as (positions, classes), each position's class (0 where ignored), its weight and those of the classes."""
    classes = np.moveaxis(x, 1 if x.ndim > 1 else 0, -1)
    target = np.asarray(target)
    weights = np.ones(classes.shape[-1]) if weight is None else real(weight)
    open_positions = target != ignore_index
    t = np.where(open_positions, target, 0)
    own = np.where(open_positions, weights[t] if weights.size else 0.0, 0.0)
    return classes, t, open_positions, own, weights


def nll_loss_forward(x, target, weight=None, ignore_index=-100, reduction=k.MEAN):
    """y = -weight[target] x[target], the mean divided by the weights of the targets that are not ignored"""
    x, t, open_positions, own, _ = _positions(real(x), target, weight, ignore_index)
    picked = np.take_along_axis(x, t[..., None], -1)[..., 0] if x.shape[-1] else np.zeros(t.shape)
    return _reduced(np.where(open_positions, -own * picked, 0.0), own.sum(), reduction)


def cross_entropy_forward(x, target, weight=None, ignore_index=-100, label_smoothing=0.0, reduction=k.MEAN, logsumexp=False):
    """y = -(1 - ε) weight[t] log p[t] - ε/C Σ weight[c] log p[c] with log p = x - log Σ exp(x), 0 where t is ignored

    Returns (y, log Σ exp(x) or None).
    """
    x, t, open_positions, own, weights = _positions(real(x), target, weight, ignore_index)
    highest = x.max(-1, keepdims=True, initial=-1e300)
    total = (highest + np.log(np.exp(x - highest).sum(-1, keepdims=True)))[..., 0]
    log_p = x - total[..., None]
    losses = -(1 - label_smoothing) * own * np.take_along_axis(log_p, t[..., None], -1)[..., 0]
    losses = losses - label_smoothing / x.shape[-1] * (weights * log_p).sum(-1)
    y = _reduced(np.where(open_positions, losses, 0.0), own.sum(), reduction)
    return y, np.where(open_positions, total, 0.0) if logsumexp else None


def ctc_loss_forward(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=k.MEAN, zero_infinity=False, alpha=False):
    """y = -log Σ Π log_probs[t, path[t]] over the paths that spell the target, by the forward variables alpha (-inf: no path)

    Returns (y, alpha or None): alpha (N, T, 2 S + 1) over blanks and labels in turns, S the longest target.
    """
    x = real(log_probs)
    batched = x.ndim == 3
    x = x if batched else x[:, None]
    steps, sequences, _ = x.shape
    targets = np.asarray(targets)
    lengths, sizes = np.atleast_1d(input_lengths), np.atleast_1d(target_lengths)
    forward = np.full((sequences, steps, 2 * int(sizes.max(initial=0)) + 1), -np.inf)
    losses = np.zeros(sequences)
    for n in range(sequences):
        start = int(sizes[:n].sum())
        labels = targets[n, : sizes[n]] if targets.ndim == 2 else targets[start : start + sizes[n]]
        states = np.full(2 * len(labels) + 1, blank)
        states[1::2] = labels
        for t in range(lengths[n]):
            for s, label in enumerate(states):
                if t == 0:
                    forward[n, t, s] = x[t, n, label] if s < 2 else -np.inf
                    continue
                sources = [forward[n, t - 1, s]]
                if s >= 1:
                    sources.append(forward[n, t - 1, s - 1])
                if s >= 2 and label != blank and label != states[s - 2]:
                    sources.append(forward[n, t - 1, s - 2])
                forward[n, t, s] = np.logaddexp.reduce(sources) + x[t, n, label]
        if lengths[n] == 0:
            losses[n] = 0.0 if len(labels) == 0 else np.inf
        else:
            losses[n] = -np.logaddexp.reduce(forward[n, lengths[n] - 1, max(len(states) - 2, 0) : len(states)])
    if zero_infinity:
        losses[np.isinf(losses)] = 0.0
    if reduction == k.MEAN:
        losses = losses / np.maximum(sizes, 1)
    y = _reduced(losses, sequences, reduction)
    return y if batched else y.reshape(()), forward if alpha else None


def pointwise_loss_forward(x, target, weight=None, pos_weight=None, kind=k.MSE, alpha=0.0, reduction=k.MEAN):
    """y = weight f(x, target) element by element"""
    x, t = real(x), real(target)
    z = np.abs(x - t)
    if kind == k.MSE:
        y = z**2
    elif kind == k.L1:
        y = z
    elif kind == k.SMOOTH_L1:
        y = z if alpha == 0 else np.where(z < alpha, z**2 / (2 * alpha), z - alpha / 2)
    elif kind == k.HUBER:
        y = np.where(z <= alpha, z**2 / 2, alpha * (z - alpha / 2))
    elif kind == k.BCE:
        y = -(t * np.maximum(np.log(x), -100) + (1 - t) * np.maximum(np.log1p(-x), -100))
    elif kind == k.BCE_WITH_LOGITS:
        p = 1.0 if pos_weight is None else real(pos_weight)
        y = p * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
    elif alpha:
        y = np.exp(t) * (t - x)
    else:
        y = np.where(t == 0, 0.0, t * np.log(np.where(t == 0, 1.0, t))) - t * x
    if weight is not None:
        y = y * real(weight)
    return _reduced(y, y.size, reduction)
