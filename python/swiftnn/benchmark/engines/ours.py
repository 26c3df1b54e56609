"""swiftnn on NumPy arrays."""

from __future__ import annotations

import functools
from typing import Any, cast

import swiftnn as nn
from swiftnn import _native

from ..cells import Cell
from ..values import Array, arguments, gradient, inputs, parameters
from . import Call, Engine


class Ours:
    def __init__(self) -> None:
        self.about = f"swiftnn {nn.__version__} ({_native.isa()})"

    def prepare(self, cell: Cell, dtype: str | None = None) -> Call:
        """dtype: what to compute in, if not in the cell's own type."""
        dtype = dtype or cell.dtype
        layer = getattr(nn, cell.layer)(*cell.args, **cell.options).eval()
        if dtype == "float64":
            layer.double()
        shapes = {name: value.shape for name, value in layer.state_dict().items()}
        layer.load_state_dict(parameters(shapes, cell.dtype))  # converts where it has to
        given = [x.astype(dtype, copy=False) for x in inputs(cell)]
        if cell.training:
            return self._training(cell, layer, [nn.Tensor(x, requires_grad=True) for x in given])
        return functools.partial(layer, *arguments(cell, given), **cell.call)

    def _training(self, cell: Cell, layer: nn.Module, given: list[nn.Tensor]) -> Call:
        weights = [*layer.parameters()]
        leaves = [*weights, *given]
        dy: Array | None = None

        def train() -> Any:
            nonlocal dy
            for leaf in leaves:
                leaf.grad = None
            # As after an optimizer's step: nothing that was made of the weights before is used again.
            for weight in weights:
                weight.data  # noqa: B018 (who gets hold of the array may have changed it)
            result = layer(*arguments(cell, given), **cell.call)
            y = result[0] if isinstance(result, tuple) else result
            if dy is None:
                dy = gradient(cell, y.shape).astype(y.dtype, copy=False)
            y.backward(dy)
            return leaves[0].grad

        return train

    def output(self, result: Any) -> Array:
        return cast(Array, result[0] if isinstance(result, tuple) else result)

    def clear(self) -> None:
        nn.release_memory()


def load(threads: int) -> Engine:
    nn.set_num_threads(threads)
    return Ours()
