"""The examples of the docstrings and of the README compute what they show."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftnn as nn

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "python/docs").rglob("*.md"))
PUBLIC = [m.name for m in pkgutil.walk_packages(nn.__path__, "swiftnn.") if not m.name.rsplit(".", 1)[-1].startswith(("_", "lib"))]
MODULES = ["swiftnn", *PUBLIC]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    if name == "swiftnn.interop":
        pytest.importorskip("threadpoolctl")
    module = importlib.import_module(name)
    nn.manual_seed(0)
    runner = doctest.DocTestRunner()
    with np.printoptions(legacy=False):
        for test in Finder().find(module, extraglobs={"np": np, "nn": nn}):
            runner.run(test)
    assert runner.summarize().failed == 0


class Finder(doctest.DocTestFinder):
    """Finds also what a decorator made, whose code is another module's."""

    def _from_module(self, module: Any, object: Any) -> bool:
        if inspect.isfunction(object):
            return object.__module__ == module.__name__
        return super()._from_module(module, object)


def test_modules_have_examples() -> None:
    tests = [t for m in MODULES for t in Finder().find(importlib.import_module(m)) if t.examples]
    assert len(tests) > 230


def test_readme() -> None:
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 10 and result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_guides(page: Path) -> None:
    with np.printoptions(legacy=False):
        result = doctest.testfile(str(page), module_relative=False)
    assert result.failed == 0
    text = page.read_text()
    assert (result.attempted > 0) == ("```python\n>>> " in text)


CONTAINERS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}
BASES = {"RNNBase", "RNNCellBase"}
OPTIONS = {"LinearCrossEntropyOptions"}


@pytest.mark.parametrize("name", nn.modules.__all__)
def test_docstring_of_layer_has_its_parts(name: str) -> None:
    """A layer's page is its docstring: equation, shapes, example with what it prints."""
    parts = {"example": r">>> .*\n(?:\s+\.\.\. .*\n)*\s+[^>\s]"}
    if name not in CONTAINERS | OPTIONS:
        parts["shape"] = r"\n\*\*Shape\*\*"
        if name not in BASES:
            parts["equation"] = r"\n\n\S[^\n]{0,40} = "
    text = inspect.cleandoc(getattr(nn, name).__doc__)  # as Python 3.13 keeps it
    assert [part for part, pattern in parts.items() if not re.search(pattern, text)] == []


PACKAGE = Path(nn.__file__).parent
RPATH = ["-L", str(PACKAGE), "-lSwiftNN", "-Xlinker", "-rpath", "-Xlinker", str(PACKAGE)]
COMPILERS = {
    "c": ("c", "cc", ["-std=c11", "-Wall", "-Werror"], ["-lm"]),
    "swift": ("swift", "swiftc", [], []),
}


@pytest.mark.parametrize("language", COMPILERS)
def test_program_of_guide(language: str, tmp_path: Path) -> None:
    """The first program of the page prints what the console below it shows."""
    page, compiler, options, libraries = COMPILERS[language]
    text = (ROOT / f"python/docs/guides/{page}.md").read_text()
    found = shutil.which(compiler) or shutil.which(compiler, path=os.path.dirname(os.environ.get("SWIFT", "/opt/swift/usr/bin/swift")))
    if found is None:
        pytest.skip(f"there is no {compiler}")
    source, program = tmp_path / f"linear.{language}", tmp_path / "linear"
    source.write_text(re.search(rf"```{language}\n(.*?)```", text, re.S)[1])
    include = ["-I", str(ROOT / "Sources/CSwiftNN/include")]
    subprocess.run([found, *options, *include, str(source), *RPATH, *libraries, "-o", str(program)], check=True)
    shown = re.search(r"&& \./linear\n(.*?)```", text, re.S)[1]
    assert subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout == shown


def test_the_documented_header_is_the_header(tmp_path: Path) -> None:
    """What DocC reads declares what the preprocessor makes of swiftnn.h and ops.def, with a comment for each operation."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no cc")
    documented = tmp_path / "swiftnn.h"
    documented.write_text(runpy.run_path(str(ROOT / "python/docs/swift/reference.py"))["written_out_header"](), encoding="utf-8")

    def tokens(header: Path) -> list[str]:
        options = ["-E", "-P", "-x", "c", "-I", str(ROOT / "Sources/CSwiftNN/include"), str(header)]
        return re.findall(r"\w+|[^\w\s]", subprocess.run([compiler, *options], check=True, capture_output=True, text=True).stdout)

    assert tokens(documented) == tokens(ROOT / "Sources/CSwiftNN/include/swiftnn.h")


def test_every_operation_is_in_a_group_of_the_reference() -> None:
    landing = (ROOT / "python/docs/swift/CSwiftNN.docc/CSwiftNN.md").read_text(encoding="utf-8")
    assert [name for name, _ in nn._native.OPS if f"- ``snn_{name}``\n" not in landing] == []
