"""Helpers round modules: sequences of different lengths (`rnn`), parameters as one vector, gradients within bounds, normalizations folded
into the layers before them, weights computed from other parameters (`parametrize`, `parametrizations`, weight_norm, spectral_norm) or
pruned (`prune`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import rnn

if TYPE_CHECKING:
    from . import parametrizations, parametrize, prune, stateless
    from .clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
    from .convert_parameters import parameters_to_vector, vector_to_parameters
    from .fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights
    from .skip import skip_init
    from .weight_hooks import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]

# What layers alone do not need is imported when it is first asked for. Name: the module it is in.
_LAZY = {
    "clip_grad": "",
    "clip_grad_norm_": "clip_grad",
    "clip_grad_value_": "clip_grad",
    "clip_grads_with_norm_": "clip_grad",
    "convert_parameters": "",
    "fuse_conv_bn_eval": "fusion",
    "fuse_conv_bn_weights": "fusion",
    "fuse_linear_bn_eval": "fusion",
    "fuse_linear_bn_weights": "fusion",
    "fusion": "",
    "get_total_norm": "clip_grad",
    "parameters_to_vector": "convert_parameters",
    "parametrizations": "",
    "parametrize": "",
    "prune": "",
    "remove_spectral_norm": "weight_hooks",
    "remove_weight_norm": "weight_hooks",
    "skip": "",
    "skip_init": "skip",
    "spectral_norm": "weight_hooks",
    "stateless": "",
    "vector_to_parameters": "convert_parameters",
    "weight_hooks": "",
    "weight_norm": "weight_hooks",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        module = importlib.import_module(f"{__name__}.{_LAZY[name] or name}")
        return getattr(module, name) if _LAZY[name] else module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
