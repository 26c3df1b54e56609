"""torch.compile, which turns PyTorch's scalar pooling loops into vector code; it needs a C++ compiler."""

from __future__ import annotations

import functools
import shutil

from ..cells import Cell
from . import Call, Engine, Unsupported
from .torch_eager import Torch


class Compiled(Torch):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.about = f"torch.compile {self._torch.__version__}"

    def prepare(self, cell: Cell, dtype: str | None = None) -> Call:
        if not any(map(shutil.which, ("c++", "g++", "clang++"))):
            raise Unsupported("torch.compile needs a C++ compiler")
        dtype = dtype or cell.dtype
        layer = self._torch.compile(self.layer(cell, dtype), dynamic=False)
        return functools.partial(layer, *self.tensors(cell, dtype), **cell.call)

    def clear(self) -> None:
        self._torch._dynamo.reset()


def load(threads: int) -> Engine:
    return Compiled(threads)
