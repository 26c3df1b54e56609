"""Parameters computed from other parameters by modules: whoever reads `module.weight` gets what the modules make of the originals."""

from __future__ import annotations

from _thread import _local
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import tape
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..tensor import Parameter, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_ModuleT = TypeVar("_ModuleT", bound=Module)


class _Cache(_local):
    depth = 0

    def __init__(self) -> None:
        # The module is kept beside the value: another one could get its id.
        self.values: dict[tuple[int, str, bool], tuple[Module, Any]] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """In this block, and this thread, a parametrized array is computed once, not every time that it is read.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
        >>> with nn.utils.parametrize.cached():
        ...     layer.weight is layer.weight
        True
        >>> layer.weight is layer.weight
        False
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.values.clear()


def _array(value: Any) -> NDArray[Any]:
    array: NDArray[Any] = value._data if isinstance(value, Tensor) else value
    return array


def _alias(value: Any, weak: bool) -> Any:
    """The same array as a Tensor on the same tape; weak: one that never decides that a result is a Tensor.

    Parametrizations compute with strong ones: with an array beside a Parameter, such as a buffer of theirs, the tape would end.
    """
    if not isinstance(value, Tensor):
        return tape._new_tensor(value, weak)
    node, index = value._node, value._index
    if node is None and value._requires_grad and tape.is_grad_enabled():
        node, index = tape.Node("Parametrization", lambda node, grads, wanted: grads, [value], [(value.shape, value.dtype)]), 0
    return tape._new_tensor(value._data, weak, node, index)


def _require_array(value: Any, what: str) -> Any:
    if not isinstance(value, (Tensor, np.ndarray)):
        raise ValueError(f"{what} must return a tensor. Got {type(value).__name__}.")
    return value


def _require_same(value: Any, shape: Any, dtype: Any, name: str, what: str) -> None:
    """Raises where a parametrization would change what kind of array its module has."""
    for kind, got, expected in (("dtype", value.dtype, dtype), ("shape", tuple(value.shape), tuple(shape))):
        if got != expected:
            raise ValueError(
                f"{what} may not change the {kind} of the tensor, unless the `unsafe` flag is enabled: '{name}' has {expected}, "
                f"the result {got}"
            )


class ParametrizationList(ModuleList):
    """The parametrizations of one array and the originals that it is computed from: `module.parametrizations.weight`.

    `register_parametrization` makes it. The originals are `original`, or `original0`, `original1`, ... where right_inverse of the first
    parametrization gives several.

    Args:
        modules: the parametrizations, the first of which gets the originals.
        original: the parameter or buffer.
        unsafe: whether dtype and shape may change.

    Raises:
        ValueError: there are no modules, or dtypes and shapes do not fit.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
        >>> [(name, p.shape) for name, p in layer.parametrizations.weight.named_parameters()]
        [('original0', (3, 1)), ('original1', (3, 2))]
    """

    original: Any
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if not len(modules):
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype, before = original.shape, original.dtype, _array(original)
        with tape.no_grad():
            new = self._inverted(original, True)
        self.is_tensor = isinstance(new, (Tensor, np.ndarray))
        if not self.is_tensor and not isinstance(new, (list, tuple)):
            raise ValueError(f"'right_inverse' must return a Tensor or a sequence of Tensors. Got {type(new).__name__}")
        parts: list[Any] = [new] if self.is_tensor else list(new)
        self.ntensors = len(parts)
        if self.is_tensor and parts[0].dtype != dtype:
            raise ValueError(f"When `right_inverse` outputs one tensor, it may not change the dtype: {dtype} became {parts[0].dtype}")
        if not self.is_tensor:
            for i, each in enumerate(parts):
                array = _array(_require_array(each, f"element {i} of what 'right_inverse' gives"))
                _register(self, f"original{i}", Parameter(array, original.requires_grad) if isinstance(original, Parameter) else array)
        elif isinstance(original, Parameter):  # the same object, which an optimizer may have
            original.data = _array(new)
            self.register_parameter("original", original)
        else:
            self.register_buffer("original", _array(new))
        if not unsafe:
            try:
                _require_same(self(), shape, dtype, "original", "Registering a parametrization")
            except Exception:
                if isinstance(original, Parameter):
                    original.data = before
                raise

    def _inverted(self, value: Any, lenient: bool) -> Any:
        """What the originals have to be for the parametrizations to give value."""
        value = _alias(value, False)
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse") and not lenient:
                raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
            try:
                value = module.right_inverse(value) if hasattr(module, "right_inverse") else value
            except NotImplementedError:
                if not lenient:
                    raise
        return value

    def _originals(self) -> list[Any]:
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Changes the originals so that the parametrizations give value.

        Args:
            value: what the array shall be.

        Raises:
            RuntimeError: a parametrization has no right_inverse.
            ValueError: what right_inverse gives does not fit the originals.
        """
        with tape.no_grad():
            given = self._inverted(value if isinstance(value, (Tensor, np.ndarray)) else np.asarray(value), False)
        values = [given] if self.is_tensor else given
        originals = self._originals()
        if not isinstance(values, (list, tuple)) or len(values) != len(originals):
            raise ValueError(f"'right_inverse' must return a sequence of {len(originals)} tensors, got {type(given).__name__}")
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        for name, old, new in zip(names, originals, values, strict=True):
            if _require_array(new, "'right_inverse'").dtype != old.dtype:
                raise ValueError(f"The tensor returned by `right_inverse` has dtype {new.dtype} while `{name}` has dtype {old.dtype}")
        for name, old, new in zip(names, originals, values, strict=True):
            if old.shape == new.shape:
                np.copyto(_array(old), _array(new))
                tape.wrote(old)
            elif isinstance(old, Parameter):
                old.data = _array(new)
            else:
                setattr(self, name, new)

    def forward(self) -> Any:
        """The array that the parametrizations make of the originals."""
        originals = self._originals()
        x = self[0](*(_alias(original, False) for original in originals))
        for module in list(self)[1:]:
            x = module(x)
        _require_array(x, "A parametrization")
        # A buffer stays an array.
        weak = any(isinstance(each, Parameter) for each in originals) or (isinstance(x, Tensor) and x.requires_grad)
        return _alias(x, True) if weak else _array(x)


