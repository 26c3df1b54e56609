"""PyTorch's arguments and results beside swiftnn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import swiftnn as nn

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}


def to_numpy(value: Any) -> Any:
    """Tensors as arrays on the same memory and the same strides, sequences as swiftnn's, everything else as it is."""
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return nn.utils.rnn.PackedSequence(*(None if part is None else part.detach().numpy() for part in value))
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, torch.dtype):
        return {torch.float32: np.float32, torch.float64: np.float64}[value]
    if isinstance(value, dict):
        return {name: to_numpy(part) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(map(to_numpy, value))
    return value


def leaves(result: Any) -> list[np.ndarray]:
    if result is None:
        return []
    if hasattr(result, "batch_sizes"):
        return [np.asarray(to_numpy(part)) for part in result if part is not None]
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in leaves(part)]
    return [np.asarray(result.detach() if isinstance(result, torch.Tensor) else result)]


def disagreement(mine: Any, theirs: Any, tolerance: float) -> str:
    """What is different, or "": shapes, float types, and values by more than the tolerance times the largest."""
    got, wanted = leaves(mine), leaves(theirs)
    if len(got) != len(wanted):
        return f"{len(got)} results, PyTorch has {len(wanted)}"
    for i, (a, b) in enumerate(zip(got, wanted)):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"result {i} is {a.dtype}{a.shape}, PyTorch's {b.dtype}{b.shape}"
        finite = np.isfinite(b)
        if not np.array_equal(a[~finite], b[~finite], equal_nan=a.dtype.kind == "f"):
            return f"result {i} has NaN or infinities elsewhere"
        if finite.any():
            off = np.abs(a[finite].astype(np.float64) - b[finite].astype(np.float64)).max()
            largest = np.abs(b[finite]).max()
            if not off <= tolerance * largest:
                return f"result {i} is off by {off:.3e}, largest value {largest:.3e}"
    return ""
