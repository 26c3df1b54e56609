"""Losses, with torch.nn.functional's arguments: plain NumPy float64."""

from __future__ import annotations

import numpy as np

from .arrays import real
from .distance import norm


def reduce(y, reduction, divisor=None):
    """The sum, the sum divided by `divisor` (the number of elements), or all elements."""
    if reduction == "none":
        return y
    return y.sum() if reduction == "sum" else y.sum() / (y.size if divisor is None else divisor)


def log_softmax(x, axis):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """-w[y] x[y], weights of ignored samples 0; the mean is over the sum of weights"""
    x, target = real(input), np.asarray(target)
    axis = 0 if x.ndim == 1 else 1
    weight = np.ones(x.shape[axis]) if weight is None else real(weight)
    ignored = target == ignore_index
    safe = np.where(ignored, 0, target)
    w = np.where(ignored, 0, weight[safe])
    y = -w * np.take_along_axis(x, np.expand_dims(safe, axis), axis).squeeze(axis)
    return reduce(y, reduction, w.sum())


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """nll_loss of log_softmax, mixed with the mean over classes for label smoothing; probabilities: -Σ w p log softmax(x)"""
    x, target = real(input), np.asarray(target)
    axis = 0 if x.ndim == 1 else 1
    classes = x.shape[axis]
    w = np.ones(classes) if weight is None else real(weight)
    logs = log_softmax(x, axis)
    each = w.reshape((classes,) + (1,) * (x.ndim - axis - 1)) * logs
    if target.shape == x.shape:
        target = real(target) * (1 - label_smoothing) + label_smoothing / classes
        y = -(each * target).sum(axis)
        return reduce(y, reduction)
    picked = nll_loss(logs, target, weight, ignore_index, "none")
    ignored = target == ignore_index
    smooth = np.where(ignored, 0, -each.sum(axis) / classes)
    total = np.where(ignored, 0, w[np.where(ignored, 0, target)]).sum()
    return reduce((1 - label_smoothing) * picked + label_smoothing * smooth, reduction, total)


def linear_cross_entropy(
    input, linear_weight, target, linear_bias=None, weight=None, reduction="mean", ignore_index=None, label_smoothing=0.0, options=None
):
    """cross_entropy of Σ_i input[n,i] W[c,d,...,i] + b[c,d,...]"""
    scores = np.tensordot(real(input), real(linear_weight), (-1, -1))
    scores = scores if linear_bias is None else scores + real(linear_bias)
    return cross_entropy(scores, target, weight, -100 if ignore_index is None else ignore_index, reduction, label_smoothing)


def mse_loss(input, target, reduction="mean", weight=None):
    w = 1.0 if weight is None else real(weight)
    return reduce(w * (real(input) - real(target)) ** 2, reduction, None if weight is None else w.sum())


def l1_loss(input, target, reduction="mean", weight=None):
    w = 1.0 if weight is None else real(weight)
    return reduce(w * np.abs(real(input) - real(target)), reduction, None if weight is None else w.sum())


def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    z = np.abs(real(input) - real(target))
    return reduce(np.where(z < beta, 0.5 * z**2 / beta if beta else z, z - 0.5 * beta), reduction)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    z = np.abs(real(input) - real(target))
    return reduce((1.0 if weight is None else real(weight)) * np.where(z <= delta, 0.5 * z**2, delta * (z - 0.5 * delta)), reduction)


def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    x, t = real(input), real(target)
    with np.errstate(divide="ignore"):
        y = -(t * np.maximum(np.log(x), -100) + (1 - t) * np.maximum(np.log(1 - x), -100))
    return reduce((1.0 if weight is None else real(weight)) * y, reduction)


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    """-w (p y log σ(x) + (1 - y) log(1 - σ(x)))"""
    x, t = real(input), real(target)
    p = 1.0 if pos_weight is None else real(pos_weight)
    y = p * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
    return reduce((1.0 if weight is None else real(weight)) * y, reduction)


