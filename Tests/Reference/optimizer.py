"""Optimizer steps for one parameter, in place, as PyTorch defines them."""

from __future__ import annotations

import numpy as np


def sgd_step(p, g, buffer, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    g = (-g if maximize else g) + weight_decay * p
    if momentum:
        buffer[...] = g if first else momentum * buffer + (1 - dampening) * g
        g = g + momentum * buffer if nesterov else buffer
    p -= lr * g


def adam_step(p, g, mean, square, largest, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, step):
    g = -g if maximize else g
    if decoupled:
        p *= 1 - lr * weight_decay
    else:
        g = g + weight_decay * p
    mean[...] = beta1 * mean + (1 - beta1) * g
    square[...] = beta2 * square + (1 - beta2) * g**2
    if largest is not None:
        square = largest[...] = np.maximum(largest, square)
    p -= lr * (mean / (1 - beta1**step)) / (np.sqrt(square / (1 - beta2**step)) + eps)


def rmsprop_step(p, g, square, buffer, mean, lr, alpha, eps, weight_decay, momentum, maximize):
    g = (-g if maximize else g) + weight_decay * p
    square[...] = alpha * square + (1 - alpha) * g**2
    average = square
    if mean is not None:
        mean[...] = alpha * mean + (1 - alpha) * g
        average = square - mean**2
    g = g / (np.sqrt(average) + eps)
    if momentum:
        buffer[...] = momentum * buffer + g
        g = buffer
    p -= lr * g


def adagrad_step(p, g, total, lr, lr_decay, weight_decay, eps, maximize, step):
    g = (-g if maximize else g) + weight_decay * p
    total += g**2
    p -= lr / (1 + (step - 1) * lr_decay) * g / (np.sqrt(total) + eps)
