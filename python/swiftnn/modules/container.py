"""Modules that hold modules or parameters: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..tensor import Parameter, Tensor
from .module import Module, _addindent

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


def _position(index: int, size: int) -> int:
    position = operator.index(index)
    if not -size <= position < size:
        raise IndexError(f"index {position} is out of range for a container of {size}")
    return position % size


class _Numbered(Module):
    """What Sequential and ModuleList share: children named "0", "1", ..."""

    _modules: dict[str, Module]  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]

    def _name_at(self, index: int) -> str:
        return list(self._modules)[_position(index, len(self._modules))]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)[index] if isinstance(index, slice) else [self._name_at(index)]
        for name in names:
            del self._modules[name]
        self._modules = {str(i): module for i, module in enumerate(self._modules.values())}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def _insert(self, index: int, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"insert: module must be a Module, got {type(module).__name__}")
        size = len(self._modules)
        index = operator.index(index)
        if not -size <= index <= size:
            raise IndexError(f"insert: index {index} is out of range for a container of {size}")
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._modules = {str(i): module for i, module in enumerate(modules)}  # pyright: ignore[reportIncompatibleVariableOverride]

    def append(self, module: Module) -> Self:
        """Adds a module at the end.

        Raises:
            TypeError: module is not a Module.
        """
        self.add_module(str(len(self._modules)), module)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Adds modules at the end.

        Raises:
            TypeError: sequential is not iterable, or one of its modules is not a Module.
        """
        if not isinstance(sequential, Iterable):
            raise TypeError(f"{self._get_name()}.extend should be called with an iterable, but got {type(sequential).__name__}")
        for module in list(sequential):
            self.append(module)
        return self


