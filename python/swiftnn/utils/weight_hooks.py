"""Weights that a hook makes anew before every call: weight_norm and spectral_norm with the parameters that older checkpoints have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from .. import init, operators
from ..operators._common import _fit
from ..parameter import is_lazy
from ..tape import _new_tensor, no_grad, operation, wrote
from ..tensor import Parameter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..modules.module import Module

__all__ = ["SpectralNorm", "WeightNorm", "remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

_ModuleT = TypeVar("_ModuleT", bound="Module")


# The mathematics, which utils.parametrizations shares.


def constant(array: NDArray[Any]) -> Any:
    """A Tensor that no gradient goes to and that, as a Parameter, never decides that a result is a Tensor."""
    return _new_tensor(array, True)


def checked_dim(dim: int, ndim: int) -> int:
    """dim, counted from the front."""
    if not -ndim <= dim < ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}] but got {dim})")
    return dim % ndim


def norm_except_dim(v: NDArray[Any], dim: int) -> NDArray[Any]:
    """√Σ v² over all dimensions but `dim`, which are kept with size 1; -1: over all, without dimensions."""
    axes = None if dim == -1 else tuple(i for i in range(v.ndim) if i != checked_dim(dim, v.ndim))
    return np.asarray(np.sqrt(np.square(v).sum(axes, keepdims=axes is not None)))


@operation
def normalized(v: Any, g: Any, dim: int) -> Any:
    """g · v / ‖v‖"""
    norm = norm_except_dim(v, dim)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = g / norm

    def backward(dy: Any, wanted: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = _fit(dy * v, norm.shape) / norm
            return factor * (dy - v * (inner / norm)), _fit(inner, g.shape), None

    return v * factor, backward


@operation
def divided_by_sigma(weight: Any, *, u: NDArray[Any], v: NDArray[Any], dim: int) -> Any:
    """weight / (uᵀ W v), W the weight as a matrix. u and v are constants, and options, since an array beside a Parameter ends the tape."""
    sigma = (u * operators.matmul(as_matrix(weight, dim), v)).sum()
    y = weight / sigma

    def backward(dy: Any, wanted: Any) -> Any:
        through = np.outer(u, v).reshape(np.moveaxis(weight, dim, 0).shape) * ((dy * y).sum() / sigma)
        return (dy / sigma - np.moveaxis(through, 0, dim),)

    return y, backward


def as_matrix(weight: NDArray[Any], dim: int) -> NDArray[Any]:
    """The weight with a row for each index of `dim`."""
    rows = np.moveaxis(weight, dim, 0)
    return rows.reshape(rows.shape[0], -1)


def unit(x: NDArray[Any], eps: float) -> NDArray[Any]:
    """x / max(‖x‖, ε)"""
    y: NDArray[Any] = x / np.maximum(np.sqrt(np.square(x).sum()), x.dtype.type(eps))
    return y


def random_unit(size: int, dtype: Any, eps: float) -> NDArray[Any]:
    """A vector that points anywhere."""
    return unit(init.normal_(np.empty(size, dtype)), eps)


def default_dim(module: Module, dim: int | None) -> int:
    """The dimension of the outputs."""
    from ..modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

    if dim is None:
        return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    return dim


# The hooks.


def hooks_of(module: Module, kind: type[Any], name: str | None = None) -> list[tuple[int, Any]]:
    """The keys and pre-hooks of a class, those of the parameter `name` where one is given."""
    hooks: list[tuple[int, Any]] = [(key, hook.function) for key, hook in module._forward_pre_hooks.items()]
    return [(key, hook) for key, hook in hooks if isinstance(hook, kind) and name in (None, hook._tensor_name)]


class _Hook:
    """A forward pre-hook that makes the attribute `name` of a module out of its parameters."""

    _what: ClassVar[str]
    name: str

    @property
    def _tensor_name(self) -> str:
        return self.name

    def _remake(self, module: Module) -> None:
        setattr(module, self.name, self.compute_weight(module))

    def compute_weight(self, module: Module) -> Any:
        raise NotImplementedError

    def _parameter(self, module: Module) -> Any:
        """The parameter that is going to be replaced."""
        if hooks_of(module, type(self), self.name):
            raise RuntimeError(f"Cannot register two {self._what} hooks on the same parameter {self.name}")
        weight = module._parameters.get(self.name)
        if weight is None:
            raise ValueError(f"{self._what}: {module._get_name()} has no parameter '{self.name}'; it has {[*module._parameters]}")
        if is_lazy(weight):
            raise ValueError(f"{self._what}: parameter '{self.name}' is not initialized; call the module with a batch first")
        return weight

    @classmethod
    def _removed(cls, module: Module, name: str) -> Any:
        """The hook, taken away from the module, which has the weight as a parameter again."""
        for key, hook in hooks_of(module, cls, name):
            with no_grad():
                weight = hook.compute_weight(module)
            del module._forward_pre_hooks[key]
            for registry in (module._parameters, module._buffers):
                for suffix in ("_g", "_v", "_orig", "_u"):
                    registry.pop(name + suffix, None)
            delattr(module, name)
            module.register_parameter(name, Parameter(weight.data))
            return hook
        raise ValueError(f"{cls._what} of '{name}' not found in {module}")


class WeightNorm(_Hook):
    """The hook of `weight_norm`.

    Args:
        name: the parameter.
        dim: the dimension that keeps norms of its own; -1: none.

    Example:
        >>> layer = nn.utils.weight_norm(nn.Linear(2, 3))
        >>> nn.utils.weight_hooks.WeightNorm("weight", 0).compute_weight(layer).shape
        (3, 2)
    """

    _what = "weight_norm"

    def __init__(self, name: str, dim: int) -> None:
        self.name = name
        self.dim = dim

    def compute_weight(self, module: Module) -> Any:
        """g · v / ‖v‖ of the module."""
        return normalized(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        self._remake(module)


def weight_norm(module: _ModuleT, name: str = "weight", dim: int | None = 0) -> _ModuleT:
    """Splits a weight into its length g and its direction v, two parameters from which it is made anew before every call.

    w = g · v / ‖v‖

    The parameters are `weight_g` and `weight_v`, as in checkpoints of WaveNet, HiFi-GAN and others; `parametrizations.weight_norm` is the
    same under newer names.

    Args:
        module: the layer, which is changed.
        name: its parameter.
        dim: the dimension along which each index has a norm of its own; None (or -1, as in PyTorch): one norm for all.

    Returns:
        module.

    **Shape**: name_v as the weight; name_g alike with 1 in place of all sizes but that of dim, () for one norm.

    Raises:
        ValueError: module has no such parameter, or it is not initialized.
        RuntimeError: it is normalized already.
        IndexError: it has no dimension dim.

    Example:
        >>> layer = nn.utils.weight_norm(nn.Conv1d(2, 3, 5))
        >>> [(key, p.shape) for key, p in layer.named_parameters()]
        [('bias', (3,)), ('weight_g', (3, 1, 1)), ('weight_v', (3, 2, 5))]
        >>> layer(np.ones((1, 2, 9), np.float32)).shape
        (1, 3, 5)

    Reference: Salimans, Kingma: Weight Normalization (2016).
    """
    hook = WeightNorm(name, -1 if dim is None else dim)
    weight = hook._parameter(module)
    g = norm_except_dim(weight.data, hook.dim)
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(g))
    module.register_parameter(f"{name}_v", Parameter(weight.data))
    hook._remake(module)
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: _ModuleT, name: str = "weight") -> _ModuleT:
    """Makes the weight a parameter of its own again.

    Args:
        module: what `weight_norm` was applied to.
        name: the parameter.

    Returns:
        module.

    Raises:
        ValueError: it is not normalized.

    Example:
        >>> layer = nn.utils.weight_norm(nn.Linear(2, 3))
        >>> list(nn.utils.remove_weight_norm(layer).state_dict())
        ['bias', 'weight']
    """
    WeightNorm._removed(module, name)
    return module


class SpectralNorm(_Hook):
    """The hook of `spectral_norm`.

    Args:
        name: the parameter.
        n_power_iterations: iterations before each call in training mode.
        dim: the dimension of the outputs.
        eps: ε, the least norm that is divided by.

    Raises:
        ValueError: n_power_iterations is not positive.

    Example:
        >>> nn.utils.weight_hooks.SpectralNorm("weight", 2).n_power_iterations
        2
    """

    _what = "spectral_norm"
    _version = 1

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Module, do_power_iteration: bool = False) -> Any:
        """weight_orig / σ of the module."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        if do_power_iteration:
            matrix = as_matrix(weight if isinstance(weight, np.ndarray) else weight.data, self.dim)
            for _ in range(self.n_power_iterations):
                v[...] = unit(operators.matmul(matrix.T, u), self.eps)
                u[...] = unit(operators.matmul(matrix, v), self.eps)
            wrote(u, v)
        # Copies: the next call changes u and v, which this one's derivative needs.
        return divided_by_sigma(weight, u=u.copy(), v=v.copy(), dim=self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


class _SpectralVersion:
    """Notes the version in a state dict, and completes those of PyTorch 0.4, which have the weight instead of v."""

    def __init__(self, hook: SpectralNorm) -> None:
        self.hook = hook

    def note(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
        local_metadata.setdefault("spectral_norm", {})[f"{self.hook.name}.version"] = self.hook._version

    def complete(self, module: Module, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *_: Any) -> None:
        key = prefix + self.hook.name
        if local_metadata.get("spectral_norm") or not all(key + end in state_dict for end in ("", "_orig", "_u")):
            return
        weight, original, u = (np.asarray(state_dict[key + end]) for end in ("", "_orig", "_u"))
        del state_dict[key]
        matrix = as_matrix(original, self.hook.dim)
        v = np.linalg.pinv(matrix.T @ matrix) @ matrix.T @ u
        state_dict[f"{key}_v"] = v * (np.mean(original / weight) / (u @ (matrix @ v)))


def spectral_norm(
    module: _ModuleT, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> _ModuleT:
    """Divides a weight by its largest singular value, which power iteration follows: the layer then has Lipschitz constant 1.

        w = W / σ,   σ = uᵀ W v,   v = Wᵀu / ‖Wᵀu‖,   u = Wv / ‖Wv‖

    W is the parameter `weight_orig`, with more than two dimensions taken as a matrix; u and v are the buffers `weight_u` and `weight_v`,
    which every call in training mode improves. `parametrizations.spectral_norm` is the same under newer names.

    Args:
        module: the layer, which is changed.
        name: its parameter.
        n_power_iterations: iterations before each call in training mode.
        eps: ε, the least norm that is divided by.
        dim: the dimension of the outputs; None: 1 for transposed convolutions, else 0.

    Returns:
        module.

    **Shape**: name_orig as the weight, name_u (rows of W), name_v (columns of W).

    Raises:
        ValueError: module has no such parameter, it is not initialized, or n_power_iterations is not positive.
        RuntimeError: it is normalized already.
        IndexError: it has no dimension dim.

    Example:
        >>> layer = nn.utils.spectral_norm(nn.Linear(20, 40))
        >>> sorted(layer.state_dict())
        ['bias', 'weight_orig', 'weight_u', 'weight_v']
        >>> for _ in range(50):
        ...     _ = layer(np.ones((1, 20), np.float32))
        >>> round(float(np.linalg.norm(layer.weight.numpy(), 2)), 1)
        1.0

    Reference: Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks (2018).
    """
    hook = SpectralNorm(name, n_power_iterations, default_dim(module, dim), eps)
    weight = hook._parameter(module)
    hook.dim = checked_dim(hook.dim, weight.ndim)
    rows, columns = as_matrix(weight.data, hook.dim).shape
    u, v = (random_unit(size, weight.dtype, eps) for size in (rows, columns))
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    # Until the first call the weight is as it was, so that who initialises it finds it.
    setattr(module, name, constant(weight.data))
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    version = _SpectralVersion(hook)
    module.register_state_dict_post_hook(version.note)
    module.register_load_state_dict_pre_hook(version.complete)
    return module


def remove_spectral_norm(module: _ModuleT, name: str = "weight") -> _ModuleT:
    """Makes the weight, divided by σ, a parameter of its own again.

    Args:
        module: what `spectral_norm` was applied to.
        name: the parameter.

    Returns:
        module.

    Raises:
        ValueError: it is not normalized.

    Example:
        >>> layer = nn.utils.spectral_norm(nn.Linear(2, 3))
        >>> list(nn.utils.remove_spectral_norm(layer).state_dict())
        ['bias', 'weight']
    """
    hook = SpectralNorm._removed(module, name)
    for hooks in (module._state_dict_hooks, module._load_state_dict_pre_hooks):
        for key, function in list(hooks.items()):
            if getattr(getattr(function, "__self__", None), "hook", None) is hook:
                del hooks[key]
    return module
