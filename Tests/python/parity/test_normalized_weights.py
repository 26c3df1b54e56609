"""weight_norm, spectral_norm, orthogonal and pruning against PyTorch's: state dicts, results, gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from comparing import TOLERANCE

import swiftnn as nn

LAYERS: dict[str, tuple[dict[str, Any], tuple[int, ...], str]] = {
    "Linear": (dict(in_features=5, out_features=4), (3, 5), "weight"),
    "Conv1d": (dict(in_channels=4, out_channels=6, kernel_size=3, groups=2), (2, 4, 9), "weight"),
    "Conv2d": (dict(in_channels=3, out_channels=4, kernel_size=3, padding=1), (2, 3, 5, 6), "weight"),
    "ConvTranspose1d": (dict(in_channels=3, out_channels=4, kernel_size=4, stride=2), (2, 3, 7), "weight"),
    "LSTM": (dict(input_size=3, hidden_size=4, num_layers=2), (5, 2, 3), "weight_hh_l1"),
    "Embedding": (dict(num_embeddings=7, embedding_dim=4), (), "weight"),
}


def apply(utils: Any, layer: Any, name: str, what: str, dim: int | None) -> None:
    new = utils.parametrizations
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if what == "weight_norm":
            utils.weight_norm(layer, name, dim)
        elif what == "spectral_norm":
            utils.spectral_norm(layer, name, 2, dim=dim)
        elif what == "prune":
            utils.prune.ln_structured(layer, name, 0.25, 2, dim or 0)
            utils.prune.l1_unstructured(layer, name, 0.25)
        elif what == "parametrizations.weight_norm":
            new.weight_norm(layer, name, dim)
        elif what == "parametrizations.spectral_norm":
            new.spectral_norm(layer, name, 2, dim=dim)
        else:
            new.orthogonal(layer, name, what, use_trivialization=dim == 0)


def first(y: Any) -> Any:
    return y[0] if isinstance(y, tuple) else y


def close(mine: Any, theirs: torch.Tensor, name: str = "") -> None:
    expected = theirs.detach().numpy()
    assert mine.shape == expected.shape and mine.dtype == expected.dtype, name
    atol = TOLERANCE[theirs.dtype] * max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(mine, expected, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize(
    "what",
    [
        "weight_norm",
        "spectral_norm",
        "prune",
        "parametrizations.weight_norm",
        "parametrizations.spectral_norm",
        "matrix_exp",
        "cayley",
        "householder",
    ],
)
@pytest.mark.parametrize("kind", LAYERS)
def test_same(kind: str, what: str, dim: int | None, dtype: str) -> None:
    options, shape, name = LAYERS[kind]
    rng = np.random.default_rng(5)
    mine: Any = getattr(nn, kind)(**options, dtype=dtype)
    theirs = getattr(torch.nn, kind)(**options, dtype=getattr(torch, dtype))
    theirs.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in mine.state_dict().items()})
    apply(nn.utils, mine, name, what, dim)
    apply(torch.nn.utils, theirs, name, what, dim)
    if what == "parametrizations.spectral_norm" and kind == "LSTM":
        mine.eval(), theirs.eval()  # PyTorch reads the weight, which goes on with the iteration, three times a call
    for parameter in mine.parameters():
        diagonal = 0 if parameter.ndim < 2 else np.eye(*parameter.shape[-2:])  # the signs of "householder"
        parameter.data += rng.normal(size=parameter.shape).astype(dtype) * 0.2 * (1 - diagonal)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in mine.state_dict().items()})
    array: Any = rng.integers(0, 7, (3, 4)) if kind == "Embedding" else rng.normal(size=shape).astype(dtype)
    y, expected = first(mine(nn.Tensor(array))), first(theirs(torch.from_numpy(array)))
    close(y.numpy(), expected)
    dy = rng.normal(size=y.shape).astype(dtype)
    y.backward(dy)
    expected.backward(torch.from_numpy(dy))
    for (key, parameter), other in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        close(parameter.grad, other.grad, key)
    for key, value in mine.state_dict().items():
        close(value, theirs.state_dict()[key], key)
