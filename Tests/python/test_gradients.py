"""Derivatives of every layer and function against central differences, fed by the rows of specs.py and specs_functional.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from modules import module_of
from specs import LAYERS, Layer
from specs_functional import FUNCTIONS

EPS = 1e-6


def tensors_of(value: Any, found: list[nn.Tensor]) -> Any:
    """value with Tensors for its arrays; those of floats require gradients and are put into found."""
    if isinstance(value, np.ndarray):
        tensor = nn.Tensor(value.copy(), requires_grad=value.dtype == np.float64 and value.size > 0 and bool(np.isfinite(value).all()))
        if tensor.requires_grad:
            found.append(tensor)
        return tensor
    if isinstance(value, nn.utils.rnn.PackedSequence):
        return value._replace(data=tensors_of(value.data, found))
    if type(value) in (list, tuple):
        return type(value)(tensors_of(v, found) for v in value)
    return value


def float_results(result: Any) -> list[nn.Tensor]:
    if isinstance(result, nn.utils.rnn.PackedSequence):
        return float_results(result.data)
    if isinstance(result, (list, tuple)):
        return [leaf for part in result for leaf in float_results(part)]
    return [result] if isinstance(result, nn.Tensor) and result.dtype.kind == "f" else []


def check(compute: Any, tensors: list[nn.Tensor], fixed: Any = None) -> None:
    """The derivative along random directions of each tensor, for a random weighting of the results.

    fixed: (tensor, row) whose elements get no gradient on purpose.
    """
    generator = np.random.default_rng(0)

    def run() -> list[nn.Tensor]:
        nn.manual_seed(5)  # dropout: the same mask every time
        return float_results(compute())

    results = run()
    weights = [generator.normal(size=r.shape) for r in results]
    followed = [(r, w) for r, w in zip(results, weights) if r.requires_grad]
    assert followed or not tensors
    if not tensors:
        return
    found = nn.grad([r for r, _ in followed], tensors, [w for _, w in followed], allow_unused=True)

    def value() -> float:
        with nn.no_grad():
            return sum(float((w * r.numpy()).sum()) for r, w in zip(run(), weights))

    for tensor, gradient in zip(tensors, found):
        if gradient is None:
            gradient = np.zeros(tensor.shape)
        assert gradient.shape == tensor.shape and gradient.dtype == np.float64
        for _ in range(2):
            direction = generator.normal(size=tensor.shape)
            if fixed is not None and fixed[0] is tensor:
                direction[fixed[1]] = 0
                assert not gradient[fixed[1]].any()
            before = tensor.numpy().copy()
            tensor.data[...] = before + EPS * direction
            above = value()
            tensor.data[...] = before - EPS * direction
            below = value()
            tensor.data[...] = before
            numeric = (above - below) / (2 * EPS)
            ours = float((gradient * direction).sum())
            scale = 1 + abs(numeric) + float(np.abs(gradient).sum()) * 1e-3
            assert abs(ours - numeric) < 2e-5 * scale, (tensor.shape, ours, numeric)


def kinks(row: Any) -> bool:
    """Inputs on purpose at points where there is no derivative, windows whose maximum is -∞; CTC's is right only after log_softmax."""
    if row.name in ("CTCLoss", "ctc_loss"):  # test_losses.py
        return True
    return any(word in row.desc for word in ("special", "NaN", "infinit", "without an element"))


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.id)
def test_layers(row: Layer) -> None:
    if kinks(row):
        pytest.skip("not differentiable there")
    module = module_of(row, np.float64)
    found: list[nn.Tensor] = []
    positional, keyword = row.arrays(np.float64, nn)
    args = [tensors_of(a, found) for a in positional]
    options = {name: tensors_of(a, found) for name, a in keyword.items()}
    found.extend(p for p in module.parameters() if p.requires_grad and p.numel())

    buffers = {name: None if b is None else b.copy() for name, b in module.named_buffers()}

    def compute() -> Any:
        for name, b in module.named_buffers():
            if b is not None:
                b[...] = buffers[name]
        # A leaf cannot change in place.
        return module(*((a * 1 for a in args) if getattr(module, "inplace", False) else args), **options)

    padding = getattr(module, "padding_idx", None)
    check(compute, found, None if padding is None else (module.weight, padding))


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.id)
def test_functions(row: Any) -> None:
    if kinks(row):
        pytest.skip("not differentiable there")
    found: list[nn.Tensor] = []
    positional, keyword = row.arrays(np.float64)
    args = [tensors_of(a, found) for a in positional]
    options = {name: tensors_of(a, found) for name, a in keyword.items()}
    if row.name in ("batch_norm", "instance_norm"):  # running statistics are constants
        args[1:3] = [a.requires_grad_(False) if isinstance(a, nn.Tensor) else a for a in args[1:3]]
        found = [t for t in found if t.requires_grad]
    # A leaf cannot change in place.
    given = lambda: (a * 1 if row.in_place and isinstance(a, nn.Tensor) else a for a in args)  # noqa: E731
    check(lambda: getattr(nn.functional, row.name)(*given(), **options), found)
