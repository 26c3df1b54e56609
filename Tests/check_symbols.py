"""Checks what the compiler and the linker made: run after the package is built.

An older CPU must never meet an instruction of a newer level. Levels are separate modules, but the compiler emits weak symbols
(specialisations, Embedded Swift's runtime) and the linker keeps one copy of each name, whichever came first.

    python Tests/check_symbols.py build/swift/release <folder of the installed package>
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

BASE = {"SwiftNN", "CSwiftNN", "KernelsBase"}
LEVELS = ("KernelsBase", "KernelsAVX2", "KernelsAVX512")
# The foundation's aim of 2 MB no longer holds, with kernels for every shape, gradients of every operation, and nearly all names of
# torch.nn, torch.optim, torch.nn.utils and what scripts use of torch beside them: the frame takes 1.9 MB, each level 0.6 MB, Python's
# sources 1.5 MB, of which docstrings are a third.
MAX_BYTES = 5632 * 1024
SYSTEM_LIBRARIES = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "linux-vdso.so.1", "libpthread.so.0", "libdl.so.2"}
# VEX and EVEX instructions begin with v (verr and verw are old); the rest came with AVX2 machines. tzcnt runs as bsf on any CPU.
NEWER = re.compile(
    r"^(v(?!err|erw)\w+|andn|bextr|blsi|blsmsk|blsr|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt|movbe|k(mov|or|and|not|test)[bwdq]?)$"
)
# What each library offers: of the library only what swiftnn.h declares, not what its own modules call of each other.
EXPORTED = {"libSwiftNN.so": "snn_(?!kernels_|worker_)[a-z0-9_]+", "_native.abi3.so": "PyInit__native"}
# Newer symbols would keep the wheel from systems that CPython 3.10 and NumPy run on.
NEWEST_GLIBC = (2, 17)
failures: list[str] = []


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check(passed: bool, what: str, detail: str = "") -> None:
    print(f"{'ok  ' if passed else 'FAIL'} {what}" + (f"\n     {detail}" if detail and not passed else ""))
    if not passed:
        failures.append(what)


def objects(build: Path, module: str) -> list[str]:
    return sorted(str(p) for p in (build / f"{module}.build").rglob("*.o"))


def symbols(build: Path) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Text symbols of each module, all of them and the weak ones: name -> modules."""
    every: dict[str, set[str]] = defaultdict(set)
    weak: dict[str, set[str]] = defaultdict(set)
    for module in {*BASE, *LEVELS}:
        for line in run("nm", "--defined-only", *objects(build, module)).splitlines():
            fields = line.split()
            if len(fields) == 3 and fields[1] in "tTwWvVu":
                every[fields[2]].add(module)
                if fields[1] in "wWu":
                    weak[fields[2]].add(module)
    return every, weak


def is_runtime(name: str) -> bool:
    """Embedded Swift's runtime functions: they pass no vectors, so every level can share the base copy."""
    return name.startswith(("swift_", "_swift_"))


def check_levels(build: Path) -> None:
    for module in sorted({*BASE, *LEVELS}):
        check(bool(objects(build, module)), f"{module} has objects in {build.name}")
    every, weak = symbols(build)
    shared = sorted(n for n, modules in weak.items() if not is_runtime(n) and len(every[n]) > 1 and every[n] & set(LEVELS))
    check(not shared, "no weak text symbol of a level is also in another module", f"{len(shared)}: {', '.join(shared[:10])}")

    for module in sorted(BASE):
        newer = newer_instructions(objects(build, module))
        check(not newer, f"{module} has no instruction newer than SSE2", listing(newer))
    avx2 = newer_instructions(objects(build, "KernelsAVX2"))
    avx512 = newer_instructions(objects(build, "KernelsAVX512"))
    zmm = {name: what for name, what in avx2.items() if "zmm" in what}
    check(not zmm, "KernelsAVX2 has no zmm register", listing(zmm))
    for module, register, functions in (("KernelsAVX2", "ymm", avx2), ("KernelsAVX512", "zmm", avx512)):
        count = sum(register in what for what in functions.values())
        check(count > 0, f"{module} does use {register} ({count} functions)")

    linked = newer_instructions([str(build / "libSwiftNN.so")])
    several = {name: what for name, what in linked.items() if len(weak[name]) > 1}
    check(not several, "of Embedded Swift's runtime, which every module carries, a base copy was linked", listing(several))


