"""Pickles of PyTorch's files, written by hand: instructions that put one value on the stack."""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import numpy as np

PROTO = b"\x80\x02"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
ORDERED = b"ccollections\nOrderedDict\n)R"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    digits = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(digits)]) + digits


def integers(*values: int) -> bytes:
    return b"(" + b"".join(map(integer, values)) + b"t"


def storage(kind: str = "torch\nFloatStorage", key: str = "0", numel: int = 6, more: bytes = b"") -> bytes:
    return b"(" + text("storage") + f"c{kind}\n".encode() + text(key) + text("cpu") + integer(numel) + more + b"tQ"


def tensor(
    offset: int = 0, shape: bytes = integers(2, 3), strides: bytes = integers(3, 1), base: bytes = storage(), end: bytes = b""
) -> bytes:
    return REBUILD + b"(" + base + integer(offset) + shape + strides + b"\x89" + ORDERED + end + b"tR"


def entries_of(content: bytes, **more: bytes) -> dict[str, bytes]:
    return {"a/data.pkl": PROTO + content + b".", "a/data/0": np.arange(6, dtype="<f4").tobytes(), **more}


def archive(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def hole(file: zipfile.ZipFile, name: str, size: int, end: bytes) -> None:
    """Adds an entry of zeros and of `end` whose zeros take no place on the disk; its checksum is wrong, so that reading all of it fails."""
    entry = zipfile.ZipInfo(name)
    entry.file_size = entry.compress_size = size
    entry.CRC = 1
    entry.header_offset = file.fp.tell()
    file.fp.write(entry.FileHeader(zip64=True))
    file.fp.seek(size - len(end), 1)
    file.fp.write(end)
    file.start_dir = file.fp.tell()
    file.filelist.append(entry)
    file.NameToInfo[name] = entry


DTYPE = b"cnumpy\ndtype\n(U\x02f4I00\nI01\ntR"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n)R"
REGISTRIES = tuple(text(f"_{name}") for name in ("parameters", "buffers", "modules"))
MODULE = b"cuser\nNet\n)\x81}(" + b"".join(name + b"}" for name in REGISTRIES) + b"ub"
# Four values that a grown pickle refers to: one of each kind that can be shared and changed.
SHARED = b"".join(part + b"q" + bytes([i]) + b"0" for i, part in enumerate((b"]", tensor(), b"}", MODULE)))
NAMES = [
    f"{module}.{name}"
    for module, names in {
        "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state",
        "torch._tensor": "_rebuild_from_type_v2",
        "torch.nn.parameter": "Parameter",
        "torch.autograd.variable": "Variable",
        "torch.serialization": "_get_layout",
        "torch": "Size device float32 FloatStorage",
        "collections": "OrderedDict Counter defaultdict",
        "builtins": "dict set tuple complex bytearray eval",
        "_codecs": "encode",
        "numpy": "dtype",
        "numpy.core.multiarray": "scalar _reconstruct",
        "numpy._core.numeric": "_frombuffer",
        "pathlib": "PosixPath",
        "argparse": "Namespace",
        "user": "Net",
        "copyreg": "_reconstructor",
    }.items()
    for name in names.split()
]


def named(name: str) -> bytes:
    """The instruction for a global."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def grown(rng: random.Random, depth: int) -> bytes:
    """Instructions for one value: well formed, of kinds and with arguments that rarely make sense."""

    def several(most: int) -> bytes:
        return b"".join(grown(rng, depth - 1) for _ in range(rng.randrange(most)))

    def mapping() -> bytes:
        keys = [text(rng.choice("abcd")) if rng.random() < 0.8 else grown(rng, depth - 1) for _ in range(rng.randrange(4))]
        return b"(" + b"".join(key + grown(rng, depth - 1) for key in keys) + b"u"

    small = [integers(*(rng.choice((0, 1, 2, 3, 6)) for _ in range(2))) for _ in range(2)]
    kind = rng.randrange(16 if depth > 0 else 7)
    if kind == 0:
        number = integer(rng.choice((-1, 0, 1, 6, 1 << 31, 1 << 62, 1 << 70)))
        return rng.choice((b"N", b"\x88", b"\x89", number, b"G" + struct.pack(">d", rng.choice((0.5, float("nan"), 1e308)))))
    if kind == 1:
        return (
            text(rng.choice(("a", "latin1", "storage", "_metadata", "version", "f4", "<", "\u20ac"))) if rng.random() < 0.7 else b"C\4abcd"
        )
    if kind == 2:
        return small[0]
    if kind == 3:
        return tensor(rng.choice((0, 0, 1, 7)), *small)
    if kind == 4:
        return rng.choice((DTYPE, storage(numel=rng.choice((6, 6, 7, 0)))))
    if kind == 5:
        return b"h" + bytes([rng.randrange(4)])
    if kind == 6:
        return named(rng.choice(NAMES))
    if kind in (7, 8):
        return b"(" + several(5) + rng.choice((b"t", b"l"))
    if kind in (9, 10):
        return rng.choice((b"}", ORDERED, named("collections.Counter") + b")R")) + mapping()
    if kind in (11, 12):
        return named(rng.choice(NAMES)) + b"(" + several(5) + b"t" + rng.choice((b"R", b"R", b"\x81"))
    if kind == 13:
        target = rng.choice((MODULE, named("argparse.Namespace") + b")\x81", ORDERED, DTYPE, RECONSTRUCT, tensor()))
        return target + grown(rng, depth - 1) + b"b"
    if kind == 14:
        return named("user.Net") + b")\x81}(" + b"".join(name + b"}" + mapping() for name in REGISTRIES) + b"ub"
    content = rng.choice((b"C\4abcd", b"C\10abcdefgh", grown(rng, depth - 1)))
    return RECONSTRUCT + b"(K\1" + small[0] + DTYPE + b"\x89" + content + b"tb"
