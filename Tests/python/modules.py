"""A row of specs.py as a swiftnn module with its weights, its inputs and what it must compute."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import swiftnn as nn
from specs import FLOAT32_TOLERANCE, FLOAT64_TOLERANCE, LAYERS, Layer, flat, weights_for

TOLERANCE = {np.float32: FLOAT32_TOLERANCE, np.float64: FLOAT64_TOLERANCE}
IDS = {row.id: row for row in LAYERS}


def module_of(row: Layer, dtype: type = np.float32) -> Any:
    """The row's module with the weights that every test gives it."""
    module = row.make(nn)
    module = module.double() if dtype is np.float64 else module.float()
    module.load_state_dict(weights_for(row, shapes_of(module)))
    return module


def shapes_of(module: Any) -> dict[str, tuple[int, ...]]:
    return {name: np.shape(value) for name, value in module.state_dict().items()}


@cache
def expected(name: str, dtype: type) -> list[np.ndarray]:
    """What the row of this id must compute, from the reference."""
    row = IDS[name]
    positional, keyword = row.arrays(dtype, nn)
    with np.errstate(all="ignore"):
        return flat(row.expected(weights_for(row, shapes_of(row.make(nn))), positional, keyword))


def run(row: Layer, module: Any, change: Any = lambda array: array, dtype: type = np.float32) -> list[np.ndarray]:
    """The module on the row's inputs, each float array of them changed by a function first."""

    def changed(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return change(value)
        return tuple(map(changed, value)) if type(value) is tuple else value

    positional, keyword = row.arrays(dtype, nn)
    return flat(module(*map(changed, positional), **{name: changed(value) for name, value in keyword.items()}))


def same(got: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    """Bit for bit."""
    return len(got) == len(expected) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(got, expected)
    )
