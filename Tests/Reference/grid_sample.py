"""Images looked up at the places of a grid."""

from __future__ import annotations

import itertools

import numpy as np

from . import constants as k
from .arrays import real


def positions(c, n, align_corners):
    """Coordinates from -1 to 1 in pixels."""
    return (c + 1) / 2 * (n - 1) if align_corners else ((c + 1) * n - 1) / 2


def inside(x, n, padding, align_corners):
    """The position in the image that stands for x."""
    if padding == k.PAD_REFLECT:
        low, span = (0, n - 1) if align_corners else (-0.5, n)
        # Up and down again, with a period of twice the span.
        x = low + span - np.abs((x - low) % (2 * span) - span) if span else np.zeros_like(x)
    return np.clip(x, 0, n - 1) if padding != k.PAD_CONSTANT else x


def keys(x):
    """Keys' cubic convolution kernel with a = -3/4."""
    x = np.abs(x)
    return np.where(x <= 1, 1.25 * x**3 - 2.25 * x**2 + 1, -0.75 * x**3 + 3.75 * x**2 - 6 * x + 3)


def taps(c, n, mode, padding, align_corners):
    """[(pixel, weight)] of each coordinate along one axis; pixels may be outside."""
    # What is no number, and infinities, are far outside, where the weights no longer matter.
    x = positions(np.clip(np.where(np.isnan(c), -1e6, c), -1e6, 1e6), n, align_corners)
    if mode == k.NEAREST:
        return [(np.rint(inside(x, n, padding, align_corners)), np.ones_like(x))]
    if mode == k.BILINEAR:
        x = inside(x, n, padding, align_corners)
        low = np.floor(x)
        return [(low, 1 - (x - low)), (low + 1, x - low)]
    low = np.floor(x)
    return [(inside(low + t, n, padding, align_corners), keys(x - low - t)) for t in (-1, 0, 1, 2)]


def grid_sample_forward(x, grid, mode, padding_mode, align_corners=0):
    """y[n,c,p,q] = Σ w(u) w(v) x[n,c,u,v] over the pixels (u, v) round the place of grid[n,p,q], pixels outside being 0"""
    x, grid = real(x), real(grid)
    sizes = x.shape[2:]
    axes = [taps(grid[..., -1 - d], n, mode, padding_mode, align_corners) for d, n in enumerate(sizes)]
    y = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    sample = np.arange(x.shape[0]).reshape((-1,) + (1,) * len(sizes))
    for choice in itertools.product(*axes):
        seen = np.all([(pixel >= 0) & (pixel < n) for (pixel, _), n in zip(choice, sizes)], axis=0)
        at = tuple(np.where(seen, pixel, 0).astype(int) for pixel, _ in choice)
        weight = np.prod([w for _, w in choice], axis=0)
        values = np.moveaxis(x[(sample, slice(None), *at)], -1, 1)
        y += np.where(seen[:, None], weight[:, None] * values, 0)
    return y


def affine_grid(theta, size, align_corners=False):
    """grid[n,p,q] = theta[n] · (x_q, y_p, 1)"""
    steps = [np.linspace(-1, 1, n) if align_corners and n > 1 else (np.arange(n) + 0.5) * 2 / n - 1 for n in size[2:]]
    planes = np.meshgrid(*steps, indexing="ij")[::-1]
    return np.einsum("nij,...j->n...i", real(theta), np.stack([*planes, np.ones_like(planes[0])], -1))
