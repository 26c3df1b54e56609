"""The weights of a recurrent layer for engines that have no such module."""

from __future__ import annotations

from dataclasses import dataclass

from ..cells import Cell
from ..values import Array, parameter

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class Direction:
    w_ih: Array  # (gates * h, i)
    w_hh: Array  # (gates * h, h)
    b_ih: Array
    b_hh: Array
    reverse: bool


def directions(cell: Cell) -> list[list[Direction]]:
    """For each layer its directions, under the names that torch.nn gives them."""
    i, h, *rest = cell.args
    count, both = rest[0] if rest else 1, cell.options.get("bidirectional", False)
    rows = GATES[cell.layer] * h
    found: list[list[Direction]] = []
    for layer in range(count):
        width = i if layer == 0 else h * (1 + both)
        shapes = {"weight_ih": (rows, width), "weight_hh": (rows, h), "bias_ih": (rows,), "bias_hh": (rows,)}
        found.append([])
        for suffix, reverse in ((f"_l{layer}", False), (f"_l{layer}_reverse", True))[: 1 + both]:
            w_ih, w_hh, b_ih, b_hh = (parameter(name + suffix, shape, cell.dtype) for name, shape in shapes.items())
            found[-1].append(Direction(w_ih, w_hh, b_ih, b_hh, reverse))
    return found
