"""Reads the instructions of a pickle without executing anything.

The result is made of dicts, lists, tuples, sets, numbers, strings, bytes and the inert records of this module. A name of a module, class
or function never leads to an import: it stays a `Global`. What may be called is decided by the caller's `reduce`.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from ..errors import CheckpointError

__all__ = ["MOST_OPERATIONS", "Budget", "Global", "Record", "Unpickler", "is_key"]

# Every operation makes at most one object of some 100 bytes.
MOST_OPERATIONS = 16_000_000

_SCALARS = (str, int, float, bool, bytes, type(None))


class Budget:
    """Bytes that may be made by copying: a file of a few bytes must not be able to copy the same megabyte a million times."""

    def __init__(self, size: int) -> None:
        self._left = 16 * size + (1 << 20)

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise CheckpointError("reading the file needs far more memory than the file has bytes, like a bomb")


class Global:
    """The name of something that a pickle refers to."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Record:
    """An object of a class that is not looked for: what the class is called and what the object's attributes were."""

    __slots__ = ("name", "state")

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Any = None


class _Mark:
    __slots__ = ()


_MARK = _Mark()


def is_key(value: Any) -> bool:
    """Whether a dict may have this key: a string, a number, None, an inert record, or a short tuple of the first three."""
    # Hashing a tuple of tuples of tuples, each with the one before twice, takes for ever; so may large integers that all hash alike.
    if isinstance(value, tuple):
        return len(value) <= 16 and all(type(entry) in _SCALARS and is_key(entry) for entry in value)
    if type(value) is int:
        return -(1 << 63) <= value < 1 << 64
    return isinstance(value, (Global, Record)) or type(value) in _SCALARS


