"""Writes the pickle of a file that torch.load reads, without PyTorch."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Name", "pickled"]

_MOST_DEPTH = 100
_MARK, _STOP, _PROTO_2 = b"(", b".", b"\x80\x02"


def pickled(value: Any, persistent_id: Callable[[Any], tuple[Any, ...] | None]) -> bytes:
    """A pickle of protocol 2, without references from one part to another.

    Args:
        value: dicts, OrderedDicts, lists, tuples, strings, numbers and None, nested, and the values that `persistent_id` takes.
        persistent_id: for an array the arguments of `torch._utils._rebuild_tensor_v2`, the first of them the storage's persistent id;
            `None` for other values.

    Raises:
        TypeError: something else is inside; the message says where.
    """
    pieces: list[bytes] = [_PROTO_2]
    _write(value, pieces.append, persistent_id, "state")
    pieces.append(_STOP)
    return b"".join(pieces)


class Name:
    """A class of PyTorch, by its name."""

    def __init__(self, module: str, name: str) -> None:
        self.text = f"c{module}\n{name}\n".encode()


_REBUILD = Name("torch._utils", "_rebuild_tensor_v2").text
_ORDERED = Name("collections", "OrderedDict").text + b")R"


def _write(
    value: Any, put: Callable[[bytes], None], persistent_id: Callable[[Any], tuple[Any, ...] | None], where: str, depth: int = 0
) -> None:
    if depth > _MOST_DEPTH:
        raise TypeError(f"{where:.200} is nested more than {_MOST_DEPTH} levels deep")
    depth += 1
    tensor = persistent_id(value)
    if tensor is not None:
        put(_REBUILD + _MARK)
        storage, *rest = tensor
        _write(storage, put, persistent_id, where, depth)
        put(b"Q")
        for part in rest:
            _write(part, put, persistent_id, where, depth)
        put(b"tR")
    elif value is None or isinstance(value, bool):
        put({None: b"N", True: b"\x88", False: b"\x89"}[value])
    elif isinstance(value, Name):
        put(value.text)
    elif type(value) is int:
        if -(1 << 31) <= value < 1 << 31:
            put(b"J" + struct.pack("<i", value))
        else:
            digits = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            # torch.load(weights_only=True) knows no instruction for longer ones.
            if len(digits) > 255:
                raise TypeError(f"{where} is an integer of {value.bit_length()} bits; a .pt file holds at most 2039")
            put(b"\x8a" + bytes([len(digits)]) + digits)
    elif type(value) is float:
        put(b"G" + struct.pack(">d", value))
    elif isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        put(b"X" + struct.pack("<I", len(text)) + text)
    elif isinstance(value, Mapping):
        put((_ORDERED if isinstance(value, OrderedDict) else b"}") + _MARK)
        for key, entry in value.items():
            _write(key, put, persistent_id, where, depth)
            _write(entry, put, persistent_id, f"{where}[{key!r}]", depth)
        put(b"u")
    elif isinstance(value, (list, tuple)):
        put((b"]" if isinstance(value, list) else b"") + _MARK)
        for i, entry in enumerate(value):
            _write(entry, put, persistent_id, f"{where}[{i}]", depth)
        put(b"e" if isinstance(value, list) else b"t")
    else:
        raise TypeError(f"{where} is a {type(value).__name__}; a .pt file holds arrays, dicts, lists, tuples, strings, numbers and None")
