"""Reads damaged files of weights, and pickles that are well formed and make no sense.

    python Tests/python/fuzz_checkpoint.py [number of files] [seed]

Reading must give a value or raise CheckpointError, run nothing that the file names, and stay within two seconds and some memory. The
tests run a few hundred files.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import swiftnn as nn
from checkpoint_cases import FOLDER
from pickle_parts import SHARED, archive, entries_of, grown

MOST_SECONDS = 2.0
MOST_MEMORY = 4 << 30

# What Python reports before it does something that reading numbers never needs.
FORBIDDEN = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "pickle.", "exec", "import", "builtins.input", "tempfile.", "urllib.")
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
OPCODES = b"\x80.]})(0123NIJKLMTUXBCGRabcdehjlqrstu}\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96Q"
CALLS = [
    f"c{name}\n".replace(":", "\n").encode()
    for name in ("os:system", "builtins:eval", "torch._utils:_rebuild_tensor_v2", "collections:OrderedDict")
]


class Watch:
    """Notes whether something was executed while a file was read."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.on = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(args[1], str) and not set(args[1]) <= {"r", "b"}
        if self.on and (writes or event.startswith(FORBIDDEN)):
            self.events.append(f"{event} {args!r:.200}")


def corpus(folder: Path) -> list[tuple[str, bytes]]:
    """Sound files of every format: those of PyTorch that are committed, and the others, written now."""
    rng = np.random.default_rng(0)
    state = {
        "a.weight": rng.normal(size=(3, 4)).astype(np.float32),
        "a.bias": np.arange(4),
        "b": np.array([True, False]),
        "e": np.zeros((0, 2)),
    }
    nn.save(folder / "x.safetensors", state, metadata={"format": "np"})
    nn.save(folder / "x.npz", state)
    nn.save(folder / "tree.npz", {"model": state, "history": [1, 2.5, (None, "x")], 3: Counter("aab")})
    np.savez_compressed(folder / "small.npz", **state)
    index = {"metadata": {}, "weight_map": dict.fromkeys(state, "x.safetensors")}
    (folder / "x.index.json").write_text(json.dumps(index))
    files = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    files += [(path.name, path.read_bytes()) for path in sorted(FOLDER.iterdir())]
    # What reading imports when it is first needed is imported now: the modules of checkpoint, and what zipfile decodes with.
    for path in (*folder.iterdir(), *FOLDER.iterdir()):
        nn.load(path)
    import encodings.cp437  # noqa: F401

    return files


def damaged(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """One to four changes: bits, bytes, numbers, pieces taken out, doubled, moved in from elsewhere, and the end cut off."""
    value = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not value:
            break
        at = rng.randrange(len(value))
        # The beginning and the end hold the structure, the rest is mostly numbers.
        if rng.random() < 0.4:
            at = rng.choice((min(at, 300), max(len(value) - 1 - at % 400, 0)))
        at = min(at, len(value) - 1)
        size = rng.choice((1, 2, 4, 8, 16, 64))
        kind = rng.randrange(9)
        if kind == 0:
            value[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            value[at] = rng.randrange(256)
        elif kind == 2:
            width = rng.choice((1, 2, 4, 8))
            value[at : at + width] = (rng.choice(INTERESTING) & ((1 << 8 * width) - 1)).to_bytes(width, rng.choice(("little", "big")))
        elif kind == 3:
            del value[at : at + size]
        elif kind == 4:
            value[at:at] = value[at : at + size] * rng.choice((1, 1, 2, 50))
        elif kind == 5:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            value[at : at + rng.choice((0, size))] = other[start : start + size]
        elif kind == 6:
            value[at] = rng.choice(OPCODES)
        elif kind == 7:
            value[at:at] = rng.choice(CALLS)
        else:
            del value[at:]
    return bytes(value)


def damaged_inside(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Damages one entry of an archive and packs it again, so that all checksums are right."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [(entry.filename, archive.read(entry), entry.compress_type) for entry in archive.infolist()]
    except zipfile.BadZipFile:
        return damaged(data, rng, others)
    chosen = rng.randrange(len(entries))
    if rng.random() < 0.7:
        chosen = next((i for i, (name, _, _) in enumerate(entries) if name.endswith(("data.pkl", "$tree.npy"))), chosen)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for i, (name, content, method) in enumerate(entries):
            archive.writestr(name, damaged(content, rng, others) if i == chosen else content, method)
    return target.getvalue()


def touch(value: Any) -> None:
    """Reads all numbers of the arrays: a view outside of the file would end the process here."""
    pending = [value]
    seen = set()
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            if value.size <= 1 << 20 and value.dtype.kind in "biufc":
                value.sum()
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, (list, tuple)):
            pending += value


def run(count: int, seed: int, report: Callable[[str], None] = print) -> Counter[str]:
    """Reads `count` damaged files; an AssertionError says which one broke a promise.

    Returns:
        How many were refused and how many were still readable.
    """
    rng = random.Random(seed)
    watch = Watch()
    outcomes: Counter[str] = Counter()
    limit = resource.getrlimit(resource.RLIMIT_AS)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as name:
        folder = Path(name)
        files = corpus(folder)
        others = [data for _, data in files]
        path = folder / "damaged"
        resource.setrlimit(resource.RLIMIT_AS, (_in_use() + MOST_MEMORY, limit[1]))
        try:
            for i in range(count):
                origin, data = rng.choice(files)
                path.unlink(missing_ok=True)  # arrays of the file before may still be mapped
                if rng.random() < 0.2:
                    origin = "a pickle that was grown"
                    archive(path, entries_of(SHARED + grown(rng, rng.choice((2, 3, 5)))))
                else:
                    path.write_bytes((damaged_inside if rng.random() < 0.5 else damaged)(data, rng, others))
                start = time.perf_counter()
                watch.on = True
                try:
                    value = nn.load(path)
                    with np.errstate(all="ignore"):
                        touch(value)
                    outcomes["read"] += 1
                except nn.CheckpointError:
                    outcomes["refused"] += 1
                except BaseException as error:
                    Path("damaged-file").write_bytes(path.read_bytes())
                    raise AssertionError(f"file {i} of seed {seed}, from {origin}, kept as ./damaged-file") from error
                finally:
                    watch.on = False
                seconds = time.perf_counter() - start
                assert seconds < MOST_SECONDS, f"file {i} of seed {seed}, from {origin}, took {seconds:.1f} s"
                assert not watch.events, f"file {i} of seed {seed}, from {origin}: {watch.events}"
                if (i + 1) % 10_000 == 0:
                    report(f"{i + 1} files, {dict(outcomes)}")
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limit)
    return outcomes


def _in_use() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    begin = time.perf_counter()
    result = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{sum(result.values())} files, {dict(result)}, {time.perf_counter() - begin:.0f} s, at most {peak} MB")
