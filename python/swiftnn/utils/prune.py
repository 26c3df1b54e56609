"""Pruning: elements or channels of a parameter held at 0 by a mask."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from .. import operators, random
from .._native import random_forward
from ..errors import ArgumentError
from ..modules.module import Module
from ..tensor import Tensor
from .weight_hooks import constant, hooks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

_ModuleT = TypeVar("_ModuleT", bound=Module)


def _raw(value: Any) -> NDArray[Any]:
    array: NDArray[Any] = value.data if isinstance(value, Tensor) else np.asarray(value)
    return array


class BasePruningMethod(ABC):
    """A forward pre-hook that multiplies a parameter by a mask; a subclass says by `compute_mask` how the mask is found.

    A subclass also has PRUNING_TYPE: "unstructured", where compute_mask gets the elements that are left, as a vector; "structured", where
    it gets the channels along `dim` that are left; or "global", where it gets all.

    Example:
        >>> class EveryOther(nn.utils.prune.BasePruningMethod):
        ...     PRUNING_TYPE = "unstructured"
        ...     def compute_mask(self, t, default_mask):
        ...         mask = default_mask.clone()
        ...         mask.view(-1)[::2] = 0
        ...         return mask
        >>> layer = nn.Linear(2, 2)
        >>> _ = EveryOther.apply(layer, "weight")
        >>> layer.weight_mask
        array([[0., 1.],
               [0., 1.]], dtype=float32)
    """

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: Any = None

    def __call__(self, module: Module, inputs: Any) -> None:
        self._remake(module)

    def _remake(self, module: Module) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of a Tensor t; default_mask: the mask so far."""

    def apply_mask(self, module: Module) -> Any:
        """The parameter times the mask."""
        if self._tensor_name is None:
            raise ArgumentError(f"Module {module} has to be pruned")
        original = getattr(module, f"{self._tensor_name}_orig")
        mask = getattr(module, f"{self._tensor_name}_mask").astype(original.dtype, copy=False)
        return operators.mul(original, constant(mask))

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prunes a parameter: `name` becomes the product of the parameter `name_orig` and the buffer `name_mask`.

        Args:
            module: the module, which is changed.
            name: its parameter.
            args: what the method's constructor takes.
            importance_scores: what the mask is computed from instead of the parameter.
            kwargs: keyword arguments of the constructor.

        Returns:
            The method; a PruningContainer where the parameter was pruned before.

        Raises:
            ValueError: there is no such parameter, or importance_scores has another shape.
        """
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        pruned = hooks_of(module, BasePruningMethod, name)
        if not pruned and module._parameters.get(name) is None:
            raise ValueError(f"prune: {module._get_name()} has no parameter '{name}'; it has {[*module._parameters]}")
        current = _raw(getattr(module, name))
        scores = current if importance_scores is None else _raw(importance_scores)
        if scores.shape != current.shape:
            raise ArgumentError(
                f"importance_scores should have the same shape as parameter {name} of {module}, got {scores.shape} vs {current.shape}"
            )
        if pruned:
            ((key, old),) = pruned
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            container._pruning_methods += (method,)
            try:
                mask = container.compute_mask(constant(scores), constant(getattr(module, f"{name}_mask").copy()))
            except Exception:
                container._pruning_methods = container._pruning_methods[:-1]
                raise
            method = container
            del module._forward_pre_hooks[key]
        else:
            mask = method.compute_mask(constant(scores), constant(np.ones_like(current)))
            original = module._parameters[name]
            del module._parameters[name]
            module.register_parameter(f"{name}_orig", original)
        module.register_buffer(f"{name}_mask", _raw(mask))
        method._remake(module)
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """An array times the mask that is found for it.

        Args:
            t: the array or Tensor.
            default_mask: the mask so far; None: ones.
            importance_scores: what the mask is computed from instead of t.

        Raises:
            ValueError: importance_scores has another shape.
        """
        scores = _raw(t if importance_scores is None else importance_scores)
        if scores.shape != t.shape:
            raise ArgumentError(f"importance_scores should have the same shape as tensor t, got {scores.shape} vs {t.shape}")
        before = np.ones_like(_raw(t)) if default_mask is None else _raw(default_mask)
        return operators.mul(t, constant(_raw(self.compute_mask(constant(scores), constant(before)))))

    def remove(self, module: Any) -> None:
        """Makes the pruned parameter a parameter of its own again; what was pruned stays 0.

        Args:
            module: the module that this method was applied to.
        """
        name = self._tensor_name
        array = _raw(self.apply_mask(module))
        original = module._parameters[f"{name}_orig"]
        module.__dict__.pop(name, None)
        original.data = array
        del module._parameters[f"{name}_orig"]
        del module._buffers[f"{name}_mask"]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Methods that have pruned one parameter one after the other.

    Args:
        args: the methods.

    Example:
        >>> layer = nn.utils.prune.l1_unstructured(nn.Linear(4, 4), "weight", 4)
        >>> len(nn.utils.prune.L1Unstructured.apply(layer, "weight", amount=2))
        2
        >>> int(layer.weight_mask.sum())
        10
    """

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Adds a method for the same parameter.

        Raises:
            TypeError: it is none.
            ValueError: it is one for another parameter.
        """
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer {self}. "
                f"Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask so far with what the last method prunes of the rest."""
        method: Any = self._pruning_methods[-1]
        t, mask = _raw(t), _raw(default_mask)
        rest: Any
        if method.PRUNING_TYPE == "unstructured":
            rest = mask == 1
        elif method.PRUNING_TYPE == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError('Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.')
            if not -t.ndim <= method.dim < t.ndim:
                raise IndexError(f"Index is out of bounds for tensor with dimensions {t.ndim}")
            rest = _channels(method.dim, t.ndim, (np.moveaxis(mask, method.dim, 0).reshape(mask.shape[method.dim], -1) != 0).any(1))
        elif method.PRUNING_TYPE == "global":
            rest = ...
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        result = mask.astype(t.dtype)
        result[rest] = _raw(method.compute_mask(constant(t[rest]), constant(mask[rest])))
        return result


