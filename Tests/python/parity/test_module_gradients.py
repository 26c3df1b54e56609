"""Gradients of inputs and parameters for every input of PyTorch's ModuleInfo table, in training: within 2e-4 (float32) or 1e-9 (float64) of
the largest value of each gradient."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from comparing import to_numpy
from test_moduleinfo import TABLE, constructor_argument, initialize, inputs_of, own, slow_path, without_dropout

import swiftnn as nn

TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-9}
# PyTorch has gradients of their first input alone.
FIRST_ALONE = {"SoftMarginLoss"}


def followed(value: Any, theirs: list[Any], mine: list[Any]) -> tuple[Any, Any]:
    """value for PyTorch and for swiftnn, finite float tensors as leaves that require gradients, which are put into the two lists."""
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        a, b = followed(value.data, theirs, mine)
        packed = to_numpy(value)
        return value._replace(data=a), nn.utils.rnn.PackedSequence(b, *packed[1:])
    if isinstance(value, torch.Tensor):
        a = own(value).detach()
        b = nn.Tensor(own(value).detach().numpy())
        if value.is_floating_point() and bool(torch.isfinite(value).all()):
            a.requires_grad_(), b.requires_grad_()
            theirs.append(a), mine.append(b)
            # An inplace layer cannot change a leaf.
            return a * 1, b * 1
        return a, b
    if isinstance(value, (tuple, list)):
        pairs = [followed(v, theirs, mine) for v in value]
        return type(value)(a for a, _ in pairs), type(value)(b for _, b in pairs)
    if isinstance(value, dict):
        both = {name: followed(v, theirs, mine) for name, v in value.items()}
        return {n: a for n, (a, _) in both.items()}, {n: b for n, (_, b) in both.items()}
    return value, to_numpy(value)


def outputs(result: Any) -> list[Any]:
    if isinstance(result, (torch.Tensor, nn.Tensor)):
        return [result]
    if hasattr(result, "batch_sizes"):
        return [result.data]
    return [leaf for part in result or () for leaf in outputs(part)]


def compare(info: Any, given: Any, dtype: torch.dtype) -> str:
    build, call = given.constructor_input, given.forward_input
    if call is None:
        return ""
    theirs = info.module_cls(*build.args, **build.kwargs).to(dtype)
    mine = getattr(nn, info.module_cls.__name__)(
        *(constructor_argument(a, dtype) for a in build.args), **{n: constructor_argument(a, dtype) for n, a in build.kwargs.items()}
    )
    mine = mine.to({torch.float32: np.float32, torch.float64: np.float64}[dtype])
    without_dropout(theirs), without_dropout(mine)
    initialize(theirs, call)
    mine.load_state_dict(to_numpy(dict(theirs.state_dict())))
    a_leaves: list[Any] = []
    b_leaves: list[Any] = []
    if info.module_cls.__name__ in FIRST_ALONE:
        a_first, b_first = followed(call.args[0], a_leaves, b_leaves)
        a_args, b_args = (a_first, *map(own, call.args[1:])), (b_first, *map(to_numpy, call.args[1:]))
    else:
        a_args, b_args = followed(call.args, a_leaves, b_leaves)
    a_kwargs, b_kwargs = followed(dict(call.kwargs), a_leaves, b_leaves)
    expected = [r for r in outputs(slow_path(theirs)(*a_args, **a_kwargs)) if r.is_floating_point()]
    got = [r for r in outputs(mine(*b_args, **b_kwargs)) if r.dtype.kind == "f"]
    if [r.requires_grad for r in got] != [r.requires_grad for r in expected]:
        return f"results that require gradients: {[r.requires_grad for r in got]}, PyTorch's {[r.requires_grad for r in expected]}"
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=tuple(r.shape)) for r in expected]
    pairs = [(e, g, w) for e, g, w in zip(expected, got, weights) if e.requires_grad]
    if not pairs:
        return ""
    a_params, b_params = dict(theirs.named_parameters()), dict(mine.named_parameters())
    names = [f"input {i}" for i in range(len(a_leaves))] + list(a_params)
    a_all, b_all = [*a_leaves, *a_params.values()], [*b_leaves, *(b_params[n] for n in a_params)]
    starts = [torch.as_tensor(w, dtype=dtype) for _, _, w in pairs]
    a_grads = torch.autograd.grad([e for e, _, _ in pairs], a_all, starts, allow_unused=True)
    b_grads = nn.grad([g for _, g, _ in pairs], b_all, [w for _, _, w in pairs], allow_unused=True)
    for name, a, b, leaf in zip(names, a_grads, b_grads, b_all):
        a = np.zeros(leaf.shape) if a is None else a.numpy()
        b = np.zeros(leaf.shape) if b is None else b
        if a.shape != b.shape:
            return f"gradient of {name} has shape {b.shape}, PyTorch's {a.shape}"
        # Logarithms of targets that are no probabilities or counts: PyTorch's own derivative by the target is NaN.
        defined = ~np.isnan(a)
        a, b = a[defined], b[defined]
        if not a.size:
            continue
        off, largest = np.abs(a.astype(np.float64) - b).max(), np.abs(a).max()
        # What cancels to nothing has no digits of its own: there the largest gradient of the module is the measure.
        if not off <= TOLERANCE[dtype] * max(largest, 1e-3):
            return f"gradient of {name} is off by {off:.3e}, largest value {largest:.3e}"
    return ""


# Layers of the table whose gradients PyTorch itself does not define at these inputs.
SKIPPED: dict[str, str] = {}


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float32", "float64"])
@pytest.mark.parametrize("name", list(TABLE))
def test_gradients(name: str, dtype: torch.dtype) -> None:
    info = TABLE[name]
    total, wrong = 0, []
    for i, given in enumerate(inputs_of(info, dtype, True)):
        total += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                problem = compare(info, given, dtype)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong.append(f"{i} {given.desc or ''} {given.constructor_input.args} {given.constructor_input.kwargs}: {problem}")
    print(f"{name}: {total - len(wrong)} of {total} inputs agree")
    assert not wrong, f"{len(wrong)} of {total} inputs of {name} disagree:\n" + "\n".join(wrong[:30])
