"""Rebuilds a PyTorch model of layers in swiftnn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import functional as F
from . import modules, random, utils
from .modules.linear import NonDynamicallyQuantizableLinear
from .modules.module import Module
from .parameter import is_lazy
from .tensor import Parameter

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["from_torch"]

# Arguments that no attribute keeps: older spellings of others, and what the weights themselves say.
_NOT_KEPT = {"device", "dtype", "size_average", "reduce", "min_value", "max_value"}
_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")
# Type checkers do not know __all__, which is made of the files' names.
_CLASSES = {name: getattr(modules, name) for name in vars(modules)["__all__"]}
_CLASSES["NonDynamicallyQuantizableLinear"] = NonDynamicallyQuantizableLinear
_PARAMETRIZATIONS = ("_WeightNorm", "_SpectralNorm", "_Orthogonal")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def from_torch(module: Any, copy: bool = True) -> Any:
    """The same model in swiftnn: layers, options, weights, buffers, which weights are shared, and the mode of training of each part.

    A layer is told by its class; a subclass of one that keeps its `forward`, such as a model derived from `torch.nn.Sequential`, becomes
    that layer. A class with a `forward` of its own cannot be rebuilt, because that is Python code which calls PyTorch: write it again
    over `swiftnn`, and load the weights of `module.state_dict()`, whose arrays `load_state_dict` takes.

    What weight_norm, spectral_norm, orthogonal and pruning have made of weights comes along.

    Args:
        module: a `torch.nn.Module`, on any device.
        copy: whether weights get memory of their own. With `False` they are views of PyTorch's where that is float32 or float64 on the
            CPU, so training one model changes the other. float16 and bfloat16 always become float32 of the same value.

    Raises:
        TypeError: module is no module, or some of its parts cannot be rebuilt; the message lists all of them with their paths.

    Example:
        >>> import torch  # doctest: +SKIP
        >>> nn.from_torch(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU()))  # doctest: +SKIP
        Sequential(
          (0): Linear(in_features=4, out_features=8, bias=True)
          (1): ReLU()
        )
    """
    if not callable(getattr(module, "named_modules", None)) or isinstance(module, Module):
        raise TypeError(f"from_torch: expected a torch.nn.Module, got a {type(module).__name__}")
    builder = _Builder(copy)
    # Making a layer draws its first weights, which are replaced: the generator goes on as if nothing had been drawn.
    state = random.get_rng_state()
    try:
        built = builder.build(module, "")
    finally:
        random.set_rng_state(state)
    if builder.problems:
        raise TypeError(
            f"from_torch cannot rebuild {len(builder.problems)} part(s) of {type(module).__name__}:\n\t"
            + "\n\t".join(f"{path or 'the model itself'}: {problem}" for path, problem in builder.problems)
        )
    return built


class _Builder:
    def __init__(self, copy: bool) -> None:
        self.problems: list[tuple[str, str]] = []
        self._copy = copy
        self._modules: dict[int, Any] = {}
        self._parameters: dict[int, Parameter] = {}

    def build(self, module: Any, path: str) -> Any:
        """What stands for `module`, `None` where there is a problem; all problems are gathered before one error names them."""
        if id(module) in self._modules:
            return self._modules[id(module)]
        self._modules[id(module)] = None
        parametrizations = _parametrizations(module)
        children = {
            name: None if child is None else self.build(child, f"{path}.{name}" if path else name)
            for name, child in module._modules.items()
            if name != "parametrizations" or not parametrizations
        }
        cls = _counterpart(module)
        before = len(self.problems)
        if cls is None:
            self.problems.append((path, _reason(module)))
        elif _has_hooks(module):
            self.problems.append((path, f"{_name(module)} has hooks, which are Python code; remove them first"))
        for name, several in parametrizations.items():
            for each in several:
                if type(each).__name__ not in _PARAMETRIZATIONS:
                    self.problems.append((path, f"its {name!r} is parametrized by {_name(each)}, which is Python code"))
        if len(self.problems) > before or any(child is None and module._modules[name] is not None for name, child in children.items()):
            return None
        try:
            built = self._make(cls, module, children)
            for hook in _weight_hooks(module).values():
                self._hook(built, module, hook)
            for name, several in parametrizations.items():
                self._parametrize(built, name, several)
                built.parametrizations.training = bool(module.parametrizations.training)
            self._fill(built, module, children)
            built._remake()
        except (TypeError, ValueError, RuntimeError) as error:
            self.problems.append((path, f"{_name(module)}: {error}"))
            return None
        self._modules[id(module)] = built
        return built

    def _make(self, cls: Any, module: Any, children: dict[str, Any]) -> Any:
        name = cls.__name__
        if name in _CONTAINERS:
            return cls()
        if name in ("TransformerEncoder", "TransformerDecoder"):
            if not len(children["layers"]):
                raise ValueError("it has no layers")
            return cls(children["layers"][0], len(children["layers"]), children.get("norm"))
        if name == "Transformer":
            return cls(module.d_model, module.nhead, batch_first=module.batch_first, **_SMALL)
        wide = any(str(entry.dtype) == "torch.float64" for entry in module.parameters())
        arguments: dict[str, Any] = {"dtype": np.float64} if wide else {}
        for argument in inspect.signature(cls).parameters.values():
            if argument.name in _NOT_KEPT or argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
                continue
            if children.get(argument.name) is not None and argument.name in ("activation", "distance_function"):
                arguments[argument.name] = children[argument.name]
                continue
            special = _SPECIAL.get((name, argument.name)) or _SPECIAL.get(("", argument.name))
            value = special(module) if special else getattr(module, argument.name)
            arguments[argument.name] = self._array(value) if _is_tensor(value) else value
        return cls(**arguments)

    def _hook(self, built: Module, module: Any, hook: Any) -> None:
        """Has a weight of `built` made by the hook that stands for PyTorch's."""
        kind = type(hook).__name__
        if kind == "WeightNorm":
            utils.weight_norm(built, hook.name, hook.dim)
        elif kind == "SpectralNorm":
            utils.spectral_norm(built, hook.name, hook.n_power_iterations, hook.eps, hook.dim)
        else:
            utils.prune.custom_from_mask(built, hook._tensor_name, self._array(getattr(module, f"{hook._tensor_name}_mask")))

    def _parametrize(self, built: Module, name: str, theirs: Any) -> None:
        """The same parametrizations for the array `name` of `built`, with their originals."""
        for each in theirs:
            kind = type(each).__name__
            if kind == "_WeightNorm":
                utils.parametrizations.weight_norm(built, name, each.dim)
            elif kind == "_SpectralNorm":
                utils.parametrizations.spectral_norm(built, name, getattr(each, "n_power_iterations", 1), each.eps, each.dim)
            else:
                trivialization = hasattr(each, "base")
                utils.parametrizations.orthogonal(built, name, each.orthogonal_map.name, use_trivialization=trivialization)
        mine = built.parametrizations[name]
        for i, each in enumerate(theirs):
            self._fill(mine[i], each, {})
        self._fill(mine, theirs, {})

    def _fill(self, built: Module, module: Any, children: dict[str, Any]) -> None:
        built.training = bool(module.training)
        if isinstance(built, (modules.ParameterList, modules.ParameterDict)):
            names = list(module.keys()) if isinstance(built, modules.ParameterDict) else [str(i) for i in range(len(module))]
            for name in names:
                entry = getattr(module, name)
                if not _is_tensor(entry):
                    raise TypeError(f"its entry {name!r} is a {type(entry).__name__}; expected a parameter")
                if isinstance(built, modules.ParameterDict):
                    built[name] = self._parameter(entry)
                else:
                    built.append(self._parameter(entry))
            return
        if type(built).__name__ in _CONTAINERS:
            for name, value in module._parameters.items():
                built.register_parameter(name, None if value is None else self._parameter(value))
            for name, value in module._buffers.items():
                array = None if value is None else self._array(value)
                built.register_buffer(name, array, persistent=name not in module._non_persistent_buffers_set)
        else:
            _require_same("child", module._modules, built._modules)
            for kind, theirs, mine in (("parameter", module._parameters, built._parameters), ("buffer", module._buffers, built._buffers)):
                _require_same(kind, theirs, mine)
                for name, value in theirs.items():
                    if value is None:
                        continue
                    if type(value).__name__ in ("UninitializedParameter", "UninitializedBuffer"):
                        self._wait(mine[name], value)
                        continue
                    shape, expected = tuple(value.shape), None if is_lazy(mine[name]) else mine[name].shape  # type: ignore[union-attr]
                    if expected is not None and shape != expected:
                        raise ValueError(f"its {kind} {name!r} has shape {shape}, its options say {expected}")
                    setattr(built, name, self._parameter(value) if kind == "parameter" else self._array(value))
        for name, child in children.items():
            if child is not None:
                built.add_module(name, child)

    def _wait(self, mine: Any, theirs: Any) -> None:
        """Both are uninitialised: what is known of theirs."""
        if id(theirs) in self._parameters:
            raise ValueError("a parameter that it shares is not initialized; call the model with a batch first")
        mine._convert(lambda array: array.astype(str(theirs.dtype).removeprefix("torch.")))
        mine.requires_grad = bool(theirs.requires_grad)
        self._parameters[id(theirs)] = mine

    def _parameter(self, value: Any) -> Parameter:
        if id(value) not in self._parameters:
            self._parameters[id(value)] = Parameter(self._array(value), bool(value.requires_grad))
        return self._parameters[id(value)]

    def _array(self, tensor: Any) -> NDArray[Any]:
        value = tensor.detach().cpu()
        if str(value.dtype) in ("torch.float16", "torch.bfloat16"):
            value = value.float()
        array: NDArray[Any] = value.numpy()
        # PyTorch's allocation lives as long as the view.
        return array.copy() if self._copy else array


