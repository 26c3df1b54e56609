"""Rows of a table."""

from __future__ import annotations

import numpy as np

from .arrays import real


def embedding_forward(indices, weight, padding_idx=-1, scale_grad_by_freq=0):
    """y[..., :] = weight[indices[...], :]; padding_idx and scale_grad_by_freq matter for the gradient alone"""
    return real(weight)[np.asarray(indices, np.int64)]