def newer_instructions(files: list[str]) -> dict[str, set[str]]:
    """Function -> the instructions and registers in it that a base CPU lacks."""
    used: dict[str, set[str]] = defaultdict(set)
    name = ""
    for line in run("objdump", "-d", "--no-show-raw-insn", *files).splitlines():
        if line.endswith(">:"):
            name = line[line.index("<") + 1 : -2]
            continue
        parts = line.split("\t")
        if len(parts) < 2 or not parts[1].strip():
            continue
        instruction = parts[1].split()[0]
        if NEWER.match(instruction):
            used[name] |= {instruction, *re.findall(r"%([yz]mm)\d", parts[1])}
    return dict(used)


def listing(functions: dict[str, set[str]]) -> str:
    return f"{len(functions)}: " + ", ".join(f"{name} ({' '.join(sorted(what)[:3])})" for name, what in sorted(functions.items())[:10])


def check_library(path: Path, exported: str) -> None:
    """Exports, linker flags and dependencies of a shared object."""
    # Small letters are local symbols (the linker lists class metadata so): nothing can bind to them.
    lines = [line.split() for line in run("nm", "-D", "--defined-only", str(path)).splitlines()]
    names = [fields[-1] for fields in lines if fields[-2] not in "tdbr"]
    extra = sorted(n for n in names if not re.fullmatch(exported, n))
    check(bool(names) and not extra, f"{path.name} exports only {exported} ({len(names)} symbols)", ", ".join(extra[:10]))
    versions = {tuple(map(int, v.split("."))) for v in re.findall(r"@GLIBC_([0-9.]+)", run("nm", "-D", str(path)))}
    newer = ", ".join(".".join(map(str, v)) for v in sorted(versions) if v > NEWEST_GLIBC)
    check(bool(versions) and not newer, f"{path.name} needs no glibc newer than {'.'.join(map(str, NEWEST_GLIBC))}", newer)
    headers, dynamic = run("readelf", "-lW", str(path)), run("readelf", "-dW", str(path))
    stack = next((line for line in headers.splitlines() if "GNU_STACK" in line), "")
    check(bool(stack) and "RWE" not in stack, f"{path.name} has no executable stack", stack)
    check("GNU_RELRO" in headers and ("BIND_NOW" in dynamic or "Flags: NOW" in dynamic), f"{path.name} has full RELRO")
    paths = re.findall(r"(?:RPATH|RUNPATH).*\[(.*)\]", dynamic)
    check(all(p == "$ORIGIN" for p in paths), f"{path.name} has no library path but $ORIGIN", str(paths))
    linked = {line.split()[0].rsplit("/", 1)[-1] for line in run("ldd", str(path)).splitlines()}
    foreign = linked - SYSTEM_LIBRARIES - {"libSwiftNN.so"}
    check(not foreign, f"ldd {path.name}: libc, libm and ld only", ", ".join(sorted(foreign)))


def main() -> int:
    build, package = Path(sys.argv[1]), Path(sys.argv[2])
    check_levels(build)
    for name, exported in EXPORTED.items():
        check_library(package / name, exported)
    size = sum(p.stat().st_size for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    check(size <= MAX_BYTES, f"the installed package has {size / 1024:.0f} KiB, at most {MAX_BYTES // 1024}")
    print(f"{len(failures)} symbol checks failed" if failures else "all symbol checks passed")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
