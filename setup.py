"""Builds libSwiftNN.so with SwiftPM, then the extension that binds it to NumPy, into one package. Metadata: pyproject.toml."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import numpy
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
HEADERS = "Sources/CSwiftNN/include"
SCRATCH = ROOT / "build/swift"
LIBRARY = "libSwiftNN.so"
# Packages have the same bytes whenever and wherever they are built: one date for every file, of the zip format's first year unless a
# distributor asks for another.
os.environ.setdefault("SOURCE_DATE_EPOCH", "315619200")
os.umask(0o022)
# The id that linkers make up is of what strip takes away too, and so of the folder of the build.
NO_BUILD_ID = "--build-id=none"
# One wheel for CPython 3.10 and later; a free-threaded CPython has no stable ABI and gets a wheel of its own.
LIMITED = [] if sysconfig.get_config_var("Py_GIL_DISABLED") else [("Py_LIMITED_API", "0x030A0000")]


def find_swift() -> str:
    """The swift command: $SWIFT, else the one on PATH, else the usual place of a toolchain."""
    chosen = os.environ.get("SWIFT")
    found = shutil.which(chosen) if chosen else shutil.which("swift") or shutil.which("/opt/swift/usr/bin/swift")
    if found is None:
        where = f"$SWIFT is {chosen!r}, which is no command" if chosen else "there is no 'swift' on PATH (nor in $SWIFT)"
        sys.exit(f"error: building swiftnn from source needs a Swift 6.3 or later toolchain, but {where}: get one at https://swift.org/install")
    return found


def build_library() -> Path:
    """Builds the library as Embedded Swift, so that it depends on libc alone, and returns its path."""
    linker = ["-z", "relro", "-z", "now", "-z", "noexecstack", NO_BUILD_ID]
    command = [find_swift(), "build", "-c", "release", "--product", "SwiftNN", "--scratch-path", str(SCRATCH)]
    command += ["-Xswiftc", "-enable-experimental-feature", "-Xswiftc", "Embedded", "-Xswiftc", "-wmo"]
    command += [word for flag in linker for word in ("-Xlinker", flag)]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        sys.exit(f"error: the Swift library did not build; the messages above are from: {' '.join(command)}")
    return SCRATCH / "release" / LIBRARY


class BuildExtension(build_ext):
    """Puts the Swift library beside the extension, which finds it there ($ORIGIN)."""

    def run(self) -> None:
        library = build_library()
        for extension in self.extensions:
            extension.library_dirs.append(str(library.parent))
            package = Path(self.get_ext_fullpath(extension.name)).parent
            package.mkdir(parents=True, exist_ok=True)
            # Stripped here, not by the linker: Tests/check_symbols.py reads the names in the library that the build leaves.
            target = package / LIBRARY
            subprocess.run(["strip", "--strip-all", "-o", str(target), str(library)], check=True)
            # The compiler's hashes of modules are of the paths of their sources too, and nobody reads them. Taking the section out would
            # take the segment GNU_RELRO with it.
            section, hashes = ".swift_modhash", library.with_suffix(".modhash")
            subprocess.run(["objcopy", f"--dump-section={section}={hashes}", str(target)], check=True)
            hashes.write_bytes(bytes(hashes.stat().st_size))
            subprocess.run(["objcopy", f"--update-section={section}={hashes}", str(target)], check=True)
        super().run()

    def build_extensions(self) -> None:
        # Some builds of Python pass their own library folder on: it has no business in a wheel.
        self.compiler.linker_so = [word for word in self.compiler.linker_so if not word.startswith("-Wl,-rpath")]
        super().build_extensions()


class BuildPython(build_py):
    """Ships the C header, for programs that call libSwiftNN.so themselves."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            include = Path(self.build_lib) / "swiftnn/include"
            include.mkdir(parents=True, exist_ok=True)
            for name in ("swiftnn.h", "ops.def"):
                shutil.copy2(ROOT / HEADERS / name, include / name)


class SourceDistribution(sdist):
    """Keeps the symbolic links to Sources/Kernels: setuptools follows links and visits no folder twice, so all but one would be lost."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        sources = Path(base_dir) / "Sources"
        shutil.rmtree(sources)
        shutil.copytree(ROOT / "Sources", sources, symlinks=True)

    def make_archive(
        self, base_name: str, format: str, root_dir: str | None = None, base_dir: str | None = None, owner: str | None = None,
        group: str | None = None,
    ) -> str:  # fmt: skip
        """As setuptools', in the order of names, and without what tells where and when: dates, owners, permissions but the executable's."""
        if format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)
        date, path = int(os.environ["SOURCE_DATE_EPOCH"]), Path(f"{base_name}.tar.gz")
        root = Path(root_dir or ".")

        def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = date, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            return entry

        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, date) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
            top = root / (base_dir or "")
            for entry in sorted([top, *top.rglob("*")], key=lambda entry: entry.relative_to(root).parts):
                archive.add(entry, entry.relative_to(root).as_posix(), recursive=False, filter=anonymous)
        return str(path)


setup(
    ext_modules=[
        Extension(
            "swiftnn._native",
            ["python/swiftnn/_native.c"],
            include_dirs=[HEADERS, numpy.get_include()],
            depends=[f"{HEADERS}/swiftnn.h", f"{HEADERS}/ops.def"],
            libraries=["SwiftNN"],
            define_macros=[*LIMITED, ("NPY_TARGET_VERSION", "NPY_1_23_API_VERSION")],
            extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden"],
            extra_link_args=["-Wl,-rpath,$ORIGIN", "-Wl,-z,relro,-z,now", "-Wl,-s", f"-Wl,{NO_BUILD_ID}"],
            py_limited_api=bool(LIMITED),
        )
    ],
    cmdclass={"build_ext": BuildExtension, "build_py": BuildPython, "sdist": SourceDistribution},
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if LIMITED else {},
)
