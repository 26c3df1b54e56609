"""The engines by name, each a file of its own that imports its library only when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from ..cells import POOLING, RECURRENT, Cell
from ..values import Array

Call = Callable[[], Any]


class Unsupported(Exception):
    """The engine has no such layer, element type or setting; the message is shown."""


class Engine(Protocol):
    """What a worker process asks of its engine."""

    about: str  # name and version

    def prepare(self, cell: Cell) -> Call:
        """A call of the layer with the cell's weights on the cell's inputs, as the engine's users write it."""
        ...

    def output(self, result: Any) -> Array:
        """The first result of a call as an array."""
        ...

    def clear(self) -> None:
        """Gives back what the last cell held, once its call is gone."""


@dataclass(frozen=True)
class Entry:
    title: str
    module: str  # beside this file
    library: str  # what has to be installed
    install: str
    layers: tuple[str, ...] | None = None  # the only ones that it is measured on
    # What holds the engine to an instruction set level; None: nothing does.
    isa: dict[str, dict[str, str]] | None = None


_TORCH_ISA = {
    "base": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "avx512": {},
}
_INSTALL_TORCH = "pip install torch  (the CPU build is enough)"

OURS = "swiftnn"
ENTRIES = {
    OURS: Entry("swiftnn", "ours", "swiftnn", "pip install .", isa={level: {"SWIFTNN_ISA": level} for level in ("base", "avx2", "avx512")}),
    "torch": Entry("PyTorch", "torch_eager", "torch", _INSTALL_TORCH, isa=_TORCH_ISA),
    "compile": Entry("torch.compile", "torch_compiled", "torch", _INSTALL_TORCH, layers=POOLING, isa=_TORCH_ISA),
    "onnxruntime": Entry("ONNX Runtime", "onnx_runtime", "onnxruntime", "pip install onnxruntime onnx"),
    "openvino": Entry("OpenVINO", "open_vino", "openvino", "pip install openvino onnx"),
    # --xla_cpu_max_isa holds what XLA compiles, but not its library of matrix products
    "jax": Entry("JAX", "jax_jit", "jax", "pip install jax", layers=RECURRENT),
}
PEERS = tuple(name for name in ENTRIES if name != OURS)
# The peers that find gradients of a layer as it stands.
TRAINED = ("torch",)


def missing(name: str) -> str | None:
    """Why the engine cannot run here at all, or None."""
    libraries = (ENTRIES[name].library, *(("onnx",) if name in ("onnxruntime", "openvino") else ()))
    absent = [library for library in libraries if importlib.util.find_spec(library) is None]
    return f"{' and '.join(absent)} not installed ({ENTRIES[name].install})" if absent else None


def load(name: str, threads: int) -> Engine:
    module = importlib.import_module(f"{__name__}.{ENTRIES[name].module}")
    return cast(Engine, module.load(threads))
