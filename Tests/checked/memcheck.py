"""Runs a command under valgrind's memcheck, and fails if it fails or an error has libSwiftNN or the binding in its stack; what Python and
NumPy do by themselves is theirs.

python memcheck.py COMMAND...
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

OURS = ("libSwiftNN.so", "_native.abi3.so")
VALGRIND = ["valgrind", "-q", "--leak-check=no", "--num-callers=40", "--xml=yes"]


def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memcheck.xml"
        code = subprocess.run([*VALGRIND, f"--xml-file={path}", *command]).returncode
        errors = ElementTree.parse(path).getroot().findall("error")
    # In this form it looks for leaks whatever one says; what Python keeps until its end is none.
    errors = [error for error in errors if not (error.findtext("kind") or "").startswith("Leak_")]
    ours = [error for error in errors if any((frame.findtext("obj") or "").endswith(OURS) for frame in error.iter("frame"))]
    for error in ours:
        print(f"memcheck: {error.findtext('what') or error.findtext('xwhat/text')}")
        for frame in error.find("stack") or []:
            print(
                f"    {frame.findtext('fn')} ({frame.findtext('file')}:{frame.findtext('line')}) {Path(frame.findtext('obj') or '').name}"
            )
    print(f"memcheck: {len(ours)} errors of {len(errors)} have swiftnn in their stack; the command's exit code is {code}")
    return int(bool(ours) or code != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