def _require_same(kind: str, theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    odd = {name for name, entry in theirs.items() if entry is not None} ^ {name for name, entry in mine.items() if entry is not None}
    if odd:
        raise ValueError(f"it has another {kind} {min(odd)!r} than its class makes")


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "detach") and hasattr(value, "numpy")


def _name(module: Any) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}".replace("torch.nn.modules.", "torch.nn.", 1)


def _torch_classes(module: Any) -> Iterator[Any]:
    return (cls for cls in type(module).__mro__ if cls.__module__.startswith("torch.nn.") and cls.__name__ != "Module")


def _counterpart(module: Any) -> Any:
    """Our class for PyTorch's that `module` computes as."""
    for cls in _torch_classes(module):
        if cls.__name__ in _CLASSES and getattr(type(module), "forward", None) is getattr(cls, "forward", None):
            return _CLASSES[cls.__name__]
    return None


def _reason(module: Any) -> str:
    if type(module).__module__.startswith("torch.nn."):
        return f"swiftnn has no {_name(module)}"
    return f"{_name(module)} has a forward of its own, which is Python code; write the class over swiftnn and load its state_dict()"


def _has_hooks(module: Any) -> bool:
    """Whether there are others than the one that initialises a lazy module and those that make weights."""
    own = {getattr(getattr(module, "_initialize_hook", None), "id", None), *_weight_hooks(module)}
    return any(hook not in own for hooks in _HOOKS for hook in getattr(module, hooks, None) or ())


