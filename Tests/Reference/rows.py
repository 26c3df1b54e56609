"""ops.def read from Python: every operation with its fields in row order."""

from __future__ import annotations

import re
from pathlib import Path

OPS_DEF = Path(__file__).resolve().parents[2] / "Sources" / "CSwiftNN" / "include" / "ops.def"


def rows(path: Path = OPS_DEF) -> dict[str, list[tuple[str, str]]]:
    """{operation: [(kind, field), ...]}, e.g. {"softmax_forward": [("IN", "x"), ("INT", "axis"), ...]}"""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = {}
    for name, fields in re.findall(r"SNN_OP\((\w+),((?:[^()]|\([^()]*\))*)\)", text):
        found[name] = re.findall(r"([A-Z]+)\((\w+)\)", fields)
    return found


def arguments(name: str) -> list[str]:
    """The fields that the Python function takes, in order: all but OUT."""
    return [field for kind, field in rows()[name] if kind != "OUT"]


def results(name: str) -> list[str]:
    """The fields that it returns, in order."""
    return [field for kind, field in rows()[name] if kind in ("OUT", "OPTOUT")]
