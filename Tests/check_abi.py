"""Holds the C ABI to Tests/c/abi.txt: programs that were built against an older swiftnn.h of the same SNN_ABI_VERSION have to work.

    python Tests/check_abi.py FOLDER              of the installed package: its header and its library
    python Tests/check_abi.py FOLDER --update     writes abi.txt; refuses to while the change needs another SNN_ABI_VERSION

New operations, functions and constants may come, and fields at the end of an argument struct. Whatever else changes (a field's place, size
or kind, a prototype, a number, snn_array at all, which callers have in rows) needs SNN_ABI_VERSION to be raised.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLE = HERE / "c/abi.txt"


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _constants(header: str) -> list[str]:
    """Names of the enumerations and of the #defines that are numbers."""
    plain = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    enums = [name for body in re.findall(r"enum\s*\{(.*?)\}", plain, re.S) for name in re.findall(r"\b(SNN_\w+)\s*=", body)]
    return enums + re.findall(r"^#define (SNN_\w+) \d", plain, re.M)


def listing(package: Path) -> list[str]:
    """The ABI of an installed package, a fact a line."""
    include, library = package / "include", package / "libSwiftNN.so"
    names = _constants((include / "swiftnn.h").read_text())
    with tempfile.TemporaryDirectory() as folder:
        program, numbers = f"{folder}/list_abi", Path(folder, "numbers.c")
        _run("cc", "-std=c11", "-I", str(include), str(HERE / "c/list_abi.c"), "-o", program)
        layout = _run(program).splitlines()
        prints = "\n".join(f'printf("constant {name} %lld\\n", (long long){name});' for name in names)
        numbers.write_text(f'#include <stdio.h>\n#include "swiftnn.h"\nint main(void) {{ {prints} return 0; }}\n')
        _run("cc", "-std=c11", "-I", str(include), str(numbers), "-o", program)
        constants = _run(program).splitlines()
    source = re.sub(r"\s+", " ", _run("cc", "-E", "-P", "-I", str(include), str(include / "swiftnn.h")))
    prototypes = {name: text for text, name in re.findall(r"(?:(?<=; )|(?<=} ))((?:const )?\w+ \*?(snn_\w+)\([^()]*\)) ?;", source)}
    exported = {line.split()[-1] for line in _run("nm", "-D", "--defined-only", str(library)).splitlines() if line.split()[-2] == "T"}
    if missing := sorted(set(prototypes) ^ exported):
        sys.exit(f"error: the header declares and the library exports different functions: {', '.join(missing)}")
    return [*constants, *(f"function {prototypes[name]}" for name in sorted(prototypes)), *layout]


def version(lines: list[str]) -> int:
    return next(int(line.split()[2]) for line in lines if line.startswith("constant SNN_ABI_VERSION "))


def broken(old: list[str], new: list[str]) -> list[str]:
    """What a program that was built against `old` does not find in `new`."""
    now = set(new)
    # Numbers that say how many there are grow with what is added.
    found = [f"gone or changed: {line}" for line in old if line not in now and not re.match(r"constant SNN_\w+_COUNT ", line)]
    ends: dict[str, int] = {}
    for line in old:
        if line.startswith("field "):
            _, structure, _, offset, size, *_ = line.split(" ")
            ends[structure] = int(offset) + int(size)
    for line in sorted(now - set(old)):
        if line.startswith("field "):
            _, structure, _, offset, *_ = line.split(" ")
            if structure in ends and int(offset) < ends[structure]:
                found.append(f"not at the end: {line}")
    return found


def main() -> int:
    package, update = Path(sys.argv[1]), "--update" in sys.argv
    old, new = TABLE.read_text().splitlines() if TABLE.exists() else [], listing(package)
    problems = broken(old, new) if old and version(old) == version(new) else []
    if problems:
        print("\n".join(problems))
        print(f"error: programs built for version {version(new)} of the C ABI would break: raise SNN_ABI_VERSION in swiftnn.h")
        return 1
    if update:
        TABLE.write_text("\n".join([*new, ""]))
    elif old != new:
        print("\n".join(f"new: {line}" for line in new if line not in set(old)))
        print("error: Tests/c/abi.txt does not have this yet: python Tests/check_abi.py FOLDER --update")
        return 1
    print(f"version {version(new)} of the C ABI: {sum(line.startswith('function') for line in new)} functions, {len(new)} facts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