def _weight_hooks(module: Any) -> dict[int, Any]:
    """The pre-hooks of PyTorch's own that make a weight out of parameters, by their numbers."""
    makers = [("weight_norm", "WeightNorm"), ("spectral_norm", "SpectralNorm"), ("prune", "BasePruningMethod")]
    known = [(f"torch.nn.utils.{file}", name) for file, name in makers]
    hooks = getattr(module, "_forward_pre_hooks", None) or {}
    return {key: hook for key, hook in hooks.items() if any((c.__module__, c.__name__) in known for c in type(hook).__mro__)}


def _parametrizations(module: Any) -> dict[str, Any]:
    """PyTorch's lists of parametrizations by the names of the arrays."""
    found = module._modules.get("parametrizations")
    return dict(found.items()) if type(module).__module__ == "torch.nn.utils.parametrize" and found is not None else {}


def _activation(module: Any) -> Any:
    activation = module.activation
    name = getattr(activation, "__name__", None)
    if name in ("relu", "gelu"):
        return getattr(F, name)
    raise ValueError(f"its activation {activation!r} is Python code; expected relu or gelu")


def _distance_function(module: Any) -> Any:
    function = module.distance_function
    name = getattr(function, "__name__", None)
    if name in ("pairwise_distance", "cosine_similarity"):
        return getattr(F, name)
    raise ValueError(f"its distance_function {function!r} is Python code; expected a module, pairwise_distance or cosine_similarity")


def _chunks(module: Any) -> Any:
    options = module.options
    if options is None:
        return None
    given = {name: getattr(options, name) for name in inspect.signature(modules.LinearCrossEntropyOptions).parameters}
    if given["acc_dtype"] is not None:
        given["acc_dtype"] = str(given["acc_dtype"]).removeprefix("torch.")
    return modules.LinearCrossEntropyOptions(**given)


# A Transformer is made small; its encoder and decoder are replaced.
_SMALL = {"num_encoder_layers": 1, "num_decoder_layers": 1, "dim_feedforward": 1}

_SPECIAL: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("MultiheadAttention", "bias"): lambda module: module.in_proj_bias is not None,
    ("MultiheadAttention", "add_bias_kv"): lambda module: module.bias_k is not None,
    ("", "bias"): lambda module: module.bias is not None and module.bias is not False,
    ("", "_weight"): lambda module: None,
    ("", "_freeze"): lambda module: False,
    ("AdaptiveLogSoftmaxWithLoss", "cutoffs"): lambda module: module.cutoffs[:-1],
    ("LinearCrossEntropyLoss", "in_features"): lambda module: module.linear.in_features,
    ("LinearCrossEntropyLoss", "bias"): lambda module: module.linear.bias is not None,
    ("LinearCrossEntropyLoss", "options"): _chunks,
    ("PairwiseDistance", "p"): lambda module: module.norm,
    ("TripletMarginWithDistanceLoss", "distance_function"): _distance_function,
    **{
        (layer, argument): function
        for layer in ("TransformerEncoderLayer", "TransformerDecoderLayer")
        for argument, function in {
            "d_model": lambda module: module.linear1.in_features,
            "nhead": lambda module: module.self_attn.num_heads,
            "dim_feedforward": lambda module: module.linear1.out_features,
            "dropout": lambda module: module.dropout.p,
            "activation": _activation,
            "layer_norm_eps": lambda module: module.norm1.eps,
            "batch_first": lambda module: module.self_attn.batch_first,
            "bias": lambda module: module.linear1.bias is not None,
        }.items()
    },
}