def _register(module: Module, name: str, value: Any) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


# The class of a parametrized module: the module's own with a property for each array. It is made for the names and never changed, since
# copies of a module share it.


def _property(name: str) -> Any:
    def read(self: Any) -> Any:
        if not _cache.depth:
            return self.parametrizations[name]()
        key = (id(self), name, tape.is_grad_enabled())
        if key not in _cache.values:
            _cache.values[key] = self, self.parametrizations[name]()
        return _cache.values[key][1]

    def write(self: Any, value: Any) -> None:
        for recording in (False, True):
            _cache.values.pop((id(self), name, recording), None)
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _class(base: type[Any], names: tuple[str, ...]) -> type[Any]:
    if not names:
        return base
    names = tuple(sorted(names))
    for cls in base.__subclasses__():
        if cls.__dict__.get("_parametrized") == names:
            return cls
    members = {"__module__": base.__module__, "__doc__": base.__doc__, "__reduce_ex__": _reduce, "_parametrized": names}
    metaclass: Any = type(base)
    made: type[Any] = metaclass(f"Parametrized{base.__name__}", (base,), {**members, **{name: _property(name) for name in names}})
    return made


def _reduce(self: Any, protocol: Any) -> tuple[Any, ...]:
    return _new, (type_before_parametrizations(self), type(self)._parametrized), self.__getstate__()


def _new(base: type[Any], names: tuple[str, ...]) -> Any:
    cls: Any = _class(base, names)
    return cls.__new__(cls)


def shown(module: Module) -> tuple[str, ...]:
    """The names that are properties of the module's class."""
    return getattr(type(module), "_parametrized", ())


def show(module: Any, names: tuple[str, ...]) -> None:
    """Makes the arrays `names`, and no other ones, properties of the module."""
    module.__class__ = _class(type_before_parametrizations(module), names)
    module.__dict__.pop("_arguments", None)


