"""Files of nested dicts, lists, numbers and arrays: written whole or not at all, read without executing anything.

A file is an .npz archive: entry "tree" is the JSON text of everything but the arrays, the other entries are the arrays it refers to.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["load", "save"]

_ARRAY, _TUPLE, _DICT, _COUNTER = "$array", "$tuple", "$dict", "$counter"


def save(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value`; until it is on the disk completely, the file that was there stays.

    Args:
        path: the file.
        value: dicts, lists, tuples, Counters, strings, numbers, None and arrays of numbers, nested.

    Raises:
        TypeError: something else is inside; the message says where.
    """
    path = Path(path)
    arrays: list[NDArray[Any]] = []
    text = json.dumps(_encoded(value, arrays, path.name))
    # A name that is always the same: what a killed process leaves behind is written over, not piled up.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            entries: dict[str, Any] = {str(i): array for i, array in enumerate(arrays)}
            np.savez(file, tree=np.frombuffer(text.encode(), np.uint8), **entries)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The renaming itself has to reach the disk too.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: str | os.PathLike[str]) -> Any:
    """Reads what `save` has written."""
    with np.load(path, allow_pickle=False) as archive:
        if "tree" not in archive:
            raise ValueError(f"{os.fspath(path)} is not a checkpoint of swiftnn: it has no entry 'tree'")
        return _decoded(json.loads(archive["tree"].tobytes()), archive)


def _encoded(value: Any, arrays: list[NDArray[Any]], where: str) -> Any:
    if value is None or isinstance(value, (str, bool)) or type(value) in (int, float):
        return value
    if isinstance(value, (np.ndarray, np.generic, Tensor)):
        array = np.asarray(value.data if isinstance(value, Tensor) else value)
        if array.dtype.kind not in "biufSU":
            raise TypeError(f"{where} is an array of dtype {array.dtype}; a checkpoint holds numbers and strings")
        arrays.append(array)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, Counter):
        return {_COUNTER: [[_encoded(key, arrays, where), count] for key, count in value.items()]}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _encoded(entry, arrays, f"{where}[{key!r}]") for key, entry in value.items()}
        return {_DICT: [[_encoded(key, arrays, where), _encoded(entry, arrays, f"{where}[{key!r}]")] for key, entry in value.items()]}
    if isinstance(value, (list, tuple)):
        entries = [_encoded(entry, arrays, f"{where}[{i}]") for i, entry in enumerate(value)]
        return {_TUPLE: entries} if isinstance(value, tuple) else entries
    raise TypeError(f"{where} is a {type(value).__name__}; a checkpoint holds dicts, lists, tuples, numbers, strings and arrays")


def _decoded(value: Any, archive: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(entry, archive) for entry in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        return archive[str(value[_ARRAY])]
    if _TUPLE in value:
        return tuple(_decoded(entry, archive) for entry in value[_TUPLE])
    if _COUNTER in value:
        return Counter({_decoded(key, archive): count for key, count in value[_COUNTER]})
    if _DICT in value:
        return {_decoded(key, archive): _decoded(entry, archive) for key, entry in value[_DICT]}
    return {key: _decoded(entry, archive) for key, entry in value.items()}
