"""OpenVINO on the CPU, on the ONNX model that ONNX Runtime runs.

Its results are views of the memory that the next call writes, its fastest way; every other engine's results stay.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, cast

from ..cells import Cell
from ..values import Array, inputs
from . import Call, Engine, Unsupported
from .onnx_model import build


class OpenVino:
    def __init__(self, threads: int) -> None:
        self._ov: Any = importlib.import_module("openvino")
        self._core = self._ov.Core()
        # float32 has to be said: where the CPU has bfloat16 instructions, OpenVINO rounds to bfloat16 by itself.
        self._config = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        self.about = f"OpenVINO {self._ov.__version__.partition('-')[0]}"

    def prepare(self, cell: Cell) -> Call:
        if cell.dtype != "float32":
            raise Unsupported(f"computes {cell.dtype} as float32")
        model = self._core.read_model(build(cell))
        compiled = self._core.compile_model(model, "CPU", self._config)
        return functools.partial(compiled, inputs(cell), share_inputs=True, share_outputs=True)

    def output(self, result: Any) -> Array:
        return cast(Array, result[0])

    def clear(self) -> None:
        """A model's memory goes with the model."""


def load(threads: int) -> Engine:
    return OpenVino(threads)