class Unpickler:
    """A machine for the pickle protocols 1 to 5.

    Args:
        data: the bytes.
        start: where the pickle begins in them.
        reduce: takes the name of a function and its arguments, and returns what stands for the result.
        persistent: takes a persistent id and returns what stands for it.
        build: takes an object that is no Record and the state that it is to take.

    After `load`, `position` is the byte after the pickle.
    """

    def __init__(
        self,
        data: memoryview,
        start: int,
        reduce: Callable[[str, tuple[Any, ...]], Any],
        persistent: Callable[[Any], Any],
        build: Callable[[Any, Any], None],
    ) -> None:
        self._data = data
        self._reduce_function = reduce
        self._persistent = persistent
        self._build_function = build
        self.position = start
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Runs up to the STOP instruction and returns what is on the stack then."""
        data, operations = self._data, _OPERATIONS
        try:
            for _ in range(MOST_OPERATIONS):
                code = data[self.position]
                self.position += 1
                if code == _STOP:
                    break
                operations[code](self)
            else:
                raise CheckpointError(f"the pickle has more than {MOST_OPERATIONS} instructions")
            return self._pop()
        except KeyError:
            raise CheckpointError(
                f"the pickle has the instruction {bytes(data[self.position - 1 : self.position])!r} at byte {self.position - 1}, "
                "which files of PyTorch do not have"
            ) from None
        except IndexError:
            raise CheckpointError("the pickle is truncated or damaged") from None

    # Operands.

    def _take(self, size: int) -> memoryview:
        start = self.position
        self.position += size
        if self.position > len(self._data):
            raise CheckpointError("the pickle is truncated")
        return self._data[start : self.position]

    def _number(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def _line(self) -> str:
        start = self.position
        # Names are short; looking for the end of a line through gigabytes is not worth while.
        piece = bytes(self._data[start : start + 4096])
        end = piece.find(b"\n")
        if end < 0:
            raise CheckpointError("the pickle has a line that does not end")
        self.position = start + end + 1
        return self._decoded(piece[:end])

    def _decoded(self, data: bytes | memoryview) -> str:
        try:
            return str(data, "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise CheckpointError(f"the pickle has a string that is not UTF-8, before byte {self.position}") from None

    # The stack.

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise CheckpointError("the pickle is damaged: it takes a mark for a value")
        return value

    def _top(self) -> Any:
        value = self._stack[-1]
        if value is _MARK:
            raise CheckpointError("the pickle is damaged: it takes a mark for a value")
        return value

    def _pop_to_mark(self) -> list[Any]:
        stack = self._stack
        for i in range(len(stack) - 1, -1, -1):
            if stack[i] is _MARK:
                values = stack[i + 1 :]
                del stack[i:]
                return values
        raise CheckpointError("the pickle is damaged: a mark is missing")

    # Instructions.

    def _proto(self) -> None:
        version = self._take(1)[0]
        if version > 5:
            raise CheckpointError(f"the pickle has protocol {version}; expected at most 5")

    def _frame(self) -> None:
        self._take(8)

    def _mark(self) -> None:
        self._push(_MARK)

    def _discard(self) -> None:
        self._stack.pop()

    def _discard_to_mark(self) -> None:
        self._pop_to_mark()

    def _duplicate(self) -> None:
        self._push(self._top())

    def _long(self, size: int) -> None:
        if size < 0:
            raise CheckpointError("the pickle has an integer of negative length")
        self._push(int.from_bytes(self._take(size), "little", signed=True))

    def _int_line(self) -> None:
        text = self._line()
        if text in ("00", "01"):
            self._push(text == "01")
            return
        text = text.removesuffix("L")
        if len(text) > 1000 or not text.removeprefix("-").isdecimal():
            raise CheckpointError("the pickle has an integer that is none")
        self._push(int(text))

    def _string(self, size: int) -> None:
        if size < 0:
            raise CheckpointError("the pickle has a string of negative length")
        self._push(self._decoded(self._take(size)))

    def _bytes(self, size: int) -> None:
        self._push(bytes(self._take(size)))

    def _tuple(self, size: int) -> None:
        self._push(tuple(reversed([self._pop() for _ in range(size)])))

    def _tuple_to_mark(self) -> None:
        self._push(tuple(self._pop_to_mark()))

    def _list_to_mark(self) -> None:
        self._push(self._pop_to_mark())

    def _dict_to_mark(self) -> None:
        entries = self._pop_to_mark()
        self._push({})
        self._set_items(entries)

    def _append(self) -> None:
        self._extend([self._pop()])

    def _appends(self) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Record):
            raise CheckpointError(f"the pickle appends to a {type(target).__name__}")

    def _set_item(self) -> None:
        value = self._pop()
        key = self._pop()
        self._set_items([key, value])

    def _set_items_to_mark(self) -> None:
        self._set_items(self._pop_to_mark())

    def _set_items(self, entries: list[Any]) -> None:
        target = self._top()
        if len(entries) % 2:
            raise CheckpointError("the pickle has a dict with a key without a value")
        if isinstance(target, Record):  # entries of an unknown subclass of dict
            return
        if not isinstance(target, dict):
            raise CheckpointError(f"the pickle sets entries of a {type(target).__name__}")
        for key, value in zip(entries[::2], entries[1::2]):
            if not is_key(key):
                raise CheckpointError(f"the pickle has a dict with a {type(key).__name__} as key; expected a string or a number")
            target[key] = value

    def _add_items(self) -> None:
        values = self._pop_to_mark()
        target = self._top()
        if isinstance(target, Record):
            return
        if not isinstance(target, set) or not all(map(is_key, values)):
            raise CheckpointError("the pickle has a set of something else than strings and numbers")
        target.update(values)

    def _frozenset(self) -> None:
        values = self._pop_to_mark()
        if not all(map(is_key, values)):
            raise CheckpointError("the pickle has a set of something else than strings and numbers")
        self._push(set(values))

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise CheckpointError(f"the pickle is damaged: it uses object {index} before it makes it")
        self._push(self._memo[index])

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _memoize(self) -> None:
        self._put(len(self._memo))

    def _global(self) -> None:
        self._named(self._line(), self._line())

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise CheckpointError("the pickle has a global whose name is no string")
        self._named(module, name)

    def _named(self, module: str, name: str) -> None:
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        self._push(Global(f"{module}.{name}"))

    def _persistent_id(self) -> None:
        self._push(self._persistent(self._pop()))

    def _reduce(self) -> None:
        args, function = self._pop(), self._pop()
        if not (isinstance(function, Global) and isinstance(args, tuple)):
            raise CheckpointError("the pickle calls something that is no function, or not with a tuple of arguments")
        if function.name == "copyreg._reconstructor" and len(args) == 3 and isinstance(args[0], Global):
            self._push(Record(args[0].name))
        else:
            self._push(self._reduce_function(function.name, args))

    def _new_object(self) -> None:
        args, cls = self._pop(), self._pop()
        self._new(cls, args)

    def _new_object_with_keywords(self) -> None:
        _, args, cls = self._pop(), self._pop(), self._pop()
        self._new(cls, args)

    def _new(self, cls: Any, args: Any) -> None:
        if not (isinstance(cls, Global) and isinstance(args, tuple)):
            raise CheckpointError("the pickle makes an object of something that is no class")
        self._push(self._reduce_function(cls.name, args) if cls.name in _CALLED_BY_NEW else Record(cls.name))

    def _build(self) -> None:
        state = self._pop()
        target = self._top()
        if isinstance(target, Record):
            # Classes with __slots__ give (attributes, slots).
            target.state = state[0] if isinstance(state, tuple) and len(state) == 2 else state
        elif isinstance(target, (OrderedDict, Counter)):
            if isinstance(state, dict) and isinstance(state.get("_metadata"), dict):
                target._metadata = state["_metadata"]  # type: ignore[union-attr]
        else:
            self._build_function(target, state)


# Classes of which protocol 2 makes objects by way of __new__, and that `reduce` knows as functions.
_CALLED_BY_NEW = ("collections.OrderedDict", "torch.nn.parameter.Parameter", "torch.Size")

_U1, _U2, _I4, _U4, _U8, _F8 = map(struct.Struct, ("<B", "<H", "<i", "<I", "<Q", ">d"))
_STOP = ord(".")


def _constant(make: Callable[[], Any]) -> Callable[[Unpickler], None]:
    return lambda machine: machine._push(make())


def _sized(method: Callable[[Unpickler, Any], None], form: struct.Struct) -> Callable[[Unpickler], None]:
    return lambda machine: method(machine, machine._number(form))


def _counted(method: Callable[[Unpickler, int], None], count: int) -> Callable[[Unpickler], None]:
    return lambda machine: method(machine, count)


_OPERATIONS: dict[int, Callable[[Unpickler], None]] = {
    code[0]: operation
    for code, operation in (
        (b"\x80", Unpickler._proto),
        (b"\x95", Unpickler._frame),
        (b"(", Unpickler._mark),
        (b"0", Unpickler._discard),
        (b"1", Unpickler._discard_to_mark),
        (b"2", Unpickler._duplicate),
        (b"N", _constant(lambda: None)),
        (b"\x88", _constant(lambda: True)),
        (b"\x89", _constant(lambda: False)),
        (b"]", _constant(list)),
        (b"}", _constant(dict)),
        (b")", _constant(tuple)),
        (b"\x8f", _constant(set)),
        (b"I", Unpickler._int_line),
        (b"L", Unpickler._int_line),
        (b"\x8a", _sized(Unpickler._long, _U1)),
        (b"\x8b", _sized(Unpickler._long, _I4)),
        (b"T", _sized(Unpickler._string, _I4)),
        (b"U", _sized(Unpickler._string, _U1)),
        (b"X", _sized(Unpickler._string, _U4)),
        (b"\x8c", _sized(Unpickler._string, _U1)),
        (b"\x8d", _sized(Unpickler._string, _U8)),
        (b"B", _sized(Unpickler._bytes, _U4)),
        (b"C", _sized(Unpickler._bytes, _U1)),
        (b"\x8e", _sized(Unpickler._bytes, _U8)),
        (b"\x96", _sized(Unpickler._bytes, _U8)),
        (b"\x85", _counted(Unpickler._tuple, 1)),
        (b"\x86", _counted(Unpickler._tuple, 2)),
        (b"\x87", _counted(Unpickler._tuple, 3)),
        (b"t", Unpickler._tuple_to_mark),
        (b"l", Unpickler._list_to_mark),
        (b"d", Unpickler._dict_to_mark),
        (b"a", Unpickler._append),
        (b"e", Unpickler._appends),
        (b"s", Unpickler._set_item),
        (b"u", Unpickler._set_items_to_mark),
        (b"\x90", Unpickler._add_items),
        (b"\x91", Unpickler._frozenset),
        (b"h", _sized(Unpickler._get, _U1)),
        (b"j", _sized(Unpickler._get, _U4)),
        (b"q", _sized(Unpickler._put, _U1)),
        (b"r", _sized(Unpickler._put, _U4)),
        (b"\x94", Unpickler._memoize),
        (b"c", Unpickler._global),
        (b"\x93", Unpickler._stack_global),
        (b"Q", Unpickler._persistent_id),
        (b"R", Unpickler._reduce),
        (b"\x81", Unpickler._new_object),
        (b"\x92", Unpickler._new_object_with_keywords),
        (b"b", Unpickler._build),
        (b"J", _sized(Unpickler._push, _I4)),
        (b"K", _sized(Unpickler._push, _U1)),
        (b"M", _sized(Unpickler._push, _U2)),
        (b"G", _sized(Unpickler._push, _F8)),
    )
}
