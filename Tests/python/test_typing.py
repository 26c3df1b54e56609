"""What editors and notebooks see of a layer at run time; what type checkers see is in typing_cases.py."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import swiftnn as nn


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(nn.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (nn.Linear(2, 3), ["input"]),
        (nn.LSTM(2, 3), ["input", "hx"]),
        (nn.MSELoss(), ["input", "target"]),
        (nn.MultiheadAttention(4, 2), ["query", "key", "value"]),
    ],
)
def test_signature_of_a_call_is_that_of_forward(layer: nn.Module, names: list[str]) -> None:
    assert list(inspect.signature(layer).parameters)[: len(names)] == names


def test_signature_of_a_class_is_that_of_its_constructor() -> None:
    assert list(inspect.signature(nn.Linear).parameters)[:3] == ["in_features", "out_features", "bias"]
    assert not hasattr(nn.Linear, "__signature__")


def test_signature_of_a_replaced_forward() -> None:
    layer = nn.Identity()
    layer.forward = lambda words, scale=1: words
    assert list(inspect.signature(layer).parameters) == ["words", "scale"]
    assert layer(np.zeros(1)) == 0


@pytest.mark.parametrize("name", nn.modules.__all__)
def test_every_layer_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(nn, name))
