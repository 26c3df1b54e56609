"""Every input of PyTorch's own ModuleInfo table for the layers that swiftnn has.

Whatever agrees, agrees: values within 2e-5 (float32) or 1e-10 (float64) of the largest value, the same state-dict keys, and where
PyTorch takes an argument, so do we. A count is printed for each layer (pytest -rP shows it).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from comparing import TOLERANCE, disagreement, to_numpy
from torch.testing._internal.common_modules import module_db

import swiftnn as nn

TABLE = {info.module_cls.__name__: info for info in module_db if hasattr(nn, info.module_cls.__name__)}

# Each must be found in the table
WANTED = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv2d", "MaxPool1d", "MaxPool2d", "AvgPool2d",
    "AdaptiveAvgPool2d", "MaxPool3d", "AvgPool3d", "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "LocalResponseNorm", "RNN", "LSTM",
    "GRU", "RNNCell", "LSTMCell", "GRUCell", "MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer",
    "TransformerEncoder", "Transformer", "Linear", "Bilinear", "Embedding", "LayerNorm", "RMSNorm", "GroupNorm", "BatchNorm1d",
    "BatchNorm2d", "InstanceNorm2d", "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh", "Softplus",
    "Hardswish", "Softmax", "LogSoftmax", "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "CTCLoss",
    "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MarginRankingLoss", "MSELoss", "NLLLoss",
    "PoissonNLLLoss", "SmoothL1Loss", "CELU", "Hardshrink", "Softshrink", "Tanhshrink", "Threshold", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "SoftMarginLoss", "LinearCrossEntropyLoss",
]  # fmt: skip

ACTIVATIONS = {torch.nn.functional.relu: nn.functional.relu, torch.nn.functional.gelu: nn.functional.gelu}


def constructor_argument(value: Any, dtype: torch.dtype) -> Any:
    """What PyTorch's constructor was given, for ours: modules and functions by their names here, types as NumPy's."""
    if isinstance(value, torch.nn.Module):
        return converted(value, dtype)
    if isinstance(value, torch.nn.LinearCrossEntropyOptions):
        return nn.LinearCrossEntropyOptions(**{field.name: to_numpy(getattr(value, field.name)) for field in fields(value)})
    if callable(value) and value in ACTIVATIONS:
        return ACTIVATIONS[value]
    return to_numpy(value)


def converted(module: torch.nn.Module, dtype: torch.dtype) -> nn.Module:
    """A layer that was built for another one's constructor, rebuilt from its attributes."""
    name = type(module).__name__
    kind = {torch.float32: np.float32, torch.float64: np.float64}[dtype]
    if name == "TransformerEncoderLayer":
        attention = module.self_attn
        options = dict(d_model=attention.embed_dim, nhead=attention.num_heads, dim_feedforward=module.linear1.out_features)
        options |= dict(dropout=module.dropout.p, layer_norm_eps=module.norm1.eps, batch_first=attention.batch_first)
        activation = ACTIVATIONS[module.activation]
        mine = nn.TransformerEncoderLayer(
            **options, activation=activation, norm_first=module.norm_first, bias=module.linear1.bias is not None
        )
        return mine.to(kind)
    raise AssertionError(f"no conversion of {name}: add one")


def inputs_of(info: Any, dtype: torch.dtype, training: bool) -> Iterator[Any]:
    torch.manual_seed(0)
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=training)


def without_dropout(module: Any) -> None:
    """Random numbers are not compared: they are documented to differ."""
    for part in module.modules():
        if "Dropout" in type(part).__name__:
            part.p = 0.0
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0


def own(value: Any) -> Any:
    """Tensors copied, strides kept."""
    if isinstance(value, torch.Tensor):
        return value.clone(memory_format=torch.preserve_format)
    if isinstance(value, dict):
        return {name: own(part) for name, part in value.items()}
    return type(value)(map(own, value)) if type(value) in (tuple, list) else value


def initialize(module: torch.nn.Module, call: Any) -> None:
    """A lazy module has no state before its first call; ours takes its sizes from that state."""
    if call is not None and type(module).__name__.startswith("Lazy"):
        with torch.no_grad():
            module(*own(call.args), **own(call.kwargs))


def compare(info: Any, given: Any, dtype: torch.dtype, training: bool) -> str:
    """One line of the table; "" where it agrees."""
    build, call = given.constructor_input, given.forward_input
    theirs = info.module_cls(*build.args, **build.kwargs).to(dtype)
    mine = getattr(nn, info.module_cls.__name__)(
        *(constructor_argument(a, dtype) for a in build.args), **{n: constructor_argument(a, dtype) for n, a in build.kwargs.items()}
    )
    mine = mine.to({torch.float32: np.float32, torch.float64: np.float64}[dtype])
    theirs.train(training), mine.train(training)
    without_dropout(theirs), without_dropout(mine)
    initialize(theirs, call)
    state = theirs.state_dict()
    if list(mine.state_dict()) != list(state):
        return f"state-dict keys {list(mine.state_dict())}, PyTorch's {list(state)}"
    mine.load_state_dict(to_numpy(dict(state)))
    if call is None:
        return ""
    args, kwargs = to_numpy(call.args), to_numpy(call.kwargs)
    with torch.no_grad():
        # An inplace layer writes into its argument and returns it: each side has its own
        expected = slow_path(theirs)(*own(call.args), **own(call.kwargs))
    result = disagreement(mine(*args, **kwargs), expected, TOLERANCE[dtype])
    if result:
        return result
    buffers = {name: value for name, value in theirs.state_dict().items() if "running" in name or "num_batches" in name}
    return disagreement([mine.state_dict()[name] for name in buffers], list(buffers.values()), TOLERANCE[dtype])


def slow_path(module: torch.nn.Module) -> torch.nn.Module:
    """A6.1: PyTorch's eval fast path treats float masks as bool and zeroes padded outputs; its training path is the specification."""
    torch.backends.mha.set_fastpath_enabled(False)
    return module


# Lines of the table on which swiftnn is deliberately different: layer -> (which line by its description, the entry of the documentation)
DEVIATIONS: dict[str, list[tuple[str, str]]] = {}


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float32", "float64"])
@pytest.mark.parametrize("name", list(TABLE))
def test_module(name: str, dtype: torch.dtype, training: bool) -> None:
    info = TABLE[name]
    total, deviating, wrong = 0, 0, []
    for i, given in enumerate(inputs_of(info, dtype, training)):
        label = f"{i} {given.desc or ''} {given.constructor_input.args} {given.constructor_input.kwargs}"
        if any(part in label for part, _ in DEVIATIONS.get(name, ())):
            deviating += 1
            continue
        total += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                problem = compare(info, given, dtype, training)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong.append(f"{label}: {problem}")
    print(f"{name}: {total - len(wrong)} of {total} inputs agree, {deviating} documented deviations")
    assert total, f"the table has no input for {name}"
    assert not wrong, f"{len(wrong)} of {total} inputs of {name} disagree:\n" + "\n".join(wrong[:30])


def test_the_table_has_all_layers() -> None:
    assert not set(WANTED) - set(TABLE)