class Sequential(_Numbered):
    """A chain of modules, each called with the output of the one before it.

    y = mₙ(... m₂(m₁(x)))

    Args:
        args: the modules in order, or one OrderedDict of names and modules.

    **Shape**: x whatever the first module takes; y whatever the last one gives.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> model(np.zeros((3, 4), np.float32)).shape
        (3, 2)
        >>> model[1:]
        Sequential(
          (1): ReLU()
          (2): Linear(in_features=8, out_features=2, bias=True)
        )
    """

    @overload
    def __init__(self, *args: Module) -> None: ...

    @overload
    def __init__(self, arg: OrderedDict[str, Module], /) -> None: ...

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    @overload
    def __getitem__(self, idx: int) -> Module: ...

    @overload
    def __getitem__(self, idx: slice) -> Self: ...

    def __getitem__(self, idx: int | slice) -> Module | Self:
        if isinstance(idx, slice):
            return self.__class__(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._name_at(idx)]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
        return self.extend(other)

    def __mul__(self, other: int) -> Sequential:
        return Sequential(*list(self) * self._factor(other))

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int) -> Self:
        return self.extend(list(self) * (self._factor(other) - 1))

    def _factor(self, other: int) -> int:
        if not hasattr(other, "__index__"):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        factor = operator.index(other)
        if factor <= 0:
            raise ValueError(f"Non-positive multiplication factor {factor} for {type(self)}")
        return factor

    def pop(self, key: int | slice) -> Module:
        """Removes and returns the module or modules at `key`."""
        module = self[key]
        del self[key]
        return module

    def insert(self, index: int, module: Module) -> Self:
        """Puts a module before the one at `index`.

        Raises:
            TypeError: module is not a Module.
            IndexError: index is out of range.
        """
        self._insert(index, module)
        return self

    def forward(self, input: Any) -> Any:
        """Passes `input` through all modules."""
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules that are registered; it computes nothing itself.

    Args:
        modules: modules to begin with.

    Example:
        >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        >>> layers
        ModuleList(
          (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
        )
        >>> x = np.zeros((2, 4), np.float32)
        >>> for layer in layers:
        ...     x = layer(x)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    @overload
    def __getitem__(self, idx: int) -> Module: ...

    @overload
    def __getitem__(self, idx: slice) -> Self: ...

    def __getitem__(self, idx: int | slice) -> Module | Self:
        if isinstance(idx, slice):
            return self.__class__(list(self._modules.values())[idx])
        return self._modules[self._name_at(idx)]

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def pop(self, key: int | slice) -> Module:
        """Removes and returns the module or modules at `key`."""
        module = self[key]
        del self[key]
        return module

    def insert(self, index: int, module: Module) -> None:
        """Puts a module before the one at `index`.

        Raises:
            TypeError: module is not a Module.
            IndexError: index is out of range.
        """
        self._insert(index, module)

    def __repr__(self) -> str:
        # Neighbours that print alike are folded into one line.
        blocks: list[tuple[int, int, str]] = []
        for i, text in enumerate(map(repr, self)):
            if blocks and blocks[-1][2] == text:
                blocks[-1] = (blocks[-1][0], i, text)
            else:
                blocks.append((i, i, text))
        if not blocks:
            return f"{self._get_name()}()"
        lines = [
            _addindent(f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}", 2)
            for first, last, text in blocks
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules that are registered; it computes nothing itself.

    Args:
        modules: a mapping, or (name, module) pairs, to begin with.

    Example:
        >>> choices = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
        >>> choices["relu"](np.float32([-1, 1]))
        array([0., 1.], dtype=float32)
    """

    _modules: dict[str, Module]  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | ModuleDict | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Removes all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Removes and returns the module of this name."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Module]:
        """The pairs of name and module."""
        return self._modules.items()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | ModuleDict) -> None:
        """Adds modules, replacing those of the same name.

        Raises:
            TypeError: modules is not iterable, or an element is not a pair.
            ValueError: an element has another length than 2.
        """
        for name, module in _pairs(modules, "ModuleDict"):
            self[name] = module


def _pairs(entries: Any, container: str) -> Iterable[tuple[str, Any]]:
    """The (name, value) pairs of a mapping or of an iterable of pairs."""
    if isinstance(entries, (Mapping, ModuleDict, ParameterDict)):
        return list(entries.items())
    if not isinstance(entries, Iterable):
        raise TypeError(f"{container}.update should be called with an iterable of key/value pairs, but got {type(entries).__name__}")
    pairs = []
    for i, entry in enumerate(entries):
        if not isinstance(entry, Iterable):
            raise TypeError(f"{container} update sequence element #{i} should be Iterable; is {type(entry).__name__}")
        pair = tuple(entry)
        if len(pair) != 2:
            raise ValueError(f"{container} update sequence element #{i} has length {len(pair)}; 2 is required")
        pairs.append(pair)
    return pairs


def _as_entry(value: Any) -> Any:
    """Arrays become Parameters, everything else stays what it is."""
    if isinstance(value, (np.ndarray, Tensor)) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


def _entry_line(name: object, value: Any) -> str:
    if isinstance(value, Tensor):
        return f"  ({name}): Parameter containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
    return f"  ({name}): Object of type: {type(value).__name__}"


class ParameterList(Module):
    """A list of parameters that are registered; arrays become Parameters, other objects are kept as they are.

    Args:
        values: entries to begin with.

    Example:
        >>> nn.ParameterList([np.ones((2, 3), np.float32), np.ones(2, np.float32)])
        ParameterList(
            (0): Parameter containing: [float32 of size 2x3]
            (1): Parameter containing: [float32 of size 2]
        )
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    @overload
    def __getitem__(self, idx: int) -> Any: ...

    @overload
    def __getitem__(self, idx: slice) -> Self: ...

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return self.__class__(self[i] for i in range(*idx.indices(self._size)))
        return getattr(self, str(_position(idx, self._size)))

    def __setitem__(self, idx: int, param: Any) -> None:
        setattr(self, str(_position(idx, self._size)), _as_entry(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self._size))

    def __iadd__(self, parameters: Iterable[Any]) -> Self:
        return self.extend(parameters)

    def append(self, value: Any) -> Self:
        """Adds an entry at the end."""
        setattr(self, str(self._size), _as_entry(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Adds entries at the end.

        Raises:
            TypeError: values is an array or not iterable.
        """
        if not isinstance(values, Iterable) or isinstance(values, (Tensor, np.ndarray)):
            raise TypeError(
                f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}; use append for one array"
            )
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """One line for each entry."""
        return "\n".join(_entry_line(i, value) for i, value in enumerate(self))

    if not TYPE_CHECKING:

        def __call__(self, *args, **kwargs):
            raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters that are registered; arrays become Parameters, other objects are kept as they are.

    Args:
        parameters: a mapping, or (name, value) pairs, to begin with.

    Example:
        >>> weights = nn.ParameterDict({"left": np.ones(2, np.float32), "right": np.zeros(3, np.float32)})
        >>> weights["left"].numpy()
        array([1., 1.], dtype=float32)
        >>> list(weights.state_dict())
        ['left', 'right']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"ParameterDict: keys must be strings, got {key!r} of type {type(key).__name__}; use str(key)")
        if key not in self._keys and hasattr(self, key):
            raise KeyError(f"attribute '{key}' already exists")
        setattr(self, key, _as_entry(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """Another ParameterDict with the same entries."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The entry `key`, which becomes `default` where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Removes all entries."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Removes and returns the entry `key`."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Removes and returns the pair that was added last."""
        if not self._keys:
            raise KeyError("popitem(): ParameterDict is empty")
        key = next(reversed(self))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The entry `key`, or `default` where there is none."""
        if key not in self:
            return default
        return self[key]

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new ParameterDict with these keys, all with the entry `default`."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The pairs of name and entry."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The entries."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Adds entries, replacing those of the same name; a plain dict in the order of its sorted keys, as in PyTorch.

        Raises:
            TypeError: parameters is not iterable, or an element is not a pair.
            ValueError: an element has another length than 2.
        """
        pairs = _pairs(parameters, "ParameterDict")
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            pairs = sorted(pairs, key=operator.itemgetter(0))
        for key, value in pairs:
            self[key] = value

    def extra_repr(self) -> str:
        """One line for each entry."""
        return "\n".join(_entry_line(key, value) for key, value in self.items())

    if not TYPE_CHECKING:

        def __call__(self, *args, **kwargs):
            raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: ParameterDict) -> ParameterDict:
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        merged = other.copy()
        merged.update(self)
        return merged

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self
