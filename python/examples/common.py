"""What the examples with trained weights share: the packages that they need and where those keep files, times, and the list of checks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np


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


def twin(module: Any, make: Callable[[Any], Any]) -> Callable[[Any], Any] | None:
    """make(torch.nn), which is the same network in PyTorch, with the module's weights and as a function of arrays; None without PyTorch."""
    if find_spec("torch") is None:
        return None
    import torch

    net = make(torch.nn).eval()
    net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in module.state_dict().items()})

    def run(x: Any) -> Any:
        with torch.inference_mode():
            y = net(torch.from_numpy(x))
        return (y[0] if isinstance(y, tuple) else y).numpy()

    return run


def beside_pytorch(what: str, module: Any, make: Callable[[Any], Any], x: Any) -> dict[str, bool]:
    """Prints how long module(x) takes, beside the same network in PyTorch where that is installed: then there is a check of its numbers."""
    theirs = twin(module, make)
    print(f"{what}:", times(partial(module, x), partial(theirs, x) if theirs else None))
    if theirs is None:
        return {}
    ours, expected = module(x), theirs(x)
    off = np.abs((ours[0] if isinstance(ours, tuple) else ours) - expected).max() / np.abs(expected).max()
    return {f"its numbers at most {off:.1e} of the largest from PyTorch's": bool(off < 5e-6)}


def report(checks: Mapping[str, bool]) -> int:
    """Prints every check; the exit code is 1 when one failed."""
    for text, good in checks.items():
        print("ok    " if good else "FAILED", text)
    return 0 if all(checks.values()) else 1
