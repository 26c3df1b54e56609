"""Recurrent networks over whole sequences."""

from __future__ import annotations

import numpy as np

from . import constants as k
from .activation import sigmoid
from .arrays import real
from .dropout import dropped


def _step(mode, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr):
    """One step of one cell: (h, c) after reading x.

    RNN   h' = act(W_ih x + b_ih + W_hh h + b_hh)
    LSTM  i, f, g, o in this order: c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c'), then W_hr h' where projected
    GRU   r, z, n in this order: n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h
    """
    from_x, from_h = x @ w_ih.T, h @ w_hh.T
    if b_ih is not None:
        from_x, from_h = from_x + b_ih, from_h + b_hh
    if mode == k.GRU:
        (rx, zx, nx), (rh, zh, nh) = np.split(from_x, 3, -1), np.split(from_h, 3, -1)
        z = sigmoid(zx + zh)
        return (1 - z) * np.tanh(nx + sigmoid(rx + rh) * nh) + z * h, c
    if mode == k.LSTM:
        i, f, g, o = np.split(from_x + from_h, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h if w_hr is None else h @ w_hr.T), c
    a = from_x + from_h
    return (np.tanh(a) if mode == k.RNN_TANH else np.where(np.isnan(a), a, np.maximum(a, 0))), c


def _direction(mode, steps, h, c, weights, reverse):
    """One layer in one direction. steps: the input of each time step, (batch at that step, features), the batch never growing.

    A sequence that has ended keeps its state; backwards, a sequence starts with its initial state at its own last step.
    """
    h, c = h.copy(), c.copy()
    outputs = [None] * len(steps)
    for t in reversed(range(len(steps))) if reverse else range(len(steps)):
        b = len(steps[t])
        h[:b], c[:b] = _step(mode, steps[t], h[:b], c[:b], *weights)
        outputs[t] = h[:b].copy()
    return outputs, h, c


def rnn_forward(
    mode, x, h0=None, c0=None, weights=(), layers=1, bidirectional=0, batch_first=0, batch_sizes=None, dropout=0.0, seed=0, offset=0,
    cn=None, reserve=None,
):  # fmt: skip
    """y[t] = the last layer's h at step t; hn, cn = the states after the last step. Returns (y, hn, cn or None).

    The steps of layer l + 1 are the outputs of layer l, both directions side by side, after dropout; the flat index of dropout
    counts in time-major order (t, b, D·Hout) and goes on from layer to layer.
    """
    x = real(x)
    directions = 2 if bidirectional else 1
    weights = [real(w) for w in weights]
    if batch_sizes is not None:
        steps = np.split(x, np.cumsum(batch_sizes)[:-1])
    else:
        steps = list(np.swapaxes(x, 0, 1) if batch_first else x)
    batch = len(steps[0]) if steps else x.shape[0 if batch_first else 1]
    cell = weights[0].shape[0] // {k.LSTM: 4, k.GRU: 3}.get(mode, 1)
    hidden = weights[1].shape[1]
    h0 = np.zeros((directions * layers, batch, hidden)) if h0 is None else real(h0)
    c0 = np.zeros((directions * layers, batch, cell)) if c0 is None else real(c0)
    hn, cn_ = np.empty_like(h0), np.empty_like(c0)
    for layer in range(layers):
        sides = []
        for d in range(directions):
            row = layer * directions + d
            outputs, hn[row], cn_[row] = _direction(mode, steps, h0[row], c0[row], weights[5 * row : 5 * row + 5], d == 1)
            sides.append(outputs)
        steps = [np.concatenate(parts, axis=-1) for parts in zip(*sides)]
        if dropout > 0 and layer < layers - 1:
            flat = np.concatenate(steps)
            flat = dropped(flat, dropout, seed, offset + layer * flat.size)
            steps = np.split(flat, np.cumsum([len(s) for s in steps])[:-1])
    if batch_sizes is not None:
        y = np.concatenate(steps)
    else:
        y = np.stack(steps) if steps else np.zeros((0, batch, directions * hidden))
        if batch_first:
            y = np.ascontiguousarray(np.swapaxes(y, 0, 1))
    return y, hn, (cn_ if mode == k.LSTM else None)


def rnn_cell_forward(mode, x, h=None, c=None, weights=(), cn=None, reserve=None):
    """One step of one layer: weights w_ih, w_hh, b_ih, b_hh. Returns (hn, cn or None)."""
    x, (w_ih, w_hh, b_ih, b_hh) = real(x), (real(w) for w in weights)
    hidden = w_hh.shape[1]
    h = np.zeros(x.shape[:-1] + (hidden,)) if h is None else real(h)
    c = np.zeros(x.shape[:-1] + (hidden,)) if c is None else real(c)
    hn, c = _step(mode, x, h, c, w_ih, w_hh, b_ih, b_hh, None)
    return hn, (c if mode == k.LSTM else None)
