"""Files of torch.save, read without PyTorch: the ZIP format (since 1.6) and the stream of pickles before it.

Nothing in a file is executed. A pickle's instructions build plain values and inert records (`pickle_reader`); the few functions that
state dicts need are the ones of this module, and a file that calls another one is refused by its name. Objects of unknown classes are
records of their attributes: those of modules are reduced to the state dict that the module would give, the others are refused.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import CheckpointError
from .mapped_file import array_at, count_elements, widened
from .pickle_reader import Budget, Global, Record, Unpickler, is_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .zip_archive import ZipArchive

__all__ = ["is_legacy", "read_legacy", "read_zip", "torch_root"]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MOST_DEPTH = 100
_MOST_ENTRIES = 1_000_000
_MOST_NAME = 4096

# Storage class or dtype: how its bytes are read.
_BITS = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": "u2",
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint8": "u1",
    "uint16": "u2",
    "uint32": "u4",
    "uint64": "u8",
    "bool": "?",
    "complex64": "c8",
    "complex128": "c16",
}
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
    "_UntypedStorage": "uint8",
}
_NUMPY_CODES = {"b1", *(code for code in _BITS.values() if code != "?")}
_DTYPES = {f"torch.{name}": name for name in _BITS}
_LAYOUTS = {"torch.strided", "torch.contiguous_format", "torch.preserve_format", "torch.channels_last", "torch.channels_last_3d"}
_ADVICE = {
    "torch._utils._rebuild_sparse_tensor": "call to_dense() on sparse tensors before saving",
    "torch._utils._rebuild_qtensor": "call dequantize() on quantized tensors before saving",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor on the device 'meta' has no values",
}
_PATHS = [f"pathlib.{pure}{kind}Path" for pure in ("", "Pure") for kind in ("", "Posix", "Windows")]
_NAMESPACES = ("argparse.Namespace", "types.SimpleNamespace")


class _Storage:
    """A storage, or a part of one, that the file refers to."""

    __slots__ = ("dtype", "key", "numel", "start")

    def __init__(self, key: str, dtype: str, start: int, numel: int) -> None:
        self.key, self.dtype, self.start, self.numel = key, dtype, start, numel


class _TensorRecord:
    __slots__ = ("dtype", "offset", "shape", "storage", "strides")

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: str) -> None:
        self.storage, self.offset, self.shape, self.strides, self.dtype = storage, offset, shape, strides, dtype


class _NumpyDtype:
    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "<"


class _NumpyArray:
    """An array (shape from the state that follows) or, where `scalar` is given, a number of NumPy."""

    __slots__ = ("scalar", "state")

    def __init__(self, scalar: bool, state: Any) -> None:
        self.scalar, self.state = scalar, state


def _sizes(value: Any) -> tuple[int, ...] | None:
    """A shape or strides, if that is what `value` is."""
    if isinstance(value, (tuple, list)) and all(type(size) is int and 0 <= size < 1 << 62 for size in value):
        return tuple(value)
    return None


class _Builder:
    """What the functions that a pickle may call come to, and what becomes of the records in the end."""

    def __init__(self, budget: Budget, storage_bytes: Callable[[str], memoryview], order: Literal["<", ">"]) -> None:
        self._budget = budget
        self._storage_bytes = storage_bytes
        self._order: Literal["<", ">"] = order
        self._typed: dict[tuple[str, str], NDArray[Any]] = {}
        self._converted: dict[int, Any] = {}
        self._open: set[int] = set()
        self._functions: dict[str, Callable[[tuple[Any, ...]], Any]] = {
            "torch._utils._rebuild_tensor": self._rebuild_tensor,
            "torch._utils._rebuild_tensor_v2": self._rebuild_tensor,
            "torch._utils._rebuild_tensor_v3": lambda args: self._rebuild_tensor(args, args[6]),
            "torch._utils._rebuild_parameter": self._first,
            "torch._utils._rebuild_parameter_with_state": self._first,
            "torch._utils._rebuild_device_tensor_from_numpy": self._first,
            "torch._utils._rebuild_device_tensor_from_cpu_tensor": self._first,
            "torch._utils._rebuild_xla_tensor": self._first,
            "torch._tensor._rebuild_from_type": self._rebuild_from_type,
            "torch._tensor._rebuild_from_type_v2": self._rebuild_from_type,
            "torch.nn.parameter.Parameter": self._first,
            "torch.autograd.variable.Variable": self._first,
            "torch.Size": self._tuple,
            "torch.device": self._device,
            "torch.serialization._get_layout": self._text,
            "collections.OrderedDict": lambda args: self._mapping(OrderedDict, args),
            "collections.Counter": lambda args: self._mapping(Counter, args),
            "collections.defaultdict": lambda args: self._mapping(dict, args[1:]),
            "builtins.dict": lambda args: self._mapping(dict, args),
            "builtins.set": self._set,
            "builtins.frozenset": self._set,
            "builtins.tuple": self._tuple,
            "builtins.complex": self._complex,
            "builtins.bytearray": self._bytes,
            "_codecs.encode": self._encode,
            "numpy.dtype": self._numpy_dtype,
            "numpy.core.multiarray.scalar": self._numpy_scalar,
            "numpy._core.multiarray.scalar": self._numpy_scalar,
            "numpy.core.multiarray._reconstruct": lambda args: _NumpyArray(False, None),
            "numpy._core.multiarray._reconstruct": lambda args: _NumpyArray(False, None),
            "numpy.core.numeric._frombuffer": self._numpy_from_buffer,
            "numpy._core.numeric._frombuffer": self._numpy_from_buffer,
            **dict.fromkeys(_PATHS, self._path),
        }

    def reduce(self, name: str, args: tuple[Any, ...]) -> Any:
        function = self._functions.get(name)
        if function is None:
            advice = _ADVICE.get(name, "swiftnn executes nothing from a file; save model.state_dict() instead")
            raise CheckpointError(f"the file calls {name}, which is not allowed: {advice}")
        try:
            return function(args)
        except (IndexError, _Odd):
            raise CheckpointError(f"the file calls {name} with arguments that it does not take") from None

    def build(self, target: Any, state: Any) -> None:
        if isinstance(target, _NumpyArray) and not target.scalar:
            target.state = state
        elif isinstance(target, _NumpyDtype) and isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            target.order = state[1]
        elif not isinstance(target, _TensorRecord):  # what a Parameter of an old version or a subclass of Tensor adds is not kept
            raise CheckpointError(f"the file sets the attributes of a {type(target).__name__}")

    def storage(self, saved: Any, entries: int) -> _Storage:
        """The storage of a persistent id ("storage", class, key, location, number of elements, and in the stream a part)."""
        if not (isinstance(saved, tuple) and len(saved) == entries and saved[0] == "storage" and isinstance(saved[1], Global)):
            raise CheckpointError("the file has a persistent id that is not of a storage")
        module, _, name = saved[1].name.rpartition(".")
        if module not in ("torch", "torch.cuda", "torch.storage") or name not in _STORAGES:
            raise CheckpointError(
                f"the file has a storage of type {saved[1].name}, which swiftnn does not read; convert it to float32 first"
            )
        key, numel = saved[2], saved[4]
        if not (isinstance(key, str) and type(numel) is int and 0 <= numel < 1 << 62):
            raise CheckpointError(f"the file has a storage with the key {key!r:.100} and {numel!r:.100} elements")
        storage = _Storage(key, _STORAGES[name], 0, numel)
        if entries == 6 and saved[5] is not None:
            part = _sizes(saved[5][1:]) if isinstance(saved[5], tuple) else None
            if part is None or len(part) != 2 or sum(part) > numel:
                raise CheckpointError("the file has a part of a storage that lies outside of it")
            storage.start, storage.numel = part
        return storage

    # What the functions give. Their arguments come from the file: whatever does not fit raises _Odd.

    def _rebuild_tensor(self, args: tuple[Any, ...], dtype: Any = None) -> _TensorRecord:
        storage, offset, shape, strides = args[0], args[1], _sizes(args[2]), _sizes(args[3])
        if not isinstance(storage, _Storage) or type(offset) is not int or offset < 0 or shape is None or strides is None:
            raise _Odd
        if len(shape) != len(strides):
            raise _Odd
        metadata = args[7] if dtype is not None and len(args) > 7 else args[6] if dtype is None and len(args) > 6 else None
        if metadata:
            raise CheckpointError(
                "the file has a tensor with a pending conjugation or sign; call resolve_conj() or resolve_neg() before saving"
            )
        if dtype is not None:
            if not isinstance(dtype, Global) or dtype.name not in _DTYPES:
                name = dtype.name if isinstance(dtype, Global) else type(dtype).__name__
                raise CheckpointError(f"the file has a tensor of {name}, which swiftnn does not read; convert it to float32 first")
            return _TensorRecord(storage, offset, shape, strides, _DTYPES[dtype.name])
        return _TensorRecord(storage, offset, shape, strides, storage.dtype)

    def _rebuild_from_type(self, args: tuple[Any, ...]) -> Any:
        # (function, type, its arguments, state): a tensor that had attributes, or of a subclass. Only the numbers are kept.
        if not isinstance(args[0], Global) or not isinstance(args[2], tuple) or not args[0].name.startswith("torch._utils._rebuild"):
            raise _Odd
        return self.reduce(args[0].name, args[2])

    def _first(self, args: tuple[Any, ...]) -> Any:
        if not isinstance(args[0], (_TensorRecord, _NumpyArray)):
            raise _Odd
        return args[0]

    def _tuple(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not args:
            return ()
        if len(args) != 1 or not isinstance(args[0], (list, tuple)):
            raise _Odd
        self._budget.spend(8 * len(args[0]))
        return tuple(args[0])

    def _mapping(self, cls: type[Any], args: tuple[Any, ...]) -> Any:
        if not args:
            return cls()
        (content,) = args[:1]
        if isinstance(content, dict):
            self._budget.spend(100 * len(content))
            result = cls()
            for key, value in content.items():  # Counter.update would add
                result[key] = value
            return result
        if not isinstance(content, (list, tuple)):
            raise _Odd
        self._budget.spend(100 * len(content))
        result = cls()
        for pair in content:
            if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and is_key(pair[0])):
                raise _Odd
            result[pair[0]] = pair[1]
        return result

    def _set(self, args: tuple[Any, ...]) -> set[Any]:
        values = args[0] if args else []
        if not isinstance(values, (list, tuple, set)) or not all(map(is_key, values)):
            raise _Odd
        self._budget.spend(100 * len(values))
        return set(values)

    def _complex(self, args: tuple[Any, ...]) -> complex:
        if len(args) != 2 or not all(type(part) in (int, float) and abs(part) <= 1e308 or part != part for part in args):
            raise _Odd
        return complex(*args)

    def _text(self, args: tuple[Any, ...]) -> str:
        if len(args) != 1 or not isinstance(args[0], str):
            raise _Odd
        return args[0]

    def _device(self, args: tuple[Any, ...]) -> str:
        if not args or not isinstance(args[0], str) or not all(type(index) is int for index in args[1:]):
            raise _Odd
        return ":".join([args[0], *(str(index) for index in args[1:2] if -1000 < index < 1000)])

    def _path(self, args: tuple[Any, ...]) -> str:
        if not all(isinstance(part, str) for part in args):
            raise _Odd
        self._budget.spend(sum(len(part) for part in args))
        return "/".join(args).replace("//", "/")

    def _encode(self, args: tuple[Any, ...]) -> bytes:
        # How protocol 2 writes bytes.
        if len(args) != 2 or not isinstance(args[0], str) or args[1] not in ("latin1", "latin-1"):
            raise _Odd
        self._budget.spend(len(args[0]))
        try:
            return args[0].encode("latin1")
        except UnicodeEncodeError:
            raise _Odd from None

    def _bytes(self, args: tuple[Any, ...]) -> bytes:
        if len(args) == 2:
            return self._encode(args)
        if not args:
            return b""
        if not isinstance(args[0], bytes):
            raise _Odd
        return args[0]

    def _numpy_dtype(self, args: tuple[Any, ...]) -> _NumpyDtype:
        code = args[0]
        if not isinstance(code, str) or code not in _NUMPY_CODES:
            raise CheckpointError(f"the file has a NumPy array of type {code!r:.100}; expected numbers")
        return _NumpyDtype(code)

    def _numpy_scalar(self, args: tuple[Any, ...]) -> _NumpyArray:
        if len(args) != 2 or not isinstance(args[0], _NumpyDtype) or not isinstance(args[1], bytes):
            raise _Odd
        return _NumpyArray(True, (1, (), args[0], False, args[1]))

    def _numpy_from_buffer(self, args: tuple[Any, ...]) -> _NumpyArray:
        # How protocol 5 writes arrays.
        if len(args) != 4 or not isinstance(args[1], _NumpyDtype) or args[3] not in ("C", "F"):
            raise _Odd
        return _NumpyArray(False, (1, args[2], args[1], args[3] == "F", args[0]))

    # From records to values.

    def finish(self, value: Any, where: str = "", depth: int = 0) -> Any:
        """What the file's user gets: modules become state dicts, records of tensors arrays, each of them once."""
        kind = type(value)
        if kind in (str, int, float, bool, complex, bytes, type(None)):
            return value
        known = id(value)
        if known in self._converted:
            return self._converted[known]
        if depth > _MOST_DEPTH:
            raise CheckpointError(f"the file nests more than {_MOST_DEPTH} levels deep")
        if known in self._open:
            raise CheckpointError(f"the file has a value that contains itself, at {where or 'the top'}")
        self._open.add(known)
        result = self._finish(value, where[:_MOST_NAME], depth)
        self._open.remove(known)
        self._converted[known] = result
        return result

    def _finish(self, value: Any, where: str, depth: int) -> Any:
        if isinstance(value, _TensorRecord):
            return self._tensor(value, where)
        if isinstance(value, _NumpyArray):
            return self._numpy(value, where)
        if isinstance(value, dict):
            result = type(value)()
            for key, entry in value.items():
                if isinstance(key, (Global, Record, _TensorRecord, _NumpyArray, _NumpyDtype, _Storage)):
                    raise CheckpointError(f"the file has a dict{_at(where)} with the key {_described(key)}; expected strings or numbers")
                result[key] = self.finish(entry, f"{where}[{key!r:.100}]", depth + 1)
            metadata = getattr(value, "_metadata", None)
            if metadata is not None:
                result._metadata = _checked_metadata(metadata)  # type: ignore[attr-defined]
            return result
        if isinstance(value, (list, tuple)):
            return type(value)([self.finish(entry, f"{where}[{i}]", depth + 1) for i, entry in enumerate(value)])
        if isinstance(value, set) and not any(isinstance(entry, (Global, Record)) for entry in value):
            return value
        if isinstance(value, Global) and value.name in _DTYPES:
            return _DTYPES[value.name]
        if isinstance(value, Global) and value.name in _LAYOUTS:
            return value.name
        if isinstance(value, _NumpyDtype):
            return _numpy_dtype(value)
        if isinstance(value, Record) and isinstance(value.state, dict):
            if _is_module(value):
                state: OrderedDict[str, Any] = OrderedDict()
                self._gather(value, "", state, depth)
                return state
            if value.name in _NAMESPACES:
                return self.finish(value.state, where, depth + 1)
        if isinstance(value, _Storage):
            whole = _TensorRecord(value, 0, (value.numel,), (1,), value.dtype)
            return self._tensor(whole, where)
        raise CheckpointError(
            f"the file has {_described(value)}{_at(where)}, which is not allowed: swiftnn makes no objects of a file's classes; "
            "save model.state_dict() and plain values instead"
        )

    def _gather(self, module: Record, prefix: str, state: OrderedDict[str, Any], depth: int) -> None:
        """What `module.state_dict()` would have given."""
        if depth > _MOST_DEPTH:
            raise CheckpointError(f"the file nests modules more than {_MOST_DEPTH} levels deep")
        self._budget.spend(100)  # a module may be part of several others, and those again
        hidden = module.state.get("_non_persistent_buffers_set")
        for registry in ("_parameters", "_buffers", "_modules"):
            for name, entry in module.state.get(registry, {}).items():
                full = f"{prefix}{name}"
                self._budget.spend(len(full))
                if not isinstance(name, str) or len(full) > _MOST_NAME:
                    raise CheckpointError(f"the file has a module with the {registry[1:-1]} {name!r:.100}; expected a short name")
                if entry is None or (registry == "_buffers" and isinstance(hidden, set) and name in hidden):
                    continue
                if len(state) >= _MOST_ENTRIES:
                    raise CheckpointError(f"the file has a module with more than {_MOST_ENTRIES} parameters")
                if registry != "_modules":
                    if not isinstance(entry, _TensorRecord):
                        raise CheckpointError(f"the file has {_described(entry)} as {full!r}; expected a tensor")
                    state[full] = self.finish(entry, full)
                elif isinstance(entry, Record) and isinstance(entry.state, dict) and _is_module(entry):
                    self._gather(entry, f"{full}.", state, depth + 1)
                else:
                    raise CheckpointError(f"the file has {_described(entry)} as {full!r}; expected a module")

    def _tensor(self, record: _TensorRecord, where: str) -> NDArray[Any]:
        storage = record.storage
        base = self._typed_storage(storage, record.dtype)
        # Storages of bytes are counted in bytes, whatever is read from them.
        stored, read = np.dtype(_BITS[storage.dtype]).itemsize, np.dtype(_BITS[record.dtype]).itemsize
        start, numel = storage.start * stored // read, storage.numel * stored // read
        base = base[start : start + numel]
        if len(base) != numel:
            raise CheckpointError(f"storage {storage.key!r:.100} of the file has fewer elements than the {numel} announced")
        count = count_elements(record.shape, base.itemsize)
        last = record.offset + sum((size - 1) * stride for size, stride in zip(record.shape, record.strides)) if count else 0
        if count and last >= numel:
            raise CheckpointError(f"the tensor{_at(where)} reads element {last} of a storage of {numel}")
        if not count:
            return np.empty(record.shape, base.dtype)
        strides = tuple(stride * base.itemsize if size > 1 else base.itemsize for size, stride in zip(record.shape, record.strides))
        return np.ndarray(record.shape, base.dtype, base, record.offset * base.itemsize, strides)

    def _typed_storage(self, storage: _Storage, dtype: str) -> NDArray[Any]:
        """A whole storage as an array. Tensors that share it are views of the same array, also when it had to be widened."""
        key = storage.key, dtype
        if key not in self._typed:
            data = self._storage_bytes(storage.key)
            bits = np.dtype(_BITS[dtype]).newbyteorder(self._order)
            count = len(data) // bits.itemsize
            array = array_at(data, 0, count, bits)
            if not count or not np.shares_memory(array, np.frombuffer(data, np.uint8)):
                self._budget.spend(len(data))
            wide = widened(array, dtype)
            if wide is not array:
                self._budget.spend(wide.nbytes)
            self._typed[key] = wide
        return self._typed[key]

    def _numpy(self, record: _NumpyArray, where: str) -> Any:
        state = record.state
        shape = _sizes(state[1]) if isinstance(state, tuple) and len(state) == 5 else None
        if shape is None or not isinstance(state[2], _NumpyDtype) or not isinstance(state[4], bytes):
            raise CheckpointError(f"the file has a damaged NumPy array{_at(where)}, or one of objects")
        dtype = _numpy_dtype(state[2])
        count = count_elements(shape, dtype.itemsize)
        if count * dtype.itemsize != len(state[4]):
            raise CheckpointError(f"the NumPy array{_at(where)} of shape {shape} has {len(state[4])} bytes")
        self._budget.spend(2 * len(state[4]))
        array = array_at(memoryview(bytearray(state[4])), 0, count, dtype).reshape(shape, order="F" if state[3] is True else "C")
        return array[()] if record.scalar else array


