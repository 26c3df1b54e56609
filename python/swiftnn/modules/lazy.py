"""Modules that find the shapes of their parameters out from the first input."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..parameter import is_lazy
from ..tensor import Tensor
from .module import Module

__all__: list[str] = []


def _infer(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    module._infer_parameters(module, args, kwargs)


class LazyModuleMixin(Module):
    """Makes a module lazy: it starts with uninitialised parameters and buffers, and its first call gives them their shapes.

    Put it before the layer's class. The constructor registers an `nn.UninitializedParameter` for each parameter whose shape depends on the
    input; `initialize_parameters` takes what forward takes, calls `materialize` on each of them and sets values. Right before the first
    forward it is called, and the module goes on as an object of `cls_to_become`, where that is not None. A state dict of an initialised
    module can be loaded too: it says the shapes. An optimizer holds the same Parameters before and after.

    Example:
        >>> class LazyScale(nn.modules.lazy.LazyModuleMixin, nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = nn.UninitializedParameter()
        ...     def initialize_parameters(self, x):
        ...         if self.has_uninitialized_params():
        ...             self.factor.materialize(x.shape[-1:])
        ...             _ = nn.init.ones_(self.factor)
        ...     def forward(self, x):
        ...         return x * self.factor
        >>> scale = LazyScale()
        >>> scale.has_uninitialized_params()
        True
        >>> scale(np.array([1.0, 2.0], np.float32))
        array([1., 2.], dtype=float32)
        >>> scale.factor.shape
        (2,)
    """

    cls_to_become: type[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._initialize_hook = self.register_forward_pre_hook(_infer, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives the parameters shapes and values; a subclass says how.

        Args:
            args: what forward is going to be called with.
            kwargs: its keyword arguments.
        """
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether parameters or buffers of this module, without its children, have no shape yet."""
        for name, buffer in list(self._buffers.items()):
            if not isinstance(buffer, np.ndarray) and buffer is not None and not is_lazy(buffer):
                self.register_buffer(name, buffer, name not in self._non_persistent_buffers_set)  # materialised: an array from now on
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    def _start(self, sizes: dict[str, int], **shapes: tuple[int, ...]) -> None:
        """Sets the attributes `sizes`, and gives parameters and buffers their shapes and first values; loaded ones keep theirs."""
        entries = {name: getattr(self, name) for name in shapes if getattr(self, name) is not None}
        for name, entry in entries.items():
            if not is_lazy(entry) and entry.shape != shapes[name]:
                raise ShapeError(
                    f"{self._get_name()}: {name} has shape {entry.shape}, but the input asks for {shapes[name]}; load another state dict "
                    "or pass another input"
                )
        self.__dict__.update(sizes)
        kept = {name: np.array(entry) for name, entry in entries.items() if not is_lazy(entry)}
        if len(kept) == len(entries):
            return
        for name, entry in entries.items():
            if name not in kept:
                entry.materialize(shapes[name])
        self.has_uninitialized_params()  # materialised buffers become arrays
        self.cls_to_become.reset_parameters(self)  # type: ignore[union-attr]
        for name, array in kept.items():
            entry = getattr(self, name)
            np.copyto(entry.data if isinstance(entry, Tensor) else entry, array)

    def _infer_parameters(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(
                f"module {self._get_name()} has not been fully initialized: its initialize_parameters has to materialize every "
                "uninitialized parameter and buffer"
            )
        module._initialize_hook.remove()
        del module._initialize_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
