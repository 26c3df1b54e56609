"""The examples of the docstrings and of the README compute what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import swiftnn as nn

README = Path(__file__).parents[2] / "README.md"
PUBLIC = [m.name for m in pkgutil.walk_packages(nn.__path__, "swiftnn.") if not m.name.rsplit(".", 1)[-1].startswith(("_", "lib"))]
MODULES = ["swiftnn", *PUBLIC]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    if name == "swiftnn.interop":
        pytest.importorskip("threadpoolctl")
    module = importlib.import_module(name)
    nn.manual_seed(0)
    with np.printoptions(legacy=False):
        result = doctest.testmod(module, extraglobs={"np": np, "nn": nn})
    assert result.failed == 0


def test_modules_have_examples() -> None:
    tests = [t for m in MODULES for t in doctest.DocTestFinder().find(importlib.import_module(m)) if t.examples]
    assert len(tests) > 150


def test_readme() -> None:
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 10 and result.failed == 0
