"""Arithmetic, reductions, shapes and indexing for arrays and Tensors: what `torch` offers beside its layers, written with NumPy.

Arrays in, arrays out; Tensors in, Tensors out, recorded where a gradient is wanted. Each function made by `operation` returns its result
and its derivative, which gives one gradient (or None) for each array argument. Matrix products run on the library's kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import comparisons, creation, elementwise, indexing, linear, reductions, scattering, shapes, sorting
from .comparisons import *  # noqa: F403
from .creation import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .elementwise import _raised as _raised
from .indexing import *  # noqa: F403
from .linear import *  # noqa: F403
from .reductions import *  # noqa: F403
from .scattering import *  # noqa: F403
from .shapes import *  # noqa: F403
from .sorting import *  # noqa: F403

if not TYPE_CHECKING:  # which take the names that are imported
    _FAMILIES = (comparisons, creation, elementwise, indexing, linear, reductions, scattering, shapes, sorting)
    __all__ = [name for family in _FAMILIES for name in family.__all__]
