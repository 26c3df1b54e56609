"""`python -m swiftnn`: five layers at work on this machine, checked, and what a bug report needs.

python -m swiftnn           for people
python -m swiftnn --json    for machines
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

import swiftnn as nn

from . import _native, _selfcheck


def system() -> dict[str, Any]:
    """The CPU level, threads and versions."""
    return {
        "swiftnn": nn.__version__,
        "abi": _native.abi_version,
        "isa": _native.isa(),
        "isa_available": list(_native.isa_available()),
        "threads": nn.get_num_threads(),
        "cpus": os.cpu_count(),
        "cpu": _cpu_name(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith("SWIFTNN_")},
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(names, platform.machine())
    except OSError:
        return platform.machine()


def _shape(sizes: list[int]) -> str:
    return "×".join(map(str, sizes))


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _print_snippet(seen: Mapping[str, Any]) -> None:
    inputs = ", ".join(f"{name} {_shape(sizes)}" for name, sizes in seen["inputs"].items())
    print(f">>> {seen['line']}")
    print(f">>> {seen['call']}")
    print(f"    shapes      {inputs} -> {', '.join(map(_shape, seen['outputs']))}")
    print(f"    parameters  {seen['parameters']:,}")
    print(f"    time        {_time(seen['seconds'])}")
    views = "the same bits from mirrored read-only views" if seen["same_bits_from_mirrored_views"] else "OTHER BITS from mirrored views"
    print(f"    no copy     {seen['copies']} inputs copied, {views}")
    print(f"                read at {seen['input_addresses'][0]:#x}, written at {seen['output_addresses'][0]:#x}; ", end="")
    print(f"{seen['memory_growth']:,} bytes taken for {seen['output_bytes']:,} bytes of results")
    print(f"    deviation   {seen['deviation']:.1e} of the largest value, from NumPy float64")
    print(f"    {'ok' if _selfcheck.passed(seen) else 'FAILED'}\n")


def main(arguments: list[str] | None = None) -> int:
    """Runs the snippets; 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m swiftnn", description="Five layers at work on this machine, checked.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)

    nn.manual_seed(0)
    rng = np.random.default_rng(0)
    snippets = []
    for snippet in _selfcheck.SNIPPETS:
        seen = _selfcheck.run(snippet, rng)
        snippets.append(seen)
        if not options.json:
            _print_snippet(seen)
    good = all(map(_selfcheck.passed, snippets))
    about = system()
    if options.json:
        print(json.dumps({"passed": good, "snippets": snippets, "system": about}, indent=2))
    else:
        available = ", ".join(about["isa_available"])
        print(f"level     {about['isa']} (this CPU has {available}), {about['threads']} threads of {about['cpus']} CPUs")
        print(f"machine   {about['cpu']}, {about['platform']}")
        print(f"versions  swiftnn {about['swiftnn']}, Python {about['python']}, NumPy {about['numpy']}")
        for name, value in about["environment"].items():
            print(f"          {name}={value}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
