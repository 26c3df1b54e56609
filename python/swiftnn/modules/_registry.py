"""The dictionaries a Module keeps its parameters, buffers and children in, and the handle that removes a hook."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Registry", "RemovableHandle"]


class Registry(dict[str, Any]):
    """Entries of one kind; each is also in the module's `__dict__`, so that reading it is a plain attribute lookup.

    What a layer keeps of its attributes for its next call, `_arguments`, is dropped when an entry changes.

    The reference to the module is weak: a module must die with its last user, not at the next garbage collection.
    """

    __slots__ = ("_owner",)

    def __init__(self, owner: Module, entries: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__()
        self._owner = weakref.ref(owner)
        for name, value in entries:
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        owner = self._owner()
        if owner is not None:
            owner.__dict__[name] = value
            owner.__dict__.pop("_arguments", None)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        owner = self._owner()
        if owner is not None:
            owner.__dict__.pop(name, None)
            owner.__dict__.pop("_arguments", None)

    # dict's own versions of these would go round the two methods above.

    def pop(self, name: str, *default: Any) -> Any:
        if name not in self and default:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, Any]:
        if not self:
            raise KeyError("popitem(): nothing is registered")
        name = next(reversed(self))
        return name, self.pop(name)

    def clear(self) -> None:
        for name in list(self):
            del self[name]

    def update(self, *entries: Any, **named: Any) -> None:
        for name, value in dict(*entries, **named).items():
            self[name] = value

    def __ior__(self, other: Any) -> Registry:  # type: ignore[override, misc]
        self.update(other)
        return self

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class RemovableHandle:
    """Removes the hook it was returned for; as a context manager, at the end of the block.

    Example:
        >>> layer = nn.Identity()
        >>> with layer.register_forward_hook(lambda module, args, output: output + 1):
        ...     layer(np.zeros(2))
        array([1., 1.])
        >>> layer(np.zeros(2))
        array([0., 0.])
    """

    _ids = itertools.count()

    def __init__(self, hooks: OrderedDict[int, Any]) -> None:
        # Ids in an unpickled module come from another process: skip those in use.
        self.id = next(number for number in self._ids if number not in hooks)
        self._hooks = weakref.ref(hooks)

    def remove(self) -> None:
        """Removes the hook; a second time does nothing."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def __getstate__(self) -> tuple[int, OrderedDict[int, Any] | None]:
        return self.id, self._hooks()

    def __setstate__(self, state: tuple[int, OrderedDict[int, Any] | None]) -> None:
        self.id, hooks = state
        self._hooks = weakref.ref(OrderedDict() if hooks is None else hooks)