def kl_div(input, target, reduction="mean", log_target=False):
    x, t = real(input), real(target)
    y = np.exp(t) * (t - x) if log_target else np.where(t != 0, t * (np.log(np.where(t != 0, t, 1)) - x), 0.0 * x)
    return y.sum() / x.shape[0] if reduction == "batchmean" else reduce(y, reduction)


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """-log Σ over all alignments, by the recursion over prefixes of the target with blanks between its labels"""
    x = real(log_probs)
    lone = x.ndim == 2
    x = x[:, None] if lone else x
    lengths, ends = np.reshape(input_lengths, -1), np.reshape(target_lengths, -1)
    starts = np.cumsum(ends) - ends
    y = np.zeros(x.shape[1])
    for n in range(x.shape[1]):
        label = np.asarray(targets)[n] if np.ndim(targets) == 2 else np.asarray(targets)[starts[n] :]
        label = label[: ends[n]]
        path = [blank] + [v for c in label for v in (c, blank)]
        alpha = np.full(len(path), -np.inf)
        for t in range(lengths[n]):
            before = alpha if t else np.array([0.0] + [-np.inf] * (len(path) - 1))
            alpha = np.full(len(path), -np.inf)
            for s, c in enumerate(path):
                ways = [before[s]]
                if s >= 1:
                    ways.append(before[s - 1])
                if s >= 2 and c != blank and c != path[s - 2]:
                    ways.append(before[s - 2])
                alpha[s] = np.logaddexp.reduce(ways) + x[t, n, c]
        y[n] = -np.logaddexp.reduce(alpha[-2:]) if lengths[n] else (0.0 if not len(label) else np.inf)
    if zero_infinity:
        y = np.where(np.isinf(y), 0, y)
    y = y / np.maximum(ends, 1) if reduction == "mean" else y
    y = reduce(y, reduction)
    return y[0] if lone and reduction == "none" else y


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction="mean"):
    a, b, t = real(input1), real(input2), np.asarray(target)
    cosine = (a * b).sum(-1) / np.sqrt(((a**2).sum(-1) + 1e-12) * ((b**2).sum(-1) + 1e-12))
    return reduce(np.where(t == 1, 1 - cosine, np.where(t == -1, np.maximum(cosine - margin, 0), 0)), reduction)


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction="mean"):
    return reduce(np.maximum(-real(target) * (real(input1) - real(input2)) + margin, 0), reduction)


def hinge_embedding_loss(input, target, margin=1.0, reduction="mean"):
    x = real(input)
    t = np.asarray(target)
    return reduce(np.where(t != -1, x, 0) + np.where(t != 1, np.maximum(margin - x, 0), 0), reduction)


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"):
    a, b, c = real(anchor), real(positive), real(negative)
    near, far = norm(a - b + eps, p, -1), norm(a - c + eps, p, -1)
    if swap:
        far = np.minimum(far, norm(b - c + eps, p, -1))
    return reduce(np.maximum(near - far + margin, 0), reduction)


def triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=None, margin=1.0, swap=False, reduction="mean"):
    """The distance is ‖a - b + 1e-6‖₂: others are code of the caller's"""
    return triplet_margin_loss(anchor, positive, negative, margin, swap=swap, reduction=reduction)


def soft_margin_loss(input, target, reduction="mean"):
    return reduce(np.logaddexp(0, -real(target) * real(input)), reduction)


def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, reduction="mean"):
    x, t = np.atleast_2d(real(input)), np.reshape(target, -1)
    w = np.ones(x.shape[1]) if weight is None else real(weight)
    y = np.zeros(len(x))
    for n in range(len(x)):
        others = np.delete(x[n], t[n])
        y[n] = w[t[n]] * (np.maximum(margin - x[n, t[n]] + others, 0) ** p).sum() / x.shape[1]
    return reduce(y.reshape(np.shape(target)), reduction)


def multilabel_margin_loss(input, target, reduction="mean"):
    x, t = np.atleast_2d(real(input)), np.atleast_2d(target)
    y = np.zeros(len(x))
    for n in range(len(x)):
        own = [c for i, c in enumerate(t[n]) if (t[n, : i + 1] >= 0).all()]
        others = [c for c in range(x.shape[1]) if c not in own]
        y[n] = sum(max(0, 1 - x[n, i] + x[n, j]) for i in own for j in others) / x.shape[1]
    return reduce(y.reshape(np.shape(input)[:-1]), reduction)


def multilabel_soft_margin_loss(input, target, weight=None, reduction="mean"):
    # Over the classes of the input, counted from the front, also where the target has dimensions before them: PyTorch's way.
    losses, axis = binary_cross_entropy_with_logits(input, target, weight, "none"), np.ndim(input) - 1
    return reduce(losses.sum(axis) / np.shape(input)[axis], reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    x, t = real(input), real(target)
    v = np.maximum(real(var), eps)
    v = v[..., None] if v.ndim and v.shape == x.shape[:-1] else v
    return reduce(0.5 * (np.log(v) + (x - t) ** 2 / v) + (0.5 * np.log(2 * np.pi) if full else 0), reduction)


def poisson_nll_loss(input, target, log_input=True, full=False, eps=1e-8, reduction="mean"):
    x, t = real(input), real(target)
    y = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if full:
        s = np.where(t > 1, t, 1)
        y = y + np.where(t > 1, s * np.log(s) - s + 0.5 * np.log(2 * np.pi * s), 0)
    return reduce(y, reduction)
