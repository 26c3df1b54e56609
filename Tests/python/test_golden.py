"""What PyTorch computed, printed and called its parameters, from golden/*.npz (make_golden.py); needs no PyTorch."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from golden_files import checksum, read
from initial import INITIAL, moments
from modules import TOLERANCE, module_of, run, shapes_of
from specs import LAYERS, Layer, difference, flat, weights_for
from specs_functional import FUNCTIONS, Function

GOLDEN = Path(__file__).parent / "golden"
ROWS = [row for row in LAYERS if not row.deviates]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


@cache
def stored(name: str) -> dict[str, np.ndarray]:
    return read(GOLDEN / f"{name}.npz")


def outputs(name: str, row: Any) -> list[np.ndarray]:
    content, found = stored(name), []
    while f"{row.id}|output|{len(found)}" in content:
        found.append(content[f"{row.id}|output|{len(found)}"])
    return found


def assert_unchanged(name: str, row: Any, arrays: list[Any]) -> None:
    key = f"{row.id}|checksum"
    assert key in stored(name), "a new row: run Tests/python/make_golden.py where PyTorch is installed"
    assert stored(name)[key] == checksum(arrays), "the row has changed: run Tests/python/make_golden.py where PyTorch is installed"


@both_types
@rows
def test_layer_computes_what_pytorch_computed(row: Layer, dtype: type) -> None:
    module = module_of(row, dtype)
    positional, keyword = row.arrays(dtype, nn)
    assert_unchanged("layers", row, [*weights_for(row, shapes_of(module)).values(), *flat([*positional, *keyword.values()])])
    got, wanted = run(row, module, dtype=dtype), outputs("layers", row)
    assert len(got) == len(wanted)
    for mine, theirs in zip(got, wanted):
        assert difference(mine, theirs) <= TOLERANCE[dtype]


@rows
def test_state_dict_has_pytorch_s_keys(row: Layer) -> None:
    assert list(row.make(nn).state_dict()) == [str(key) for key in stored("layers")[f"{row.id}|keys"]]


@rows
def test_repr_is_pytorch_s(row: Layer) -> None:
    assert repr(row.make(nn)) == str(stored("layers")[f"{row.id}|repr"])


@both_types
@pytest.mark.parametrize("row", [row for row in FUNCTIONS if not row.deviates], ids=lambda row: row.id)
def test_function_computes_what_pytorch_computed(row: Function, dtype: type) -> None:
    args, kwargs = row.arrays(dtype)
    assert_unchanged("functions", row, flat([*args, *kwargs.values()]))
    got, wanted = flat(getattr(nn.functional, row.name)(*args, **kwargs)), outputs("functions", row)
    assert len(got) == len(wanted)
    for mine, theirs in zip(got, wanted):
        assert difference(mine, theirs) <= TOLERANCE[dtype]


@pytest.mark.parametrize(("name", "options"), INITIAL, ids=lambda value: value if isinstance(value, str) else str(value))
def test_initial_parameters_are_distributed_as_pytorch_s(name: str, options: dict[str, Any]) -> None:
    """Bounds of uniform distributions, deviation and shape of all."""
    for key, value in getattr(nn, name)(**options).state_dict().items():
        low, high, mean, spread, kurtosis = stored("initial")[f"{name} {options}|{key}"]
        mine = moments(np.asarray(value, np.float64))
        if spread == 0:
            assert (mine == [low, high, mean, spread, kurtosis]).all(), key
            continue
        assert abs(mine[3] / spread - 1) < 6 / np.sqrt(value.size), key
        assert abs(mine[2]) < 6 * spread / np.sqrt(value.size), key
        assert abs(mine[4] - kurtosis) < 30 / np.sqrt(value.size), key
        if kurtosis < 2:  # uniform
            assert abs(mine[0] / low - 1) < 40 / value.size + 0.01 and abs(mine[1] / high - 1) < 40 / value.size + 0.01, key
