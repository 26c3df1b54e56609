"""Lengths of vectors and distances between them."""

from __future__ import annotations

import numpy as np

from .arrays import real


def norm(x, p, dim, keepdim=False):
    """(Σ |x|ᵖ)^(1/p) along a dimension; the largest |x| for p = ∞, how many are not 0 for p = 0"""
    return np.linalg.norm(real(x), p, dim, keepdim)


def normalize(x, p=2.0, dim=1, eps=1e-12):
    """y = x / max(‖x‖ₚ, ε)"""
    return real(x) / np.maximum(norm(x, p, dim, True), eps)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """y = x1 · x2 / (max(‖x1‖₂, ε) max(‖x2‖₂, ε))"""
    x1, x2 = np.broadcast_arrays(real(x1), real(x2))
    return (x1 * x2).sum(dim) / (np.maximum(norm(x1, 2, dim), eps) * np.maximum(norm(x2, 2, dim), eps))


def pdist(x, p=2.0):
    """y[k] = ‖x[i] - x[j]‖ₚ, pairs i < j in order"""
    x = real(x)
    return np.array([norm(x[i] - x[j], p, 0) for i in range(len(x)) for j in range(i + 1, len(x))])


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """y = ‖x1 - x2 + ε‖ₚ along the last dimension"""
    return norm(real(x1) - real(x2) + eps, p, -1, keepdim)
