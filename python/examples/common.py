"""What the examples with trained weights share: the packages that they need and where those keep files, times, and the list of checks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def require(doc: str | None, *packages: str) -> None:
    """Ends an example whose packages are not all installed with the line of its docstring that installs them."""
    if missing := [name for name in packages if find_spec(name) is None]:
        install = next(line for line in (doc or "").splitlines() if line.startswith("pip install"))
        sys.exit(f"not installed: {', '.join(missing)}; install what this example needs with\n{install}")


def package_folder(name: str) -> Path:
    """The folder of an installed package, which is not imported: some packages import PyTorch, which the examples do not need."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {name!r}")
    return Path(spec.origin).parent


def times(ours: Callable[[], Any], theirs: Callable[[], Any] | None, name: str = "PyTorch", rounds: int = 9) -> str:
    """Both times in one line. The turns alternate, so that other work on the machine meets both; the quickest counts."""
    runs = [run for run in (ours, theirs) if run is not None]
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - start)
    said = [f"{who} {1e3 * seconds:.1f} ms" for who, seconds in zip(("swiftnn", name), best)]
    return ", ".join(said if theirs is not None else [*said, f"{name} not installed"])


def report(checks: Mapping[str, bool]) -> int:
    """Prints every check; the exit code is 1 when one failed."""
    for text, good in checks.items():
        print("ok    " if good else "FAILED", text)
    return 0 if all(checks.values()) else 1
