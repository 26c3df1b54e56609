"""safetensors: eight bytes with the length of a header, the header in JSON, the tensors one after the other.

Reference: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import CheckpointError
from .arrays import as_array
from .atomic_file import atomic_file
from .mapped_file import array_at, count_elements, map_file, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["is_safetensors", "parse_json", "read", "read_metadata", "write"]

# Name in the file: how the bytes are read, and the name under which `widened` knows them.
# In the order in which the library writes the tensors.
_DTYPES = {
    "U64": ("<u8", "uint64"),
    "I64": ("<i8", "int64"),
    "F64": ("<f8", "float64"),
    "C64": ("<c8", "complex64"),
    "F32": ("<f4", "float32"),
    "U32": ("<u4", "uint32"),
    "I32": ("<i4", "int32"),
    "BF16": ("<u2", "bfloat16"),
    "F16": ("<f2", "float16"),
    "U16": ("<u2", "uint16"),
    "I16": ("<i2", "int16"),
    "I8": ("i1", "int8"),
    "U8": ("u1", "uint8"),
    "BOOL": ("?", "bool"),
}
_NAMES = {name: key for key, (_, name) in _DTYPES.items()}
_MOST_HEADER = 100_000_000
_METADATA = "__metadata__"


def is_safetensors(data: memoryview) -> bool:
    """Whether the bytes start as a safetensors file does: a length and an opening brace."""
    return len(data) > 8 and data[8] == ord("{") and int.from_bytes(data[:8], "little") <= max(len(data), _MOST_HEADER)


def parse_json(text: bytes, what: str, infinities: bool = False) -> dict[str, Any]:
    """An object in JSON in which no key occurs twice; `infinities`: whether Infinity and NaN, as Python writes them, are allowed."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise CheckpointError(f"{what} has the key {twice!r} twice")
        return found

    def no_constants(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        value = json.loads(text.decode(), object_pairs_hook=no_duplicates, parse_constant=None if infinities else no_constants)
    except CheckpointError:
        raise
    except RecursionError:
        raise CheckpointError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise CheckpointError(f"{what} is not JSON in UTF-8: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{what} is a JSON {type(value).__name__}; expected an object")
    return value


def _read_header(data: memoryview) -> tuple[dict[str, Any], dict[str, str], int]:
    """The entries of the header, its metadata and where the tensors start."""
    if len(data) < 8:
        raise CheckpointError(f"a safetensors file has at least 8 bytes, this one has {len(data)}")
    length = int.from_bytes(data[:8], "little")
    if length > _MOST_HEADER:
        raise CheckpointError(f"the header is said to have {length} bytes; at most {_MOST_HEADER} are allowed")
    if 8 + length > len(data):
        raise CheckpointError(f"the header is said to have {length} bytes, the file has {len(data)}; is it truncated?")
    header = parse_json(bytes(data[8 : 8 + length]), "the header")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{_METADATA} of the header has to map strings to strings")
    return header, metadata, 8 + length


def read(data: memoryview) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file: views of `data`, except float16 and bfloat16, which become float32.

    Raises:
        CheckpointError: what the official library refuses, or an element type that NumPy has not.
    """
    header, _, start = _read_header(data)
    entries: list[tuple[int, int, str, str, tuple[int, ...]]] = []
    for name, entry in header.items():
        try:
            code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        except (TypeError, KeyError, ValueError):
            raise CheckpointError(f"tensor {name!r} of the header needs dtype, shape and two data_offsets") from None
        if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in (*shape, begin, end)):
            raise CheckpointError(f"shape and data_offsets of tensor {name!r} have to be whole numbers from 0 on")
        if not isinstance(code, str) or code not in _DTYPES:
            raise CheckpointError(
                f"tensor {name!r} has the element type {code!r}, which swiftnn does not read; convert it to F32 or BF16 first, known are "
                + ", ".join(_DTYPES)
            )
        entries.append((begin, end, name, code, tuple(shape)))
    expected = 0
    arrays: dict[str, NDArray[Any]] = {}
    for begin, end, name, code, shape in sorted(entries):
        if begin != expected or end < begin:
            raise CheckpointError(
                f"tensor {name!r} lies at {begin}:{end}, expected {expected} as its start; tensors overlap or leave holes"
            )
        dtype = np.dtype(_DTYPES[code][0])
        count = count_elements(shape, dtype.itemsize)
        if count * dtype.itemsize != end - begin:
            raise CheckpointError(f"tensor {name!r} of {code} and shape {shape} needs {count * dtype.itemsize} bytes, has {end - begin}")
        if start + end > len(data):
            raise CheckpointError(f"tensor {name!r} ends at byte {start + end}, the file has {len(data)}; is it truncated?")
        arrays[name] = widened(array_at(data, start + begin, count, dtype), _DTYPES[code][1]).reshape(shape)
        expected = end
    if start + expected != len(data):
        raise CheckpointError(f"{len(data) - start - expected} bytes after the last tensor belong to none")
    return {name: arrays[name] for name in header}


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The free text that a .safetensors file carries beside its tensors.

    Args:
        path: a .safetensors file.

    Raises:
        CheckpointError: it is not one.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> nn.save(path, nn.Linear(2, 3).state_dict(), metadata={"licence": "CC0"})
        >>> nn.checkpoint.read_metadata(path)
        {'licence': 'CC0'}
    """
    data = map_file(path)
    try:
        if not is_safetensors(data):
            raise CheckpointError("it is not a safetensors file")
        return _read_header(data)[1]
    except CheckpointError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error}") from None


def write(path: str | os.PathLike[str], state: Mapping[str, Any], metadata: Mapping[str, str] | None) -> None:
    """Writes a .safetensors file as the official library does: largest elements first, header padded to a multiple of 8."""
    arrays: dict[str, tuple[str, NDArray[Any]]] = {}
    for name, value in state.items():
        if not isinstance(name, str) or name == _METADATA:
            raise TypeError(f"state has the key {name!r}; .safetensors needs strings other than {_METADATA!r}")
        array = as_array(value)
        code = None if array is None else _NAMES.get(array.dtype.name)
        if array is None or code is None:
            what = f"a {type(value).__name__}" if array is None else f"an array of {array.dtype}"
            raise TypeError(f"state[{name!r}] is {what}; .safetensors holds arrays of numbers alone, .npz and .pt nested values too")
        arrays[name] = code, array
    header: dict[str, Any] = {}
    if metadata is not None:
        if not all(isinstance(text, str) for pair in metadata.items() for text in pair):
            raise TypeError(f"metadata has to map strings to strings, got {metadata!r}")
        header[_METADATA] = dict(metadata)
    order = list(_DTYPES)
    names = sorted(arrays, key=lambda name: (order.index(arrays[name][0]), name))
    offset = 0
    for name in names:
        code, array = arrays[name]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _MOST_HEADER:
        raise ValueError(f"the names of the tensors need {len(text)} bytes; .safetensors allows {_MOST_HEADER}")
    with atomic_file(path) as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for name in names:
            _, array = arrays[name]
            little = np.ascontiguousarray(array, np.dtype(_DTYPES[arrays[name][0]][0]) if array.dtype.kind != "V" else None)
            file.write(little.reshape(-1).view(np.uint8).data)
