"""Writes cases for the Swift tests: python Tests/Reference/make_swift_fixtures.py DIRECTORY

DIRECTORY gets .npy files (version 1.0, C order, little endian) and index.txt, one case per line, tab separated:

    operation   case name   field=value ...   out:field=@file.npy ...   tol=relative tolerance

A value is @file.npy, an int, a real, comma-separated ints (INTS), comma-separated @file.npy or none (ARRAYS, WRITES), or none. A result
that is not listed is not wanted. Expected values are float64 (int64 for indices); one is met if the difference is at most tol times
the largest finite expected value of the array (at least the smallest normal number), NaN meets NaN and an infinity meets itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import Reference as reference  # noqa: E402
from Reference.cases import allowed, cases  # noqa: E402
from Reference.rows import results, rows  # noqa: E402


class Writer:
    """Puts arrays into files, the same array into one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.written: dict[tuple[Any, ...], str] = {}

    def __call__(self, array: np.ndarray) -> str:
        array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key in self.written:
            return self.written[key]
        name = self.written[key] = f"@{len(self.written):05}.npy"
        with open(self.directory / name[1:], "wb") as file:
            np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
        return name


def text(kind: str, value: Any, write: Writer) -> str:
    """A field's value as index.txt has it."""
    if value is None:
        return "none"
    if kind in ("ARRAYS", "WRITES"):
        return ",".join("none" if a is None else write(a) for a in value)
    if kind == "INTS":
        return ",".join(str(int(v)) for v in value)
    if kind == "INT":
        return str(int(value))
    if kind == "REAL":
        return repr(float(value))
    return write(value)


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    table, write, lines = rows(), Writer(directory), []
    for dtype in (np.float32, np.float64):
        for op, name, fields, tolerance in cases(dtype):
            with np.errstate(all="ignore"):
                expected = reference.OPERATIONS[op](**fields)
            expected = expected if isinstance(expected, tuple) else (expected,)
            line = [op, f"{name}-{dtype.__name__}"]
            line += [f"{field}={text(kind, fields[field], write)}" for kind, field in table[op] if kind not in ("OUT", "OPTOUT")]
            for field, array in zip(results(op), expected):
                if array is not None:
                    line.append(f"out:{field}={write(array.astype(np.int64 if array.dtype.kind in 'iu' else np.float64))}")
            lines.append("\t".join([*line, f"tol={allowed(tolerance, dtype)!r}"]))
    # Gradients and optimizer steps are tested from Python.
    missing = {name for name in table if name.endswith("_forward")} - {line.split("\t", 1)[0] for line in lines}
    if missing:
        raise SystemExit(f"operations of ops.def without a case: {', '.join(sorted(missing))}; add them to cases.py")
    (directory / "index.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} cases, {len(write.written)} arrays in {directory}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