class _Odd(Exception):
    """Arguments that no function of PyTorch would have been called with."""


def _at(where: str) -> str:
    return f" at {where:.200}" if where else ""


def _described(value: Any) -> str:
    if isinstance(value, Record):
        return f"an object of class {value.name}"
    return f"the global {value.name}" if isinstance(value, Global) else f"a {type(value).__name__}"


def _is_module(record: Record) -> bool:
    return all(isinstance(record.state.get(registry), dict) for registry in ("_parameters", "_buffers", "_modules"))


def _checked_metadata(metadata: Any) -> OrderedDict[str, dict[str, Any]]:
    """The versions of the modules, which `load_state_dict` looks at."""
    checked: OrderedDict[str, dict[str, Any]] = OrderedDict()
    for name, entry in metadata.items():
        if not (isinstance(name, str) and isinstance(entry, dict) and isinstance(entry.get("version"), (int, type(None)))):
            raise CheckpointError("the file has a state dict whose _metadata are not versions of modules")
        checked[name] = {"version": entry["version"]} if "version" in entry else {}
    return checked


def _numpy_dtype(record: _NumpyDtype) -> np.dtype[Any]:
    return np.dtype(record.code).newbyteorder(">" if record.order == ">" else "<")


def torch_root(archive: ZipArchive) -> str | None:
    """The folder that all entries of an archive of torch.save are in, with its slash, or `None` when it is another archive."""
    for name in archive.names():
        folder, _, file = name.rpartition("/")
        if file == "data.pkl" and "/" not in folder:
            return f"{folder}/" if folder else ""
    return None


