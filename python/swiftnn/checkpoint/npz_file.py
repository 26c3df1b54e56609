"""NumPy's .npz archives: of plain arrays, and of nested values with arrays in them.

Nested values have an entry "$tree" more, the JSON text of everything but the arrays, which are the entries it refers to by number.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckpointError
from .arrays import as_array
from .atomic_file import atomic_file
from .mapped_file import array_at, count_elements
from .safetensors_file import parse_json
from .zip_archive import ZipArchive, write_entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["is_npz", "read", "write"]

_TREE = "$tree"
_ARRAY, _TUPLE, _DICT, _COUNTER = "$array", "$tuple", "$dict", "$counter"
_MOST_DEPTH = 100
_MOST_HEADER = 10_000
_HEADER = re.compile(
    rb"\{\s*'descr':\s*'([<>|=]?[?biufcSU]\d{0,9})',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(((?:\d{1,19}L?\s*,\s*)*(?:\d{1,19}L?)?)\s*\)\s*,?\s*\}\s*"
)


def is_npz(archive: ZipArchive) -> bool:
    """Whether all entries of an archive are arrays."""
    return all(name.endswith(".npy") for name in archive.names())


def read(archive: ZipArchive) -> Any:
    """The arrays of an archive by name, or the nested value that it holds. No array of objects is read, so nothing is unpickled."""
    arrays = {name.removesuffix(".npy"): _read_array(name, archive.read(name)) for name in archive.names()}
    if _TREE not in arrays:
        return arrays
    tree = arrays.pop(_TREE)
    if tree.dtype != np.uint8 or tree.ndim != 1:
        raise CheckpointError(f"entry {_TREE!r} of the archive is {tree.dtype} of shape {tree.shape}; expected a text in bytes")
    return _decoded(parse_json(tree.tobytes(), f"entry {_TREE!r}", infinities=True).get("value"), arrays, 0)


def _read_array(name: str, data: memoryview) -> NDArray[Any]:
    # NumPy's own reader evaluates the header with Python's compiler; what may stand there is simple enough to be matched.
    version = data[6] if len(data) > 12 and bytes(data[:6]) == b"\x93NUMPY" else 0
    if version not in (1, 2, 3):
        raise CheckpointError(f"entry {name!r} is not an array of NumPy's format 1 to 3")
    start = 10 if version == 1 else 12
    end = start + int.from_bytes(data[8:start], "little")
    match = _HEADER.fullmatch(bytes(data[start:end])) if end - start <= _MOST_HEADER else None
    if end > len(data) or match is None:
        raise CheckpointError(
            f"entry {name!r} is no array of numbers or strings: it starts with {bytes(data[start : min(end, start + 60)])!r}"
        )
    try:
        dtype = np.dtype(match[1].decode())
    except TypeError as error:
        raise CheckpointError(f"entry {name!r} has elements of an unknown type: {error}") from None
    shape = tuple(map(int, re.findall(rb"\d+", match[3])))
    if not dtype.itemsize:
        raise CheckpointError(f"entry {name!r} has elements without a size, {dtype}")
    count = count_elements(shape, dtype.itemsize)
    if end + count * dtype.itemsize != len(data):
        raise CheckpointError(f"entry {name!r}, {dtype} of shape {shape}, has {len(data) - end} bytes")
    return array_at(data, end, count, dtype).reshape(shape, order="F" if match[2] == b"True" else "C")


def write(path: str | os.PathLike[str], value: Any) -> None:
    """Writes arrays by name, or dicts, lists, tuples, Counters, strings, numbers, None and arrays, nested.

    Raises:
        TypeError: something else is inside; the message says where.
    """
    name = os.path.basename(os.fspath(path))
    arrays: dict[str, NDArray[Any]] = {}
    if isinstance(value, Mapping) and value and all(_is_plain(key, entry) for key, entry in value.items()):
        for key, entry in value.items():
            arrays[key] = _checked(entry, f"{name}[{key!r}]")
    else:
        text = json.dumps({"value": _encoded(value, arrays, name)})
        arrays[_TREE] = np.frombuffer(text.encode(), np.uint8)
    with atomic_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for key, array in arrays.items():
            head = io.BytesIO()
            contiguous = np.asarray(array, order="C")
            np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(contiguous))
            parts = head.getvalue(), contiguous.reshape(-1).view(np.uint8).data if contiguous.nbytes else b""
            write_entry(archive, file, f"{key}.npy", parts, sum(map(len, parts)))


def _is_plain(key: Any, entry: Any) -> bool:
    return isinstance(key, str) and not key.startswith(("$", "/")) and ".." not in key and "\\" not in key and as_array(entry) is not None


def _checked(value: Any, where: str) -> NDArray[Any]:
    array = as_array(value)
    if array is None or array.dtype.kind not in "biufcSU":
        what = f"an array of dtype {array.dtype}" if array is not None else f"a {type(value).__name__}"
        raise TypeError(f"{where} is {what}; a checkpoint holds dicts, lists, tuples, numbers, strings and arrays of numbers and strings")
    return array


def _encoded(value: Any, arrays: dict[str, NDArray[Any]], where: str, depth: int = 0) -> Any:
    if depth > _MOST_DEPTH:
        raise TypeError(f"{where:.200} is nested more than {_MOST_DEPTH} levels deep")
    depth += 1
    if value is None or isinstance(value, (str, bool)) or type(value) in (int, float):
        return value
    if isinstance(value, Counter):
        return {_COUNTER: [[_encoded(key, arrays, where, depth), count] for key, count in value.items()]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _encoded(entry, arrays, f"{where}[{key!r}]", depth) for key, entry in value.items()}
        return {
            _DICT: [
                [_encoded(key, arrays, where, depth), _encoded(entry, arrays, f"{where}[{key!r}]", depth)] for key, entry in value.items()
            ]
        }
    if isinstance(value, (list, tuple)):
        entries = [_encoded(entry, arrays, f"{where}[{i}]", depth) for i, entry in enumerate(value)]
        return {_TUPLE: entries} if isinstance(value, tuple) else entries
    name = str(len(arrays))
    arrays[name] = _checked(value, where)
    return {_ARRAY: name}


def _decoded(value: Any, arrays: Mapping[str, NDArray[Any]], depth: int) -> Any:
    if depth > _MOST_DEPTH:
        raise CheckpointError(f"the file nests more than {_MOST_DEPTH} levels deep")
    depth += 1
    if isinstance(value, list):
        return [_decoded(entry, arrays, depth) for entry in value]
    if not isinstance(value, dict):
        return value
    kind: str = ""
    content: Any = None
    if len(value) == 1:
        kind, content = next(iter(value.items()))
    try:
        if kind == _ARRAY:
            return arrays[content]
        if kind == _TUPLE:
            return tuple(_decoded(entry, arrays, depth) for entry in content)
        if kind == _COUNTER:
            return Counter({_decoded(key, arrays, depth): count for key, count in content})
        if kind == _DICT:
            return {_decoded(key, arrays, depth): _decoded(entry, arrays, depth) for key, entry in content}
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"entry {_TREE!r} has a {kind!r} that refers to nothing or is damaged") from None
    return {key: _decoded(entry, arrays, depth) for key, entry in value.items()}
