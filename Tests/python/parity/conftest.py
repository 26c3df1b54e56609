"""Live comparison with PyTorch: skipped, and said so, where it is not installed."""

from __future__ import annotations

import importlib.util
import sys

collect_ignore_glob: list[str] = []
REASON = "parity: PyTorch is not installed, so nothing was compared live (the golden files are)"
WITHOUT_TORCH = importlib.util.find_spec("torch") is None

if WITHOUT_TORCH:
    collect_ignore_glob.append("test_*.py")
    print(REASON, file=sys.stderr)


def pytest_report_header() -> str:
    return REASON if WITHOUT_TORCH else f"parity: PyTorch {importlib.import_module('torch').__version__}"