def _channels(dim: int, ndim: int, which: Any) -> tuple[Any, ...]:
    """The index of channels along dim."""
    return tuple(which if i == dim % ndim else slice(None) for i in range(ndim))


class Identity(BasePruningMethod):
    """Prunes nothing: the mask is one of ones.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> _ = nn.utils.prune.Identity.apply(layer, "bias")
        >>> layer.bias_mask
        array([1., 1., 1.], dtype=float32)
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """default_mask itself."""
        return default_mask


class _Amount(BasePruningMethod):
    """A method that prunes so many elements or channels: those that the least `_scores` belong to."""

    amount: float
    dim: int

    def __init__(self, amount: float) -> None:
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or (not isinstance(amount, numbers.Integral) and amount > 1) or amount != amount:
            raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
        self.amount = amount

    def _number(self, size: int) -> int:
        number = int(self.amount) if isinstance(self.amount, numbers.Integral) else round(float(self.amount) * size)
        if number > size:
            raise ValueError(f"amount={number} should be smaller than the number of parameters to prune={size}")
        return number

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """default_mask with so many zeros more."""
        t, mask = _raw(t), _raw(default_mask).copy()
        if self.PRUNING_TYPE == "structured":
            if t.ndim <= 1:
                raise ValueError(
                    "Structured pruning can only be applied to multidimensional tensors. "
                    f"Found tensor of shape {t.shape} with {t.ndim} dims"
                )
            if not -t.ndim <= self.dim < t.ndim:
                raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
            number = self._number(t.shape[self.dim])
            if number:
                mask[_channels(self.dim, t.ndim, self._least(t, number))] = 0
            return mask
        number = self._number(t.size)
        if number:
            mask.reshape(-1)[self._least(t, number)] = 0
        return mask

    def _least(self, t: NDArray[Any], number: int) -> Any:
        return np.argsort(self._scores(t), kind="stable")[:number]

    def _scores(self, t: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError


def _random(size: int) -> NDArray[Any]:
    seed, offset = random.reserve(size)
    drawn: NDArray[Any] = random_forward((size,), 1, 0, 0.0, 1.0, seed, offset)
    return drawn


class RandomUnstructured(_Amount):
    """Prunes elements at random.

    Args:
        amount: how many, an int, or which part of all, a float from 0 to 1.

    Raises:
        ValueError: amount is out of range.
        TypeError: amount is no number.

    Example:
        >>> int((nn.utils.prune.RandomUnstructured(0.5).prune(np.ones(10)) == 0).sum())
        5
    """

    PRUNING_TYPE = "unstructured"

    def _scores(self, t: NDArray[Any]) -> NDArray[Any]:
        return _random(t.size)


class L1Unstructured(_Amount):
    """Prunes the elements of least absolute value.

    Args:
        amount: how many, an int, or which part of all, a float from 0 to 1.

    Raises:
        ValueError: amount is out of range.
        TypeError: amount is no number.

    Example:
        >>> nn.utils.prune.L1Unstructured(2).prune(np.array([3.0, -1.0, 2.0, -4.0]))
        array([ 3., -0.,  0., -4.])
    """

    PRUNING_TYPE = "unstructured"

    def _scores(self, t: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.abs(t)).reshape(-1)


class RandomStructured(_Amount):
    """Prunes channels at random.

    Args:
        amount: how many, an int, or which part of all, a float from 0 to 1.
        dim: the dimension along which channels are counted.

    Raises:
        ValueError: amount is out of range.
        TypeError: amount is no number.

    Example:
        >>> int((nn.utils.prune.RandomStructured(1, dim=0).prune(np.ones((3, 2))) == 0).sum())
        2
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _scores(self, t: NDArray[Any]) -> NDArray[Any]:
        return _random(t.shape[self.dim])


