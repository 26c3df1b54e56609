"""Every row of ops.def through the binding, at all the sizes and options of Reference.cases, against the reference."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import Reference as reference
from Reference.cases import allowed, cases
from Reference.rows import arguments, results, rows
from specs import difference
from swiftnn import _native

TABLE = {name: (arguments(name), results(name)) for name in rows()}
OPERATIONS = sorted({op for op, *_ in cases(np.float32)})
HERE = Path(__file__).parent


def _by_operation(dtype: type) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for op, name, fields, tolerance in cases(dtype):
        found[op].append((name, fields, tolerance))
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", OPERATIONS)
def test_operation(op: str, dtype: type) -> None:
    names, outputs = TABLE[op]
    wrong = []
    for name, fields, tolerance in _by_operation(dtype)[op]:
        with np.errstate(all="ignore"):
            expected = reference.OPERATIONS[op](**fields)
        got = getattr(_native, op)(*(bool(fields.get(n)) if n in outputs else fields[n] for n in names))
        pairs = zip(outputs, *(r if isinstance(r, tuple) else (r,) for r in (got, expected)))
        for field, mine, theirs in pairs:
            if theirs is None or mine is None:
                if (theirs is None) != (mine is None):
                    wrong.append(f"{name} {field}: {'not ' if mine is None else ''}given")
                continue
            off = difference(mine, theirs)
            if not off <= allowed(tolerance, dtype):
                wrong.append(f"{name} {field}: off by {off:.2e}, allowed {allowed(tolerance, dtype):.0e}")
    assert not wrong, f"{len(wrong)} results of {op} are wrong:\n" + "\n".join(wrong[:20])


def test_the_binding_has_every_row_of_ops_def() -> None:
    assert {name: [tuple(f) for f in fields] for name, fields in _native.OPS} == rows()


def test_every_row_of_ops_def_is_compared_somewhere() -> None:
    elsewhere = "".join(path.read_text() for path in [*HERE.glob("test_backward_*.py"), HERE / "test_optimizer_steps.py"])
    words = set(re.findall(r"\w+", elsewhere))  # some build an operation's name of two words
    missing = [op for op in TABLE if op not in OPERATIONS and not words & {op, op.removesuffix("_backward"), op.removesuffix("_step")}]
    assert not missing