def register_parametrization(module: _ModuleT, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> _ModuleT:
    """Has a parameter or buffer of a module computed by another module: `module.weight` is then `parametrization(original)`.

    The original is the parameter that is trained, `module.parametrizations.weight.original`; with another parametrization on top the
    results are passed on. Assigning an array to `module.weight` asks each parametrization's method `right_inverse` what the original has
    to be. It may give several arrays, `original0`, `original1`, ..., which its forward is then called with. The class of the module gets
    the name ParametrizedX.

    Args:
        module: the module, which is changed.
        tensor_name: the name of its parameter or buffer.
        parametrization: a module whose forward gets Tensors and returns one.
        unsafe: whether shape and dtype may change.

    Returns:
        module.

    Raises:
        ValueError: there is no such parameter or buffer, or the parametrization does not keep its shape and dtype.
        TypeError: parametrization is not a Module.

    Differences from PyTorch:
        A parametrized module can be pickled, and copies can lose their parametrizations one by one.

    Example:
        >>> class Symmetric(nn.Module):
        ...     def forward(self, x):
        ...         return nn.operators.triu(x) + nn.operators.triu(x, 1).T
        ...     def right_inverse(self, a):
        ...         return nn.operators.triu(a)
        >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
        >>> w = layer.weight.numpy()
        >>> bool((w == w.T).all())
        True
        >>> list(layer.state_dict())
        ['bias', 'parametrizations.weight.original']
    """
    if not isinstance(parametrization, Module):
        raise TypeError(f"register_parametrization: parametrization must be a Module, got {type(parametrization).__name__}")
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        below = module.parametrizations[tensor_name]
        if not unsafe:
            before = _alias(getattr(module, tensor_name), False)
            after = _require_array(parametrization(before), "A parametrization")
            _require_same(after, before.shape, before.dtype, tensor_name, "Registering a parametrization")
            if hasattr(parametrization, "right_inverse"):
                try:
                    back = parametrization.right_inverse(after)
                except NotImplementedError:
                    pass
                else:
                    _require_array(back, "parametrization.right_inverse")
                    _require_same(back, before.shape, before.dtype, tensor_name, "parametrization.right_inverse")
        below.append(parametrization)
        below.unsafe |= unsafe
        return module
    original = module._parameters.get(tensor_name)
    if original is None:
        original = module._buffers.get(tensor_name)  # type: ignore[assignment]
    if original is None:
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'")
    parametrizations = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = parametrizations
    show(module, tuple(module.parametrizations))
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has a parametrization, of the array of that name where one is given.

    Args:
        module: the module.
        tensor_name: name of a parameter or buffer; None: any.

    Example:
        >>> nn.utils.parametrize.is_parametrized(nn.Linear(2, 3), "weight")
        False
    """
    parametrizations = module.__dict__.get("parametrizations")
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: _ModuleT, tensor_name: str, leave_parametrized: bool = True) -> _ModuleT:
    """Makes a parametrized array a parameter or buffer of its own again.

    Args:
        module: the module, which is changed.
        tensor_name: name of the array.
        leave_parametrized: whether it keeps the value that was computed, or gets that of the only original.

    Returns:
        module.

    Raises:
        ValueError: it is not parametrized, or without leave_parametrized has several originals.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
        >>> list(nn.utils.parametrize.remove_parametrizations(layer, "weight").state_dict())
        ['bias', 'weight']
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    originals = parametrizations._originals()
    if not leave_parametrized and not parametrizations.is_tensor:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence of tensors."
        )
    result = originals[0] if parametrizations.is_tensor else None
    if leave_parametrized:
        with tape.no_grad():
            array = _array(getattr(module, tensor_name))
        if isinstance(result, Parameter):
            result.data = array
        elif any(isinstance(original, Parameter) for original in originals):
            result = Parameter(array, any(getattr(original, "requires_grad", False) for original in originals))
        else:
            result = array
    del module.parametrizations[tensor_name]
    show(module, tuple(module.parametrizations))
    if not is_parametrized(module):
        del module.parametrizations
    _register(module, tensor_name, result)
    return module


def type_before_parametrizations(module: Module) -> type[Any]:
    """The class of a module as it was before arrays of it were parametrized.

    Args:
        module: the module.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
        >>> type(layer).__name__, nn.utils.parametrize.type_before_parametrizations(layer).__name__
        ('ParametrizedLinear', 'Linear')
    """
    cls = type(module)
    return cls.__bases__[0] if "_parametrized" in cls.__dict__ else cls


def transfer_parametrizations_and_params(from_module: Module, to_module: _ModuleT, tensor_name: str | None = None) -> _ModuleT:
    """Gives to_module the parametrizations of from_module and the originals that they compute with; both share them.

    Args:
        from_module: where they are; without parametrizations nothing happens.
        to_module: the module that is changed; it gets the parameter too if it has none.
        tensor_name: only those of this array; None: all.

    Returns:
        to_module.

    Raises:
        KeyError: tensor_name is not parametrized.

    Example:
        >>> one, two = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)), nn.Linear(2, 3)
        >>> two = nn.utils.parametrize.transfer_parametrizations_and_params(one, two)
        >>> two.parametrizations.weight.original1 is one.parametrizations.weight.original1
        True
    """
    if is_parametrized(from_module):
        for name in from_module.parametrizations if tensor_name is None else [tensor_name]:
            theirs = from_module.parametrizations[name]
            if not hasattr(to_module, name):
                _register(to_module, name, Parameter(_array(getattr(from_module, name))))
            for parametrization in theirs:
                register_parametrization(to_module, name, parametrization, unsafe=theirs.unsafe)
            mine = to_module.parametrizations[name]
            for i, original in enumerate(theirs._originals()):
                setattr(mine, "original" if theirs.is_tensor else f"original{i}", original)
    return to_module