class LnStructured(_Amount):
    """Prunes the channels of least norm.

    Args:
        amount: how many, an int, or which part of all, a float from 0 to 1.
        n: p of the norm: a number, inf, -inf, "fro" or "nuc".
        dim: the dimension along which channels are counted.

    Raises:
        ValueError: amount is out of range.
        TypeError: amount is no number.

    Example:
        >>> nn.utils.prune.LnStructured(1, n=2, dim=0).prune(np.array([[1.0, 2.0], [-1.0, 1.0]]))
        array([[ 1.,  2.],
               [-0.,  0.]])
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.n, self.dim = n, dim

    def _scores(self, t: NDArray[Any]) -> NDArray[Any]:
        rows = np.moveaxis(t, self.dim, 0)
        if self.n == "nuc":
            scores: Any = np.linalg.norm(rows, "nuc", (1, 2))
        else:
            scores = np.linalg.norm(rows.reshape(len(rows), -1), 2 if self.n == "fro" else float(self.n), 1)
        return np.asarray(scores)


class CustomFromMask(BasePruningMethod):
    """Prunes by a mask that is given.

    Args:
        mask: 1 for what stays, 0 for what goes.

    Example:
        >>> nn.utils.prune.CustomFromMask(np.array([1, 0])).prune(np.array([3.0, 4.0]))
        array([3., 0.])
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The product of both masks."""
        mask, before = _raw(self.mask), _raw(default_mask)
        if before.shape != mask.shape:
            raise ArgumentError(f"default_mask shape {before.shape} must match self.mask shape {mask.shape}")
        return before * mask.astype(before.dtype)


def identity(module: _ModuleT, name: str) -> _ModuleT:
    """Gives a parameter a mask of ones.

    Args:
        module: the module, which is changed: `name` becomes the product of the parameter `name_orig` and the buffer `name_mask`.
        name: its parameter.

    Returns:
        module.

    Raises:
        ValueError: there is no such parameter.

    Example:
        >>> nn.utils.prune.identity(nn.Linear(2, 3), "bias").bias_mask
        array([1., 1., 1.], dtype=float32)
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: _ModuleT, name: str, amount: float) -> _ModuleT:
    """Prunes elements of a parameter at random, from those that are left.

    Args:
        module: the module, which is changed: `name` becomes the product of the parameter `name_orig` and the buffer `name_mask`.
        name: its parameter.
        amount: how many, an int, or which part, a float from 0 to 1.

    Returns:
        module.

    Raises:
        ValueError: there is no such parameter, or amount is out of range.

    Example:
        >>> int(nn.utils.prune.random_unstructured(nn.Linear(2, 3), "weight", amount=1).weight_mask.sum())
        5
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: _ModuleT, name: str, amount: float, importance_scores: Any = None) -> _ModuleT:
    """Prunes the elements of a parameter with the least absolute values, from those that are left.

    Args:
        module: the module, which is changed: `name` becomes the product of the parameter `name_orig` and the buffer `name_mask`.
        name: its parameter.
        amount: how many, an int, or which part, a float from 0 to 1.
        importance_scores: values to go by instead of the parameter's.

    Returns:
        module.

    Raises:
        ValueError: there is no such parameter, amount is out of range, or importance_scores has another shape.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> layer.weight.data[:] = [[-3.0, 2.0]]
        >>> nn.utils.prune.l1_unstructured(layer, "weight", amount=0.5).weight.numpy()
        array([[-3.,  0.]], dtype=float32)
        >>> list(layer.state_dict())
        ['bias', 'weight_orig', 'weight_mask']
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: _ModuleT, name: str, amount: float, dim: int) -> _ModuleT:
    """Prunes channels of a parameter at random, from those that are left.

    Args:
        module: the module, which is changed: `name` becomes the product of the parameter `name_orig` and the buffer `name_mask`.
        name: its parameter.
        amount: how many, an int, or which part, a float from 0 to 1.
        dim: the dimension along which channels are counted.

    Returns:
        module.

    Raises:
        ValueError: there is no such parameter, it is a vector, or amount is out of range.
        IndexError: it has no dimension dim.

    Example:
        >>> int(nn.utils.prune.random_structured(nn.Linear(2, 3), "weight", amount=1, dim=0).weight_mask.sum())
        4
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: _ModuleT, name: str, amount: float, n: Any, dim: int, importance_scores: Any = None) -> _ModuleT:
    """Prunes the channels of a parameter with the least norms, from those that are left.

    Args:
        module: the module, which is changed: `name` becomes the product of the parameter `name_orig` and the buffer `name_mask`.
        name: its parameter.
        amount: how many, an int, or which part, a float from 0 to 1.
        n: p of the norm: a number, inf, -inf, "fro" or "nuc".
        dim: the dimension along which channels are counted.
        importance_scores: values to go by instead of the parameter's.

    Returns:
        module.

    Raises:
        ValueError: there is no such parameter, it is a vector, amount is out of range, or importance_scores has another shape.
        IndexError: it has no dimension dim.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> layer.weight.data[:] = [[1.0, 2.0], [3.0, 4.0]]
        >>> nn.utils.prune.ln_structured(layer, "weight", amount=1, n=2, dim=1).weight.numpy()
        array([[0., 2.],
               [0., 4.]], dtype=float32)
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: Any,
    importance_scores: Mapping[tuple[Module, str], Any] | None = None,
    **kwargs: Any,
) -> None:
    """Prunes elements of several parameters as if they were one.

    Args:
        parameters: pairs of a module, which is changed, and the name of its parameter.
        pruning_method: `L1Unstructured`, `RandomUnstructured` or another unstructured method.
        importance_scores: values to go by instead of a parameter's, by its pair.
        kwargs: keyword arguments of the method's constructor.

    Raises:
        TypeError: an argument has the wrong type, or the method is not unstructured.

    Example:
        >>> net = nn.Sequential(nn.Linear(10, 4), nn.Linear(4, 1))
        >>> pairs = [(net[0], "weight"), (net[1], "weight")]
        >>> nn.utils.prune.global_unstructured(pairs, pruning_method=nn.utils.prune.L1Unstructured, amount=10)
        >>> int(net[0].weight_mask.sum() + net[1].weight_mask.sum())
        34
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    given = {} if importance_scores is None else importance_scores
    if not isinstance(given, Mapping):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = [(module, name, _raw(getattr(module, name))) for module, name in parameters]
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method {pruning_method} of type '
            f"{method.PRUNING_TYPE}"
        )
    scores = np.concatenate([_raw(given.get((module, name), array)).reshape(-1) for module, name, array in pairs])
    masks = np.concatenate([_raw(getattr(module, f"{name}_mask", np.ones_like(array))).reshape(-1) for module, name, array in pairs])
    container = PruningContainer()
    container.add_pruning_method(method)
    final = _raw(container.compute_mask(scores, masks))
    start = 0
    for module, name, array in pairs:
        custom_from_mask(module, name, final[start : start + array.size].reshape(array.shape))
        start += array.size


def custom_from_mask(module: _ModuleT, name: str, mask: Any) -> _ModuleT:
    """Prunes the elements of a parameter where a mask is 0.

    Args:
        module: the module, which is changed: `name` becomes the product of the parameter `name_orig` and the buffer `name_mask`.
        name: its parameter.
        mask: 1 for what stays, 0 for what goes.

    Returns:
        module.

    Raises:
        ValueError: there is no such parameter, or the mask has another shape.

    Example:
        >>> nn.utils.prune.custom_from_mask(nn.Linear(5, 3), "bias", mask=np.array([0, 1, 0])).bias_mask
        array([0., 1., 0.], dtype=float32)
    """
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: _ModuleT, name: str) -> _ModuleT:
    """Makes a pruned parameter a parameter of its own again; what was pruned stays 0.

    Args:
        module: the module, which is changed.
        name: its parameter.

    Returns:
        module.

    Raises:
        ValueError: it is not pruned.

    Example:
        >>> layer = nn.utils.prune.random_unstructured(nn.Linear(5, 7), "weight", amount=0.2)
        >>> list(nn.utils.prune.remove(layer, "weight").state_dict())
        ['bias', 'weight']
        >>> int((layer.weight.numpy() == 0).sum())
        7
    """
    for key, hook in hooks_of(module, BasePruningMethod, name):
        hook.remove(module)
        del module._forward_pre_hooks[key]
        return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether a parameter of a module, or of one inside, is pruned.

    Args:
        module: the module.

    Example:
        >>> nn.utils.prune.is_pruned(nn.Sequential(nn.utils.prune.identity(nn.Linear(2, 2), "weight")))
        True
    """
    return any(hooks_of(inner, BasePruningMethod) for inner in module.modules())
