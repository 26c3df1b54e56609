"""The layers of torch.nn for NumPy arrays, with kernels written in Swift.

    import numpy as np
    import swiftnn as nn

    layer = nn.Conv2d(in_channels=3, out_channels=64, kernel_size=3, stride=1, padding=1)
    y = layer(np.ones((16, 3, 224, 224), np.float32))

Arrays in, arrays out: a layer reads the memory of an ndarray as it is and returns a new ndarray. Names, arguments, defaults, shapes and
state-dict keys are PyTorch's.
"""

from __future__ import annotations

from . import _native
from .errors import ShapeError
from .tensor import Parameter, Tensor, apply

# The binding has to know these classes before it meets the first argument.
_native._setup(Tensor, Parameter, apply, ShapeError)

from . import functional, init, modules, random, utils  # noqa: E402
from .modules import *  # noqa: E402, F403
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

__version__ = "0.1.0"

__all__ = [
    "Parameter",
    "ShapeError",
    "Tensor",
    "functional",
    "get_num_threads",
    "get_winograd",
    "init",
    "manual_seed",
    "memory_stats",
    "random",
    "release_memory",
    "set_num_threads",
    "set_winograd",
    "threads",
    "utils",
]
__all__ += modules.__all__
