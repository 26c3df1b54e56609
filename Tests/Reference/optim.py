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


def adadelta(p, gradients, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, maximize=False):
    """v = ρ v + (1 - ρ) g²; d = √(u + ε) / √(v + ε) g; u = ρ u + (1 - ρ) d²; θ -= lr d"""
    p = real(p)
    v, u = np.zeros_like(p), np.zeros_like(p)
    for g in gradients:
        g = (-real(g) if maximize else real(g)) + weight_decay * p
        v = rho * v + (1 - rho) * g**2
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d**2
        p = p - lr * d
    return p


def adamax(p, gradients, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, maximize=False):
    """m = β₁ m + (1 - β₁) g; u = max(β₂ u, |g| + ε); θ -= lr m̂ / u"""
    p = real(p)
    m, u = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        g = (-real(g) if maximize else real(g)) + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        u = np.maximum(betas[1] * u, np.abs(g) + eps)
        p = p - lr * m / (1 - betas[0] ** t) / u
    return p


def _decayed(p, g, lr, weight_decay, decoupled, maximize):
    """The parameter and the gradient with weight decay in the one or the other"""
    g = -real(g) if maximize else real(g)
    return (p - lr * weight_decay * p, g) if decoupled else (p, g + weight_decay * p)


def nadam(
    p, gradients, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3, decoupled_weight_decay=False, maximize=False
):
    """θ -= lr ((1 - μ_t) g / (1 - Π μ up to t) + μ_{t+1} m / (1 - Π μ up to t + 1)) / (√v̂ + ε), μ_t = β₁ (1 - 0.96^(t ψ) / 2)"""
    p = real(p)
    m, v = np.zeros_like(p), np.zeros_like(p)
    mu = [betas[0] * (1 - 0.96 ** (t * momentum_decay) / 2) for t in range(1, len(gradients) + 2)]
    for t, g in enumerate(gradients, 1):
        p, g = _decayed(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        ahead = (1 - mu[t - 1]) * g / (1 - np.prod(mu[:t])) + mu[t] * m / (1 - np.prod(mu[: t + 1]))
        p = p - lr * ahead / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return p


def radam(p, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, maximize=False):
    """θ -= lr m̂ r √(1 - β₂ᵗ) / (√v + ε) where ρ > 5, else lr m̂"""
    p = real(p)
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        p, g = _decayed(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        most = 2 / (1 - betas[1]) - 1
        length = most - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        factor = 1.0
        if length > 5:
            r = np.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
            factor = r * np.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + eps)
        p = p - lr * m / (1 - betas[0] ** t) * factor
    return p


def asgd_mean(p, gradients, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, maximize=False):
    """η_t = lr / (1 + λ lr t)^α; θ = (1 - λ η_{t-1}) θ - η_{t-1} g; the mean a += μ (θ - a), μ = 1 / max(1, t - 1 - t0)"""
    p = real(p)
    mean = np.zeros_like(p)
    for t, g in enumerate(gradients):
        eta = lr / (1 + lambd * lr * t) ** alpha
        g = (-real(g) if maximize else real(g)) + weight_decay * p
        p = (1 - lambd * eta) * p - eta * g
        mean = mean + (p - mean) / max(1, t - t0)
    return p, mean


def asgd(p, gradients, **options):
    return asgd_mean(p, gradients, **options)[0]


def rprop(p, gradients, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), maximize=False):
    """Each element: its step grows where the gradient kept its sign; where it changed, the step shrinks and is left out this time"""
    p = real(p).copy()
    for i in np.ndindex(p.shape):
        size, before = lr, 0.0
        for g in gradients:
            slope = -float(real(g)[i]) if maximize else float(real(g)[i])
            if slope * before > 0:
                size *= etas[1]
            elif slope * before < 0:
                size, slope = size * etas[0], 0.0
            size = min(max(size, step_sizes[0]), step_sizes[1])
            p[i] -= size * np.sign(slope)
            before = slope
    return p


def adafactor(p, gradients, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, maximize=False):
    """θ -= α u / max(1, rms(u) / d), u = g / max(√v, ε₁), v the product of the running means of g² over rows and columns"""
    least = float(np.finfo(p.dtype).eps) if eps[0] is None else eps[0]
    p = real(p)
    if not p.size:
        return p
    row = column = v = 0.0
    for t, g in enumerate(gradients, 1):
        g = -real(g) if maximize else real(g)
        beta = 1 - t**beta2_decay
        rate = max(eps[1], np.sqrt((p**2).mean())) * min(lr, 1 / np.sqrt(t))
        p = p - lr * weight_decay * p
        if g.ndim > 1:
            row = beta * row + (1 - beta) * (g**2).mean(-1, keepdims=True)
            column = beta * column + (1 - beta) * (g**2).mean(-2, keepdims=True)
            estimate = row * column / np.maximum(row.mean(-2, keepdims=True), least)
        else:
            estimate = v = beta * v + (1 - beta) * g**2
        u = g / np.maximum(np.sqrt(estimate), least)
        p = p - rate * u / max(1.0, np.sqrt((u**2).mean()) / d)
    return p


def newton_schulz(x, coefficients=(3.4445, -4.7750, 2.0315), steps=5, eps=1e-7):
    """X / ‖X‖, then steps times a X + (b X Xᵀ + c (X Xᵀ)²) X"""
    a, b, c = coefficients
    x = real(x) / max(np.sqrt((real(x) ** 2).sum()), eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def muon(p, gradients, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_steps=5, adjust_lr_fn=None):
    """b = μ b + (1 - μ) g; θ -= lr λ θ + lr · ratio · NS((1 - μ) g + μ b, or b without nesterov)"""
    p = real(p)
    b = np.zeros_like(p)
    m, n = p.shape
    ratio = 0.2 * np.sqrt(max(m, n)) if adjust_lr_fn == "match_rms_adamw" else np.sqrt(max(1, m / max(n, 1)))
    for g in gradients:
        b = momentum * b + (1 - momentum) * real(g)
        step = (1 - momentum) * real(g) + momentum * b if nesterov else b
        p = p - lr * weight_decay * p - lr * ratio * newton_schulz(step, steps=ns_steps)
    return p


def lbfgs(p, gradient, iterations, lr=1.0, history_size=100):
    """θ -= lr H g; H from yᵀs / yᵀy I by (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ for the last changes s of θ and y of g, ρ = 1 / yᵀs"""
    p = real(p)
    g, changes = real(gradient(p)), []
    for t in range(iterations):
        inverse = np.eye(p.size)
        if changes:
            s, y = changes[-1]
            inverse *= y @ s / (y @ y)
        for s, y in changes:
            left = np.eye(p.size) - np.outer(s, y) / (y @ s)
            inverse = left @ inverse @ left.T + np.outer(s, s) / (y @ s)
        step = -(lr * min(1.0, 1 / np.abs(g).sum()) if t == 0 else lr) * inverse @ g
        p, before = p + step, g
        g = real(gradient(p))
        changes = [*changes, (step, g - before)][-history_size:]
    return p


def total_norm(gradients, norm_type=2.0):
    """(Σ |g|ᵖ)^(1/p) over all elements of all gradients"""
    together = np.abs(np.concatenate([real(g).reshape(-1) for g in gradients]))
    if norm_type == np.inf:
        return together.max()
    return (together**norm_type).sum() ** (1 / norm_type)