def read_zip(archive: ZipArchive, root: str) -> Any:
    """What torch.save wrote, from the ZIP format.

    Args:
        archive: the archive.
        root: the folder of its entries.
    """
    if f"{root}constants.pkl" in archive or f"{root}code/" in archive:
        raise CheckpointError("it is a TorchScript archive, which holds a program; load it in PyTorch and save its state_dict()")
    order = bytes(archive.read(f"{root}byteorder")) if f"{root}byteorder" in archive else b"little"
    if order not in (b"little", b"big"):
        raise CheckpointError(f"the file has the byte order {order[:20]!r}; expected b'little' or b'big'")

    def storage_bytes(key: str) -> memoryview:
        name = f"{root}data/{key}"
        if name not in archive:
            raise CheckpointError(f"the archive has no entry {name!r}")
        return archive.read(name, check=False)

    budget = Budget(archive.size)
    builder = _Builder(budget, storage_bytes, "<" if order == b"little" else ">")
    pickle = archive.read(f"{root}data.pkl")
    machine = Unpickler(pickle, 0, builder.reduce, lambda saved: builder.storage(saved, 5), builder.build)
    return builder.finish(machine.load())


def is_legacy(data: memoryview) -> bool:
    """Whether the bytes start with the number that torch.save wrote first before 1.6."""
    number = _MAGIC.to_bytes(10, "little")
    return len(data) > 32 and data[0] == 0x80 and bytes(data[2:32]).find(b"\x8a\x0a" + number) in (0, 9)


