"""Counter-based random numbers: Philox4x32-10.

Element i uses the index offset + i (modulo 2⁶⁴): word index mod 4 of the block whose counter is (⌊index / 4⌋ low, high, stream, 0)
and whose key is (seed low, high). Stream 0 gives the word u, stream 1 the word v.

Reference: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

import numpy as np

from . import constants as k

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox4x32(counter, key):
    """The four output words (each < 2³², in uint64) of a counter of four words and a key of two, after ten rounds."""
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ np.uint64(k0), p1 & _LOW, (p0 >> _32) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return c0, c1, c2, c3


def words(count, seed, offset, stream):
    """The word of each index offset, offset + 1, ... offset + count - 1, in uint64."""
    seed, offset = seed % 2**64, offset % 2**64
    index = np.arange(count, dtype=np.uint64) + np.uint64(offset)
    block = index >> np.uint64(2)
    zero = np.zeros_like(block)
    blocks = philox4x32((block & _LOW, block >> _32, zero + np.uint64(stream), zero), (seed & 0xFFFFFFFF, seed >> 32))
    return np.choose((index & np.uint64(3)).astype(np.intp), blocks)


def random_forward(shape, dtype, kind, a, b, seed, offset):
    """y[i] = f(u, v) of index offset + i, in the type asked for

    uniform     a + (b - a) r, r = ⌊u / 2⁸⌋ 2⁻²⁴ (float32) or ⌊(2³² u + v) / 2¹¹⌋ 2⁻⁵³ (float64); never b
    normal      a + b √(-2 ln((u + 1) 2⁻³²)) cos(2π v 2⁻³²)
    bernoulli   1 if u 2⁻³² < a, else 0
    integers    a + ⌊(2³² u + v)(b - a) / 2⁶⁴⌋
    """
    count = int(np.prod(shape, dtype=np.int64))
    u = words(count, seed, offset, 0)
    kept = {k.FLOAT32: np.float32, k.FLOAT64: np.float64, k.INT64: np.int64}[dtype]
    if kind == k.BERNOULLI:
        y = (u * 2.0**-32 < a).astype(kept)
    else:
        v = words(count, seed, offset, 1)
        both = (u << _32) | v
        if kind == k.UNIFORM:
            r = (u >> np.uint64(8)) * 2.0**-24 if dtype == k.FLOAT32 else (both >> np.uint64(11)) * 2.0**-53
            y = (a + (b - a) * r).astype(kept)
            y = np.where(y >= b, np.nextafter(kept(b), kept(-np.inf)), y) if a < b else y
        elif kind == k.NORMAL:
            y = (a + b * (np.sqrt(-2 * np.log((u + np.uint64(1)) * 2.0**-32)) * np.cos(2 * np.pi * (v * 2.0**-32)))).astype(kept)
        else:
            low, span = int(a), int(b) - int(a)
            y = np.array([low + (int(w) * span >> 64) for w in both], dtype=kept)
    return y.reshape(shape)


def kept(count, p, seed, offset):
    """Which of count elements dropout keeps: u 2⁻³² ≥ p."""
    return words(count, seed, offset, 0) * 2.0**-32 >= p
