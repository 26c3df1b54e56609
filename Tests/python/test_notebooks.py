"""The notebooks execute, and what they show is small and stands in the files. Run once, not on each level: pytest -m notebooks."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.notebooks

FOLDER = Path(__file__).parents[2] / "python" / "notebooks"
NAMES = ["1_convolution", "2_pooling", "3_rnn", "4_lstm", "5_attention", "6_transformer"]


def read(name: str) -> Any:
    import nbformat  # not at the top: a run that leaves the notebooks out need not have it

    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_all_notebooks_are_listed() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_executes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell, assertions included, in a new kernel; what is drawn in the file is drawn again."""
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("execute", None)
    from execute import execute

    executed = execute(FOLDER / f"{name}.ipynb", timeout=120)
    assert all(cell.execution_count for cell in code(executed))
    optional = "there is nothing to show here" in "".join(output.get("text", "") for cell in code(executed) for output in cell.outputs)
    assert pictures(executed) == pictures(read(name)) or (optional and name == "5_attention")
    assert pictures(executed)


def pictures(notebook: Any) -> list[int]:
    """Which cells draw."""
    drawn = [any("image/png" in o.get("data", {}) or "image/jpeg" in o.get("data", {}) for o in cell.outputs) for cell in code(notebook)]
    return [i for i, draws in enumerate(drawn) if draws]


@pytest.mark.parametrize("name", NAMES)
def test_file_is_executed_and_says_why(name: str) -> None:
    notebook = read(name)
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run python python/notebooks/execute.py"
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert any(line.startswith("assert ") for cell in cells for line in cell.source.splitlines())
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith(f"# {name[0]} · ")
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/tmp/|/work/|0x[0-9a-f]{8}", text), "a path or an address of the machine it ran on"
    for link in re.findall(r"\]\(([^)#:]+)\)", "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")):
        assert (FOLDER / link).exists(), link


def test_files_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.ipynb")) < 320_000
