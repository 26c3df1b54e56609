"""Builds sdist and wheel twice, and holds them to what packages have to be.

    python Tests/packages.py FOLDER         of the packages; needs pip install build auditwheel wheel, and swift

Both builds give the same bytes, though each happens in a folder of its own, whose name is of another length, at another time, with another
umask. auditwheel reads off the wheel which Linux systems it runs on, and the wheel is named so; the libraries in it pass the checks of
check_symbols.py.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import check_symbols

ROOT = Path(__file__).resolve().parent.parent
# glibc 2.17 or older: every Linux that CPython 3.10 and NumPy have wheels for
PLATFORM = "manylinux_2_17_"


def build(to: Path, umask: int, prefix: str) -> dict[str, Path]:
    """sdist and wheel by their names, the wheel made from the sdist in a new temporary folder whose name begins with `prefix`."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        command = [sys.executable, "-m", "build", "-o", str(to), str(ROOT)]
        done = subprocess.run(command, env={**os.environ, "TMPDIR": folder}, umask=umask, capture_output=True, text=True)
    if done.returncode:
        sys.exit("\n".join((done.stdout + done.stderr).splitlines()[-40:]))
    return {path.name: path for path in sorted(to.iterdir())}


def contents(package: Path) -> dict[str, tuple[object, ...]]:
    """What a package says of each file in it: bytes, date, permissions."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            return {e.filename: (archive.read(e), e.date_time, e.external_attr) for e in archive.infolist()}
    with tarfile.open(package) as tar:
        return {e.name: (tar.extractfile(e).read() if e.isreg() else e.linkname, e.mtime, e.mode, e.uname) for e in tar.getmembers()}


def difference(first: Path, second: Path) -> str:
    """Which files of two packages differ."""
    if first.read_bytes() == second.read_bytes():
        return ""
    a, b = contents(first), contents(second)
    return ", ".join(name for name in sorted({*a, *b}) if a.get(name) != b.get(name)) or "order or compression"


def platform_of(wheel: Path) -> str:
    """The most general platform tag that auditwheel finds the wheel to be true to."""
    report = subprocess.run(["auditwheel", "show", str(wheel)], check=True, capture_output=True, text=True).stdout
    found = re.search(r'following platform tag:\s+"(\w+)"', report)
    return found.group(1) if found else report


def main() -> int:
    to = Path(sys.argv[1])
    shutil.rmtree(to, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        first = build(Path(folder, "first"), 0o022, "a")
        second = build(Path(folder, "a second one"), 0o077, "a_folder_with_a_longer_name")
        check_symbols.check(list(first) == list(second) and len(first) == 2, f"two builds make {', '.join(first)}")
        for name in first:
            check_symbols.check(not (parts := difference(first[name], second[name])), f"{name} has the same bytes in both builds", parts)
        sdist, wheel = sorted(first.values(), key=lambda path: path.suffix == ".whl")
        platform = platform_of(wheel)
        check_symbols.check(platform.startswith(PLATFORM), f"auditwheel: {wheel.name} is {platform}", f"expected {PLATFORM}*")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(f"{folder}/unpacked")
        for library, exported in check_symbols.EXPORTED.items():
            check_symbols.check_library(Path(folder, "unpacked/swiftnn", library), exported)
        if not check_symbols.failures:
            subprocess.run([sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", platform, str(wheel)], check=True)
            to.mkdir(parents=True)
            for path in (sdist, *wheel.parent.glob("*.whl")):
                shutil.move(path, to / path.name)
                print(f"{hashlib.sha256((to / path.name).read_bytes()).hexdigest()}  {path.name}  {(to / path.name).stat().st_size} bytes")
    print(f"{len(check_symbols.failures)} checks failed" if check_symbols.failures else "all checks of the packages passed")
    return bool(check_symbols.failures)


if __name__ == "__main__":
    sys.exit(main())
