"""The same numbers in every memory layout that an array can have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def _strided(a: np.ndarray) -> np.ndarray:
    view = np.full([2 * n for n in a.shape], 77, a.dtype)[(..., *(slice(None, None, 2) for _ in a.shape))]
    view[...] = a
    return view


def _reversed(a: np.ndarray) -> np.ndarray:
    back = (..., *(slice(None, None, -1) for _ in a.shape))
    return np.array(a[back], order="C")[back]


def _fortran(a: np.ndarray) -> np.ndarray:
    return np.array(a, order="F")


def _channels_last(a: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if a.ndim > 2 else a


def _read_only(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a


def _shifted(a: np.ndarray) -> np.ndarray:
    """Aligned for its elements but not for vectors."""
    buffer = np.empty(a.size + 1, a.dtype)[1:].reshape(a.shape)
    buffer[...] = a
    return buffer


def _big_endian(a: np.ndarray) -> np.ndarray:
    return a.astype(a.dtype.newbyteorder(">"))


def _unaligned(a: np.ndarray) -> np.ndarray:
    view = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


AS_THEY_ARE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "strided": _strided,
    "reversed": _reversed,
    "fortran": _fortran,
    "channels last": _channels_last,
    "read-only": _read_only,
    "shifted": _shifted,
}
COPIED_ONCE: dict[str, Callable[[np.ndarray], np.ndarray]] = {"big-endian": _big_endian, "unaligned": _unaligned}
LAYOUTS = {**AS_THEY_ARE, **COPIED_ONCE}
