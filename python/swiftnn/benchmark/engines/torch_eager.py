"""PyTorch as it is usually called: eval() and inference_mode()."""

from __future__ import annotations

import functools
import importlib
import warnings
from typing import Any, cast

from ..cells import Cell
from ..values import Array, arguments, gradient, inputs, parameters
from . import Call, Engine


class Torch:
    def __init__(self, threads: int) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._torch.set_num_threads(threads)
        self._inference = self._torch.inference_mode()  # ends with the object
        self._inference.__enter__()
        warnings.simplefilter("ignore")  # what nn.Transformer says of its own fast path
        self.about = f"PyTorch {self._torch.__version__}"

    def layer(self, cell: Cell, dtype: str) -> Any:
        """The layer with the cell's weights, converted to dtype."""
        torch = self._torch
        layer = getattr(torch.nn, cell.layer)(*cell.args, **cell.options).to(getattr(torch, dtype))
        shapes = {name: tuple(value.shape) for name, value in layer.state_dict().items()}
        weights = parameters(shapes, cell.dtype)
        layer.load_state_dict({name: torch.from_numpy(value.astype(dtype, copy=False)) for name, value in weights.items()})
        return layer.eval()

    def tensors(self, cell: Cell, dtype: str) -> list[Any]:
        return arguments(cell, [self._torch.from_numpy(x.astype(dtype, copy=False)) for x in inputs(cell)])

    def prepare(self, cell: Cell, dtype: str | None = None) -> Call:
        """dtype: what to compute in, if not in the cell's own type."""
        dtype = dtype or cell.dtype
        if cell.training:
            return self._training(cell, dtype)
        return functools.partial(self.layer(cell, dtype), *self.tensors(cell, dtype), **cell.call)

    def _training(self, cell: Cell, dtype: str) -> Call:
        mode = self._torch.inference_mode
        with mode(False):
            layer = self.layer(cell, dtype)
            given = [x.clone().requires_grad_() for x in self.tensors(cell, dtype)]
        leaves = [*layer.parameters(), *given]
        dy: Any = None

        def train() -> Any:
            nonlocal dy
            with mode(False):
                for leaf in leaves:
                    leaf.grad = None
                result = layer(*given, **cell.call)
                y = result[0] if isinstance(result, tuple) else result
                if dy is None:
                    dy = self._torch.from_numpy(gradient(cell, tuple(y.shape))).to(y.dtype)
                y.backward(dy)
                return leaves[0].grad

        return train

    def output(self, result: Any) -> Array:
        return cast(Array, (result[0] if isinstance(result, tuple) else result).detach().numpy())

    def clear(self) -> None:
        """PyTorch keeps nothing of a layer that is gone."""


def load(threads: int) -> Engine:
    return Torch(threads)
