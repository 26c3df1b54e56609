"""ONNX Runtime on the CPU, with its default graph optimisations."""

from __future__ import annotations

import functools
import importlib
from typing import Any, cast

from ..cells import Cell
from ..values import Array, inputs
from . import Call, Engine, Unsupported
from .onnx_model import build


class OnnxRuntime:
    def __init__(self, threads: int) -> None:
        self._ort: Any = importlib.import_module("onnxruntime")
        self._ort.set_default_logger_severity(3)
        self._threads = threads
        self.about = f"ONNX Runtime {self._ort.__version__}"

    def prepare(self, cell: Cell) -> Call:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        errors = self._ort.capi.onnxruntime_pybind11_state
        given = {f"x{i}": x for i, x in enumerate(inputs(cell))}
        try:
            session = self._ort.InferenceSession(build(cell), options, providers=["CPUExecutionProvider"])
            if cell.dtype == "float64":
                session.run(None, given)  # its recurrent layers refuse float64 only here
        except (errors.NotImplemented, errors.RuntimeException) as error:
            if cell.dtype != "float64":
                raise
            raise Unsupported("not implemented in float64") from error
        return functools.partial(session.run, None, given)

    def output(self, result: Any) -> Array:
        return cast(Array, result[0])

    def clear(self) -> None:
        """A session's memory goes with the session."""


def load(threads: int) -> Engine:
    return OnnxRuntime(threads)
