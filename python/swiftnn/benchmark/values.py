"""Weights and inputs, the same in every process: a name and a shape say what the numbers are."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from .cells import Cell

Array = npt.NDArray[Any]


def _normal(name: str, shape: tuple[int, ...], dtype: str) -> Array:
    rng = np.random.default_rng(crc32(f"{name} {shape}".encode()))
    return rng.standard_normal(shape, dtype=np.float32 if dtype == "float32" else np.float64)


def parameter(name: str, shape: tuple[int, ...], dtype: str) -> Array:
    """Filters and matrices keep the variance of what they are applied to; the scales of normalisations are about 1."""
    values = _normal(name, shape, dtype)
    if len(shape) > 1:
        values /= np.sqrt(prod(shape[1:])).astype(values.dtype)
        return values
    values *= values.dtype.type(0.1)
    if name.endswith("weight"):
        values += 1
    return values


def parameters(shapes: Mapping[str, tuple[int, ...]], dtype: str) -> dict[str, Array]:
    return {name: parameter(name, tuple(shape), dtype) for name, shape in shapes.items()}


def inputs(cell: Cell) -> list[Array]:
    return [_normal(f"input {i}", shape, cell.dtype) for i, shape in enumerate(cell.shapes)]


def arguments(cell: Cell, given: list[Any]) -> list[Any]:
    """What forward is called with: attention of a sequence to itself takes its one input three times."""
    return given * 3 if cell.layer == "MultiheadAttention" and len(given) == 1 else given


def gradient(cell: Cell, shape: tuple[int, ...]) -> Array:
    """The gradient that comes to the first result in training."""
    return _normal("gradient", shape, cell.dtype)
