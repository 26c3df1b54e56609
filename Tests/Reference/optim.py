"""Optimizers in NumPy float64: each takes a parameter and its gradients of successive steps and returns the parameter after them."""

from __future__ import annotations

import numpy as np

from .arrays import real


def sgd(p, gradients, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    """b = momentum b + (1 - dampening) g, the first time g; θ -= lr b, or lr (g + momentum b)"""
    p, b = real(p), None
    for g in gradients:
        g = (-real(g) if maximize else real(g)) + weight_decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
    return p


def adam(p, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, maximize=False, decoupled=False):
    """m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; θ -= lr m̂ / (√v̂ + ε), v the largest so far with amsgrad"""
    p = real(p)
    m, v, largest = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        g = -real(g) if maximize else real(g)
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v)
        second = (largest if amsgrad else v) / (1 - betas[1] ** t)
        p = p - lr * m / (1 - betas[0] ** t) / (np.sqrt(second) + eps)
    return p


def adamw(p, gradients, weight_decay=1e-2, **options):
    return adam(p, gradients, weight_decay=weight_decay, decoupled=True, **options)


def rmsprop(p, gradients, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, maximize=False):
    """v = α v + (1 - α) g²; d = g / (√v + ε), with v less the square of the mean gradient if centered; b = momentum b + d; θ -= lr b"""
    p = real(p)
    v, b, mean = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for g in gradients:
        g = (-real(g) if maximize else real(g)) + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        d = g / (np.sqrt(v - mean**2 if centered else v) + eps)
        b = momentum * b + d
        p = p - lr * b
    return p


def adagrad(p, gradients, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, maximize=False):
    """s += g²; θ -= lr / (1 + (t - 1) lr_decay) g / (√s + ε)"""
    p = real(p)
    s = np.full_like(p, initial_accumulator_value)
    for t, g in enumerate(gradients, 1):
        g = (-real(g) if maximize else real(g)) + weight_decay * p
        s = s + g**2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s) + eps)
    return p


def total_norm(gradients, norm_type=2.0):
    """(Σ |g|ᵖ)^(1/p) over all elements of all gradients"""
    together = np.abs(np.concatenate([real(g).reshape(-1) for g in gradients]))
    if norm_type == np.inf:
        return together.max()
    return (together**norm_type).sum() ** (1 / norm_type)
