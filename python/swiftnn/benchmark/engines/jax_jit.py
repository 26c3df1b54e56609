"""Recurrent layers in JAX: the input projection of the whole sequence as one product, then lax.scan over time, under jit."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..cells import Cell
from ..values import Array, inputs
from . import Call, Engine
from .recurrent import Direction, directions


class Jax:
    def __init__(self) -> None:
        self._jax: Any = importlib.import_module("jax")
        self._jax.config.update("jax_platforms", "cpu")
        self._jax.config.update("jax_enable_x64", True)
        self._np: Any = importlib.import_module("jax.numpy")
        self.about = f"JAX {self._jax.__version__}"

    def prepare(self, cell: Cell) -> Call:
        jax = self._jax
        step, b, h = self._step(cell.layer), cell.shapes[0][1], cell.args[1]
        layers = directions(cell)

        def direction(x: Any, weights: Direction) -> Any:
            projected = x @ weights.w_ih.T + weights.b_ih
            zero = self._np.zeros((b, h), cell.dtype)
            state = (zero, zero) if cell.layer == "LSTM" else zero

            def body(state: Any, row: Any) -> Any:
                return step(state, row, weights)

            return jax.lax.scan(body, state, projected, reverse=weights.reverse)[1]

        def forward(x: Any) -> Any:
            for layer in layers:
                x = self._np.concatenate([direction(x, weights) for weights in layer], -1) if len(layer) > 1 else direction(x, layer[0])
            return x

        compiled, x = jax.jit(forward), jax.device_put(inputs(cell)[0])
        return lambda: compiled(x).block_until_ready()

    def _step(self, layer: str) -> Callable[[Any, Any, Direction], Any]:
        """(state, a time step's projection, weights) -> (state, output)"""
        tanh, sigmoid, split = self._np.tanh, self._jax.nn.sigmoid, self._np.split

        def rnn(h: Any, row: Any, w: Direction) -> Any:
            h = tanh(row + h @ w.w_hh.T + w.b_hh)
            return h, h

        def lstm(state: Any, row: Any, w: Direction) -> Any:
            h, c = state
            i, f, g, o = split(row + h @ w.w_hh.T + w.b_hh, 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * tanh(g)
            h = sigmoid(o) * tanh(c)
            return (h, c), h

        def gru(h: Any, row: Any, w: Direction) -> Any:
            (xr, xz, xn), (hr, hz, hn) = split(row, 3, axis=-1), split(h @ w.w_hh.T + w.b_hh, 3, axis=-1)
            z = sigmoid(xz + hz)
            h = (1 - z) * tanh(xn + sigmoid(xr + hr) * hn) + z * h
            return h, h

        return {"RNN": rnn, "LSTM": lstm, "GRU": gru}[layer]

    def output(self, result: Any) -> Array:
        return np.asarray(result)

    def clear(self) -> None:
        self._jax.clear_caches()


def load(threads: int) -> Engine:
    return Jax()