def read_legacy(data: memoryview) -> Any:
    """What torch.save wrote before 1.6, and writes with _use_new_zipfile_serialization=False: five pickles, then the storages."""
    budget = Budget(len(data))
    places: dict[str, tuple[int, int]] = {}
    sizes: dict[str, int] = {}

    def storage_bytes(key: str) -> memoryview:
        start, end = places[key]
        return data[start:end]

    builder = _Builder(budget, storage_bytes, "<")

    def persistent(saved: Any) -> Any:
        if isinstance(saved, tuple) and len(saved) == 4 and saved[0] == "module" and isinstance(saved[1], Global):
            return saved[1]  # a class, with its source, which nobody needs
        storage = builder.storage(saved, 6)
        itemsize = np.dtype(_BITS[storage.dtype]).itemsize
        if sizes.setdefault(storage.key, itemsize) != itemsize:
            raise CheckpointError(f"storage {storage.key!r:.100} of the file has elements of two sizes")
        return storage

    position = 0
    values = []
    for _ in range(5):
        machine = Unpickler(data, position, builder.reduce, persistent, builder.build)
        values.append(machine.load())
        position = machine.position
    magic, protocol, _, value, keys = values
    if magic != _MAGIC or protocol != _PROTOCOL:
        raise CheckpointError("it is not a file of torch.save, or of a version to come")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or set(keys) != sizes.keys():
        raise CheckpointError("the storages that the file lists are not those that it uses")
    # The storages lie in the order of the list, each after the number of its elements. They are written with the lowest byte first.
    for key in keys:
        numel = int.from_bytes(data[position : position + 8], "little")
        start = position + 8
        position = start + numel * sizes[key]
        if key in places or position > len(data):
            raise CheckpointError(f"storage {key!r:.100} of the file lies outside of it or occurs twice; is it truncated?")
        places[key] = start, position
    if position != len(data):
        raise CheckpointError(f"{len(data) - position} bytes after the last storage belong to none")
    return builder.finish(value)
