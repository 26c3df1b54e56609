"""Calls the C ABI with arguments that are nearly right: records what bits.py calls, and has Tests/c/random_calls.c change it.

python Tests/python/random_c_calls.py COUNT [--seed SEED] [--first NUMBER]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from swiftnn import _native

TESTS = Path(__file__).resolve().parents[1]
SUPPORT = TESTS / "SwiftNNTestSupport"
LARGEST = 65_536  # bytes of a recorded call: small ones are many a second, and their code is the same


def compiled(folder: Path, library: Path) -> tuple[Path, Path]:
    """record.c as a library and random_calls.c as a program."""
    sources = [SUPPORT / "operations.c", "-I", SUPPORT / "include", "-I", TESTS.parent / "Sources" / "CSwiftNN" / "include"]
    record, program = folder / "record.so", folder / "random_calls"
    cc = [os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-Wall", "-Werror"]
    subprocess.run([*cc, "-fPIC", "-shared", TESTS / "arm64" / "record.c", *sources, "-o", record, "-ldl"], check=True)
    link = ["-L", library.parent, "-lSwiftNN", f"-Wl,-rpath,{library.parent}", "-lm"]
    subprocess.run([*cc, TESTS / "c" / "random_calls.c", *sources, *link, "-o", program], check=True)
    return record, program


def main() -> int:
    parser = argparse.ArgumentParser(description="Calls the C ABI with arguments that are nearly right.")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    library = Path(_native.__file__).with_name("libSwiftNN.so")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record, program = compiled(folder, library)
        calls = folder / "calls"
        more = {"SNN_RECORD": str(calls), "SNN_RECORD_MOST": str(LARGEST), "SNN_LIBRARY": str(library), "LD_PRELOAD": str(record)}
        bits = [sys.executable, "-W", "ignore", TESTS / "python" / "bits.py", "--plain"]
        subprocess.run(bits, check=True, env={**os.environ, **more}, stdout=subprocess.DEVNULL)
        return subprocess.run([program, calls, str(given.count), str(given.seed), str(given.first)]).returncode


if __name__ == "__main__":
    sys.exit(main())
