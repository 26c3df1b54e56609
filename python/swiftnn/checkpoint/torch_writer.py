"""Writes files that torch.load reads, weights_only=True included."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import as_array
from .atomic_file import atomic_file
from .pickle_writer import Name, pickled
from .zip_archive import write_entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["write"]

_STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}


def write(path: str | os.PathLike[str], value: Any) -> None:
    """Writes dicts, lists, tuples, strings, numbers, None and arrays, nested; the arrays become contiguous tensors on the CPU.

    Raises:
        TypeError: something else is inside; the message says where.
    """
    # The values of equal id: the list keeps them alive, so that no other gets their id.
    arrays: list[NDArray[Any]] = []
    keys: dict[int, tuple[int, Any]] = {}

    def tensor(value: Any) -> tuple[Any, ...] | None:
        array = as_array(value)
        if array is None:
            return None
        if array.dtype.name not in _STORAGES:
            raise TypeError(f"state has an array of {array.dtype}; a .pt file holds " + ", ".join(_STORAGES))
        if id(value) not in keys:
            keys[id(value)] = len(arrays), value
            arrays.append(_little(array))
        key = keys[id(value)][0]
        storage = ("storage", Name("torch", _STORAGES[array.dtype.name]), str(key), "cpu", array.size)
        return storage, 0, array.shape, _strides(array.shape), False, OrderedDict()

    pickle = pickled(value, tensor)
    with atomic_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        # The names that torch.save gives.
        for name, content in (("data.pkl", pickle), (".format_version", b"1"), (".storage_alignment", b"64"), ("byteorder", b"little")):
            write_entry(archive, file, f"archive/{name}", [content], len(content))
        for i, array in enumerate(arrays):
            data = array.reshape(-1).view(np.uint8).data if array.nbytes else b""
            write_entry(archive, file, f"archive/data/{i}", [data], array.nbytes)
        write_entry(archive, file, "archive/version", [b"3\n"], 2)


def _little(array: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(array, array.dtype.newbyteorder("<") if array.dtype.kind != "V" else None, order="C")


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a contiguous tensor, in elements, as PyTorch counts them."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
