"""The layers of torch.nn for NumPy arrays, with kernels written in Swift.

    import numpy as np
    import swiftnn as nn

    layer = nn.Conv2d(in_channels=3, out_channels=64, kernel_size=3, stride=1, padding=1)
    y = layer(np.ones((16, 3, 224, 224), np.float32))

Arrays in, arrays out: a layer reads the memory of an ndarray as it is and returns a new ndarray. Names, arguments, defaults, shapes and
state-dict keys are PyTorch's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _native
from .errors import CheckpointError, ShapeError
from .operators import *  # noqa: F403
from .tape import apply, enable_grad, grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .tensor import Parameter, Tensor

# The binding has to know these classes before it meets the first argument.
_native._setup(Tensor, Parameter, apply, ShapeError)

from . import functional, init, modules, operators, random, utils  # noqa: E402
from .functional import log_softmax, relu, sigmoid, softmax, tanh  # noqa: E402
from .random import manual_seed  # noqa: E402
from .runtime import (  # noqa: E402
    get_num_threads,
    get_winograd,
    memory_stats,
    release_memory,
    set_num_threads,
    set_winograd,
    threads,
)

if TYPE_CHECKING:
    from . import checkpoint, data, inspection, interop, optim, parameter, plot, training
    from .checkpoint import load, save
    from .function import Function, FunctionContext
    from .gradient_check import GradcheckError, gradcheck
    from .inspection import summary
    from .modules import *  # noqa: F403
    from .parameter import Buffer, UninitializedBuffer, UninitializedParameter
    from .pytorch import from_torch
    from .training import fit

__version__ = "0.1.0"

__all__ = [
    "Buffer",
    "CheckpointError",
    "Function",
    "FunctionContext",
    "GradcheckError",
    "Parameter",
    "ShapeError",
    "Tensor",
    "UninitializedBuffer",
    "UninitializedParameter",
    "checkpoint",
    "data",
    "enable_grad",
    "fit",
    "from_torch",
    "functional",
    "get_num_threads",
    "get_winograd",
    "grad",
    "gradcheck",
    "inference_mode",
    "init",
    "inspection",
    "interop",
    "is_grad_enabled",
    "load",
    "log_softmax",
    "manual_seed",
    "memory_stats",
    "no_grad",
    "operators",
    "optim",
    "parameter",
    "plot",
    "random",
    "release_memory",
    "relu",
    "save",
    "set_grad_enabled",
    "set_num_threads",
    "set_winograd",
    "sigmoid",
    "softmax",
    "summary",
    "tanh",
    "threads",
    "training",
    "utils",
]
if not TYPE_CHECKING:
    import builtins

    __all__ += modules.__all__
    # nn.sum, nn.max and others of Python's names are there, but `from swiftnn import *` leaves Python's alone.
    __all__ += [name for name in operators.__all__ if not hasattr(builtins, name)]

# What not everybody needs is imported when it is first asked for, so that nobody waits for it. Name: the module it is in.
_LAZY = {
    "Buffer": "parameter",
    "Function": "function",
    "FunctionContext": "function",
    "GradcheckError": "gradient_check",
    "UninitializedBuffer": "parameter",
    "UninitializedParameter": "parameter",
    "checkpoint": "",
    "data": "",
    "fit": "training",
    "from_torch": "pytorch",
    "gradcheck": "gradient_check",
    "inspection": "",
    "interop": "",
    "load": "checkpoint",
    "optim": "",
    "parameter": "",
    "plot": "",
    "save": "checkpoint",
    "summary": "inspection",
    "training": "",
}


if not TYPE_CHECKING:
    _LAZY.update(dict.fromkeys(modules.__all__, "modules"))


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"{__name__}.{_LAZY[name] or name}")
    value = globals()[name] = getattr(module, name) if _LAZY[name] else module
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
