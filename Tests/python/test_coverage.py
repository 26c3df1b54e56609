"""A row of ops.def, a public layer, function or other name without a spec or a test fails here."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import Reference as reference
import swiftnn as nn
from Reference import layers
from Reference.cases import cases
from specs import LAYERS
from specs_functional import FUNCTIONS
from swiftnn import _native

HERE = Path(__file__).parent
UTILS = [nn.utils, nn.utils.parametrizations, nn.utils.parametrize, nn.utils.prune, nn.utils.rnn, nn.utils.stateless]
MODULES = [nn, nn.data, nn.init, nn.operators, nn.optim, nn.optim.lr_scheduler, nn.optim.swa_utils, nn.random, nn.training, *UTILS]
# Classes that hold or describe modules and compute nothing: test_module.py, test_container.py
HOLDERS = {"Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "RNNBase", "RNNCellBase"}


def _tested_words() -> set[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in HERE.rglob("*.py") if path.name != Path(__file__).name)
    return set(re.findall(r"\w+", text))


# Operations without a derivative: random numbers, and statistics whose derivative is a part of batch_norm's.
CONSTANT = {"random", "batch_stats"}
# Operations whose derivative is another call of them, or of one another.
WRITTEN_OUT = {"combine", "dropout", "matmul", "unfold", "fold"}


def test_every_operation_has_a_derivative() -> None:
    rows = {name for name, _ in _native.OPS}
    forward = {name.removesuffix("_forward") for name in rows if name.endswith("_forward")} - CONSTANT - WRITTEN_OUT
    assert not sorted(forward - {name.removesuffix("_backward") for name in rows}), "operations without a backward row"


def test_every_operation_has_a_reference_and_cases() -> None:
    # test_gradients.py checks derivatives against central differences of these.
    operations = {name for name, _ in _native.OPS if name.endswith("_forward")}
    assert operations == set(reference.OPERATIONS)
    assert operations == {op for op, *_ in cases(np.float32)}


def test_every_operation_in_place_is_tested() -> None:
    others = {name for name, _ in _native.OPS if not name.endswith(("_forward", "_backward"))}
    assert not sorted(others - _tested_words())


def test_every_layer_has_a_spec() -> None:
    public = {name for name in nn.__all__ if inspect.isclass(getattr(nn, name)) and issubclass(getattr(nn, name), nn.Module)}
    with_rows = {row.name for row in LAYERS}
    lazy = {name for name in public if name.startswith("Lazy")}  # they become the plain layers: test_lazy.py
    missing, unknown = sorted(public - HOLDERS - lazy - with_rows), sorted(with_rows - public)
    assert not missing, f"add rows to specs.py: {missing}"
    assert not unknown, f"rows of specs.py that no public layer answers: {unknown}"
    assert all(hasattr(layers, row.name) for row in LAYERS)


def test_every_function_has_a_spec() -> None:
    missing = sorted(set(nn.functional.__all__) - {row.name for row in FUNCTIONS})
    assert not missing, f"add rows to specs_functional.py: {missing}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_other_name_is_tested(module) -> None:
    names = {name for name in module.__all__ if not inspect.ismodule(getattr(module, name))}
    missing = sorted(names - _tested_words() - {row.name for row in LAYERS})
    assert not missing, f"names that no test mentions: {missing}"


@pytest.mark.parametrize("module", [nn.functional, *MODULES], ids=lambda module: module.__name__)
def test_all_lists_what_there_is(module) -> None:
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert hasattr(module, name), name
