"""Small helpers that every family needs."""

from __future__ import annotations

import numpy as np


def real(x):
    """The array in float64; None stays None."""
    return None if x is None else np.asarray(x, np.float64)


def number(x):
    """Floats in float64; integers stay what they are, because float64 cannot hold every int64."""
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def each(values, count):
    """One int for every spatial dimension: a single one counts for all of them."""
    values = tuple(int(v) for v in values)
    return values * count if len(values) == 1 else values


def both_sides(padding, count):
    """((before, after), ...) for every spatial dimension, from one int each or from a pair each."""
    padding = tuple(int(p) for p in padding)
    if len(padding) == 2 * count:
        return tuple(zip(padding[0::2], padding[1::2]))
    return tuple((p, p) for p in each(padding, count))
