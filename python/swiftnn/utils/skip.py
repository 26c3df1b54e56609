"""Modules whose weights are not drawn, because they are set or loaded next."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from .. import init
from ..modules.module import Module

__all__ = ["skip_init"]

_ModuleT = TypeVar("_ModuleT", bound=Module)


def skip_init(module_cls: type[_ModuleT], *args: Any, **kwargs: Any) -> _ModuleT:
    """Makes a module without drawing its weights, which saves most of the time that a large one takes to make.

    What `nn.init` would have drawn is whatever the memory held; set it, or load it. The generator of random numbers stays where it is.

    Args:
        module_cls: a subclass of `nn.Module` whose constructor has an argument `device`.
        args: arguments of the constructor.
        kwargs: its keyword arguments.

    Returns:
        The module.

    Raises:
        RuntimeError: module_cls is no such class.

    Example:
        >>> nn.utils.skip_init(nn.Linear, 5, 1)
        Linear(in_features=5, out_features=1, bias=True)
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    before, init._skipping.now = init._skipping.now, True
    try:
        return module_cls(*args, **kwargs)
    finally:
        init._skipping.now = before
